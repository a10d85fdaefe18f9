"""Exercises of notebook 2: the autoencoder."""

import numpy as np

from cae_compress.lab.teaching.exercise import Exercise


def weights_of_convolution(inputs, filters):
    """Numbers that a 3x3 convolution with bias learns."""
    return 9 * inputs * filters + filters


def add_noise(y, amplitude):
    """The noise layer in training: y + U(-amplitude, amplitude)."""
    return y + np.random.default_rng().uniform(-amplitude, amplitude, y.shape)


def _statistics(function, y, amplitude):
    """What is the same whatever numbers were drawn: mean, deviation and reach (up to 2) of the noise, in amplitudes."""
    noise = (np.asarray(function(y, amplitude), np.float64) - y) / amplitude
    repeated = np.ptp(noise) < 1e-3  # one number for all
    return np.round([noise.mean(), 0 if repeated else noise.std(), min(np.abs(noise).max(), 2)], 1) + 0.0


def multiplications_per_pixel(inputs, filters, strides):
    """Multiplications of the 3x3 convolutions of an encoder, one after the other, for a pixel of its input."""
    area, total = 1.0, 0.0
    for c, f, stride in zip(inputs, filters, strides):
        area /= stride**2
        total += 9 * c * f * area
    return total


def _before_the_stride(inputs, filters, strides):
    area, total = 1.0, 0.0
    for c, f, stride in zip(inputs, filters, strides):
        total += 9 * c * f * area
        area /= stride**2
    return total


def _stride_once(inputs, filters, strides):
    return sum(9 * c * f / s**2 for c, f, s in zip(inputs, filters, strides))


def psnr_of_mse(mse):
    """PSNR in dB of planes in [0, 1] with that mean squared error."""
    return float(-10 * np.log10(mse))


def equivalent_bits(scale, amplitude):
    """B of the quantizer whose half step, scale / 2**B, is `amplitude`."""
    return float(np.log2(scale / amplitude))


_CODE = np.random.default_rng(1).normal(0, 3, (100, 100))

EXERCISES = (
    Exercise(
        "2.1",
        "weights_of_convolution",
        4,
        "easy",
        weights_of_convolution,
        {"1 channel to 32": (1, 32), "32 channels to 64": (32, 64)},
        {
            "The biases are missing: one a filter.": lambda c, f: 9 * c * f,
            "Every filter looks at all channels of its input, not at one.": lambda c, f: 9 * f + f,
            "A bias belongs to a filter, not to a channel of the input.": lambda c, f: 9 * c * f + c,
        },
        "A filter has 3x3 weights for each input channel, and one bias.",
    ),
    Exercise(
        "2.2",
        "add_noise",
        6,
        "easy",
        add_noise,
        {
            "noise of 2**-10 (its mean, deviation and reach, in amplitudes)": (_CODE, 2.0**-10),
            "noise of 0.5 (its mean, deviation and reach, in amplitudes)": (_CODE, 0.5),
        },
        {
            "Your noise is never negative: it must reach from -amplitude to amplitude.": lambda y, a: (
                y + np.random.default_rng().uniform(0, a, y.shape)
            ),
            "That is normal noise; a rounding error has an end on both sides.": lambda y, a: (
                y + np.random.default_rng().normal(0, a, y.shape)
            ),
            "Your noise is half as wide: the amplitude is half of the width, not all of it.": lambda y, a: (
                y + np.random.default_rng().uniform(-a / 2, a / 2, y.shape)
            ),
        },
        "`np.random.default_rng().uniform(low, high, shape)`, one number for every number of the code.",
        run=_statistics,
    ),
    Exercise(
        "2.3",
        "multiplications_per_pixel",
        10,
        "medium",
        multiplications_per_pixel,
        {
            "one layer of stride 1": ([1], [32], [1]),
            "the first pair of layers": ([1, 32], [32, 32], [1, 2]),
            "two pairs": ([1, 32, 32, 64], [32, 32, 64, 64], [1, 2, 1, 2]),
        },
        {
            "You count at full resolution throughout: a stride of 2 leaves a quarter of it.": lambda c, f, s: sum(
                9 * i * o for i, o in zip(c, f)
            ),
            "A layer of stride 2 computes only the places that it keeps: divide first.": _before_the_stride,
            "The layers after a stride also work on fewer places: keep dividing.": _stride_once,
        },
        "Keep the share of the pixels' places that is left, and divide it by stride² before each layer is counted.",
    ),
    Exercise(
        "2.4",
        "psnr_of_mse",
        3,
        "easy",
        psnr_of_mse,
        {"an error of 0.001": (0.001,), "an error of 0.0002": (0.0002,)},
        {
            "Planes are in [0, 1] here, so the peak is 1 and not 255.": lambda mse: 10 * np.log10(255**2 / mse),
            "10 and not 20: the error is squared already.": lambda mse: -20 * np.log10(mse),
            "A smaller error is a higher PSNR: mind the sign.": lambda mse: 10 * np.log10(mse),
        },
        "The peak of a plane in [0, 1] is 1.",
    ),
    Exercise(
        "2.5",
        "equivalent_bits",
        8,
        "medium",
        equivalent_bits,
        {"a range of 2.72, noise of 2**-10": (2.72, 2.0**-10), "a range of 1, noise of 1/32": (1.0, 1 / 32)},
        {
            "That is where a whole step is the amplitude; the error of rounding is half a step.": lambda s, a: (
                np.log2(s / a) + 1
            ),
            "You found the number of steps; B is its logarithm of base 2.": lambda s, a: s / a,
            "That is the natural logarithm.": lambda s, a: np.log(s / a),
        },
        "The step is scale / 2**(B - 1), so half of it is scale / 2**B. Set it equal to the amplitude.",
    ),
)
