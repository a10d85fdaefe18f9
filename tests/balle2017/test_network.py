import numpy as np
import pytest
import tensorflow as tf

from cae_compress.balle2017.network import GDN, MIN_BETA, WIDTHS, Balle2017, Density, from_arrays
from cae_compress.balle2017.start import start_from, start_linear
from cae_compress.latent_codec.network_pair import weights_of


def layer_of(inverse, channels=5, seed=0):
    """A normalization with random beta and gamma."""
    rng, layer = np.random.default_rng(seed), GDN(inverse=inverse)
    layer.build((None, None, None, channels))
    layer.beta_root.assign(rng.uniform(0.5, 1.5, channels))
    layer.gamma_root.assign(rng.uniform(0, 0.5, (channels, channels)))
    return layer


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_its_formula(inverse):
    layer, x = layer_of(inverse), np.random.default_rng(1).normal(0, 3, (2, 3, 4, 5)).astype(np.float32)
    beta, gamma = np.square(layer.beta_root.numpy()), np.square(layer.gamma_root.numpy())
    expected = np.empty_like(x)
    for place in np.ndindex(2, 3, 4):
        for i in range(5):
            root = np.sqrt(beta[i] + sum(gamma[i, j] * x[place][j] ** 2 for j in range(5)))
            expected[place][i] = x[place][i] * root if inverse else x[place][i] / root
    assert np.allclose(layer(x), expected, rtol=1e-4)


def test_igdn_undoes_gdn_where_channels_are_small():
    """One step of the fixed point iteration that inverts it: exact in the limit, not beyond."""
    forward, back = layer_of(False), layer_of(True)
    back.set_weights(forward.get_weights())
    back.beta_root.assign(np.ones(5))
    forward.beta_root.assign(np.ones(5))
    errors = []
    for size in (0.3, 0.1, 0.03):
        x = size * np.random.default_rng(2).normal(size=(1, 1, 50, 5)).astype(np.float32)
        errors.append(np.abs(back(forward(x)) - x).max() / np.abs(x).max())
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-4 < errors[0]


def test_it_starts_as_the_paper_says():
    layer = GDN()
    layer.build((None, None, None, 4))
    assert np.allclose(layer.beta, 1) and np.allclose(layer.gamma, 0.1 * np.eye(4), atol=1e-6)


def test_beta_and_gamma_keep_their_bounds_and_come_back_from_them():
    layer = layer_of(False)
    layer.beta_root.assign(np.full(5, -3.0))
    layer.gamma_root.assign(np.full((5, 5), -3.0))
    assert np.allclose(layer.beta, MIN_BETA, rtol=1e-3) and (layer.gamma.numpy() >= 0).all()
    for sign, moves in ((-1, True), (1, False)):  # a gradient that would raise it passes, one that would lower it not
        with tf.GradientTape() as tape:
            loss = sign * tf.reduce_sum(layer.beta)
        assert bool(tf.reduce_any(tape.gradient(loss, layer.beta_root.value) != 0)) == moves


def test_a_density_is_one():
    """Its integrals over all whole numbers add up to 1 for every channel, and none is negative."""
    density = Density()
    density.build((None, None, None, 3))
    for variable in density.weights:
        variable.assign(variable + np.random.default_rng(3).normal(0, 0.3, variable.shape))
    y = np.broadcast_to(np.arange(-400, 401, dtype=np.float32)[:, None], (1, 1, 801, 3))
    bits = density(y).numpy()
    assert (bits >= -1e-6).all() and np.allclose((2.0**-bits).sum(axis=2), 1, atol=1e-3)
    assert sum(int(np.prod(variable.shape)) for variable in density.weights) == 3 * 28


def test_a_density_that_is_widened_has_its_logits_farther_apart():
    density = Density()
    density.build((None, None, None, 2))
    y = np.linspace(-9, 9, 21, dtype=np.float32).reshape(1, 1, -1).repeat(2, axis=0)
    before = density.logits(y).numpy()
    density.rescale([2.0, 0.5])
    assert np.allclose(density.logits(y * np.float32([2.0, 0.5])[:, None, None]), before, atol=1e-4)


@pytest.fixture(scope="module")
def started(crops):
    model = Balle2017(channels=24)
    start_linear(model, crops, 0.0113)
    return model


def test_the_linear_start_is_a_codec_that_works(started, crops):
    bpp, mse = (value.numpy().mean() for value in started.rate_distortion(crops))
    assert bpp < 3 and 10 * np.log10(255**2 / mse) > 22


def test_noise_stands_in_for_rounding_in_training_only(started, crops):
    tests = [started.rate_distortion(crops[:2])[1].numpy() for _ in range(2)]
    trains = [started.rate_distortion(crops[:2], training=True, seed=(1, k))[1].numpy() for k in range(2)]
    assert np.array_equal(*tests) and not np.array_equal(*trains)
    assert np.allclose(trains[0], tests[0], rtol=0.5)


def test_a_start_from_another_lambda_is_the_same_transform_with_wider_latents(started, crops):
    other = Balle2017(channels=24)
    start_from(other, started.get_weights(), 1.5)
    x = crops[:2] / np.float32(255)
    assert np.allclose(other.g_a(x), 1.5 * started.g_a(x).numpy(), atol=1e-4)
    assert np.allclose(other.g_s(other.g_a(x)), started.g_s(started.g_a(x)), atol=1e-4)
    y = started.g_a(x).numpy()
    assert np.allclose(other.density.logits(1.5 * y.reshape(-1, 24).T[:, None]),
                       started.density.logits(y.reshape(-1, 24).T[:, None]), atol=1e-3)  # fmt: skip


def test_weights_go_to_arrays_and_back(started, crops):
    g_a, g_s = from_arrays({**weights_of(started), "tables": np.zeros(3)})
    x = crops[:1] / np.float32(255)
    assert np.array_equal(g_s(g_a(x)), started.g_s(started.g_a(x)))
    with pytest.raises(ValueError, match="not weights of balle2017"):
        from_arrays({})


def test_widths_of_the_density_are_those_of_the_authors():
    assert WIDTHS == (1, 3, 3, 1)
