import keras
import numpy as np
import pytest

from cae_compress.layers import UniformNoise


def test_noise_is_uniform_of_the_given_amplitude_in_training():
    noise = UniformNoise(0.5, seed=1)(np.zeros((200, 200), "float32"), training=True).numpy()
    assert noise.min() >= -0.5 and noise.max() <= 0.5
    assert abs(noise.mean()) < 0.01
    assert noise.var() == pytest.approx(0.5**2 / 3, rel=0.02)


def test_the_default_amplitude_is_the_papers():
    assert UniformNoise().amplitude == 2**-10


def test_outside_training_it_is_the_identity():
    x = np.random.default_rng(0).random((4, 4)).astype("float32")
    assert np.array_equal(UniformNoise(0.5)(x), x)
    assert np.array_equal(UniformNoise(0.5)(x, training=False), x)


def test_one_seed_gives_one_sequence_and_another_seed_another():
    x = np.zeros((8, 8), "float32")
    first, second, other = UniformNoise(1.0, seed=5), UniformNoise(1.0, seed=5), UniformNoise(1.0, seed=6)
    a, b, c = (layer(x, training=True).numpy() for layer in (first, second, other))
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    again = first(x, training=True).numpy()
    assert not np.array_equal(a, again)
    assert np.array_equal(again, second(x, training=True).numpy())


def test_a_model_with_it_saves_and_loads_in_safe_mode(tmp_path):
    model = keras.Sequential([keras.Input((3,)), UniformNoise(0.25, seed=3)])
    model.save(tmp_path / "model.keras")
    layer = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True).layers[0]
    assert (layer.amplitude, layer.seed) == (0.25, 3)


def test_a_negative_amplitude_is_refused():
    with pytest.raises(ValueError, match="amplitude"):
        UniformNoise(-1.0)


def test_channels_are_scaled_by_a_factor_for_the_quality():
    import tensorflow as tf

    from cae_compress.flagship.transforms import AtQuality

    layer, x = AtQuality(), np.ones((3, 2, 2, 5), "float32")
    u = tf.constant([0.0, 2.5, 10.0])
    assert np.array_equal(layer([x, u]), x)
    layer.scale.assign(np.arange(11)[:, None] * np.ones(5))
    assert np.allclose(layer([x, u]).numpy()[:, 0, 0, 0], [0, 2.5, 10])
