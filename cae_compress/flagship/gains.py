"""What the quality decides, in NumPy: the lambdas, rows of tables between them, and what an error costs.

A quality is a place u between the lambdas, 0 to 10 (`network`).
"""

import numpy as np

NUM_LMBDAS = 11
PLACE_BITS = 8  # of a place, as files say it: in 1/256
MIN_LMBDA = 0.0009
LMBDAS = MIN_LMBDA * 2.0 ** np.arange(NUM_LMBDAS)
LINEAR = "synthesis/21/kernel"  # the functions of the linear path among a network's arrays


def lmbda_of(u):
    """The lambda at a place between the `LMBDAS`."""
    return MIN_LMBDA * 2.0**u


def between(table, u):
    """Row of a table at a fractional place, linear in between: float32 (n, ...), 0 <= u <= n - 1 -> float32 (...)."""
    place = min(int(u), len(table) - 2)
    fraction = np.float32(u - place)
    return (1 - fraction) * table[place] + fraction * table[place + 1]


def distortion_weights(arrays, u):
    """What a squared error of one step in a latent of each channel costs, lambda * 255**2 * error, in bits.

    Args:
        arrays: dict of a network's arrays, of `network.to_arrays`.
        u: float, place between the lambdas.

    Returns:
        float32 (CHANNELS,): of the linear path alone, which carries most of the energy.
    """
    energies = np.square(arrays[LINEAR]).sum(axis=(0, 1, 3))
    return lmbda_of(u) * 255**2 / 3 * energies * np.exp(between(arrays["log_inverse_gain"], u)) ** 2
