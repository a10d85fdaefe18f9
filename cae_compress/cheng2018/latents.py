"""Entropy coding stage: quantized latents to bytes and back, one tile at a time.

A tile is a row of blocks. First comes what the decoder needs to know of each block and plane, then the latents, row
by row, with the contexts of `coding.contexts`; everything goes through one adaptive arithmetic coder. For each
block and plane:

    class    0 to 32: so many maps, from the first on, are not all zero; 33: the plane has one colour in this block
    colour   of a plane of one colour: a bit, whether it is that of the last such; if not, 12 raw bits, 0 to 4095
    range    where the basis is per block and the class 1 to 32: 8 raw bits, 128 + 8 log2(range)
    basis    likewise: `class` columns of 32 numbers, in units of 2**-basis_bits

The same functions run in both directions, so encoder and decoder cannot disagree.
"""

from dataclasses import dataclass

import numpy as np

from cae_compress.bitstream import BitstreamError
from cae_compress.cheng2018 import blocks
from cae_compress.cheng2018.quantizer import LEVEL_UNIT
from cae_compress.coding import arithmetic, contexts, entropy
from cae_compress.coding.arithmetic import code_bit, code_raw_bits
from cae_compress.coding.binarization import SLOTS, code_remainder
from cae_compress.coding.compiled import compiled
from cae_compress.weights import Array

PLANES, MAPS = 3, 32
BLOCK_SIZE = 128  # height and width of a block, in pixels
CODE_SIZE = 16  # height and width of its code
FLAT = MAPS + 1  # class of a plane of one colour
CLASS_BITS = 6
COLOUR_BITS = 12
RANGE_BITS = 8
# contexts that follow those of the latents
CLASS_CONTEXTS = contexts.NUM_CONTEXTS  # a bit tree a plane
SAME_CONTEXTS = CLASS_CONTEXTS + (PLANES << CLASS_BITS)
BASIS_CONTEXTS = SAME_CONTEXTS + PLANES
NUM_CONTEXTS = BASIS_CONTEXTS + SLOTS
MAX_WEIGHT, MAX_AVERAGE = 1 << 16, 1 << 32  # far beyond what is fitted; sums of products stay within int64
CONTEXT_ARRAYS = {  # what a weights file has to hold for `contexts.ContextModel`
    "contexts/mean_weights": Array((PLANES, MAPS, contexts.MEAN_INPUTS), np.int32, -MAX_WEIGHT, MAX_WEIGHT),
    "contexts/magnitude_weights": Array((PLANES, MAPS, contexts.MAGNITUDE_INPUTS), np.int32, -MAX_WEIGHT, MAX_WEIGHT),
    "contexts/average_magnitudes": Array((PLANES, MAPS), np.int64, 0, MAX_AVERAGE),
    "contexts/probabilities": Array((NUM_CONTEXTS,), np.uint16, 1, arithmetic.ONE - 1),
}


@dataclass(frozen=True)
class Latents:
    """What a decoder needs to make a picture, or a tile of one; integers throughout.

    Attributes:
        q: int32 (blocks, 3, 16, 16, 32), quantized rotated codes; blocks row by row, planes Y, Cb, Cr.
        classes: uint8 (blocks, 3): how many maps of `q`, from the first on, are not all zero, or `FLAT`.
        colours: int32 (blocks, 3), 0 to 4095, the colour where the class is `FLAT`.
        ranges: int32 (blocks, 3), 8 log2(range of the quantizer), or None where the range is the model's.
        bases: int32 (blocks, 3, 32, 32), rotations in units of 2**-basis_bits, or None where the basis is the model's.
    """

    q: np.ndarray
    classes: np.ndarray
    colours: np.ndarray
    ranges: np.ndarray | None = None
    bases: np.ndarray | None = None

    @classmethod
    def empty(cls, blocks, own_bases):
        """Latents of so many blocks to be filled by a decoder."""
        return cls(
            np.zeros((blocks, PLANES, CODE_SIZE, CODE_SIZE, MAPS), np.int32),
            np.zeros((blocks, PLANES), np.uint8),
            np.zeros((blocks, PLANES), np.int32),
            np.zeros((blocks, PLANES), np.int32) if own_bases else None,
            np.zeros((blocks, PLANES, MAPS, MAPS), np.int32) if own_bases else None,
        )

    @classmethod
    def concatenate(cls, tiles):
        """The latents of a picture from those of its tiles."""
        columns = zip(*(vars(tile).values() for tile in tiles), strict=True)
        return cls(*(None if parts[0] is None else np.concatenate(parts) for parts in columns))

    def part(self, first, last):
        """The latents of blocks `first` to `last` - 1."""
        return Latents(*(None if array is None else array[first:last] for array in vars(self).values()))

    def estimate_bpp(self, num_pixels):
        """Entropy estimate in bits a pixel, without and with side information (see `entropy.estimate_bpp`)."""
        num_side_values = sum(array.size for array in (self.bases, self.ranges) if array is not None)
        return entropy.estimate_bpp(self.q, num_pixels, num_side_values)


