"""More effort when encoding: latents are moved by gradient steps towards less rate and distortion of this very picture.

The analysis network makes one guess at good latents. Here they become variables of an optimisation of the loss that the
network was trained with. Rounding is made soft: a latent is the whole number below it or the one above, by chance, the
nearer the likelier, and the temperature of the chance falls until the choice is settled. Latents that will be quantized
in dependence of each other (`trellis`) have noise instead, as large as the errors of the trellis. Decoders know nothing
of it.

Sources: Yang, Bamler, Mandt, NeurIPS 2020, section 3.2 (stochastic Gumbel annealing); Campos et al., CVPR Workshops
2019 (latents optimised for each picture).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import functools  # isort: skip

import keras
import numpy as np
import tensorflow as tf

from cae_compress.flagship.distortion import DISTORTIONS
from cae_compress.flagship.gains import lmbda_of
from cae_compress.flagship.integer_context import CHANNELS, PATCH
from cae_compress.flagship.network import DEPENDENT_ERROR, centred, centroid_offsets, is_dependent
from cae_compress.layers import logistic_bits
from cae_compress.progress import progress_bar

LEARNING_RATE = 0.01  # quantization steps that a latent moves at most in a gradient step
FIRST_TEMPERATURE, LAST_TEMPERATURE = 0.5, 0.1
EDGE = 1e-4  # keeps latents off the whole numbers, where the odds are infinite


def refine(network, y, x, u, steps, tune="psnr", seed=1):
    """Better latents for a picture.

    Args:
        network: an `network.RDCAE` with a trained context network.
        y: float32 (rows, columns, CHANNELS), latents in quantization steps, from the analysis.
        x: uint8 (h, w, 3), the picture they stand for, up to 16 rows and columns a latent.
        u: place of the quality between the lambdas, 0 to 7.
        steps: int, how many gradient steps.
        tune: what the network was trained for, "psnr" or "ms-ssim".
        seed: of the chance; the same seed gives the same latents.

    Returns:
        float32 like `y`, to be quantized.
    """
    target, mask = padded(x, PATCH * y.shape[0], PATCH * y.shape[1])
    latents, optimizer = tf.Variable(y[None]), keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build([latents])
    for k in progress_bar(range(steps), desc="effort", unit="step", leave=False):
        temperature = FIRST_TEMPERATURE * (LAST_TEMPERATURE / FIRST_TEMPERATURE) ** (k / steps)
        gradient = gradient_of(network, tune)(latents, target, mask, np.float32(u), np.float32(temperature), (seed, k))
        optimizer.apply([gradient], [latents])
    return latents.numpy()[0]


def padded(x, height, width):
    """A picture with its last row and column repeated to a size: (uint8 (1, height, width, 3), 1 where it was)."""
    missing = ((0, height - x.shape[0]), (0, width - x.shape[1]))
    mask = np.pad(np.ones(x.shape[:2], np.float32), missing)
    return np.pad(x, (*missing, (0, 0)), mode="edge")[None], mask[None, ..., None]


@functools.lru_cache(maxsize=2)
def gradient_of(network, tune):
    """The gradient of the loss, compiled once for a network: a function of y, x, mask, u, temperature, seed."""
    distortion = DISTORTIONS[tune].error

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, None, None, CHANNELS), tf.float32),
            tf.TensorSpec((1, None, None, 3), tf.uint8),
            tf.TensorSpec((1, None, None, 1), tf.float32),
            tf.TensorSpec((), tf.float32),
            tf.TensorSpec((), tf.float32),
            tf.TensorSpec((2,), tf.int32),
        ]
    )
    def gradient(y, x, mask, u, temperature, seed):
        with tf.GradientTape() as tape:
            tape.watch(y)
            q = soft_rounding(y, temperature, seed)
            mean, log_scale = network.expect(q, u[None])
            noise = tf.random.stateless_uniform(tf.shape(y), seed + (0, 1_000_000), -0.5, 0.5)
            dependent = is_dependent(log_scale)
            bits = tf.reduce_sum(logistic_bits(tf.where(dependent, y + noise, q), mean, log_scale))
            offsets = tf.where(dependent, 0.0, centroid_offsets(q, mean, log_scale))
            x_hat = network.reconstruct(tf.where(dependent, y + DEPENDENT_ERROR * noise, q), offsets, u[None])
            target = centred(x)
            error = distortion(target, target + mask * (x_hat - target))[0] * tf.cast(tf.size(mask), tf.float32)
            loss = (bits + lmbda_of(u) * error) / tf.reduce_sum(mask)
        return tape.gradient(loss, y)

    return gradient


def soft_rounding(y, temperature, seed):
    """A random mixture of the whole numbers below and above y, all of one of them as the temperature goes to 0."""
    below = tf.floor(y)
    above = tf.clip_by_value(y - below, EDGE, 1 - EDGE)  # how far y is on its way
    log_odds = (tf.math.atanh(above) - tf.math.atanh(1 - above)) / temperature
    chance = tf.random.stateless_uniform(tf.shape(y), seed, EDGE, 1 - EDGE)
    logistic_noise = tf.math.log(chance) - tf.math.log(1 - chance)
    return below + tf.sigmoid((log_odds + logistic_noise) / temperature)
