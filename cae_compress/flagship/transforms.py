"""The flagship's transforms: pictures to latents and back, a linear path beside a convolutional branch.

    g_a(x) = linear(x + convolutions(x)) + convolutions(x)        g_s(y_hat) = linear(y_hat) + convolutions(y_hat)

The linear path cuts the picture into 16x16 patches and rotates each into `CHANNELS` coefficients. It starts as the PCA
of training patches, or as a DCT, so that the codec is a good classical one before any training; the convolutional
branches start at zero and learn what a linear transform of one patch cannot do. `CHANNELS` is all that a patch has, so
that nothing is lost but by quantization; the branches know the quality.

Sources: Cheng et al., PCS 2018, section II-C (PCA, here moved to the front); He et al., CVPR 2016 (residual blocks).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import scipy.fft
import tensorflow as tf
from keras import layers

from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.gains import NUM_LMBDAS
from cae_compress.flagship.tiling import PATCH
from cae_compress.layers import DepthToSpace, LargerOf, SpaceToDepth, interpolate

SLOPE = 0.1


def conv(x, filters, size, stride=1, dtype="float32", padding="same", **options):
    """A convolution of (b, h, w, c)."""
    convolution = layers.Conv2D(
        filters, size, strides=stride, padding=padding, dtype=dtype, data_format="channels_last", **options
    )
    return convolution(x)


def relu(x, dtype="float32"):
    """Leaky ReLU, slope 0.1 below zero, of what a convolution gives; of a sum: `relu_of_sum`."""
    return layers.LeakyReLU(negative_slope=SLOPE, dtype=dtype)(x)


def relu_of_sum(x, dtype="float32"):
    """Leaky ReLU, slope 0.1 below zero, of what `layers.Add` gives.

    Written as the larger of x and 0.1 x: TensorFlow's graph optimiser (its remapper, with oneDNN; seen in 2.21) takes
    Conv2D, BiasAdd, Add and LeakyRelu for one operation and gives it a slope of 0.2.
    """
    return LargerOf(SLOPE, dtype=dtype)(x)


def residuals(x, u, depth, dtype="float32"):
    """`depth` times x + 1x1, 3x3 at half the width, scaled for the quality, 1x1: starts as the identity."""
    width = x.shape[-1]
    for _ in range(depth):
        h = relu(conv(x, width // 2, 1, dtype=dtype), dtype)
        h = AtQuality(dtype=dtype)([relu(conv(h, width // 2, 3, dtype=dtype), dtype), u])
        x = layers.Add(dtype=dtype)([x, conv(h, width, 1, dtype=dtype, kernel_initializer="zeros")])
    return x


@keras.saving.register_keras_serializable(package="cae_compress")
class AtQuality(layers.Layer):
    """Scales each channel by a factor for the quality, so that one network can be gentle at high rates.

    Call arguments:
        (x, u): (b, h, w, c), and (b,) places between the lambdas, 0 to 10.

    Source: Choi, El-Khamy, Lee, ICCV 2019, section 3.1 (conditional convolution).
    """

    def build(self, shapes):
        self.scale = self.add_weight(name="scale", shape=(NUM_LMBDAS, shapes[0][-1]), initializer="ones")

    def call(self, inputs):
        x, u = inputs
        scale = interpolate(tf.cast(self.scale, tf.float32), tf.cast(u, tf.float32))
        return x * tf.cast(scale, x.dtype)[:, None, None]

    def compute_output_shape(self, shapes):
        return shapes[0]


def analysis(dtype="float32"):
    """g_a: [pictures x (b, h, w, 3), centred RGB, h and w multiples of 16; u (b,)] -> y (b, h/16, w/16, CHANNELS).

    Args:
        dtype: Keras dtype policy of the convolutional branch; the linear path is float32 in any case.
    """
    x, u = keras.Input((None, None, 3), name="x", dtype="float32"), quality_input()
    h = relu(conv(SpaceToDepth(dtype=dtype)(x), 48, 3, dtype=dtype), dtype)  # 1/2
    h = residuals(conv(h, 96, 3, 2, dtype), u, 3, dtype)  # 1/4
    correction = AtQuality(dtype="float32")([conv(h, 48, 1, dtype=dtype, kernel_initializer="zeros"), u])
    corrected = layers.Add(dtype="float32")([x, DepthToSpace(4, dtype="float32")(correction)])
    y = conv(corrected, CHANNELS, PATCH, PATCH, padding="valid", use_bias=False, name="linear")
    h = residuals(conv(h, 128, 3, 2, dtype), u, 3, dtype)  # 1/8
    h = residuals(conv(h, 256, 3, 2, dtype), u, 2, dtype)  # 1/16
    h = AtQuality(dtype=dtype)([relu_of_sum(h, dtype), u])
    h = conv(h, CHANNELS, 1, dtype="float32", kernel_initializer="zeros", name="last")
    return keras.Model([x, u], layers.Add(dtype="float32")([y, h]), name="analysis")


def synthesis(dtype="float32"):
    """g_s: [y_hat (b, h, w, CHANNELS); u (b,)] -> pictures x_hat (b, 16h, 16w, 3), centred RGB; as `analysis`."""
    y_hat, u = keras.Input((None, None, CHANNELS), name="y_hat", dtype="float32"), quality_input()
    # patches that don't overlap: a matrix product does what a transposed convolution would, three times as fast
    x = conv(y_hat, 3 * PATCH**2, 1, use_bias=False, name="linear")
    x = DepthToSpace(PATCH, dtype="float32")(x)
    h = residuals(conv(y_hat, 192, 1, dtype=dtype), u, 2, dtype)  # 1/16
    h = DepthToSpace(dtype=dtype)(conv(h, 4 * 128, 1, dtype=dtype))
    h = residuals(h, u, 3, dtype)  # 1/8
    h = DepthToSpace(dtype=dtype)(conv(h, 4 * 96, 1, dtype=dtype))
    # the branch has fewer channels than y_hat: let it see the picture of the linear path, where nothing is lost
    seen = conv(SpaceToDepth(4, dtype=dtype)(x), 96, 1, dtype=dtype, kernel_initializer="zeros")
    h = residuals(layers.Add(dtype=dtype)([h, seen]), u, 4, dtype)  # 1/4
    h = DepthToSpace(dtype=dtype)(relu(conv(h, 4 * 32, 1, dtype=dtype), dtype))  # 1/2
    h = relu(conv(h, 32, 3, dtype=dtype), dtype)
    h = conv(h, 12, 3, dtype="float32", kernel_initializer="zeros", name="last")
    h = DepthToSpace(dtype="float32")(AtQuality(dtype="float32")([h, u]))
    return keras.Model([y_hat, u], layers.Add(dtype="float32")([x, h]), name="synthesis")


def quality_input():
    """Where each picture's quality is between the lambdas, 0 to 10."""
    return keras.Input((), name="u", dtype="float32")


