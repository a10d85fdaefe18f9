"""The flagship's rate model: what to expect of each latent, from latents decoded before it.

Latents are decoded group by group, low frequencies first, and within a group in passes over the positions, each of
which sees all lower groups in the 3x3 positions around it and what its own group has by then:

    A C A C         A: every second row and column      sees none of its own group
    C B C B         B: the middles of squares of A      sees the four A at its corners
    A C A C         C: the others                       sees the four A and B at its sides
    C B C B

In the lowest group, which has no lower one to look at, the A themselves are decoded like this, from coarser grids.

A small network turns what is seen into a mean and a scale of a logistic distribution for every channel of the group.
All positions of a pass are independent of each other: the decoder needs a few matrix products, not a loop over pixels.

Sources: Minnen, Balle, Toderici, NeurIPS 2018 (mean and scale from a context); Minnen, Singh, ICIP 2020 (channel by
channel group); He et al., CVPR 2021 (checkerboard passes).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from cae_compress.flagship.coding_order import GROUPS, HALVING, SPACINGS
from cae_compress.flagship.gains import NUM_LMBDAS
from cae_compress.flagship.integer_passes import AROUND, MAX_LOG_SCALE, MIN_LOG_SCALE
from cae_compress.flagship.integer_weights import HIDDEN, SIGNED, SIGNED_UNIT
from cae_compress.layers import interpolate

# (passes that halve a spacing, 3, 3, 1, 1): 1 at the neighbours that each sees in its own group
SEEN = np.array([[place in neighbours for place in AROUND] for *_, neighbours in HALVING], np.float32)
SEEN = SEEN.reshape(-1, 3, 3, 1, 1)


class ContextNetwork(keras.layers.Layer):
    """Mean and logarithm of the scale of every latent.

    Call arguments:
        q: float tensor of whole numbers, shape (b, h, w, CHANNELS).
        u: float tensor, shape (b,): place of each picture's quality between the lambdas, 0 to 10.

    Returns:
        (mean, log_scale), each of the shape of `q`.
    """

    def build(self, _):
        start = keras.initializers.VarianceScaling(0.5)
        self.groups = []
        for a, b, spacings in zip(GROUPS, GROUPS[1:], SPACINGS):
            lower, own, n = num_features(0, a), num_features(a, b), b - a
            signed, halvings = min(b, SIGNED), len(spacings) * len(HALVING)

            def weight(name, *shape, initializer=start, a=a):
                return self.add_weight(name=f"{name}{a}", shape=shape, initializer=initializer)

            group = {
                "own": weight("own", halvings, 3, 3, own, HIDDEN),
                "mean": weight("mean", halvings, 3, 3, signed, n, initializer="zeros"),
                "quality": weight("quality", 1 + halvings, NUM_LMBDAS, HIDDEN, initializer="zeros"),
                "middle": weight("middle", HIDDEN, HIDDEN),
                "middle_bias": weight("middle_bias", HIDDEN, initializer="zeros"),
                "out": weight("out", HIDDEN, 2 * n, initializer="zeros"),
                "out_bias": weight("out_bias", NUM_LMBDAS, 2 * n, initializer="zeros"),
            }
            if a >= SIGNED:
                group["same"] = weight("same", halvings, 3, 3, n, initializer="zeros")
            if a:
                group["lower"] = weight("lower", 3, 3, lower, HIDDEN)
            self.groups.append(group)

    def call(self, q, u):
        means, log_scales = [], []
        for a, b, spacings, group in zip(GROUPS, GROUPS[1:], SPACINGS, self.groups):
            is_pass = pass_masks(tf.shape(q)[1], tf.shape(q)[2], spacings)
            h = tf.einsum("bqh,yxq->byxh", interpolate(tf.transpose(group["quality"], (1, 0, 2)), u), is_pass)
            if a:
                h += tf.nn.conv2d(features(q, 0, a), group["lower"], 1, "SAME")  # with zeros around the picture
            h = tf.nn.relu(h + from_neighbours(features(q, a, b), group["own"], spacings, is_pass))
            h += tf.nn.relu(h @ group["middle"] + group["middle_bias"])
            out = h @ group["out"] + interpolate(group["out_bias"], u)[:, None, None]
            signed = q[..., : min(b, SIGNED)]
            mean = out[..., : b - a] + from_neighbours(signed, group["mean"], spacings, is_pass)
            if a >= SIGNED:
                mean += from_same_channel(q[..., a:b], group["same"], is_pass)
            means.append(mean)
            log_scales.append(out[..., b - a :])
        log_scale = tf.clip_by_value(tf.concat(log_scales, -1), MIN_LOG_SCALE, MAX_LOG_SCALE)
        return tf.concat(means, -1), log_scale

    def assign(self, groups):
        """Set all weights, as `integer_weights.from_integers` has them."""
        for group, values in zip(self.groups, groups):
            for name, variable in group.items():
                variable.assign(values[name])

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


def pass_masks(height, width, spacings):
    """Which pass of a group each position belongs to: float tensor (height, width, passes) of zeros and ones."""
    row, column = tf.range(height)[:, None], tf.range(width)[None]
    coarsest = 2 * spacings[0]
    masks = [tf.logical_and(row % coarsest == 0, column % coarsest == 0)]
    for spacing in spacings:
        for down, right, _ in HALVING:
            masks.append(
                tf.logical_and(row % (2 * spacing) == spacing * down, column % (2 * spacing) == spacing * right)
            )
    return tf.cast(tf.stack(masks, -1), tf.float32)


def from_neighbours(x, kernels, spacings, is_pass):
    """Convolves each position with the kernel of its pass: (b, h, w, n) -> (b, h, w, m).

    Args:
        x: features of the own group.
        kernels: (passes - 1, 3, 3, n, m); the first pass sees nothing.
        spacings: of the group.
        is_pass: from `pass_masks`.
    """
    total, m = 0.0, kernels.shape[-1]
    for k, spacing in enumerate(spacings):
        these = slice(k * len(HALVING), (k + 1) * len(HALVING))
        kernel = tf.transpose(kernels[these] * SEEN, (1, 2, 3, 0, 4))  # all passes of a spacing in one convolution
        y = convolved(x, tf.reshape(kernel, (3, 3, -1, len(HALVING) * m)), spacing)
        y = tf.reshape(y, (*tf.unstack(tf.shape(y)[:3]), len(HALVING), m))
        total += tf.einsum("byxqm,yxq->byxm", y, is_pass[..., 1:][..., these])
    return total


def convolved(x, kernel, spacing):
    """Convolves with neighbours that are `spacing` apart, zeros around: (b, h, w, n) -> (b, h, w, m).

    That is an ordinary convolution of every `spacing`-th row and column. TensorFlow has a gradient of its own dilated
    convolution on processors with oneDNN only.
    """
    if spacing == 1:
        return tf.nn.conv2d(x, kernel, 1, "SAME")
    missing = [[0, -tf.shape(x)[1] % spacing], [0, -tf.shape(x)[2] % spacing]]
    apart = tf.space_to_batch(x, [spacing, spacing], missing)
    return tf.batch_to_space(tf.nn.conv2d(apart, kernel, 1, "SAME"), [spacing, spacing], missing)


def from_same_channel(x, kernels, is_pass):
    """`from_neighbours` channel by channel, kernels (passes - 1, 3, 3, n), for a group of one spacing."""
    total, around = 0.0, tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = tf.shape(x)[1], tf.shape(x)[2]
    kernels = kernels * SEEN[..., 0]
    for down, right in AROUND:
        if (down, right) != (0, 0):
            weight = tf.einsum("qn,yxq->yxn", kernels[:, 1 + down, 1 + right], is_pass[..., 1:])
            total += around[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width] * weight
    return total
