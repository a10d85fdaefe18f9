"""What the flagship is trained to keep small beside the bits: one of these is the distortion of its loss.

Each is a function of pictures x and x_hat, float32 (b, h, w, 3), centred RGB from -0.5 to 0.5, to (b,). They are scaled
so that one lambda means about as many bits under either.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

from collections.abc import Callable  # isort: skip
from dataclasses import dataclass

import tensorflow as tf

from cae_compress.metrics import MS_SSIM_MIN_SIZE

WORST_SQUARED_ERROR = 255**2  # white for black, in squared levels
MS_SSIM_WEIGHT = 1300.0


def squared_error(x, x_hat):
    """Mean squared error of levels 0 to 255."""
    return WORST_SQUARED_ERROR * tf.reduce_mean(tf.square(x_hat - x), [1, 2, 3])


def ms_ssim_error(x, x_hat):
    """`MS_SSIM_WEIGHT` times what MS-SSIM lacks of 1, at its five scales.

    Smaller pictures than these need are continued by their last row and column.

    Source: Wang, Simoncelli, Bovik, Asilomar 2003; as a loss of learned codecs: Balle et al., ICLR 2018, section 5.
    """
    x, x_hat = (large_enough(pictures) + 0.5 for pictures in (x, x_hat))
    return MS_SSIM_WEIGHT * (1 - tf.image.ssim_multiscale(x, x_hat, 1.0))


def large_enough(pictures):
    """Pictures (b, h, w, 3) of at least `MS_SSIM_MIN_SIZE` each way."""
    for axis in (1, 2):
        size = tf.shape(pictures)[axis]
        pictures = tf.gather(pictures, tf.minimum(tf.range(tf.maximum(size, MS_SSIM_MIN_SIZE)), size - 1), axis=axis)
    return pictures


@dataclass(frozen=True)
class Distortion:
    """One of them.

    Attributes:
        error: the function.
        largest: what it is of the worst pictures; 10 log10 of this over the error is a quality in dB.
        column: of a training log, for that quality.
    """

    error: Callable
    largest: float
    column: str


DISTORTIONS = {
    "psnr": Distortion(squared_error, WORST_SQUARED_ERROR, "validation_psnr_db"),
    "ms-ssim": Distortion(ms_ssim_error, MS_SSIM_WEIGHT, "validation_ms_ssim_db"),
}
