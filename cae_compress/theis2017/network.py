"""The paper's networks: a convolutional encoder and a sub-pixel decoder with residual blocks, rounding, mixtures.

    x ──> f: normalize, conv 5x5 /2, conv 5x5 /2, 3 residual blocks, conv 5x5 /2 ──> y ──> round(y * scale) = q ──> bits
    x_hat <── g: conv 3x3 x2, 3 residual blocks, conv 3x3 x2, conv 3x3 x2, denormalize <── q / scale <──────┘

    loss = bits per pixel + lambda * 255**2 * mean squared error

Rounding passes its gradient as the identity does. Bits of a channel are those of a Gaussian scale mixture, its density
taken at the rounded value plus uniform noise: an upper bound (Jensen). "x2" is a sub-pixel convolution: four times the
channels, laid out as 2x2 positions.

Of the paper: the layers and their strides, mirror padding in the encoder and zeros in the decoder, fixed normalization,
the quantizer's gradient, mixtures, scales. Chosen here: half of the paper's 128 channels, for small machines; six
Gaussians a mixture and a slope of 0.2 of the leaky units, of which the paper says nothing; the loss in bits and grey
levels, where the paper's beta weighs the rate.

Source: Theis, Shi, Cunningham, Huszar, ICLR 2017 (arXiv 1703.00395), sections 2 and 3, figure 2.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf
from keras import layers

from cae_compress.latent_codec.network_pair import with_weights
from cae_compress.layers import DepthToSpace, LargerOf, round_straight_through, uniform

WIDTH = 64
FIRST_WIDTH = 32  # of the layers at half resolution
BLOCKS = 3
SLOPE = 0.2
MEAN, SPREAD = 0.45, 0.25  # of levels in [0, 1]: what "normalize" takes off and divides by
GAUSSIANS = 6
MIN_DENSITY = 1e-9


@keras.saving.register_keras_serializable(package="cae_compress")
class Mirror(layers.Layer):
    """Continues (b, h, w, c) beyond its border by `width` positions, mirrored."""

    def __init__(self, width, **options):
        super().__init__(**options)
        self.width = width

    def call(self, x):
        return tf.pad(x, [[0, 0], [self.width] * 2, [self.width] * 2, [0, 0]], "SYMMETRIC")

    def compute_output_shape(self, shape):
        b, h, w, c = shape
        return b, h and h + 2 * self.width, w and w + 2 * self.width, c

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class Mixtures(layers.Layer):
    """Information in bits by a Gaussian scale mixture for each channel, means 0.

    Call arguments:
        v: float32 tensor, shape (b, h, w, c), in quantization steps.
        integrated: take the probability of [v - 1/2, v + 1/2] instead of the density at v.

    Returns:
        float32 tensor of the shape of `v`.
    """

    def build(self, shape):
        channels = shape[-1]
        self.log_weights = self.add_weight(name="log_weights", shape=(GAUSSIANS, channels), initializer="zeros")
        self.log_scales = self.add_weight(name="log_scales", shape=(GAUSSIANS, channels), initializer="zeros")
        self.start(np.ones(channels))

    def start(self, spread):
        """Begin with scales around the spread of each channel, float (c,)."""
        factors = np.geomspace(0.05, 2.5, GAUSSIANS)[:, None]
        self.log_scales.assign(np.log((np.asarray(spread)[None] + 0.2) * factors))

    def call(self, v, integrated=False):
        v, scale = v[..., None, :], tf.exp(self.log_scales)
        if integrated:
            upper, lower = ((0.5 - tf.abs(v)) / scale, (-0.5 - tf.abs(v)) / scale)
            each = 0.5 * (tf.math.erfc(-upper / np.sqrt(2)) - tf.math.erfc(-lower / np.sqrt(2)))
        else:
            each = tf.exp(-0.5 * tf.square(v / scale)) / (scale * np.sqrt(2 * np.pi))
        p = tf.reduce_sum(tf.nn.softmax(self.log_weights, axis=0) * each, axis=-2)
        return -tf.math.log(tf.maximum(p, MIN_DENSITY)) / np.log(2.0).astype(np.float32)


class Theis2017(keras.Model):
    """The whole network: transforms `f` and `g`, mixtures, and a scale for each channel.

    Args:
        channels: int, of the latents.
        width: int, of the layers at a quarter of the resolution.
        dtype: Keras dtype policy of the transforms, "mixed_bfloat16" to train faster where the processor has it.
    """

    def __init__(self, channels, width=WIDTH, dtype="float32", **options):
        super().__init__(**options)
        self.g_a, self.g_s = analysis(channels, width, dtype), synthesis(channels, width, dtype)
        self.mixtures = Mixtures(dtype="float32")
        self.mixtures.build((None, None, None, channels))
        self.log_scale = self.add_weight(name="log_scale", shape=(channels,), initializer="zeros", dtype="float32")
        self.log_scale.trainable = False
        self.built = True  # all variables exist

    def tune_scales_only(self):
        """From now on only scales and mixtures are trained: what gives one network other rates."""
        self.g_a.trainable = self.g_s.trainable = False
        self.log_scale.trainable = True

    def rate_distortion(self, x, training=False, seed=(0, 0)):
        """Rate and distortion of pictures.

        Args:
            x: uint8 (b, h, w, 3), h and w multiples of 8.
            training: the rate is the bound of the paper, else that of the rounded latents under the mixtures.
            seed: two whole numbers that decide the noise, or four (`layers.uniform`).

        Returns:
            (bpp, mse): float32 (b,) each; the model's own estimate in bits a pixel, and of levels 0 to 255.
        """
        x = tf.cast(x, tf.float32) / 255
        scale = tf.exp(self.log_scale)
        q = round_straight_through(tf.cast(self.g_a(x), tf.float32) * scale)
        if training:
            bits = self.mixtures(q + uniform(tf.shape(q), seed, -0.5, 0.5))
        else:
            bits = self.mixtures(q, integrated=True)
        x_hat = tf.cast(self.g_s(q / scale), tf.float32)
        x_hat += tf.stop_gradient(tf.clip_by_value(x_hat, 0.0, 1.0) - x_hat)  # clipped, gradient of the identity
        num_pixels = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], tf.float32)
        return tf.reduce_sum(bits, [1, 2, 3]) / num_pixels, 255**2 * tf.reduce_mean(tf.square(x_hat - x), [1, 2, 3])


def analysis(channels, width=WIDTH, dtype="float32"):
    """f: pictures x (b, h, w, 3) in [0, 1], h and w multiples of 8 -> y (b, h/8, w/8, channels), float32."""
    x = keras.Input((None, None, 3), dtype="float32")
    h = layers.Rescaling(1 / SPREAD, -MEAN / SPREAD, dtype=dtype)(x)
    h = _leaky(_mirrored(h, FIRST_WIDTH, 5, 2, dtype), dtype)
    h = _leaky(_mirrored(h, width, 5, 2, dtype), dtype)
    for _ in range(BLOCKS):
        inner = _leaky(_mirrored(h, width, 3, 1, dtype), dtype)
        h = layers.Add(dtype=dtype)([h, _mirrored(inner, width, 3, 1, dtype)])
    return keras.Model(x, _mirrored(h, channels, 5, 2, "float32"), name="analysis")


def synthesis(channels, width=WIDTH, dtype="float32"):
    """g: y_hat (b, h, w, channels) -> pictures x_hat (b, 8h, 8w, 3), in [0, 1] and a little beyond."""
    y_hat = keras.Input((None, None, channels), dtype="float32")
    h = _sub_pixel(y_hat, width, dtype)
    for _ in range(BLOCKS):
        inner = _leaky(_conv(h, width, 3, dtype=dtype), dtype)
        h = layers.Add(dtype=dtype)([h, _conv(inner, width, 3, dtype=dtype)])
    h = _leaky(_sub_pixel(h, FIRST_WIDTH, dtype), dtype)
    x = layers.Rescaling(SPREAD, MEAN, dtype="float32")(_sub_pixel(h, 3, dtype))
    return keras.Model(y_hat, x, name="synthesis")


def _conv(x, filters, size, stride=1, padding="same", dtype="float32"):
    options = {"padding": padding, "data_format": "channels_last", "dtype": dtype}
    return layers.Conv2D(filters, size, stride, **options)(x)


def _mirrored(x, filters, size, stride, dtype):
    return _conv(Mirror(size // 2, dtype=dtype)(x), filters, size, stride, "valid", dtype)


def _sub_pixel(x, filters, dtype):
    return DepthToSpace(dtype=dtype)(_conv(x, 4 * filters, 3, dtype=dtype))


def _leaky(x, dtype):
    return LargerOf(SLOPE, dtype=dtype)(x)


def from_arrays(arrays):
    """The transforms (g_a, g_s) with the variables of `weights_of`; there may be other arrays beside these.

    Raises:
        ValueError: they are not such variables.
    """
    if "g_s/000" not in arrays:
        raise ValueError("these are not weights of theis2017")
    channels, width = arrays["g_s/000"].shape[2], arrays["g_a/002"].shape[-1]
    return with_weights(analysis(channels, width), synthesis(channels, width), arrays)
