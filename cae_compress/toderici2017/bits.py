"""The bits of all passes to bytes and back: contexts that learn, chosen by a prediction from bits decoded before.

For each bit a sum is formed of whole-number weights times neighbours, each +1, -1, or 0 outside the picture:

    this pass, same channel            left, above left, above, above right, two to the left, two above
    the pass before, same channel      left, above, right, below
    the pass before, all channels      the same place
    this pass, channels before         the same place

The sum, the log odds that the bit is +1, selects one of 32 contexts of the pass; these begin with probabilities from
training pictures and go on learning from pass to pass. Weights come from logistic regression (`fit`).

This is the authors' entropy coder without its hidden units and line LSTM: theirs predicts by a masked convolution of
this pass, whose floating-point numbers encoder and decoder must have exactly alike. Here everything is integer
arithmetic, and the same function runs in both directions: what a file holds is the same bits on every machine.

Each pass is a stream of its own, so that a file can be cut between two.

Source: Toderici et al., CVPR 2017, section 4.
"""

import numpy as np

from cae_compress.coding import arithmetic
from cae_compress.coding.arithmetic import MAX_BYTES_PER_VALUE, code_bit
from cae_compress.coding.compiled import compiled

PASSES = 8
PATCH = 16  # pixels across that a position of bits stands for
BITS = 32  # of a position in a pass: its channels
NEAR, BEFORE = 6, 4  # neighbours in the same channel, of this pass and of the pass before
PLACES = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, -2), (-2, 0), (0, -1), (-1, 0), (0, 1), (1, 0))
INPUTS = NEAR + BEFORE + 2 * BITS + 1  # and 1
BORDER = 2  # positions around a picture, all zeros
FRACTION_BITS = 10  # of a weight; sums are natural logarithms of odds
LARGEST_WEIGHT = 2**15 - 1
BUCKETS, BUCKET_BITS = 32, FRACTION_BITS - 1  # contexts of a pass, each half a natural logarithm wide


class BitCoder:
    """Codes pass after pass; a coder is good for one picture.

    Args:
        weights: int16 (passes, BITS, INPUTS).
        probabilities: uint16 (passes, BUCKETS), initial probabilities of -1, in units of 2**-16.
        rows, columns: of the bits.
    """

    def __init__(self, weights, probabilities, rows, columns):
        self.weights, self.contexts = weights, np.repeat(probabilities[..., None], 2, axis=-1)
        self.this = np.zeros((rows + 2 * BORDER, columns + 2 * BORDER, BITS), np.int8)
        self.coded = 0  # passes

    def encode(self, bits):
        """Bits of the next pass, int8 (rows, columns, BITS), -1 or 1 -> bytes."""
        return self._code(_Stream(), bits).finish()

    def decode(self, data):
        """Inverts `encode`."""
        self._code(_Stream(data))
        return self.this[BORDER:-BORDER, BORDER:-BORDER].copy()

    def _code(self, stream, bits=0):
        before, self.this = self.this, np.zeros_like(self.this)
        self.this[BORDER:-BORDER, BORDER:-BORDER] = bits
        stream.code(before, self.this, self.weights[self.coded], self.contexts[self.coded])
        self.coded += 1
        return stream


def bordered(bits):
    """Bits of a pass, int8 (rows, columns, BITS), with zeros around them."""
    return np.pad(bits, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)))


class _Stream(arithmetic.Stream):
    """The stream of one pass."""

    def code(self, before, this, weights, contexts):
        num_bits = (this.shape[1] - 2 * BORDER) * BITS
        for i in range(BORDER, this.shape[0] - BORDER):
            self._reserve(2 * num_bits // MAX_BYTES_PER_VALUE + 1)
            code_row(self.coder, self.data, contexts, before, this, i, weights, self.decoding)


@compiled
def code_row(coder, data, contexts, before, this, i, weights, decoding):
    """Code a row of a pass.

    Args:
        coder, data: of `arithmetic`.
        contexts: uint16 (BUCKETS, 2), changed by learning.
        before, this: int8 (rows + 2 * BORDER, columns + 2 * BORDER, BITS), bits of the pass before and of this one,
            with zeros around them. Row `i` of this one is read when encoding, filled when decoding.
        i: the row, counted with the border.
        weights: int16 (BITS, INPUTS).
        decoding: bool.
    """
    for j in range(BORDER, this.shape[1] - BORDER):
        for c in range(BITS):
            k = bucket_of(log_odds(before, this, i, j, c, weights[c]))
            bit = code_bit(coder, data, contexts, k, this[i, j, c] > 0, decoding)
            this[i, j, c] = 1 if bit else -1


@compiled
def buckets_of(before, this, weights):
    """Which of the contexts each bit of a pass selects: uint8 (rows, columns, BITS); arguments of `code_row`."""
    rows, columns = this.shape[0] - 2 * BORDER, this.shape[1] - 2 * BORDER
    buckets = np.zeros((rows, columns, BITS), np.uint8)
    for i in range(rows):
        for j in range(columns):
            for c in range(BITS):
                buckets[i, j, c] = bucket_of(log_odds(before, this, i + BORDER, j + BORDER, c, weights[c]))
    return buckets


@compiled
def log_odds(before, this, i, j, c, w):
    """What is expected of a bit: natural logarithm of the odds that it is +1, with FRACTION_BITS of fraction."""
    total = np.int32(w[INPUTS - 1])
    for k in range(NEAR + BEFORE):
        down, right = PLACES[k]
        plane = this if k < NEAR else before
        total += np.int32(w[k]) * plane[i + down, j + right, c]
    for d in range(BITS):
        total += np.int32(w[NEAR + BEFORE + d]) * before[i, j, d]
    for d in range(c):
        total += np.int32(w[NEAR + BEFORE + BITS + d]) * this[i, j, d]
    return total


@compiled
def bucket_of(total):
    """Which of the contexts a prediction selects."""
    return min(max((total >> BUCKET_BITS) + BUCKETS // 2, 0), BUCKETS - 1)
