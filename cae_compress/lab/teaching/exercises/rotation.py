"""Exercises of notebook 3: rotation and quantizer."""

import numpy as np

from cae_compress.cheng2018 import pca, quantizer
from cae_compress.lab.teaching.exercise import Exercise


def pca_basis(samples):
    """Eigenvectors of the covariance, in columns, by descending eigenvalue."""
    return pca.fit(samples)[0]


def _up_to_sign(function, samples):
    """A basis with the largest component of every column positive."""
    basis = np.asarray(function(samples), np.float64)
    largest = np.abs(basis).argmax(axis=0)
    return basis * np.where(basis[largest, np.arange(basis.shape[1])] < 0, -1, 1)


def _eigenvectors(matrix):
    return np.linalg.eigh(matrix)[1][:, ::-1]


def _covariance(samples):
    return np.cov(samples.T)


def quantize(y, scale, bits):
    """y' = [y / scale * 2**(B-1)], clipped to [-2**(B-1), 2**(B-1) - 1]."""
    return quantizer.quantize(y, scale, quantizer.levels_of(bits))


def _quantizer(levels=lambda bits: 2 ** (bits - 1), rounded=np.rint, limits=lambda n: (-n, n - 1)):
    def quantize(y, scale, bits):
        n = levels(bits)
        q = rounded(y / scale * n)
        return np.clip(q, *limits(n)) if limits else q

    return quantize


def dequantize(q, scale, bits):
    """y_hat = q * scale / 2**(B-1)."""
    return quantizer.dequantize(q, scale, quantizer.levels_of(bits))


def energy_share(rotated, kept):
    """Share of the variance in the first maps of a code (h, w, maps)."""
    variance = np.var(rotated.reshape(-1, rotated.shape[-1]), axis=0)
    return float(variance[:kept].sum() / variance.sum())


def _share(values_of):
    def share(rotated, kept):
        values = values_of(rotated.reshape(-1, rotated.shape[-1]))
        return float(values[:kept].sum() / values.sum())

    return share


_RNG = np.random.default_rng(1)
_SAMPLES = _RNG.normal(size=(500, 6)) @ _RNG.normal(size=(6, 6)) + 5 * _RNG.normal(size=6)
_CODE = np.array([-1.0, -0.7, -0.26, -0.01, 0.0, 0.13, 0.49, 0.8, 1.0])
_MAPS = _RNG.normal(2, [9, 5, 3, 1], (16, 16, 4))

EXERCISES = (
    Exercise(
        "3.1",
        "pca_basis",
        15,
        "medium",
        pca_basis,
        {"500 samples of 6 variables": (_SAMPLES,), "the first 50 of them": (_SAMPLES[:50],)},
        {
            "Your eigenvalues ascend: `eigh` sorts that way. Turn the columns round.": lambda s: np.linalg.eigh(
                _covariance(s)
            )[1],
            "Eigenvectors belong in the columns; yours are the rows.": lambda s: _eigenvectors(_covariance(s)).T,
            "Subtract the mean of every variable first (step 2).": lambda s: _eigenvectors(s.T @ s),
        },
        "The six steps: samples as rows; subtract the mean; covariance; `np.linalg.eigh`; sort descending; "
        "eigenvectors in columns.",
        run=_up_to_sign,
        tolerance=1e-3,
    ),
    Exercise(
        "3.2",
        "quantize",
        8,
        "easy",
        quantize,
        {"range 1, B = 4": (_CODE, 1.0, 4), "range 2, B = 3": (_CODE, 2.0, 3), "range 0.5, B = 5": (_CODE, 0.5, 5)},
        {
            "Clip: B bits hold -2**(B-1) to 2**(B-1) - 1, one less on the positive side.": _quantizer(limits=None),
            "B bits hold one number less on the positive side: up to 2**(B-1) - 1.": _quantizer(
                limits=lambda n: (-n, n)
            ),
            "You cut off instead of rounding to the nearest.": _quantizer(rounded=np.trunc),
            "You round down instead of to the nearest.": _quantizer(rounded=np.floor),
            "The scale fills half of the numbers, for the other half is negative: 2**(B-1), not 2**B.": _quantizer(
                levels=lambda bits: 2**bits
            ),
        },
        "Divide by the scale, multiply by 2**(B-1), round with np.rint, clip with np.clip.",
    ),
    Exercise(
        "3.3",
        "dequantize",
        4,
        "easy",
        dequantize,
        {"B = 4, range 1": (np.arange(-8, 8), 1.0, 4), "B = 6, range 2.72": (np.arange(-32, 32, 7), 2.72, 6)},
        {
            "The quantizer rounded to the nearest: a number is the middle of its cell already.": lambda q, s, b: (
                (q + 0.5) * s / 2 ** (b - 1)
            ),
            "The step is scale / 2**(B-1), twice what you have.": lambda q, s, b: q * s / 2**b,
            "Multiply by the scale again: the quantizer divided by it.": lambda q, s, b: q / 2 ** (b - 1),
        },
        "Undo the two multiplications of `quantize`; rounding cannot be undone.",
    ),
    Exercise(
        "3.4",
        "energy_share",
        6,
        "medium",
        energy_share,
        {"2 of 4 maps": (_MAPS, 2), "all 4 maps": (_MAPS, 4), "1 of 4 maps": (_MAPS, 1)},
        {
            "Those are standard deviations; energies are their squares.": _share(lambda s: s.std(axis=0)),
            "Subtract the mean of each map: a mean is no variation, and it is stored once.": _share(
                lambda s: (s**2).mean(axis=0)
            ),
            "Those are the last maps, not the first.": lambda r, k: _share(lambda s: s.var(axis=0)[::-1])(r, k),
        },
        "`np.var` over all positions of each map, then a sum over the first maps and one over all.",
    ),
)