def start_as(g_a, g_s, kernel):
    """Set the linear paths to an orthonormal basis, (16, 16, 3, CHANNELS), as from `dct_basis` or `pca_basis`."""
    g_a.get_layer("linear").set_weights([kernel])
    g_s.get_layer("linear").set_weights([kernel.reshape(1, 1, -1, CHANNELS).transpose(0, 1, 3, 2)])


def dct_basis(patches):
    """The functions of a DCT of three planes, strongest first: orthonormal basis (16, 16, 3, CHANNELS), float32.

    The planes are the principal axes of the patches' colours (near to a luma and two chromas), and of the 3 * 256
    functions those are kept that vary most.

    Args:
        patches: float array, shape (n, 16, 16, 3), centred RGB; n well above 768.
    """
    coefficients = scipy.fft.dctn(patches.astype(np.float64), axes=(1, 2), norm="ortho")
    no_dc = coefficients.reshape(len(patches), -1, 3)[:, 1:].reshape(-1, 3)
    _, colours = np.linalg.eigh(no_dc.T @ no_dc)  # columns: axes of colour differences
    variances = np.square(coefficients @ colours).mean(axis=0)  # (16, 16, 3)
    strongest = np.argsort(-variances, axis=None, kind="stable")[:CHANNELS]
    vertical, horizontal, plane = np.unravel_index(strongest, variances.shape)
    basis = scipy.fft.idct(np.eye(PATCH), axis=0, norm="ortho")  # basis[:, u] is the function of frequency u
    return np.einsum("ik,jk,ck->ijck", basis[:, vertical], basis[:, horizontal], colours[:, plane]).astype(np.float32)


def pca_basis(patches):
    """The principal components of patches, strongest first: orthonormal basis (16, 16, 3, CHANNELS), float32.

    Args:
        patches: float array, shape (n, 16, 16, 3), centred RGB; n well above 768.
    """
    flat = patches.reshape(len(patches), -1)
    _, vectors = np.linalg.eigh(flat.T.astype(np.float64) @ flat / len(flat))  # about mid-grey: the path has no bias
    return vectors[:, ::-1][:, :CHANNELS].reshape(PATCH, PATCH, 3, CHANNELS).astype(np.float32)
