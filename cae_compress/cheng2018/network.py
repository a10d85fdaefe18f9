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
import scipy.fft
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

    Returns:
        x_hat, of the shape of `x`.
    """

    def __init__(self, noise_amplitude=2.0**-10, seed=None, dtype="float32", **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.g_a = analysis(dtype)
        self.noise = UniformNoise(noise_amplitude, seed, dtype=dtype)
        self.g_s = synthesis(dtype)
        self.built = True  # all variables exist

    def call(self, x, training=False):
        y = self.g_a(x, training=training)
        y_noisy = self.noise(y, training=training)
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


def start_as_dct(model):
    """Set the weights of a `CAE` so that it begins as the linear 8x8 DCT that keeps 32 of 64 coefficients.

    Each stride-2 convolution sorts 2x2 pixels into channels, the last one weighs all 64 by the DCT, and the
    transposed convolutions do the opposite; a few channels suffice for that, with PReLU slope 1. The remaining
    channels keep their random weights but nothing listens to them yet. Training goes on from a classical
    transform instead of rediscovering one.
    """
    dct = _dct_kernels()  # (8, 8, 32)
    phases = [(row, column) for row in (0, 1) for column in (0, 1)]

    analysis_maps = [_identity(1), _sort_phases(1), _identity(4), _sort_phases(4), _identity(16)]
    last = np.zeros((3, 3, 16, CODE_CHANNELS), np.float32)
    for k, (r1, c1) in enumerate(phases):  # channel 4k + m holds the pixel of phase k in its 2x2, m in its 4x4
        for m, (r0, c0) in enumerate(phases):
            for r2, c2 in phases:
                last[r2, c2, 4 * k + m] = dct[4 * r2 + 2 * r1 + r0, 4 * c2 + 2 * c1 + c0]
    analysis_maps.append(last)
    _set_kernels(model.g_a, analysis_maps)

    mirrored = [_identity(CODE_CHANNELS), last, _identity(16), _sort_phases(4), _identity(4), _sort_phases(1)]
    _set_kernels(model.g_s, [*mirrored, _identity(1)])


def _dct_kernels():
    """The 32 orthonormal 8x8 DCT functions of lowest frequency, shape (8, 8, 32)."""
    basis = scipy.fft.idct(np.eye(8), axis=0, norm="ortho")  # basis[:, u] is the function of frequency u
    frequencies = sorted(((u, v) for u in range(8) for v in range(8)), key=lambda f: f[0] ** 2 + f[1] ** 2)
    return np.stack([np.outer(basis[:, u], basis[:, v]) for u, v in frequencies[:CODE_CHANNELS]], axis=-1)


def _identity(channels):
    """Kernel (3, 3, channels, channels) that copies its input."""
    kernel = np.zeros((3, 3, channels, channels), np.float32)
    kernel[1, 1] = np.eye(channels)
    return kernel


def _sort_phases(channels):
    """Kernel (3, 3, channels, 4 * channels): with stride 2, pixel (r, c) of each 2x2 goes to channel group 2r + c."""
    kernel = np.zeros((3, 3, channels, 4 * channels), np.float32)
    for k in range(4):
        kernel[k // 2, k % 2, :, k * channels : (k + 1) * channels] = np.eye(channels)
    return kernel


def _set_kernels(network, maps):
    """Write `maps` into the first channels of each convolution and make those channels linear."""
    convolutions = [layer for layer in network.layers if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose))]
    slopes = [layer for layer in network.layers if isinstance(layer, layers.PReLU)]
    for convolution, values in zip(convolutions, maps):
        kernel = convolution.kernel.numpy()
        # (3, 3, in, out) for a convolution, (3, 3, out, in) for a transposed one: the mirror needs no transposing
        if isinstance(convolution, layers.Conv2DTranspose):
            kernel[:, :, : values.shape[2]] = 0
        else:
            kernel[..., : values.shape[3]] = 0
        kernel[:, :, : values.shape[2], : values.shape[3]] = values
        convolution.kernel.assign(kernel)
    outputs = [m.shape[2] if isinstance(c, layers.Conv2DTranspose) else m.shape[3] for c, m in zip(convolutions, maps)]
    for slope, used in zip(slopes, outputs):
        alpha = slope.alpha.numpy()
        alpha[..., :used] = 1
        slope.alpha.assign(alpha)
