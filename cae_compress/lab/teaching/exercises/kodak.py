"""Exercises of notebook 7: comparing codecs."""

import numpy as np
from scipy.interpolate import PchipInterpolator

from cae_compress import metrics
from cae_compress.lab.teaching.exercise import Exercise

_JPEG = np.array([0.26, 0.45, 0.61, 0.87, 1.21, 2.3]), np.array([26.7, 29.1, 30.5, 32.2, 33.9, 38.0])
_J2K = np.array([0.2, 0.3, 0.4, 0.6, 0.8, 1.2]), np.array([28.5, 29.9, 31.1, 33.1, 34.6, 37.1])
_AVIF = np.array([0.11, 0.17, 0.25, 0.39, 0.62, 0.93]), np.array([27.1, 28.5, 29.9, 31.7, 33.9, 36.0])


def percent_saved(ours, theirs):
    """How many percent smaller our file is."""
    return 100 * (theirs - ours) / theirs


def ms_ssim_db(value):
    """MS-SSIM on a scale that tells good pictures apart: -10 log10(1 - value)."""
    return float(-10 * np.log10(1 - value))


def rate_at(psnr_db, rates, psnrs_db):
    """The rate of a curve at a PSNR, straight between points in the logarithm of the rate."""
    return float(np.exp(np.interp(psnr_db, psnrs_db, np.log(rates))))


def bd_rate(rates, psnrs_db, reference_rates, reference_psnrs_db):
    """BD-rate in percent."""
    return metrics.bd_rate(rates, psnrs_db, reference_rates, reference_psnrs_db)


def _bd_rate(scale=np.log, finish=np.expm1, everywhere=False, swapped=False):
    def bd_rate(rates, psnrs, other_rates, other_psnrs):
        low, high = max(psnrs[0], other_psnrs[0]), min(psnrs[-1], other_psnrs[-1])
        if everywhere:
            low, high = min(psnrs[0], other_psnrs[0]), max(psnrs[-1], other_psnrs[-1])
        curves = PchipInterpolator(psnrs, scale(rates)), PchipInterpolator(other_psnrs, scale(other_rates))
        ours, theirs = (curve.integrate(low, high) / (high - low) for curve in curves)
        return float(100 * finish(theirs - ours if swapped else ours - theirs))

    return bd_rate


def _of_means(rates, psnrs, other_rates, other_psnrs):
    low, high = max(psnrs[0], other_psnrs[0]), min(psnrs[-1], other_psnrs[-1])
    ours, theirs = (
        PchipInterpolator(p, r).integrate(low, high) for r, p in ((rates, psnrs), (other_rates, other_psnrs))
    )
    return float(100 * (ours / theirs - 1))


EXERCISES = (
    Exercise(
        "7.1",
        "percent_saved",
        3,
        "easy",
        percent_saved,
        {"40 bytes against 100": (40, 100), "120 bytes against 100": (120, 100)},
        {
            "Compared with theirs: divide by theirs.": lambda o, t: 100 * (t - o) / o,
            "That is a share; asked are percent.": lambda o, t: (t - o) / t,
            "That is what is left, not what is saved.": lambda o, t: 100 * o / t,
            "Saved is positive: theirs minus ours.": lambda o, t: 100 * (o - t) / t,
        },
        "What is saved, over what theirs needs, times 100.",
    ),
    Exercise(
        "7.2",
        "ms_ssim_db",
        3,
        "easy",
        ms_ssim_db,
        {"0.95": (0.95,), "0.995": (0.995,)},
        {
            "Take what is missing to 1, not the value: all values are near 1.": lambda v: -10 * np.log10(v),
            "The less is missing the better: mind the sign.": lambda v: 10 * np.log10(1 - v),
            "That is the natural logarithm.": lambda v: -10 * np.log(1 - v),
        },
        "-10 log10 of what is missing to 1.",
    ),
    Exercise(
        "7.3",
        "rate_at",
        8,
        "medium",
        rate_at,
        {"JPEG at 32 dB": (32.0, *_JPEG), "JPEG 2000 at 35 dB": (35.0, *_J2K), "AVIF at a point": (29.9, *_AVIF)},
        {
            "Rates grow by factors: interpolate their logarithm, and go back with exp.": lambda p, r, q: np.interp(
                p, q, r
            ),
            "You stay in logarithms: go back with exp.": lambda p, r, q: np.interp(p, q, np.log(r)),
            "log10 forth and exp back do not fit together.": lambda p, r, q: np.exp(np.interp(p, q, np.log10(r))),
        },
        "`np.interp(psnr_db, psnrs_db, np.log(rates))`, and back.",
    ),
    Exercise(
        "7.4",
        "bd_rate",
        20,
        "hard",
        bd_rate,
        {"JPEG against JPEG 2000": (*_JPEG, *_J2K), "AVIF against JPEG 2000": (*_AVIF, *_J2K)},
        {
            "Only where both curves have a PSNR: from the higher beginning to the lower end.": _bd_rate(
                everywhere=True
            ),
            "Swapped: the second curve is the reference.": _bd_rate(swapped=True),
            "The mean difference of logarithms is not percent yet: exp(difference) - 1.": _bd_rate(finish=lambda d: d),
            "Average the logarithm of the rate, not the rate: high rates would hide all others.": _of_means,
            "With log10 you go back by 10 ** difference - 1.": _bd_rate(scale=np.log10),
        },
        "`PchipInterpolator(psnrs_db, np.log(rates))`, its `integrate(low, high)` over the common range divided by its "
        "length, for both curves; then 100 · (exp(ours - reference) - 1).",
        tolerance=1e-3,
    ),
)
