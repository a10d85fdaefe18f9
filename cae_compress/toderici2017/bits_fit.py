"""Fits what `bits` expects to the bits of training pictures: weights by logistic regression, initial probabilities."""

import numpy as np
from scipy.special import expit

from cae_compress.coding.arithmetic import ONE
from cae_compress.progress import progress_bar
from cae_compress.toderici2017.bits import (
    BITS,
    BORDER,
    BUCKETS,
    FRACTION_BITS,
    LARGEST_WEIGHT,
    NEAR,
    PLACES,
    bordered,
    buckets_of,
)

STEPS = 5  # of Newton's method
RIDGE = 10.0  # the larger, the smaller the weights of neighbours that say little
MAX_POSITIONS = 12_000  # of all pictures together
COUNT_OF_MODEL = 2.0  # bits that a context's own odds are worth beside those that were counted


def fit(pictures_bits):
    """Weights and initial probabilities.

    Args:
        pictures_bits: list of int8 arrays (passes, rows, columns, BITS), -1 or 1, one a training picture.

    Returns:
        (weights, probabilities): int16 (passes, BITS, INPUTS) and uint16 (passes, BUCKETS), of `bits.BitCoder`.
    """
    fitted = []
    for t in progress_bar(range(len(pictures_bits[0])), desc="predictors of bits", unit="pass", leave=False):
        pairs = [(bordered(bits[t - 1] if t else 0 * bits[0]), bordered(bits[t])) for bits in pictures_bits]
        weights = fit_weights(pairs)
        fitted.append((weights, fit_probabilities(pairs, weights)))
    return tuple(np.stack(arrays) for arrays in zip(*fitted))


def fit_weights(pairs):
    """Weights of a pass: int16 (BITS, INPUTS), from a list of pairs (before, this), each with its border."""
    parts = [np.concatenate(part) for part in zip(*(neighbours(*pair) for pair in pairs))]
    near, before, this = (part[:: -(-len(part) // MAX_POSITIONS)] for part in parts)
    weights = [logistic_regression(inputs(near, before, this, c), this[:, c] > 0) for c in range(BITS)]
    return np.clip(np.rint(np.stack(weights) * 2**FRACTION_BITS), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int16)


def neighbours(before, this):
    """What surrounds positions: int8 (positions, places, BITS), and bits there before and now, (positions, BITS)."""

    def shifted(plane, down, right):
        rows, columns = (side - 2 * BORDER for side in plane.shape[:2])
        return plane[BORDER + down :, BORDER + right :][:rows, :columns].reshape(-1, BITS)

    near = [shifted(this if k < NEAR else before, *place) for k, place in enumerate(PLACES)]
    return np.stack(near, axis=1), shifted(before, 0, 0), shifted(this, 0, 0)


def inputs(near, before, this, c):
    """Inputs of the prediction of a channel, in the order of its weights: float32 (positions, `bits.INPUTS`)."""
    known = np.where(np.arange(BITS) < c, this, 0)
    return np.column_stack([near[:, :, c], before, known, np.ones(len(this))]).astype(np.float32)


def logistic_regression(x, is_one):
    """Weights w such that x @ w are the log odds of a bit: float64 (n,), by Newton's method with a ridge.

    Args:
        x: float32 (samples, n).
        is_one: bool (samples,).
    """
    w = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = expit(x @ w.astype(np.float32))
        gradient = x.T @ (is_one - p) - RIDGE * w
        curvature = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(w))
        w += np.linalg.solve(curvature, gradient)
    return w


def fit_probabilities(pairs, weights):
    """Initial probabilities of -1 in each context of a pass, uint16 (BUCKETS,): counted, and where little was counted,
    as the log odds have it that lead to the context."""
    counts = np.zeros((2, BUCKETS))
    for before, this in pairs:
        which, is_one = buckets_of(before, this, weights), this[BORDER:-BORDER, BORDER:-BORDER] > 0
        counts += [np.bincount(which[one == is_one], minlength=BUCKETS) for one in (False, True)]
    log_odds = (np.arange(BUCKETS) + 0.5 - BUCKETS / 2) / 2  # in the middle of each
    p = (counts[0] + COUNT_OF_MODEL * expit(-log_odds)) / (counts.sum(axis=0) + COUNT_OF_MODEL)
    return np.clip(np.rint(ONE * p), 1, ONE - 1).astype(np.uint16)
