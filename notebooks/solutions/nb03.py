"""Solutions to the exercises of notebook 3."""

import numpy as np


def pca_basis(samples):
    centred = samples - samples.mean(axis=0)  # 1, 2: samples as rows, without their mean
    covariance = centred.T @ centred / len(samples)  # 3
    values, vectors = np.linalg.eigh(covariance)  # 4
    order = np.argsort(values)[::-1]  # 5: largest first
    return vectors[:, order]  # 6: in columns


def quantize(y, scale, bits):
    levels = 2 ** (bits - 1)
    return np.clip(np.rint(y / scale * levels), -levels, levels - 1)


def dequantize(q, scale, bits):
    return q * scale / 2 ** (bits - 1)


def energy_share(rotated, kept):
    variance = rotated.reshape(-1, rotated.shape[-1]).var(axis=0)
    return variance[:kept].sum() / variance.sum()
