"""The flagship's rate model: what to expect of each latent, from latents decoded before it.

Latents are decoded group by group, low frequencies first, and within a group in three passes over the positions:

    A C A C     A: even row, even column      sees all lower groups in the 3x3 positions around it
    C B C B     B: odd row, odd column        sees besides the four A at its corners, in its own group
    A C A C     C: the others                 sees besides the four A and B at its sides
    C B C B

A small network turns what is seen into a mean and a scale of a logistic distribution for every channel of the group.
All positions of a pass are independent of each other: the decoder needs a few matrix products, not a loop over pixels.

Sources: Minnen, Balle, Toderici, NeurIPS 2018 (mean and scale from a context); Minnen, Singh, ICIP 2020 (channel by
channel group); He et al., CVPR 2021 (checkerboard passes).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from cae_compress.integer_context import GROUPS, HIDDEN, MAX_LOG_SCALE, MIN_LOG_SCALE, NUM_LMBDAS, SIGNED, SIGNED_UNIT
from cae_compress.layers import interpolate

CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)[:, :, None, None]
CORNERS = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], np.float32)[:, :, None, None]


class ContextNetwork(keras.layers.Layer):
    """Mean and logarithm of the scale of every latent.

    Call arguments:
        q: float tensor of whole numbers, shape (b, h, w, CHANNELS).
        u: float tensor, shape (b,): place of each picture's quality between the lambdas, 0 to 7.

    Returns:
        (mean, log_scale), each of the shape of `q`.
    """

    def build(self, _):
        start = keras.initializers.VarianceScaling(0.5)
        self.groups = []
        for a, b in zip(GROUPS, GROUPS[1:]):
            lower, own, n = num_features(0, a), num_features(a, b), b - a
            signed = min(b, SIGNED)

            def weight(name, *shape, initializer=start, a=a):
                return self.add_weight(name=f"{name}{a}", shape=shape, initializer=initializer)

            group = {
                "own_corners": weight("own_corners", 3, 3, own, HIDDEN),
                "own_cross": weight("own_cross", 3, 3, own, HIDDEN),
                "mean_corners": weight("mean_corners", 3, 3, signed, n, initializer="zeros"),
                "mean_cross": weight("mean_cross", 3, 3, signed, n, initializer="zeros"),
                "quality": weight("quality", NUM_LMBDAS, HIDDEN, initializer="zeros"),
                "middle": weight("middle", HIDDEN, HIDDEN),
                "middle_bias": weight("middle_bias", HIDDEN, initializer="zeros"),
                "out": weight("out", HIDDEN, 2 * n, initializer="zeros"),
                "out_bias": weight("out_bias", NUM_LMBDAS, 2 * n, initializer="zeros"),
            }
            if a:
                group["lower"] = weight("lower", 3, 3, lower, HIDDEN)
            self.groups.append(group)

    def call(self, q, u):
        is_b, is_c = pass_masks(tf.shape(q)[1], tf.shape(q)[2])
        means, log_scales = [], []
        for (a, b), group in zip(zip(GROUPS, GROUPS[1:]), self.groups):
            own = features(q, a, b)
            h = is_b * same(own, group["own_corners"] * CORNERS) + is_c * same(own, group["own_cross"] * CROSS)
            h += interpolate(group["quality"], u)[:, None, None]
            if a:
                h += same(features(q, 0, a), group["lower"])
            h = tf.nn.relu(h)
            h += tf.nn.relu(h @ group["middle"] + group["middle_bias"])
            out = h @ group["out"] + interpolate(group["out_bias"], u)[:, None, None]
            signed = q[..., : min(b, SIGNED)]
            mean = out[..., : b - a]
            mean += is_b * same(signed, group["mean_corners"] * CORNERS) + is_c * same(
                signed, group["mean_cross"] * CROSS
            )
            means.append(mean)
            log_scales.append(out[..., b - a :])
        log_scale = tf.clip_by_value(tf.concat(log_scales, -1), MIN_LOG_SCALE, MAX_LOG_SCALE)
        return tf.concat(means, -1), log_scale

    def start_at_statistics(self, y):
        """Set the last biases to the mean and spread of latents y, float array (NUM_LMBDAS, n, CHANNELS)."""
        for (a, b), group in zip(zip(GROUPS, GROUPS[1:]), self.groups):
            mean, spread = y[..., a:b].mean(axis=1), y[..., a:b].std(axis=1)
            group["out_bias"].assign(np.concatenate([mean, np.log(0.4 * spread + 0.06)], axis=-1))


def num_features(a, b):
    """How many features channels a to b have."""
    return (b - a) + max(0, min(b, SIGNED) - a)


def features(q, a, b):
    """What a context shows of channels a to b: log(1 + magnitude) of all, and the signed value of the lowest ones."""
    magnitude = tf.math.log1p(tf.abs(q[..., a:b]))
    return tf.concat([magnitude, SIGNED_UNIT * q[..., a : min(b, SIGNED)]], -1) if a < SIGNED else magnitude


def same(x, kernel):
    """Convolution with zeros around the picture."""
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def pass_masks(height, width):
    """Where passes B and C are: two float tensors, shape (1, height, width, 1)."""
    odd_row = (tf.range(height) % 2 == 1)[None, :, None, None]
    odd_column = (tf.range(width) % 2 == 1)[None, None, :, None]
    is_b = tf.logical_and(odd_row, odd_column)
    return tf.cast(is_b, tf.float32), tf.cast(tf.math.logical_xor(odd_row, odd_column), tf.float32)


def logistic_bits(v, mean, log_scale):
    """Information of v, in bits, under a logistic distribution integrated over [v - 1/2, v + 1/2]."""
    distance, scale = tf.abs(v - mean), tf.exp(log_scale)
    p = tf.sigmoid((0.5 - distance) / scale) - tf.sigmoid((-0.5 - distance) / scale)
    return -tf.math.log(tf.maximum(p, 1e-9)) / np.log(2.0).astype(np.float32)
