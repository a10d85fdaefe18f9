"""Exercises of notebook 8: the flagship."""

import itertools

import numpy as np

from cae_compress.flagship import centroids
from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_LOG_GAIN = np.sort(_RNG.normal(0, 1, (11, 5)), axis=0)


def gain_at(u, log_gain):
    """Gains of a quality between two lambdas: logarithms interpolated, then exp; u from 0 to 10."""
    k = min(int(u), len(log_gain) - 2)
    return np.exp(log_gain[k] + (u - k) * (log_gain[k + 1] - log_gain[k]))


def _linear(u, log_gain):
    k = min(int(u), len(log_gain) - 2)
    return (1 - u + k) * np.exp(log_gain[k]) + (u - k) * np.exp(log_gain[k + 1])


def centroid_of_cell(q, mean, scale):
    """Best guess of a logistic number that was rounded to q."""
    return float(q + centroids.centroid(mean - q, scale))


def half_steps(u, parities):
    """What dependent quantization can reach: the nearest of its quantizer's values, in half steps, for each number.

    Quantizer 0 has the even half steps, quantizer 1 the odd ones and 0.
    """
    out = []
    for value, parity in zip(u, parities):
        allowed = np.array([k for k in range(-20, 21) if k % 2 == parity or k == 0])
        out.append(int(allowed[np.abs(allowed / 2 - value).argmin()]))
    return np.array(out)


def _without_zero(u, parities):
    odd = np.arange(-19, 20, 2)
    even = np.arange(-20, 21, 2)
    return np.array([int(a[np.abs(a / 2 - v).argmin()]) for v, p in zip(u, parities) for a in [odd if p else even]])


def cheapest_path(costs, switch):
    """Least total cost of choosing a column in every row, when changing the column costs `switch`: Viterbi."""
    best = np.asarray(costs[0], float)
    for row in costs[1:]:
        best = row + np.minimum(best, best.min() + switch)
    return float(best.min())


def _greedy(costs, switch):
    total, before = 0.0, None
    for row in costs:
        paid = row if before is None else row + switch * (np.arange(len(row)) != before)
        before = int(paid.argmin())
        total += paid[before]
    return float(total)


def brute_force(costs, switch):
    """`cheapest_path` by trying all ways."""
    ways = itertools.product(range(costs.shape[1]), repeat=len(costs))
    return min(
        sum(costs[k, c] for k, c in enumerate(way)) + switch * sum(a != b for a, b in itertools.pairwise(way))
        for way in ways
    )


EXERCISES = (
    Exercise(
        "8.1",
        "gain_at",
        8,
        "medium",
        gain_at,
        {"at a λ": (3.0, _LOG_GAIN), "half way between two": (2.5, _LOG_GAIN), "at the last": (10.0, _LOG_GAIN)},
        {
            "Interpolate logarithms, not gains: steps go by factors.": _linear,
            "Those are logarithms still: exp.": lambda u, g: np.log(gain_at(u, g)),
            "You take the nearest λ instead of going between two.": lambda u, g: np.exp(g[round(u)]),
        },
        "k = int(u), but at most 9; then exp of the way from row k to row k + 1.",
    ),
    Exercise(
        "8.2",
        "centroid_of_cell",
        12,
        "hard",
        centroid_of_cell,
        {
            "rounded to 1, 0 expected": (1, 0.0, 0.3),
            "rounded to 0, 0 expected": (0, 0.0, 0.5),
            "to -2, -1.2": (-2, -1.2, 1.0),
        },
        {
            "That is the whole number itself; within its cell some places are more likely.": lambda q, m, s: q,
            "That is what was expected; the latent lies in its cell for certain.": lambda q, m, s: m,
            "You go away from what was expected, not towards it.": lambda q, m, s: 2 * q - centroid_of_cell(q, m, s),
        },
        "On a fine grid from q - ½ to q + ½: the mean of the places, weighed by 1 / cosh²((place - mean) / (2 scale)).",
        tolerance=2e-3,
    ),
    Exercise(
        "8.3",
        "half_steps",
        10,
        "medium",
        half_steps,
        {
            "all from quantizer 0": (np.array([0.2, 0.8, -1.4, 2.6]), np.zeros(4, int)),
            "all from quantizer 1": (np.array([0.1, 0.4, -0.6, 2.4]), np.ones(4, int)),
            "in turn": (np.array([0.7, 0.7, -0.1, -0.1]), np.array([0, 1, 0, 1])),
        },
        {
            "Quantizer 1 has 0 too: most latents are zero, and it must be cheap in both.": _without_zero,
            "You let both quantizers use every half step.": lambda u, p: np.rint(2 * u).astype(int),
            "Asked are half steps, whole numbers, not the values.": lambda u, p: half_steps(u, p) / 2,
        },
        "List what each quantizer has between -20 and 20 half steps (even ones; odd ones and 0), take the nearest.",
    ),
    Exercise(
        "8.4",
        "cheapest_path",
        20,
        "hard",
        cheapest_path,
        {
            "two rows": (np.array([[1.0, 2.0], [5.0, 0.0]]), 3.0),
            "eight rows of three": (_RNG.random((8, 3)) * 4, 1.0),
            "where changing is free": (_RNG.random((5, 3)), 0.0),
        },
        {
            "You take the cheapest column row by row; a dearer one now may save a change later.": _greedy,
            "A change costs something.": lambda c, s: float(c.min(axis=1).sum()),
            "You never change the column, which may be worth its price.": lambda c, s: float(c.sum(axis=0).min()),
        },
        "Keep, for every column, the least cost of all ways that end there. For the next row it is the row's cost plus "
        "the smaller of staying (that column's best) and changing (the best of all plus `switch`).",
    ),
)