class LatentCoder(arithmetic.Stream):
    """Codes the tiles of a picture, all into or out of one stream.

    Args:
        model: a `contexts.ContextModel`.
        levels: int, levels of the quantizer in 1/256 (see `quantizer`).
        width: int, of the picture, in pixels.
        data: bytes to decode, or None to encode.
    """

    def __init__(self, model, levels, width, data=None):
        super().__init__(data)
        self.fitted = (model.averages_at(levels), model.mean_weights, model.magnitude_weights)
        self.contexts = model.new_contexts()
        self.basis_bits, self.limit = basis_bits(levels), levels // LEVEL_UNIT
        self.last_colours = np.zeros(PLANES, np.int32)
        # the last row of the tiles above: q, remainder and activity of `contexts.code_row`
        columns = blocks.padded_size(width, BLOCK_SIZE) // BLOCK_SIZE * CODE_SIZE
        self.above = [np.zeros((columns, PLANES, *maps), np.int32) for maps in ((MAPS,), (MAPS,), ())]
        self.plane_bits, self.side_bits = np.zeros(PLANES), 0.0  # information so far, for `info`

    def code(self, tile, left):
        """Code the next tile: read when encoding, filled when decoding.

        Args:
            tile: its `Latents`.
            left: int, its first column in pixels, a multiple of the block size.

        Raises:
            BitstreamError: decoding came to something that no encoder writes.
        """
        self._code_side_information(tile)
        columns = slice(left // BLOCK_SIZE * CODE_SIZE, (left // BLOCK_SIZE + len(tile.classes)) * CODE_SIZE)
        # two rows, above and current, between borders of zeros
        rows = [np.pad(above[None, columns], ((0, 1), (1, 1), *((0, 0),) * (above.ndim - 1))) for above in self.above]
        active = np.where(tile.classes == FLAT, 0, tile.classes).astype(np.uint8).repeat(CODE_SIZE, axis=0)
        for row in tile.q.transpose(2, 0, 3, 1, 4):  # a view of (blocks, 16, 3, 32)
            self._reserve(row.size)
            current = rows[0][1, 1:-1].reshape(row.shape)  # a view
            current[...] = row
            contexts.code_row(
                self.coder, self.data, self.contexts, *rows, active, *self.fitted, self.plane_bits, self.decoding
            )
            row[...] = current
            for both in rows:
                both[0] = both[1]
        for above, both in zip(self.above, rows):
            above[columns] = both[1, 1:-1]
        if self.decoding and not (-self.limit <= tile.q.min() and tile.q.max() < self.limit):
            raise BitstreamError("damaged: a latent is outside the quantizer's range")

    def _code_side_information(self, tile):
        self._reserve(tile.classes.size * (2 if tile.bases is None else 2 + MAPS * MAPS))
        stream, before = (self.coder, self.data, self.contexts), arithmetic.information(self.coder)
        if not code_classes(*stream, tile.classes, tile.colours, self.last_colours, self.decoding):
            raise BitstreamError("damaged: a block has an impossible class")
        if tile.bases is not None:
            code_bases(*stream, tile.classes, tile.ranges, tile.bases, self.basis_bits, self.decoding)
            if self.decoding and np.abs(tile.bases).max() > 1 << self.basis_bits:
                raise BitstreamError("damaged: a basis is not orthonormal")
        self.side_bits += arithmetic.information(self.coder) - before


def basis_bits(levels):
    """Bits after the binary point of a basis that is sent: two more than B, so that its rounding does not matter."""
    return (levels >> 8).bit_length() + 2


@compiled
def code_classes(coder, data, probabilities, classes, colours, last_colours, decoding):
    """Code classes uint8 (blocks, 3) and colours int32 (blocks, 3); False if a decoded class is impossible."""
    for block in range(classes.shape[0]):
        for plane in range(PLANES):
            tree = CLASS_CONTEXTS + (plane << CLASS_BITS)
            node = 1
            for k in range(CLASS_BITS - 1, -1, -1):
                bit = ((classes[block, plane] >> k) & 1) == 1
                node = 2 * node + code_bit(coder, data, probabilities, tree + node, bit, decoding)
            classes[block, plane] = node - (1 << CLASS_BITS)
            if classes[block, plane] > FLAT:
                return False
            if classes[block, plane] == FLAT:
                same = colours[block, plane] == last_colours[plane]
                if code_bit(coder, data, probabilities, SAME_CONTEXTS + plane, same, decoding):
                    colours[block, plane] = last_colours[plane]
                else:
                    value = np.int64(colours[block, plane])
                    colours[block, plane] = code_raw_bits(coder, data, value, COLOUR_BITS, decoding)
                last_colours[plane] = colours[block, plane]
    return True


@compiled
def code_bases(coder, data, probabilities, classes, ranges, bases, bits, decoding):
    """Code ranges int32 (blocks, 3) and the columns in use of bases int32 (blocks, 3, 32, 32)."""
    bucket = contexts.bucket_of(36 << bits)  # numbers of an orthonormal basis of 32 dimensions are about 36/256
    for block in range(classes.shape[0]):
        for plane in range(PLANES):
            if 0 < classes[block, plane] < FLAT:
                half = 1 << (RANGE_BITS - 1)
                value = np.int64(ranges[block, plane]) + half
                ranges[block, plane] = code_raw_bits(coder, data, value, RANGE_BITS, decoding) - half
                for column in range(classes[block, plane]):
                    for row in range(MAPS):
                        bases[block, plane, row, column] = code_remainder(
                            coder, data, probabilities, BASIS_CONTEXTS, 0, contexts.raw_bits_of(bucket),
                            np.int64(bases[block, plane, row, column]), decoding,
                        )  # fmt: skip
