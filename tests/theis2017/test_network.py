import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from cae_compress.latent_codec.network_pair import weights_of
from cae_compress.theis2017.network import SLOPE, Mirror, Mixtures, Theis2017, analysis, from_arrays, synthesis
from cae_compress.theis2017.start import start_linear

WIDTH = 48  # the least that the start needs


@pytest.fixture(scope="module")
def started(crops):
    model = Theis2017(32, WIDTH)
    start_linear(model, crops, 0.014)
    return model


def test_latents_are_at_an_eighth_of_the_resolution_and_come_back_to_it():
    y = analysis(32, WIDTH)(np.zeros((1, 40, 64, 3), np.float32))
    assert y.shape == (1, 5, 8, 32) and synthesis(32, WIDTH)(y).shape == (1, 40, 64, 3)


def test_the_encoder_mirrors_what_is_beyond_the_border():
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    assert np.array_equal(Mirror(2)(x)[0, ..., 0], np.pad(x[0, ..., 0], 2, "symmetric"))
    smallest = analysis(8, WIDTH)(np.full((1, 8, 8, 3), 0.3, np.float32))
    assert np.isfinite(smallest).all()


@pytest.mark.parametrize("integrated", [True, False])
def test_mixtures_are_their_formula(integrated):
    layer, rng = Mixtures(), np.random.default_rng(1)
    layer.build((None, None, None, 3))
    layer.log_weights.assign(rng.normal(0, 1, layer.log_weights.shape))
    layer.log_scales.assign(rng.normal(0, 1, layer.log_scales.shape))
    v = rng.normal(0, 2, (1, 4, 5, 3)).astype(np.float32)
    weights = np.exp(layer.log_weights.numpy()) / np.exp(layer.log_weights.numpy()).sum(axis=0)
    scales = np.exp(layer.log_scales.numpy())
    for place in np.ndindex(v.shape):
        w, s = weights[:, place[3]], scales[:, place[3]]
        if integrated:
            p = (w * (norm.cdf(v[place] + 0.5, scale=s) - norm.cdf(v[place] - 0.5, scale=s))).sum()
        else:
            p = (w * norm.pdf(v[place], scale=s)).sum()
        assert layer(v, integrated=integrated).numpy()[place] == pytest.approx(-np.log2(max(p, 1e-9)), rel=1e-3)


def test_mixtures_over_all_integers_add_up_to_one():
    layer = Mixtures()
    layer.build((None, None, None, 2))
    v = np.broadcast_to(np.arange(-60, 61, dtype=np.float32)[:, None], (1, 1, 121, 2))
    assert np.allclose((2.0 ** -layer(v, integrated=True).numpy()).sum(axis=2), 1, atol=1e-4)


def test_the_linear_start_is_a_codec_that_works(started, crops):
    bpp, mse = (value.numpy().mean() for value in started.rate_distortion(crops))
    assert bpp < 3 and 10 * np.log10(255**2 / mse) > 22
    inner = [started.g_a.get_layer(index=k) for k in range(len(started.g_a.layers))]
    assert any(getattr(layer, "slope", None) == SLOPE for layer in inner)


def test_the_starts_transform_is_orthonormal_up_to_its_scale(crops):
    model = Theis2017(192, WIDTH)  # as many latents as samples: nothing is lost but by small random numbers
    start_linear(model, crops, 0.014)
    x = crops[:4] / np.float32(255)
    assert np.abs(model.g_s(model.g_a(x)).numpy() - x).mean() < 0.01


def test_the_rate_in_training_is_a_bound_of_the_rate(started, crops):
    bound = np.mean([started.rate_distortion(crops, training=True, seed=(1, k))[0] for k in range(4)])
    assert bound > np.mean(started.rate_distortion(crops)[0])
    a, b = (started.rate_distortion(crops[:2], training=True, seed=(1, k))[0].numpy() for k in (1, 2))
    assert not np.array_equal(a, b)


def test_rounding_passes_the_gradient_to_the_encoder(started, crops):
    with tf.GradientTape() as tape:
        _, mse = started.rate_distortion(crops[:2], training=True)
    gradients = tape.gradient(mse, started.g_a.trainable_variables)
    assert sum(float(tf.reduce_sum(tf.abs(g))) for g in gradients if g is not None) > 0


def test_tuning_scales_trains_nothing_else(crops):
    model = Theis2017(16, WIDTH)
    names = {v.name for v in model.trainable_variables}
    assert "log_scale" not in names
    model.tune_scales_only()
    assert {v.name for v in model.trainable_variables} == {"log_scale", "log_weights", "log_scales"}


def test_weights_go_to_arrays_and_back(started, crops):
    g_a, g_s = from_arrays({**weights_of(started), "tables": np.zeros(3)})
    x = crops[:1] / np.float32(255)
    assert np.array_equal(g_s(g_a(x)), started.g_s(started.g_a(x)))
    with pytest.raises(ValueError, match="not weights of theis2017"):
        from_arrays({})
