"""Exercises of notebook 1: pictures and metrics."""

import numpy as np

from cae_compress import metrics
from cae_compress.cheng2018 import blocks, color
from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_A = _RNG.integers(0, 256, (8, 12, 3), dtype=np.uint8)
_NEAR = np.clip(_A.astype(int) + _RNG.integers(-9, 10, _A.shape), 0, 255).astype(np.uint8)
_DARK, _BRIGHT = np.full((4, 4, 3), 10, np.uint8), np.full((4, 4, 3), 250, np.uint8)


def _psnr_of(error_of, finish=lambda mse: 10 * np.log10(255**2 / mse)):
    def psnr(original, decoded):
        mse = np.mean(error_of(original, decoded))
        return float(finish(mse)) if mse else float("inf")

    return psnr


def _squares(a, b):
    return (a.astype(float) - b) ** 2


def bits_per_pixel(num_bytes, height, width):
    """The rate of a file."""
    return metrics.bits_per_pixel(num_bytes, np.empty((height, width, 3), np.uint8))


def luma(rgb):
    """Y of a picture in [0, 1], by the library's conversion."""
    return color.rgb_to_ycbcr(rgb)[..., 0]


def _weighed(weights, divisor=255):
    return lambda rgb: rgb.astype(float) @ np.array(weights) / divisor


def padding_share(height, width):
    """Padded pixels beyond the picture's own, as a share of its own."""
    return blocks.padded_size(height, 128) * blocks.padded_size(width, 128) / (height * width) - 1


def ssim_of_window(x, y):
    """SSIM of two windows of grey levels, 0 to 255 (Wang et al., IEEE TIP 2004, equation 13)."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    numerator = (2 * x.mean() * y.mean() + c1) * (2 * covariance + c2)
    return numerator / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (x.var() + y.var() + c2))


def _ssim_without_constants(x, y):
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    denominator = (x.mean() ** 2 + y.mean() ** 2) * (x.var() + y.var())
    return 4 * x.mean() * y.mean() * covariance / denominator if denominator else float("nan")


def _ssim_of_deviations(x, y):
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * x.mean() * y.mean() + c1) / (x.mean() ** 2 + y.mean() ** 2 + c1)
    return luminance * (2 * x.std() * y.std() + c2) / (x.var() + y.var() + c2)


_WINDOW = _RNG.uniform(50, 200, (11, 11))

EXERCISES = (
    Exercise(
        "1.1",
        "psnr",
        8,
        "easy",
        metrics.psnr,
        {
            "two pictures that differ a little": (_A, _NEAR),
            "a dark and a bright picture": (_DARK, _BRIGHT),
            "two equal pictures": (_A, _A),
        },
        {
            "Differences of uint8 wrap round: 10 - 250 is 16 there. Convert to float before you subtract.": _psnr_of(
                lambda a, b: (a - b).astype(float) ** 2
            ),
            "uint8 again, in the square: 16 * 16 is 0 there. Convert to float before you subtract.": _psnr_of(
                lambda a, b: (a - b) ** 2
            ),
            "The peak is squared too: 255² over the mean squared error.": _psnr_of(
                _squares, lambda mse: 10 * np.log10(255 / mse)
            ),
            "20 log10 belongs to a ratio of amplitudes; of squares it is 10 log10.": _psnr_of(
                _squares, lambda mse: 20 * np.log10(255**2 / mse)
            ),
            "That is the natural logarithm; decibels take the one of base 10.": _psnr_of(
                _squares, lambda mse: 10 * np.log(255**2 / mse)
            ),
        },
        "Convert both to float, take the mean of the squared differences over all samples, and mind what happens at 0.",
    ),
    Exercise(
        "1.2",
        "bits_per_pixel",
        3,
        "easy",
        bits_per_pixel,
        {"a file of 1,000 bytes, 40x50 pixels": (1000, 40, 50), "a file of 1 byte, 1x1 pixel": (1, 1, 1)},
        {
            "That is bytes a pixel; a byte has eight bits.": lambda n, h, w: n / (h * w),
            "A pixel is one place, whatever it has of samples: don't divide by three.": lambda n, h, w: (
                8 * n / (3 * h * w)
            ),
            "The other way round: bits over pixels.": lambda n, h, w: h * w / (8 * n),
        },
        "Bits of the whole file over height times width.",
    ),
    Exercise(
        "1.3",
        "luma",
        5,
        "easy",
        luma,
        {
            "a random picture": (_A,),
            "pure red, green and blue": (np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8),),
        },
        {
            "That is the mean of R, G and B. The eye sees green brighter than blue.": _weighed((1 / 3, 1 / 3, 1 / 3)),
            "Blue and red are swapped: the first channel is red.": _weighed((0.114, 0.587, 0.299)),
            "Planes are in [0, 1]; yours go to 255.": _weighed((0.299, 0.587, 0.114), 1),
        },
        "Three weights, 0.299, 0.587 and 0.114; `rgb @ weights` sums over the channels.",
        tolerance=1e-4,
    ),
    Exercise(
        "1.4",
        "padding_share",
        5,
        "medium",
        padding_share,
        {"a picture of 400x600": (400, 600), "one of 128x256": (128, 256), "one of 129x1": (129, 1)},
        {
            "You round down: a picture of 129 rows needs two rows of blocks.": lambda h, w: (
                (h // 128) * (w // 128) * 128**2 / (h * w) - 1
            ),
            "One block too many where the side is a multiple of 128.": lambda h, w: (
                (h // 128 + 1) * (w // 128 + 1) * 128**2 / (h * w) - 1
            ),
            "That is the share of the padded picture; asked is the share of the original.": lambda h, w: (
                1 - h * w / ((-(-h // 128)) * (-(-w // 128)) * 128**2)
            ),
        },
        "-(-n // 128) is n / 128 rounded up.",
    ),
    Exercise(
        "1.5",
        "ssim_of_window",
        12,
        "hard",
        ssim_of_window,
        {
            "a window and itself, brighter": (_WINDOW, _WINDOW + 20),
            "a window and its negative": (_WINDOW, 255 - _WINDOW),
            "two flat windows": (np.full((11, 11), 100.0), np.full((11, 11), 110.0)),
        },
        {
            "The two constants are missing: without them two flat windows divide 0 by 0.": _ssim_without_constants,
            "Correlation alone does not see that one window is brighter: the means belong into it.": lambda x, y: (
                (2 * np.mean((x - x.mean()) * (y - y.mean())) + 58.5225) / (x.var() + y.var() + 58.5225)
            ),
            "A product of standard deviations is no covariance: it does not see a negative.": _ssim_of_deviations,
        },
        "Two means, two variances, one covariance; c1 = (0.01 * 255)² and c2 = (0.03 * 255)² against 0 / 0.",
    ),
)
