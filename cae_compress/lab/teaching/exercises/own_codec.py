"""Exercises of notebook 10: your own codec."""

import numpy as np

from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_X = _RNG.random((2, 16, 16, 3))
_X_HAT = np.clip(_X + _RNG.normal(0, 0.03, _X.shape), 0, 1)
_Y = _RNG.laplace(0, 3, (2, 2, 2, 5))
_COUNTS = np.array([90, 7, 0, 2, 1])


def latents_per_pixel(strides, maps):
    """How many numbers stand for a pixel after convolutions of these strides."""
    return maps / np.prod(strides) ** 2


def quantize(y, centre, step):
    """To the nearest multiple of the step from the centre of each map, and back."""
    return centre + step * np.rint((y - centre) / step)


def loss_with_price(x, x_hat, y, price):
    """Squared error in grey levels, and a price for large latents."""
    return float(255**2 * np.mean((x - x_hat) ** 2) + price * np.mean(np.log1p(np.abs(y))))


def table_bits(symbols, counts):
    """Bits of symbols by a table that was counted elsewhere, one added to each count."""
    p = (counts + 1) / (counts.sum() + len(counts))
    return float(-np.log2(p[symbols]).sum())


def _without_smoothing(symbols, counts):
    return float(-np.log2(np.maximum(counts / counts.sum(), 1e-30)[symbols]).sum())


EXERCISES = (
    Exercise(
        "10.1",
        "latents_per_pixel",
        4,
        "easy",
        latents_per_pixel,
        {"strides 4 and 2, 48 maps": ((4, 2), 48), "the paper's, 2, 2, 2 and 32 maps": ((2, 2, 2), 32)},
        {
            "A stride counts both ways, down and across.": lambda s, m: m / np.prod(s),
            "Strides one after the other multiply.": lambda s, m: m / np.sum(s) ** 2,
            "That is pixels for a latent.": lambda s, m: np.prod(s) ** 2 / m,
        },
        "A position stands for a square whose side is the product of all strides, and has `maps` numbers.",
    ),
    Exercise(
        "10.2",
        "loss_with_price",
        8,
        "medium",
        loss_with_price,
        {"two squares, price 30": (_X, _X_HAT, _Y, 30), "price 0": (_X, _X_HAT, _Y, 0)},
        {
            "Pictures are in [0, 1], the error is in grey levels from 0 to 255.": lambda x, x_hat, y, p: (
                np.mean((x - x_hat) ** 2) + p * np.mean(np.log1p(np.abs(y)))
            ),
            "A negative latent costs as much as a positive one: take |y|.": lambda x, x_hat, y, p: (
                255**2 * np.mean((x - x_hat) ** 2) + p * np.mean(np.log1p(np.maximum(y, 0)))
            ),
            "The mean of log(1 + |y|), not the sum.": lambda x, x_hat, y, p: (
                255**2 * np.mean((x - x_hat) ** 2) + p * np.sum(np.log1p(np.abs(y)))
            ),
        },
        "255² times the mean of the squared difference, plus the price times the mean of log(1 + |y|).",
    ),
    Exercise(
        "10.3",
        "quantize",
        5,
        "easy",
        quantize,
        {
            "five maps, step 0.5": (_Y, np.array([0, 1.2, -3, 0.1, 7]), 0.5),
            "a coarse step": (_Y, np.array([0.4, 0, 0, 0, 0]), 4.0),
        },
        {
            "Take the centre off before rounding, and put it back.": lambda y, c, s: s * np.rint(y / s),
            "The centre must be put back.": lambda y, c, s: s * np.rint((y - c) / s),
            "Those are the integers of the file; asked is what the decoder makes of them.": lambda y, c, s: np.rint(
                (y - c) / s
            ),
        },
        "Integers are (y - centre) / step, rounded; the decoder multiplies by the step and adds the centre.",
    ),
    Exercise(
        "10.4",
        "table_bits",
        8,
        "medium",
        table_bits,
        {
            "six symbols": (np.array([0, 0, 1, 4, 0, 3]), _COUNTS),
            "one that was never counted": (np.array([0, 2]), _COUNTS),
        },
        {
            "What was never counted has a price too: add 1 to each count.": _without_smoothing,
            "All symbols together, not the mean.": lambda s, c: table_bits(s, c) / len(s),
            "The table comes from other pictures: count nothing in this one.": lambda s, c: table_bits(
                s, np.bincount(s, minlength=len(c))
            ),
        },
        "Add 1 to each count, divide by their new sum; the bits of a symbol are -log2 of its probability.",
    ),
)
