"""The network over pictures of every size: padded to whole squares, and in tiles, so that memory does not grow.

A tile is 768x768 pixels, a whole Kodak picture, with 128 of its surroundings; it takes about 0.7 kB a pixel, 0.7 GB.
Tiles are coded apart. In larger pictures the decoder sees, beyond a seam, bits that the neighbour's tile has made,
where the encoder saw its own: near seams what a pass leaves over is not quite what the next one makes up for.
"""

import numpy as np
import tensorflow as tf

from cae_compress.toderici2017.bits import BITS, PATCH
from cae_compress.toderici2017.network import GAINS

TILE, MARGIN = 768, 128  # pixels


class Tiles:
    """Runs a network.

    Args:
        model: a `network.Toderici2017`.
    """

    def __init__(self, model):
        self.model = model
        self.one_pass = tf.function(model.one_pass, reduce_retracing=True)
        self.decoder = tf.function(model.decoder, reduce_retracing=True)

    def encode(self, image, passes):
        """A picture, uint8 RGB (h, w, 3) -> its bits, int8 (passes, rows, columns, BITS), -1 or 1."""
        rows, columns = grid(*image.shape[:2])
        bits = np.empty((passes, rows, columns, BITS), np.int8)
        for tile, around, inside in tiles(rows, columns):
            # what is missing to whole squares repeats the last row and column
            pixels = [np.minimum(_pixels(part), n - 1) for part, n in zip(around, image.shape)]
            r = tf.constant(image[pixels[0][:, None], pixels[1]][None], tf.float32) / 255 - 0.5
            states = None, None
            for t in range(passes):
                coded, r, states = self.one_pass(r, tf.constant(GAINS[t]), states)
                bits[(t, *tile)] = coded.numpy()[0][inside]
        return bits

    def decode(self, bits, height, width):
        """Bits, int8 (passes, rows, columns, BITS) -> the picture, uint8 RGB (height, width, 3)."""
        image = np.empty((height, width, 3), np.uint8)
        for tile, around, inside in tiles(*bits.shape[1:3]):
            states, x_hat = None, 0.5
            for gain, coded in zip(GAINS, bits[(slice(None), *around)]):
                change, states = self.decoder(tf.constant(coded[None], tf.float32), states)
                x_hat += change.numpy()[0] / np.float32(gain)
            place, cut = (
                tuple(slice(PATCH * part.start, PATCH * part.stop) for part in parts) for parts in (tile, inside)
            )
            there = image[place]
            there[:] = np.rint(255 * np.clip(x_hat[cut], 0, 1))[: there.shape[0], : there.shape[1]]
        return image


def grid(height, width):
    """How many rows and columns of bits a picture of so many pixels has."""
    return -(-height // PATCH), -(-width // PATCH)


def tiles(rows, columns):
    """Yield, for each tile, pairs of slices (rows, columns) of bits: its own, with its margin, its own in those."""
    for top in range(0, rows, TILE // PATCH):
        for left in range(0, columns, TILE // PATCH):
            own, around, inside = zip(*(_side(start, n) for start, n in ((top, rows), (left, columns))))
            yield own, around, inside


def _side(start, size):
    stop = min(start + TILE // PATCH, size)
    first, last = max(start - MARGIN // PATCH, 0), min(stop + MARGIN // PATCH, size)
    return slice(start, stop), slice(first, last), slice(start - first, stop - first)


def _pixels(part):
    return np.arange(PATCH * part.start, PATCH * part.stop)
