"""Solutions to the exercises of notebook 4."""

import numpy as np


def entropy(q):
    _, counts = np.unique(q, return_counts=True)
    p = counts / counts.sum()
    return -(p * np.log2(p)).sum()


def estimate_bpp(q, num_pixels):
    return sum(entropy(q[:, plane]) * q[:, plane].size for plane in range(q.shape[1])) / num_pixels


def side_information_bpp(bits):
    return 3 * (32 * 32 + 1) * bits / (128 * 128)


def conditional_entropy(symbols, context):
    parts = [symbols[context == c] for c in np.unique(context)]
    return sum(entropy(part) * len(part) for part in parts) / len(symbols)
