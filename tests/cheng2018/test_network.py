import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from cae_compress.cheng2018 import network as cheng2018
from cae_compress.cheng2018.start import start_as_dct


@pytest.fixture(scope="module")
def model():
    return cheng2018.CAE(seed=1)


def test_a_128_pixel_plane_becomes_a_code_of_16x16x32_and_a_plane_again(model):
    x = np.zeros((2, 128, 128, 1), "float32")
    y = model.encode_planes(x)
    assert y.shape == (2, 16, 16, 32)
    assert model.decode_planes(y).shape == model(x).shape == (2, 128, 128, 1)


def test_filters_and_strides_are_the_replications(model):
    layers = [layer for layer in model.g_a.layers if layer.name.startswith("conv")]
    assert [layer.filters for layer in layers] == [32, 32, 64, 64, 64, 32]
    assert [layer.strides[0] for layer in layers] == [1, 2, 1, 2, 1, 2]
    mirror = [layer for layer in model.g_s.layers if layer.name.startswith("conv")]
    assert [layer.filters for layer in mirror] == [32, 64, 64, 64, 32, 32, 1]


def test_it_is_fully_convolutional(model):
    assert model(np.zeros((1, 64, 264, 1), "float32")).shape == (1, 64, 264, 1)


def test_noise_is_there_in_training_only(model):
    x = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    assert np.array_equal(model(x), model(x))
    assert not np.array_equal(model(x, training=True), model(x))


def test_the_dct_start_is_the_linear_8x8_dct_that_keeps_32_coefficients():
    import scipy.fft

    model = cheng2018.CAE(seed=1)
    start_as_dct(model)
    x = np.random.default_rng(2).random((1, 32, 40, 1)).astype("float32")
    blocks = x[0, ..., 0].reshape(4, 8, 5, 8).swapaxes(1, 2) - 0.5
    coefficients = scipy.fft.dctn(blocks, axes=(2, 3), norm="ortho")
    frequencies = sorted(((u, v) for u in range(8) for v in range(8)), key=lambda f: f[0] ** 2 + f[1] ** 2)[:32]
    expected = np.stack([coefficients[..., u, v] for u, v in frequencies], axis=-1)
    y = model.g_a(x)
    assert np.allclose(y[0], expected, atol=1e-5)

    kept = np.zeros_like(coefficients)
    for u, v in frequencies:
        kept[..., u, v] = coefficients[..., u, v]
    decoded = scipy.fft.idctn(kept, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(32, 40) + 0.5
    assert np.allclose(model.g_s(y)[0, ..., 0], decoded, atol=1e-5)


def test_a_dct_start_leaves_every_weight_a_gradient_can_reach():
    model = cheng2018.CAE(seed=1)
    start_as_dct(model)
    x = tf.random.stateless_uniform((2, 32, 32, 1), seed=[1, 2])
    for _ in range(2):  # what listens to the free channels starts at zero, so they learn from the second step on
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x) - x) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients):
            variable.assign_sub(0.1 * gradient)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_arrays_carry_a_model_over_exactly(model):
    x = np.random.default_rng(0).random((1, 32, 32, 1)).astype("float32")
    copy = cheng2018.from_arrays(cheng2018.to_arrays(model))
    assert np.array_equal(copy(x), model(x))


def test_arrays_of_another_model_are_refused(model):
    arrays = cheng2018.to_arrays(model)
    arrays["analysis/conv0/kernel"] = np.zeros((5, 5, 1, 32))
    with pytest.raises(ValueError, match="conv0/kernel"):
        cheng2018.from_arrays(arrays)


def test_loading_the_network_prints_nothing():
    code = "import cae_compress; cae_compress.CAECodec().cae"
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
