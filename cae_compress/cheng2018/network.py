"""The convolutional autoencoder of Cheng, Sun, Takeuchi, Katto, *Deep Convolutional
AutoEncoder-based Lossy Image Compression*, PCS 2018, as the student replication built it.

    x (128, 128, 1) ──> analysis g_a ──> y (16, 16, 32) ──> + U(-2**-10, 2**-10) ──> synthesis g_s ──> x_hat

From the paper: 3x3 convolutions in pairs, the second of each pair with stride 2; PReLU; 32 feature
maps at 1/8 of the resolution; each of Y, Cb, Cr coded as a picture of one plane; uniform noise in
place of quantization while training.
From the replication: filters 32, 32, 64, 64, 64, 32 and a decoder that mirrors them with transposed
convolutions, trained for reconstruction alone (mean squared error).
Chosen here: planes enter centred on zero; no activation on the code, so that it may be rotated; the
weights are shared by the three planes.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before keras

import keras  # isort: skip
import numpy as np
import tensorflow as tf
from keras import layers

from cae_compress.cheng2018 import color
from cae_compress.layers import UniformNoise

FILTERS = (32, 32, 64, 64, 64, 32)
CODE_CHANNELS = FILTERS[-1]


PADDED = {"padding": "same", "data_format": "channels_last"}  # of all convolutions


def prelu(k, dtype):
    """Activation number k: one learned slope a channel, starting at 0.25 as in He et al., ICCV 2015."""
    return layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], dtype=dtype, name=f"prelu{k}")


def analysis(dtype="float32"):
    """g_a: planes (b, h, w, 1) in [0, 1], h and w multiples of 8 -> codes y (b, h/8, w/8, 32).

    Args:
        dtype: Keras dtype policy, such as "mixed_float16".
    """
    x = keras.Input((None, None, 1), dtype="float32", name="plane")
    y = layers.Rescaling(1.0, offset=-0.5, dtype=dtype)(x)
    for k, filters in enumerate(FILTERS):
        y = layers.Conv2D(filters, 3, strides=1 + k % 2, dtype=dtype, name=f"conv{k}", **PADDED)(y)
        if k < len(FILTERS) - 1:
            y = prelu(k, dtype)(y)
    return keras.Model(x, y, name="analysis")


def synthesis(dtype="float32"):
    """g_s: codes y_hat (b, h, w, 32) -> planes x_hat (b, 8h, 8w, 1), nominally in [0, 1]; `dtype` as in `analysis`."""
    y_hat = keras.Input((None, None, CODE_CHANNELS), dtype="float32", name="code")
    x = y_hat
    for k, filters in enumerate(reversed(FILTERS)):
        x = layers.Conv2DTranspose(filters, 3, strides=1 + k % 2, dtype=dtype, name=f"conv{k}", **PADDED)(x)
        x = prelu(k, dtype)(x)
    x = layers.Conv2DTranspose(1, 3, dtype="float32", name=f"conv{len(FILTERS)}", **PADDED)(x)
    return keras.Model(y_hat, layers.Rescaling(1.0, offset=0.5, dtype="float32")(x), name="synthesis")


class CAE(keras.Model):
    """The whole autoencoder, `g_s(noise(g_a(x)))`; its two halves are `g_a` and `g_s`.

    Args:
        noise_amplitude: half width of the training noise on the code.
        seed: int or None, seed of that noise.
        dtype: Keras dtype policy of all but the last layer, "mixed_float16" to train faster on a GPU.

    Call arguments:
        x: float tensor, shape (b, h, w, 1), in [0, 1]; h and w are multiples of 8.
        training, seed: of `UniformNoise`.

    Returns:
        x_hat, of the shape of `x`.
    """

    def __init__(self, noise_amplitude=2.0**-10, seed=None, dtype="float32", **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.g_a = analysis(dtype)
        self.noise = UniformNoise(noise_amplitude, seed, dtype=dtype)
        self.g_s = synthesis(dtype)
        self.built = True  # all variables exist

    def call(self, x, training=False, seed=None):
        y = self.g_a(x, training=training)
        y_noisy = self.noise(y, training=training, seed=seed)
        return self.g_s(y_noisy, training=training)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1), tf.float32)])
    def encode_planes(self, x):
        """`g_a` compiled once for all sizes: planes (b, h, w, 1) -> y (b, h/8, w/8, 32)."""
        return self.g_a(x, training=False)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, CODE_CHANNELS), tf.float32)])
    def decode_planes(self, y_hat):
        """`g_s` compiled once for all sizes: y_hat (b, h, w, 32) -> planes x_hat (b, 8h, 8w, 1)."""
        return self.g_s(y_hat, training=False)


def as_planes(pictures):
    """uint8 RGB (n, h, w, 3) -> float32 planes (3n, h, w, 1) in [0, 1]: the Y, Cb and Cr of each picture."""
    ycbcr = np.stack([color.rgb_to_ycbcr(rgb) for rgb in pictures])
    return np.ascontiguousarray(ycbcr.transpose(0, 3, 1, 2))[..., None].reshape(-1, *ycbcr.shape[1:3], 1)


def to_arrays(model):
    """The trained variables of a `CAE`: dict from "analysis/conv0/kernel" and so on to float32 arrays."""
    return {f"{net.name}/{layer.name}/{v.name}": v.numpy() for net, layer, v in _variables(model)}


def from_arrays(arrays):
    """A `CAE` with the variables of `to_arrays`.

    Raises:
        ValueError: a name or a shape is not the model's.
    """
    model = CAE()
    for net, layer, variable in _variables(model):
        name = f"{net.name}/{layer.name}/{variable.name}"
        if name not in arrays or arrays[name].shape != variable.shape:
            raise ValueError(f"these are not weights of cheng2018: {name} is missing or of another shape")
        variable.assign(arrays[name])
    return model


def _variables(model):
    return [(net, layer, v) for net in (model.g_a, model.g_s) for layer in net.layers for v in layer.weights]
