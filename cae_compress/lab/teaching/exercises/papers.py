"""Exercises of notebook 9: four papers."""

import numpy as np
from scipy.stats import norm

from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_X = _RNG.normal(0, 2, (6, 4))
_BETA, _GAMMA = _RNG.uniform(0.5, 1.5, 4), _RNG.uniform(0, 0.4, (4, 4))
_WEIGHTS, _SCALES = np.array([0.7, 0.25, 0.05]), np.array([0.3, 2.0, 9.0])


def successive(x, passes):
    """Numbers from -1 to 1, each pass a sign of what is left, worth half of the pass before."""
    return _by_signs(x, 2.0 ** -np.arange(1, passes + 1))


def _by_signs(x, steps):
    x_hat = np.zeros_like(x)
    for step in steps:
        x_hat = x_hat + np.where(x - x_hat >= 0, step, -step)
    return x_hat


def saved_percent(num_bytes, passes, height, width):
    """What the entropy coder saves of 32 bits a pass for every 16x16 pixels."""
    return 100 * (1 - num_bytes / _nominal(passes, height, width))


def _nominal(passes, height, width):
    return passes * 32 * -(-height // 16) * -(-width // 16) / 8


def mixture_bits(v, weights, scales):
    """Bits of integers under a mixture of Gaussians of mean 0."""
    return -np.log2((weights * _cells(v, scales)).sum(axis=-1))


def _cells(v, scales):
    """Probabilities of integers under each of the Gaussians: (..., scales)."""
    v = np.asarray(v)[..., None]
    return norm.cdf((v + 0.5) / scales) - norm.cdf((v - 0.5) / scales)


def divisive_normalization(x, beta, gamma):
    """Each channel over the root of a weighted sum of all squares."""
    return x / np.sqrt(beta + np.square(x) @ gamma.T)


def _density(v, weights, scales):
    return -np.log2((weights * norm.pdf(np.asarray(v)[..., None], scale=scales)).sum(axis=-1))


EXERCISES = (
    Exercise(
        "9.1",
        "successive",
        10,
        "medium",
        successive,
        {"numbers on a line, 3 passes": (np.linspace(-0.99, 0.99, 12), 3), "7 passes": (_RNG.uniform(-1, 1, 9), 7)},
        {
            "Each pass codes what is left, x - x_hat, not x again.": lambda x, n: (
                np.where(x >= 0, 1, -1) * (1 - 2.0**-n)
            ),
            "The first pass is worth 1/2, the next 1/4: yours begins with 1.": lambda x, n: 2 * successive(x / 2, n),
            "Every pass is worth half of the one before; yours are all worth the same.": lambda x, n: _by_signs(
                x, [0.5] * n
            ),
        },
        "Keep x_hat, at first 0. In pass k add the sign of x - x_hat times 2**-k; a sign of 0 counts as +1.",
    ),
    Exercise(
        "9.2",
        "saved_percent",
        5,
        "easy",
        saved_percent,
        {"a Kodak picture after 4 passes": (19_000, 4, 512, 768), "sides that are no multiples": (700, 2, 100, 150)},
        {
            "Bits and bytes: eight of the one are one of the other.": lambda b, n, h, w: (
                100 * (1 - b / (8 * _nominal(n, h, w)))
            ),
            "That is the share that remains.": lambda b, n, h, w: 100 * b / _nominal(n, h, w),
            "32 bits stand for a square of 16x16 pixels, and every pass has them anew.": lambda b, n, h, w: (
                100 * (1 - b / _nominal(1, h, w))
            ),
        },
        "Squares of 16x16 pixels, rounded up each way, times 32 bits, times passes, over 8: the bytes without a coder.",
    ),
    Exercise(
        "9.3",
        "mixture_bits",
        12,
        "hard",
        mixture_bits,
        {
            "small integers": (np.array([0, 1, -1, 2, -4]), _WEIGHTS, _SCALES),
            "one Gaussian": (np.array([0, 3]), np.array([1.0]), np.array([1.7])),
        },
        {
            "That takes the density at the integer; asked is its integral from v - 1/2 to v + 1/2.": _density,
            "Mix probabilities, then take the logarithm; you mix logarithms.": lambda v, w, s: (
                -(w * np.log2(_cells(v, s))).sum(axis=-1)
            ),
            "Bits are positive: the minus is missing.": lambda v, w, s: -mixture_bits(v, w, s),
        },
        "`scipy.stats.norm.cdf` at (v + 1/2) / scale and (v - 1/2) / scale; weigh the differences, sum, -log2.",
    ),
    Exercise(
        "9.4",
        "divisive_normalization",
        8,
        "medium",
        divisive_normalization,
        {"six places of four channels": (_X, _BETA, _GAMMA), "an identity": (_X, np.ones(4), np.zeros((4, 4)))},
        {
            "The root is missing.": lambda x, b, g: x / (b + np.square(x) @ g.T),
            "Row i of gamma is for channel i: transpose.": lambda x, b, g: x / np.sqrt(b + np.square(x) @ g),
            "Channels enter by their squares.": lambda x, b, g: x / np.sqrt(b + np.abs(x) @ g.T),
        },
        "Of x, (n, channels): `x**2 @ gamma.T` has, for each channel, the weighted sum of the squares of all.",
    ),
)
