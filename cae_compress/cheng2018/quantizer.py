"""Quantization stage: real codes to integers of B bits and back.

    y' = [y / scale * 2**(B-1)], clipped to [-2**(B-1), 2**(B-1) - 1]

Dividing by `scale` renormalises the code to [-1, 1]; [.] rounds to the nearest integer. B is 1 to 16. The paper's B is
a whole number; here it need not be, so that rates between two of them can be reached. Files hold the number of levels,
2**(B-1), in units of 1/256.

Source: Cheng et al., PCS 2018, section II-C.
"""

import math

import numpy as np

from cae_compress.checks import number

MIN_BITS, MAX_BITS = 1, 16
LEVEL_UNIT = 256
MIN_LEVELS, MAX_LEVELS = (LEVEL_UNIT << (bits - 1) for bits in (MIN_BITS, MAX_BITS))


def levels_of(bits):
    """B -> levels 2**(B-1) in units of 1/256, an int.

    Raises:
        ValueError: B is not a number from 1 to 16.
    """
    return round(LEVEL_UNIT * 2 ** (number("bits", bits, MIN_BITS, MAX_BITS) - 1))


def bits_of(levels):
    """The inverse of `levels_of`, a float."""
    return 1 + math.log2(levels / LEVEL_UNIT)


def quantize(y, scale, levels):
    """Quantize a code.

    Args:
        y: float array, any shape.
        scale: float array > 0, broadcastable to `y`: the magnitude that fills the range.
        levels: int, from `levels_of`.

    Returns:
        int32 array of the shape of `y`, in [-2**(B-1), 2**(B-1) - 1].

    Raises:
        ValueError: `scale` is not positive, or `y` is not finite.
    """
    scale = np.asarray(scale)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise ValueError("scale must be positive and finite")
    scaled = np.asarray(y, np.float32) / scale * (levels / LEVEL_UNIT)
    if not np.isfinite(scaled).all():
        raise ValueError("the code to quantize must be finite")
    limit = math.floor(levels / LEVEL_UNIT)
    return np.clip(np.rint(scaled), -limit, limit - 1).astype(np.int32)


def dequantize(q, scale, levels):
    """Invert `quantize` up to rounding and clipping: integers q -> float32 y_hat = q * scale / 2**(B-1)."""
    return (np.asarray(q) * (np.asarray(scale, np.float32) * (LEVEL_UNIT / levels))).astype(np.float32)
