"""The paper's networks: three stages with divisive normalization, and a learned density for every channel.

    x ──> g_a: conv 9x9 /4, GDN, conv 5x5 /2, GDN, conv 5x5 /2 ──> y ──> round ──> q ──> density of its channel ──> bits
    x_hat <── g_s: the same backwards, IGDN in place of GDN <────────────────────────┘

    loss = bits per pixel + lambda * 255**2 * mean squared error

While training, uniform noise from -1/2 to 1/2 stands in for rounding, in the rate and in the distortion.

Of the paper: layers, kernels, strides, GDN with its bounds, noise, one network a lambda. Chosen here: `CHANNELS` is
half of the paper's 192, for small machines and small files; the density is the authors' own later one, a network of 28
numbers a channel, where the paper had a piecewise linear function; GDN's numbers are kept as square roots, as in the
authors' code, where the paper projected gradients and kept gamma symmetric.

Sources: Balle, Laparra, Simoncelli, ICLR 2017 (arXiv 1611.01704), sections 2 and 3; Balle, Minnen, Singh, Hwang,
Johnston, ICLR 2018, appendix 6.1 (the density); Balle, PCS 2018 (square roots).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf
from keras import layers

from cae_compress.latent_codec.network_pair import with_weights
from cae_compress.layers import uniform

CHANNELS = 96
PADDED = {"padding": "same", "data_format": "channels_last"}  # of all convolutions
PATCH = 16  # pixels across that a position of latents stands for
MIN_BETA = 1e-6
PEDESTAL = 2.0**-36  # keeps square roots from coming to rest at 0
WIDTHS = (1, 3, 3, 1)  # of the density's layers
START_SCALE = 10.0  # of a density before training, in quantization steps
MIN_PROBABILITY = 1e-9


@tf.custom_gradient
def at_least(x, bound):
    """The larger of x and bound; where x is below, gradients that would raise it still pass."""

    def gradient(dy):
        return tf.where((x >= bound) | (dy < 0), dy, 0.0), None

    return tf.maximum(x, bound), gradient


@keras.saving.register_keras_serializable(package="cae_compress")
class GDN(layers.Layer):
    """Generalized divisive normalization across channels, y_i = x_i / sqrt(beta_i + sum_j gamma_ij * x_j**2).

    Args:
        inverse: bool; True multiplies by the root instead, one step of the inverse (IGDN).
        gamma: float, to begin with gamma is this times the identity.

    Call arguments:
        x: float tensor, shape (b, h, w, c).

    Returns:
        A tensor of the shape and dtype of `x`. The root is computed in float32.

    Source: Balle, Laparra, Simoncelli, ICLR 2017, equations 2 to 4; beta >= 1e-6 and gamma >= 0 by the square roots
        of Balle, PCS 2018.
    """

    def __init__(self, inverse=False, gamma=0.1, **options):
        super().__init__(**options)
        self.inverse, self.start = inverse, gamma

    def build(self, shape):
        channels = shape[-1]
        self.beta_root = self.add_weight(
            name="beta_root",
            shape=(channels,),
            dtype="float32",
            autocast=False,
            initializer=keras.initializers.Constant((1 + PEDESTAL) ** 0.5),
        )
        self.gamma_root = self.add_weight(
            name="gamma_root", shape=(channels, channels), dtype="float32", autocast=False,
            initializer=lambda *_, **__: tf.sqrt(self.start * tf.eye(channels) + PEDESTAL),
        )  # fmt: skip

    @property
    def beta(self):
        """float32 (c,), >= 1e-6."""
        return tf.square(at_least(tf.convert_to_tensor(self.beta_root), (MIN_BETA + PEDESTAL) ** 0.5)) - PEDESTAL

    @property
    def gamma(self):
        """float32 (c, c), >= 0; its row i says how much each channel counts in the norm of channel i."""
        return tf.square(at_least(tf.convert_to_tensor(self.gamma_root), PEDESTAL**0.5)) - PEDESTAL

    def call(self, x):
        energy = tf.matmul(tf.square(x), tf.cast(self.gamma, x.dtype), transpose_b=True)
        squared_norm = tf.cast(energy, tf.float32) + self.beta
        return x * tf.cast(tf.sqrt(squared_norm) if self.inverse else tf.math.rsqrt(squared_norm), x.dtype)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "inverse": self.inverse, "gamma": self.start}


class Density(layers.Layer):
    """Information of latents in bits, by a density for each channel that is learned.

    The cumulative function of a channel is sigmoid(f3(f2(f1(y)))), where f(y) = g(H y + b), all entries of H are
    positive, and g(y) = y + tanh(a) * tanh(y) but for the last, where it is y: it can only rise.

    Call arguments:
        y: float32 tensor, shape (b, h, w, c), latents in quantization steps, rounded or with noise.

    Returns:
        float32 tensor of the shape of `y`, in bits: -log2 of the density integrated over [y - 1/2, y + 1/2].

    Source: Balle et al., ICLR 2018, appendix 6.1.
    """

    def build(self, shape):
        channels, self.parts = shape[-1], []
        for k, (fan_in, fan_out) in enumerate(zip(WIDTHS, WIDTHS[1:])):
            start = np.log(np.expm1(START_SCALE ** (-1 / (len(WIDTHS) - 1)) / fan_out))
            matrix = self.add_weight(
                name=f"matrix_{k}", shape=(channels, fan_out, fan_in), initializer=keras.initializers.Constant(start)
            )
            bias = self.add_weight(
                name=f"bias_{k}", shape=(channels, fan_out, 1), initializer=keras.initializers.RandomUniform(-0.5, 0.5)
            )
            self.parts.append([matrix, bias])
            if k < len(WIDTHS) - 2:
                self.parts[-1].append(self.add_weight(name=f"factor_{k}", shape=bias.shape, initializer="zeros"))

    def logits(self, y):
        """Of the cumulative function: float32 (c, 1, n) -> (c, 1, n)."""
        for matrix, bias, *factor in self.parts:
            y = tf.matmul(tf.nn.softplus(matrix), y) + bias
            for a in factor:
                y += tf.tanh(a) * tf.tanh(y)
        return y

    def call(self, y):
        by_channel = tf.transpose(tf.reshape(y, (-1, 1, y.shape[-1])))  # (c, 1, n)
        lower, upper = self.logits(by_channel - 0.5), self.logits(by_channel + 0.5)
        sign = -tf.stop_gradient(tf.sign(lower + upper))  # subtract where sigmoids are small and exact
        p = tf.abs(tf.sigmoid(sign * upper) - tf.sigmoid(sign * lower))
        bits = -tf.math.log(at_least(p, MIN_PROBABILITY)) / np.log(2.0).astype(np.float32)
        return tf.reshape(tf.transpose(bits), tf.shape(y))

    def rescale(self, factors):
        """Widen each channel's density by a factor, float (c,)."""
        matrix, *_ = self.parts[0]
        narrower = np.log1p(np.exp(matrix.numpy())) / np.reshape(factors, (-1, 1, 1))
        matrix.assign(narrower + np.log(-np.expm1(-narrower)))  # the inverse of softplus


