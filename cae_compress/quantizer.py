"""Quantization stage: real codes to integers of B bits and back.

    y' = [y / scale * 2**(B-1)], clipped to [-2**(B-1), 2**(B-1) - 1]

Dividing by `scale` renormalises the code to [-1, 1]; [.] rounds to the nearest integer.

Source: Cheng et al., PCS 2018, section II-C.
"""

import numpy as np

MAX_BITS = 16


def quantize(y, scale, bits):
    """Quantize a code.

    Args:
        y: float array, any shape.
        scale: float array > 0, broadcastable to `y`: the magnitude that fills the range.
        bits: int B, 1 to 16.

    Returns:
        int32 array of the shape of `y`, in [-2**(B-1), 2**(B-1) - 1].

    Raises:
        ValueError: `bits` is out of range, `scale` is not positive, or `y` is not finite.
    """
    levels = _levels(bits)
    scale = np.asarray(scale)
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise ValueError("scale must be positive and finite")
    scaled = np.asarray(y, np.float32) / scale * levels
    if not np.isfinite(scaled).all():
        raise ValueError("the code to quantize must be finite")
    return np.clip(np.rint(scaled), -levels, levels - 1).astype(np.int32)


def dequantize(q, scale, bits):
    """Invert `quantize` up to rounding and clipping: integers q -> float32 y_hat = q * scale / 2**(B-1).

    Raises:
        ValueError: `bits` is out of range.
    """
    return (np.asarray(q) * (np.asarray(scale, np.float32) / _levels(bits))).astype(np.float32)


def check_bits(bits):
    """Raise ValueError unless `bits` is a whole number from 1 to 16."""
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 1 <= bits <= MAX_BITS:
        raise ValueError(f"bits must be a whole number from 1 to {MAX_BITS}, got {bits!r}")


def _levels(bits):
    check_bits(bits)
    return 2 ** (int(bits) - 1)
