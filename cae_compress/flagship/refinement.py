"""More effort when encoding: latents are moved by gradient steps towards less rate and distortion of this very picture.

    y ──> which will be quantized in dependence of each other? ──> gradient of bits + lambda * distortion ──> y

The analysis network makes one guess at good latents. Here they become variables of an optimisation of the loss that the
network was trained with. Decoders know nothing of it. There are two kinds of latents:

- Those that will be quantized in dependence of each other (`trellis`), which leaves small errors, stand for themselves,
  and cost the mean of three places in their cell. Nothing is left to chance, so few steps bring much. Their length is
  that of Newton's method: where quantization steps are as long as pays best, the loss curves alike in all latents.
- All others will be whole numbers, most of them zeros. From the second step on they lie a part of the way from where
  they were to where the squared error, as it is around their whole numbers, would be least. Where there are steps
  enough, they are searched among whole numbers instead: their rounding is made soft, to the one below or the one above
  by chance, the nearer the likelier, and the temperature of the chance falls until the choice is settled.

Sources: Yang, Bamler, Mandt, NeurIPS 2020, section 3.2 (stochastic Gumbel annealing); Campos et al., CVPR Workshops
2019 (latents optimised for each picture).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import functools  # isort: skip

import keras
import numpy as np
import tensorflow as tf

from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.distortion import DISTORTIONS
from cae_compress.flagship.gains import lmbda_of
from cae_compress.flagship.network import centred, centroid_offsets, is_dependent
from cae_compress.flagship.tiling import PATCH
from cae_compress.layers import logistic_bits
from cae_compress.progress import progress_bar

CURVATURE = 25.0  # bits over a quantization step squared; 12 / ln 2 = 17 of them are the distortion's at high rates
MAX_MOVE = 0.1  # quantization steps that a latent of the first kind moves at most in a gradient step
ENOUGH = 4  # gradient steps for latents of the first kind; more bring nothing (data/effort.csv), and are not made
PART = 0.125  # of their way that latents of the second kind go; twice as much gains less
SEARCH_FROM = 20  # gradient steps; fewer leave the search among whole numbers unsettled
SEARCH_RATE = 0.01  # quantization steps that a latent of the second kind moves in a gradient step
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.5, 0.1
EDGE = 1e-4  # keeps latents off the whole numbers, where the odds are infinite


def refine(network, y, x, u, steps, weights, tune="psnr", seed=1):
    """Better latents for a picture.

    Args:
        network: an `network.RDCAE` with a trained context network.
        y: float32 (rows, columns, CHANNELS), latents in quantization steps, from the analysis.
        x: uint8 (h, w, 3), the picture they stand for, up to 16 rows and columns a latent.
        u: place of the quality between the lambdas, 0 to 10.
        steps: int, how many gradient steps; from `ENOUGH` to `SEARCH_FROM` they are `ENOUGH`.
        weights: float32 (CHANNELS,), what an error of one step in each channel costs, as `trellis.choose` takes it.
        tune: what the network was trained for, "psnr" or "ms-ssim".
        seed: of the chance; the same seed gives the same latents.

    Returns:
        float32 like `y`, to be quantized.
    """
    steps = steps if steps >= SEARCH_FROM else min(steps, ENOUGH)
    target, mask = padded(x, PATCH * y.shape[0], PATCH * y.shape[1])
    u, latents, search = np.float32(u), tf.Variable(y[None]), keras.optimizers.Adam(SEARCH_RATE)
    search.build([latents])
    dependent = is_dependent(network.expect(tf.round(latents), u[None])[1])
    searching = steps >= SEARCH_FROM
    gradients_at = gradients_of(network, tune, searching)
    for k in progress_bar(range(steps), desc="effort", unit="step", leave=False):
        temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (k / steps)
        of_bits, of_error = gradients_at(latents, dependent, target, mask, u, np.float32(temperature), (seed, k))
        gradient = of_bits + of_error
        move = (1 - k / steps) * tf.clip_by_value(gradient / CURVATURE, -MAX_MOVE, MAX_MOVE)
        latents.assign_sub(tf.where(dependent, move, 0))
        if searching:
            search.apply([tf.where(dependent, 0, gradient)], [latents])
        elif k:
            least = tf.round(latents) - of_error / (2 * weights)
            latents.assign(tf.where(dependent, latents, y + PART * tf.clip_by_value(least - y, -1, 1)))
    return latents.numpy()[0]


def padded(x, height, width):
    """A picture with its last row and column repeated to a size: (uint8 (1, height, width, 3), 1 where it was)."""
    missing = ((0, height - x.shape[0]), (0, width - x.shape[1]))
    mask = np.pad(np.ones(x.shape[:2], np.float32), missing)
    return np.pad(x, (*missing, (0, 0)), mode="edge")[None], mask[None, ..., None]


@functools.lru_cache(maxsize=2)
def gradients_of(network, tune, searching):
    """The gradients of a picture's bits and of its distortion, in bits too, compiled once for a network.

    A function of y, which latents are dependent, x, mask, u, temperature, seed; the last two if it is `searching`.
    """
    distortion = DISTORTIONS[tune].error

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, None, None, CHANNELS), tf.float32),
            tf.TensorSpec((1, None, None, CHANNELS), tf.bool),
            tf.TensorSpec((1, None, None, 3), tf.uint8),
            tf.TensorSpec((1, None, None, 1), tf.float32),
            tf.TensorSpec((), tf.float32),
            tf.TensorSpec((), tf.float32),
            tf.TensorSpec((2,), tf.int32),
        ]
    )
    def gradients(y, dependent, x, mask, u, temperature, seed):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(y)
            rounded = soft_rounding(y, temperature, seed) if searching else tf.stop_gradient(tf.round(y))
            q = tf.where(dependent, y, rounded)
            mean, log_scale = network.expect(q, u[None])
            in_cell = sum(logistic_bits(q + place, mean, log_scale) for place in (-1 / 3, 0.0, 1 / 3)) / 3
            bits = tf.reduce_sum(tf.where(dependent, in_cell, logistic_bits(q, mean, log_scale)))
            offsets = tf.stop_gradient(tf.where(dependent, 0.0, centroid_offsets(q, mean, log_scale)))
            x_hat, target = network.reconstruct(q, offsets, u[None]), centred(x)
            error = distortion(target, target + mask * (x_hat - target))[0] * tf.cast(tf.size(mask), tf.float32)
            error = lmbda_of(u) * error
        return tape.gradient(bits, y), tape.gradient(error, y)

    return gradients


def soft_rounding(y, temperature, seed):
    """A random mixture of the whole numbers below and above y, all of one of them as the temperature goes to 0."""
    below = tf.floor(y)
    above = tf.clip_by_value(y - below, EDGE, 1 - EDGE)  # how far y is on its way
    log_odds = (tf.math.atanh(above) - tf.math.atanh(1 - above)) / temperature
    chance = tf.random.stateless_uniform(tf.shape(y), seed, EDGE, 1 - EDGE)
    logistic_noise = tf.math.log(chance) - tf.math.log(1 - chance)
    return below + tf.sigmoid((log_odds + logistic_noise) / temperature)
