"""Rotation stage: turn the feature maps of a code so that few of them carry most of the energy.

A code of shape (16, 16, 32) is read as 256 samples of 32 variables; an orthonormal basis U of
eigenvectors of their covariance rotates it, y_rotated = (y - mean) U, and its transpose rotates it
back. Two modes:

- per block, as in the paper and the replication: U is fitted to the very block it rotates, so the
  decoder must be sent U; no mean is subtracted, for that would have to be sent too;
- fixed: one U and one mean fitted to training codes and kept with the model; nothing is sent.

Source: Cheng et al., PCS 2018, section II-B.
"""

import numpy as np
from scipy import linalg


def fit(codes):
    """The eigenvectors of the covariance of codes, by descending variance.

    The sign of an eigenvector is arbitrary; here its component of largest magnitude is positive.

    Args:
        codes: float array, shape (..., c); all but the last axis are samples.

    Returns:
        (basis, mean): float32 arrays of shape (c, c), eigenvectors in columns, and (c,).

    Raises:
        ValueError: codes are not finite.
    """
    samples = np.asarray(codes, np.float64).reshape(-1, np.shape(codes)[-1])
    if not np.isfinite(samples).all():
        raise ValueError("codes must be finite")
    mean = samples.mean(axis=0)
    centred = samples - mean
    _, vectors = linalg.eigh(centred.T @ centred / len(samples))
    basis = vectors[:, ::-1]  # eigh sorts ascending
    largest = np.abs(basis).argmax(axis=0)
    basis = basis * np.where(basis[largest, np.arange(basis.shape[1])] < 0, -1, 1)
    return basis.astype(np.float32), mean.astype(np.float32)


def rotate(codes, basis, mean=0.0):
    """(codes - mean) U: codes (..., c) float32 -> rotated codes of the same shape."""
    return (np.asarray(codes, np.float32) - mean) @ basis


def rotate_back(rotated, basis, mean=0.0):
    """Invert `rotate`: rotated U^T + mean, exact but for rounding in float32."""
    return np.asarray(rotated, np.float32) @ np.swapaxes(basis, -1, -2) + mean
