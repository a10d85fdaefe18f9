"""Patterns of single pixels (screen tones, dither), for which a higher quality can give a worse picture.

The transforms have learned photographs, where next pixels are much alike. Of a chequerboard of single pixels they lose
up to 12 dB at one quality that they keep at a lower one, and quantization has no part in it: without any, the picture
is as bad. So where a picture has such a pattern, if only in a corner, the encoder tries some qualities up to the one
asked for and takes the one that makes the best picture: a higher quality is never a larger file and a worse picture.
Decoders know nothing of it: the file says its quality.
"""

import numpy as np

from cae_compress import pictures
from cae_compress.flagship.loss import DISTORTIONS
from cae_compress.flagship.tiling import sum_by_halves

BLOCK = 32  # height and width of the parts of a picture that are looked at one by one
STRIP = 16 * BLOCK  # rows that are looked at together, so that large pictures take little memory
LEAST = 1  # levels by which a pattern's pixels differ from their mean
CHEQUERED = 0.1  # share of a block's variance in a chequerboard of single pixels; of photographs, 0.004 in 99.5 %
STRIPED = 0.5  # the same, in rows or columns; of 1000 photographs, at most 0.35
QUALITIES = (1, 8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78, 85, 92, 100)  # that are tried
PART = 2048  # height and width of what is tried of a larger picture


def find(image):
    """The pixel (row, column) where a picture, uint8 (h, w, 3), is most of all a pattern; None if it has none."""
    strongest, place = 0.0, None
    for top in range(0, len(image), STRIP):
        strength, row, column = strongest_in(image[top : top + STRIP])
        if strength > strongest:
            strongest, place = strength, (top + row, column)
    return place


def strongest_in(image):
    """How much a strip of a picture is a pattern where it is one most of all: (strength, row, column).

    A block's mean with alternating signs is its Fourier coefficient of the highest frequency: across, down, or both.
    """
    height, width = image.shape[:2]
    rows, columns = (-(-side // BLOCK) for side in (height, width))
    blocks = np.zeros((rows * BLOCK, columns * BLOCK, 3), np.uint8)
    blocks[:height, :width] = image
    # sums over every second pixel of each block: (rows, 2, columns, 2, 3)
    sums = blocks.reshape(rows, BLOCK // 2, 2, -1).sum(axis=1, dtype=np.uint16)
    sums = sum_by_halves(sums.reshape(rows, 2, columns, -1).astype(np.int32), 6).reshape(rows, 2, columns, 2, 3)
    (a, b), (c, d) = np.moveaxis(sums, (1, 3), (0, 1)) / BLOCK**2
    squares = np.multiply(blocks, blocks, dtype=np.uint16).reshape(rows, BLOCK, -1).sum(axis=1, dtype=np.uint32)
    squares = sum_by_halves(squares.reshape(rows, columns, -1), 3) / BLOCK**2
    variance = squares - (a + b + c + d) ** 2
    strength = np.zeros(variance.shape)
    for alternating, share in ((a - b - c + d, CHEQUERED), (a + b - c - d, STRIPED), (a - b + c - d, STRIPED)):
        there = (np.abs(alternating) >= LEAST) & (alternating**2 > share * variance)
        strength = np.maximum(strength, np.where(there, np.abs(alternating), 0))
    row, column, _ = np.unravel_index(strength.argmax(), strength.shape)
    return float(strength.max()), int(row) * BLOCK, int(column) * BLOCK


def best_quality(codec, image, quality, place):
    """The one of `QUALITIES` up to `quality` at which a pattern at a `place`, that of `find`, comes out best."""
    top, left = (max(min(k - PART // 2, side - PART), 0) for k, side in zip(place, image.shape))
    part = image[top : top + PART, left : left + PART]
    colour = pictures.colour_of(part)

    def distortion(q):
        return DISTORTIONS[codec.tune](part, pictures.in_colour(codec.decode(codec.encode_at(part, q)), colour))

    return min([q for q in QUALITIES if q <= quality], key=distortion)
