"""Patterns of single pixels (screen tones, dither), for which a higher quality can give a worse picture.

The transforms have learned photographs, where next pixels are much alike. Of a chequerboard of single pixels they lose
up to 12 dB at one quality that they keep at a lower one, and quantization has no part in it: without any, the picture
is as bad. So for such pictures, and for no others, the encoder tries the qualities up to the one asked for on a part of
the picture, and takes the best. Decoders know nothing of it: the file says its quality.
"""

import numpy as np

from cae_compress.metrics import psnr

ROUGH = 80  # levels by which next pixels differ on average, across or down; of Kodak at most 19, of 1000 photographs 64
PART = 256  # height and width of the part of a picture that is tried


def is_pattern(image):
    """Whether the pixels of a picture, uint8 (h, w, 3), differ from those next to them as no photograph's do."""
    green = image[..., 1]
    return any(_mean_step(green, axis) > ROUGH for axis in (0, 1))


def _mean_step(plane, axis):
    """Mean difference of next pixels, in levels, of up to 2048 rows or columns."""
    few = plane[:: max(plane.shape[0] // 2048, 1)] if axis else plane[:, :: max(plane.shape[1] // 2048, 1)]
    steps = np.maximum(few, np.roll(few, 1, axis)) - np.minimum(few, np.roll(few, 1, axis))
    return steps.mean()


def best_quality(codec, image, quality):
    """The quality, of `codec.settings` up to `quality` and that itself, at which a pattern comes out best."""
    top, left = (max(side - PART, 0) // 2 for side in image.shape[:2])
    part = image[top : top + PART, left : left + PART]

    def outcome(q):
        return psnr(part, codec.decode(codec.encode_at(part, q)))

    return max([q for q in codec.settings if q < quality] + [quality], key=outcome)
