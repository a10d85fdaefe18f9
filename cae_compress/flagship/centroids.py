"""Where in its quantization cell a latent probably was: the flagship's dequantizer.

All that a decoder knows of a latent is the whole number q that it was rounded to, and what was expected of it: a
logistic distribution with a mean and a scale (`context_network`). The best guess, which makes the squared error
least, is the centroid of that distribution between q - 1/2 and q + 1/2. `TABLE` holds its distance from q, so that
training and decoding use the same numbers.

Sources: Sullivan, IEEE Trans. Information Theory 42(5), 1996 (reconstruction at centroids); Minnen, Singh, ICIP 2020,
section 3.2 (prediction of what rounding took away).
"""

import numpy as np

from cae_compress.flagship.integer_passes import MIN_LOG_SCALE, OUTPUT_BITS

BUCKETS, BUCKETS_PER_UNIT = 64, 6  # of the predicted log scale: a sixth of a natural logarithm each
SCALES = np.exp(MIN_LOG_SCALE + (np.arange(BUCKETS) + 0.5) / BUCKETS_PER_UNIT)  # in the middle of each, in steps
MAX_DISTANCE = 4 << OUTPUT_BITS  # from q to the mean; from here on it makes no difference
UNIT = 1 / 256  # of what the table holds, in quantization steps


def centroid(distance, scale):
    """Centroid of a logistic distribution between -1/2 and 1/2.

    Args:
        distance: float array, the mean.
        scale: float array, > 0.

    Returns:
        float64 array, -1/2 to 1/2.
    """
    mean = np.abs(distance)
    high = np.maximum((0.5 - mean) / scale, -15.0)  # further out the distribution is exponential: no difference
    low = high - 1 / scale
    mass = _sigmoid(high) - _sigmoid(low)
    area = scale * (np.logaddexp(0, high) - np.logaddexp(0, low))  # below the cumulative distribution
    return np.sign(distance) * (0.5 - (area - _sigmoid(low)) / mass)


def _sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def _table():
    distances = np.arange(-MAX_DISTANCE, MAX_DISTANCE + 1) * 2.0**-OUTPUT_BITS
    return np.clip(np.rint(centroid(distances, SCALES[:, None]) / UNIT), -127, 127).astype(np.int8)


TABLE = _table()  # int8 (BUCKETS, 2 * MAX_DISTANCE + 1): from q to the centroid, in UNIT
