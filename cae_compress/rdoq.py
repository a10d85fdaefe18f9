"""Rate-distortion optimised quantization: which whole number stands for a latent. Encoders only.

Each latent becomes the nearest whole number, or the next one towards the predicted mean, whichever has the smaller sum
of rate and weighted squared error. The rate is that of a logistic distribution with the predicted mean and scale.

Source: Ramchandran, Vetterli, IEEE TIP 3(5), 1994.
"""

import numpy as np

from cae_compress.compiled import compiled, inlined
from cae_compress.integer_context import MAX_LOG_SCALE, MIN_LOG_SCALE
from cae_compress.integer_passes import OUTPUT_BITS


@inlined
def logistic_bits(distance, scale):
    """Information, in bits, of a whole number at a distance from the mean of a logistic distribution."""
    upper = 1 / (1 + np.exp((distance - 0.5) / scale))
    lower = 1 / (1 + np.exp((distance + 0.5) / scale))
    return -np.log2(max(upper - lower, 1e-9))


def nearest(y, mean, log_scale, channels):
    """Plain rounding, as `RDLatentCoder.encode` wants a quantizer: int32 like `y`."""
    return np.rint(y).astype(np.int32)


@compiled
def choose(y, mean, log_scale, weights):
    """Quantize latents.

    Args:
        y: float32 (positions, channels), latents in quantization steps.
        mean, log_scale: float32 like `y`, predicted, whole numbers with `OUTPUT_BITS` bits of fraction.
        weights: float32 (channels,), bits that a squared error of one step is worth; infinite for plain rounding.

    Returns:
        int32 like `y`.
    """
    q = np.empty(y.shape, np.int32)
    for position in range(y.shape[0]):
        for c in range(y.shape[1]):
            value, centre = np.float64(y[position, c]), mean[position, c] / 2**OUTPUT_BITS
            nearest = np.rint(value)
            q[position, c] = np.int32(nearest)
            if nearest == np.rint(centre) or np.isinf(weights[c]):
                continue
            inner = nearest - np.sign(nearest - centre)
            s = np.exp(min(max(log_scale[position, c] / 2**OUTPUT_BITS, MIN_LOG_SCALE), MAX_LOG_SCALE))
            cost = weights[c] * (value - nearest) ** 2 + logistic_bits(abs(nearest - centre), s)
            if weights[c] * (value - inner) ** 2 + logistic_bits(abs(inner - centre), s) < cost:
                q[position, c] = np.int32(inner)
    return q