class Balle2017(keras.Model):
    """The whole network: transforms `g_a` and `g_s`, and the `density` of every channel.

    Args:
        channels: int, filters of every layer and channels of the latents.
        dtype: Keras dtype policy of the transforms, "mixed_bfloat16" to train faster where the processor has it.
    """

    def __init__(self, channels=CHANNELS, dtype="float32", **options):
        super().__init__(**options)
        self.g_a, self.g_s = analysis(channels, dtype), synthesis(channels, dtype)
        self.density = Density(dtype="float32")
        self.density.build((None, None, None, channels))
        self.built = True  # all variables exist

    def rate_distortion(self, x, training=False, seed=(0, 0)):
        """Rate and distortion of pictures.

        Args:
            x: uint8 (b, h, w, 3), h and w multiples of 16.
            training: latents have noise; otherwise they are rounded.
            seed: two whole numbers that decide the noise, or four (`layers.uniform`).

        Returns:
            (bpp, mse): float32 (b,) each; the model's own estimate in bits a pixel, and of levels 0 to 255.
        """
        x = tf.cast(x, tf.float32) / 255
        y = self.g_a(x)
        y_hat = y + uniform(tf.shape(y), seed, -0.5, 0.5) if training else tf.round(y)
        bits = self.density(y_hat)
        x_hat = tf.cast(self.g_s(y_hat), tf.float32)
        num_pixels = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], tf.float32)
        return tf.reduce_sum(bits, [1, 2, 3]) / num_pixels, 255**2 * tf.reduce_mean(tf.square(x_hat - x), [1, 2, 3])


def analysis(channels=CHANNELS, dtype="float32"):
    """g_a: pictures x (b, h, w, 3) in [0, 1], h and w multiples of 16 -> y (b, h/16, w/16, channels), float32."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3), dtype="float32"),
            layers.Rescaling(1.0, -0.5, dtype=dtype),
            layers.Conv2D(channels, 9, 4, dtype=dtype, **PADDED),
            GDN(dtype=dtype),
            layers.Conv2D(channels, 5, 2, dtype=dtype, **PADDED),
            GDN(dtype=dtype),
            layers.Conv2D(channels, 5, 2, use_bias=False, dtype="float32", **PADDED),
        ],
        name="analysis",
    )


def synthesis(channels=CHANNELS, dtype="float32"):
    """g_s: y_hat (b, h, w, channels) -> pictures x_hat (b, 16h, 16w, 3), in [0, 1] and a little beyond."""
    return keras.Sequential(
        [
            keras.Input((None, None, channels), dtype="float32"),
            layers.Conv2DTranspose(channels, 5, 2, dtype=dtype, **PADDED),
            GDN(inverse=True, dtype=dtype),
            layers.Conv2DTranspose(channels, 5, 2, dtype=dtype, **PADDED),
            GDN(inverse=True, dtype=dtype),
            layers.Conv2DTranspose(3, 9, 4, dtype=dtype, **PADDED),
            layers.Rescaling(1.0, 0.5, dtype=dtype),
        ],
        name="synthesis",
    )


def from_arrays(arrays):
    """The transforms (g_a, g_s) with the variables of `weights_of`; there may be other arrays beside these.

    Raises:
        ValueError: they are not such variables.
    """
    if "g_a/000" not in arrays:
        raise ValueError("these are not weights of balle2017")
    channels = arrays["g_a/000"].shape[-1]
    return with_weights(analysis(channels), synthesis(channels), arrays)
