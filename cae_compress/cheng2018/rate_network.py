"""The CAE with a differentiable rate, to train it for rate and distortion.

The rate is what each latent costs given the neighbours that are coded before it: one masked convolution leads from the
latents at the left, above left, above and above right to the mean and the logarithm of the scale of a logistic
distribution. It stands in, while training, for the coder's own predictions (`contexts`), which are fitted afterwards.

The paper writes its loss as distortion + lambda * rate and takes the energy of the code for the rate. Energy says
nothing of what a neighbour foretells, nor of a quantization step; so the information of the quantized code was chosen
here, whose noise is as wide as the step.

Sources: Cheng et al., PCS 2018, section II-A (loss); Balle, Laparra, Simoncelli, ICLR 2017 (information of a noisy
code); Minnen, Balle, Toderici, NeurIPS 2018, section 3 (autoregressive context).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from cae_compress.cheng2018.network import CAE, CODE_CHANNELS
from cae_compress.layers import logistic_bits

CODED_BEFORE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], np.float32)[:, :, None, None]
MIN_LOG_SCALE, MAX_LOG_SCALE = -3.5, 7.0


class CausalContext(keras.layers.Layer):
    """Information of latents in bits.

    Args:
        channels: int, channels of the latents.

    Call arguments:
        q: float tensor, shape (b, h, w, channels), latents in quantization steps, rounded or with noise.

    Returns:
        float tensor of the shape of `q`, in bits.
    """

    def __init__(self, channels, **options):
        super().__init__(**options)
        self.channels = channels

    def build(self, _):
        shape = (3, 3, 2 * self.channels, 2 * self.channels)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer="zeros")

    def call(self, q):
        features = tf.concat([q, tf.math.log1p(tf.abs(q))], -1)
        predicted = tf.nn.conv2d(features, self.kernel * CODED_BEFORE, 1, "SAME") + self.bias
        mean, log_scale = tf.split(predicted, 2, axis=-1)
        return logistic_bits(q, mean, tf.clip_by_value(log_scale, MIN_LOG_SCALE, MAX_LOG_SCALE))


class RateCAE(CAE):
    """A `CAE` that also knows the rate of its code; `noise_amplitude` is half the quantization step."""

    def __init__(self, noise_amplitude, seed=None, dtype="float32", **options):
        super().__init__(noise_amplitude, seed, dtype, **options)
        self.context = CausalContext(CODE_CHANNELS, dtype="float32")
        self.context.build(None)

    def rate_distortion(self, x, training=False, seed=None):
        """Rate and distortion of planes, three of which are a picture.

        Args:
            x: float tensor, shape (b, h, w, 1), in [0, 1].
            training: the code has noise; otherwise it is rounded to quantization steps.
            seed: of `UniformNoise`.

        Returns:
            (bpp, mse): scalars; information in bits a pixel of three planes, mean squared error of planes in [0, 1].
        """
        step = 2 * self.noise.amplitude
        y = self.g_a(x, training=training)
        y_hat = self.noise(y, training=True, seed=seed) if training else step * tf.round(y / step)
        bits = self.context(tf.cast(y_hat, tf.float32) / step)
        x_hat = tf.cast(self.g_s(y_hat, training=training), tf.float32)
        return 3 * tf.reduce_sum(bits) / tf.cast(tf.size(x), tf.float32), tf.reduce_mean(tf.square(x_hat - x))
