"""A DCT in the place of both networks, for pictures that are not like photographs: noise, heavy grain, dither.

The networks have learned photographs. What is unlike them they lose, at any quality: of noise they keep 21 dB where
quantization would leave 45, and at the highest qualities they lose some of the grain of any photograph. A fixed
orthonormal transform loses nothing. So where the high frequencies of a picture are full, it is coded both ways, and the
way of less loss is taken (`loss`). All else is the same: dependent quantization, context network,
arithmetic coder. A file says which it is.

Source: Ahmed, Natarajan, Rao, IEEE Trans. Computers C-23(1), 1974.
"""

import functools
import math

import numpy as np

from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.gains import PLACE_BITS, lmbda_of
from cae_compress.flagship.integer_passes import PER_STEP
from cae_compress.flagship.tiling import PATCH, cut, grid, pixels_of

# luma and two chromas, orthonormal
PLANES = (np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])).astype(np.float32)
SHARES = 1, 0.06, 0.02  # of the planes in a photograph's variance, about
MIDDLE = 127.5  # of the levels
SAMPLE = 64  # patches, about, that tell whether a picture is full of high frequencies
HIGH = 16  # from this sum of frequencies on they are high
FULL = 0.8  # bits a high frequency takes; with less, a DCT gains 2 % at most; 40 photographs had less up to quality 75
# bits that a squared error of one step costs where steps are as long as pays best: a step twice as fine costs a bit
# more and leaves a quarter of the error, step**2 / 12
ERROR_WEIGHTS = np.full(CHANNELS, 6 / np.log(2), np.float32)


@functools.lru_cache(maxsize=1)
def cosines():
    """The functions of a DCT in one direction, one a row: orthonormal float32 (PATCH, PATCH)."""
    k = np.arange(PATCH)
    functions = np.sqrt(2 / PATCH) * np.cos(np.pi / PATCH * k[:, None] * (k + 0.5))
    functions[0] /= np.sqrt(2)
    return functions.astype(np.float32)


@functools.lru_cache(maxsize=1)
def order():
    """Where the functions are, strongest in photographs first, as the context network wants them: int64 (CHANNELS,).

    They are counted by plane and frequencies down and across.
    """
    k = np.arange(PATCH)
    variances = np.multiply.outer(SHARES, 1 / (np.add.outer(k**2, k**2) + 0.5))
    return np.argsort(-variances.ravel(), kind="stable")


def frequencies():
    """The sum of both frequencies of each function, 0 to 30: int64 (CHANNELS,)."""
    k = np.arange(PATCH)
    return np.tile(np.add.outer(k, k).ravel(), len(SHARES))[order()]


def step_at(place):
    """Quantization step in levels that makes bits + lambda * squared error least at a place between the lambdas."""
    return math.sqrt(18 / (math.log(2) * lmbda_of(place / 2**PLACE_BITS)))


def analyse(pixels, place):
    """uint8 pixels (16 * rows, 16 * columns, 3) -> latents in steps, float32 (rows, columns, CHANNELS)."""
    return transform(cut(pixels)) * np.float32(1 / step_at(place))


def transform(patches):
    """uint8 (..., 16, 16, 3) -> coefficients in levels, strongest in photographs first: float32 (..., CHANNELS)."""
    planes = np.einsum("...yxc,pc->...pyx", patches.astype(np.float32) - np.float32(MIDDLE), PLANES)
    coefficients = cosines() @ planes @ cosines().T
    return coefficients.reshape(*patches.shape[:-3], CHANNELS).take(order(), axis=-1)


def inverse(coefficients):
    """What `transform` was given, float32, beyond 0 to 255 too."""
    by_plane = coefficients.take(np.argsort(order()), axis=-1)
    by_plane = by_plane.reshape(*coefficients.shape[:-1], len(PLANES), PATCH, PATCH)
    planes = cosines().T @ by_plane @ cosines()
    return np.einsum("...pyx,pc->...yxc", planes, PLANES) + np.float32(MIDDLE)


def synthesise(q, place):
    """Latents in half steps, integers (rows, columns, CHANNELS) -> uint8 pixels (16 * rows, 16 * columns, 3)."""
    rows, columns, _ = q.shape
    patches = inverse(q * np.float32(step_at(place) / PER_STEP))
    pixels = patches.swapaxes(1, 2).reshape(PATCH * rows, PATCH * columns, 3)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def may_pay(image, place):
    """Whether a picture, uint8 (h, w, 3), is so full of high frequencies that a DCT may do better than the networks.

    A number of y steps takes some log2(1 + 2 |y|) bits. Of high frequencies that is the mean of a few patches.
    """
    rows, columns = grid(*image.shape[:2])
    every = max(1, math.isqrt(rows * columns // SAMPLE))
    at = [np.s_[i : i + 1, j : j + 1] for i in range(0, rows, every) for j in range(0, columns, every)]
    sample = np.concatenate([pixels_of(image, patch) for patch in at], axis=1)
    high = analyse(sample, place)[..., frequencies() >= HIGH]
    return np.log2(1 + 2 * np.abs(high)).mean() >= FULL
