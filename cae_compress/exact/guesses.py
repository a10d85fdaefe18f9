"""Pixels to bits and back by asking: is it this colour? Is it that one? What drawings are coded with, without loss.

A letter looks like the same letter further up, an area like the pixel to the left. So most pixels of drawings,
screenshots and pages of text can be guessed from those decoded before. The guesses of a pixel are asked in turn, each
in a context of how well it has done, until one is right:

    1, 2        the colour that came last after the same pixels around it: after the same ten, or the nearest four
    3, 4, 5, 6  the colour of the pixel to the left, above, above to the right, above to the left
    7           left + above - above to the left, which goes on with a gradient

      9 9 9           x is the pixel; 3 to 6 the four that touch it, the 9 six more
    9 6 4 5 9
    9 3 x

Where all are wrong the colour is coded bit by bit: red; then two more guesses, what went with that red before, beside
the same pixel to the left or anywhere; then how far green and blue are from 7, less what red was already.

Encoder and decoder walk through the same code, all in integers.

Sources: Howard, Kossentini, Martins, Forchhammer, Rucklidge, IEEE CSVT 8(7), 1998 (JBIG2: contexts of the pixels
around); Bloom, *Solving the problems of context modeling*, 1998 (what came last in a context, and its confidence).
"""

import numpy as np

from cae_compress.coding import arithmetic
from cae_compress.coding.arithmetic import code_counted_bit, new_counting_probabilities
from cae_compress.coding.compiled import compiled, inlined

BORDER = 2  # pixels around a row that stand for those outside of the picture
NONE = -1  # no colour yet
REMEMBERED = 2  # guesses that are looked up in tables
GUESSES = 7
TABLE_BITS = 18  # of such a table; where two surroundings meet in one place, the later one is remembered
CONFIDENCES = 16  # how often in a row a place was right
PATTERNS = 128  # which of the pixels around are alike
LEVELS = 256  # of red, green and blue

# Where the contexts of each kind begin
AROUND = REMEMBERED * CONFIDENCES * CONFIDENCES
WITH_RED = AROUND + (GUESSES - REMEMBERED) * PATTERNS
RED = WITH_RED + 2
GREEN_BLUE = RED + 2 * LEVELS
NUM_CONTEXTS = GREEN_BLUE + 2 * LEVELS

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # of a hash: 2**64 over the golden ratio (Knuth, volume 3, section 6.4)


class PixelCoder(arithmetic.Stream):
    """Codes the rows of a picture into or out of a stream, one after the other.

    Args:
        width: of the picture in pixels.
        data: bytes to decode, or None to encode.
    """

    def __init__(self, width, data=None):
        super().__init__(data)
        self.contexts = new_counting_probabilities(NUM_CONTEXTS)
        self.colours = np.full((REMEMBERED, 1 << TABLE_BITS), NONE, np.int32)
        self.confidences = np.zeros((REMEMBERED, 1 << TABLE_BITS), np.int32)
        self.with_red = np.full((2, LEVELS * LEVELS), NONE, np.int32)
        self.rows = np.zeros((3, width + 2 * BORDER), np.int32)  # that being coded, that above, and one further up

    def code(self, row):
        """Code a row, int32 (width,) of red << 16 | green << 8 | blue: read, or filled when decoding."""
        self._reserve(row.size)
        self.rows = np.roll(self.rows, 1, axis=0)
        self.rows[0, BORDER:-BORDER] = row
        learned = self.contexts, self.colours, self.confidences, self.with_red
        code_row(self.coder, self.data, *learned, *self.rows, self.decoding)
        row[:] = self.rows[0, BORDER:-BORDER]

    def bytes_read(self):
        """How far decoding has come; beyond the end of a stream there are zeros."""
        return int(self.coder[arithmetic.POSITION])


@compiled
def code_row(coder, data, contexts, colours, confidences, with_red, row, above, further, decoding):
    """Code the pixels of a row between its borders."""
    guesses, places, trust = np.empty(GUESSES, np.int32), np.empty(REMEMBERED, np.int64), np.empty(REMEMBERED, np.int64)
    row[:BORDER] = above[BORDER]
    for j in range(BORDER, row.size - BORDER):
        w, n, ne, nw = row[j - 1], above[j], above[j + 1], above[j - 1]
        near = mixed(mixed(mixed(mixed(np.uint64(0), w), n), nw), ne)
        far = mixed(mixed(mixed(near, row[j - 2]), above[j - 2]), above[j + 2])
        far = mixed(mixed(mixed(far, further[j]), further[j - 1]), further[j + 1])
        places[0], places[1] = far >> np.uint64(64 - TABLE_BITS), near >> np.uint64(64 - TABLE_BITS)
        for k in range(REMEMBERED):
            guesses[k], trust[k] = colours[k, places[k]], confidences[k, places[k]]
        guesses[2], guesses[3], guesses[4], guesses[5], guesses[6] = w, n, ne, nw, gradient(w, n, nw)
        pattern = (w == n) | (w == nw) << 1 | (n == nw) << 2 | (n == ne) << 3
        pattern |= (w == row[j - 2]) << 4 | (n == further[j]) << 5 | (w == guesses[6]) << 6
        colour, found = row[j], False
        for k in range(GUESSES):
            if guesses[k] == NONE or asked_before(guesses, k):
                continue
            if k >= REMEMBERED:
                context = AROUND + (k - REMEMBERED) * PATTERNS + pattern
            else:  # the first is trusted more where the second says the same
                second = trust[1] if k == 0 and guesses[0] == guesses[1] else 0
                context = (k * CONFIDENCES + trust[k]) * CONFIDENCES + second
            if code_counted_bit(coder, data, contexts, context, colour == guesses[k], decoding):
                colour, found = guesses[k], True
                break
        if not found:
            colour = code_colour(coder, data, contexts, with_red, w, w == n, guesses[6], colour, decoding)
        row[j] = colour
        for k in range(REMEMBERED):
            right = guesses[k] == colour
            confidences[k, places[k]] = min(trust[k] + 1, CONFIDENCES - 1) if right else 0
            colours[k, places[k]] = colour
    row[-BORDER:] = row[-BORDER - 1]


@inlined
def mixed(state, value):
    """A hash of what went into the state before and of a value."""
    return ((state >> np.uint64(29)) ^ state ^ np.uint64(value + 1)) * MULTIPLIER


@inlined
def level(colour, channel):
    """Red, green or blue of a colour, channel 0, 1 or 2."""
    return (colour >> (16 - 8 * channel)) & 255


@inlined
def gradient(w, n, nw):
    """w + n - nw in red, green and blue, each from 0 to 255."""
    colour = np.int32(0)
    for channel in range(3):
        colour = colour << 8 | min(max(level(w, channel) + level(n, channel) - level(nw, channel), 0), LEVELS - 1)
    return colour


@inlined
def asked_before(guesses, k):
    """Whether one of the guesses before the k-th was the same."""
    for earlier in range(k):
        if guesses[earlier] == guesses[k]:
            return True
    return False


@inlined
def code_colour(coder, data, contexts, with_red, w, flat, expected, colour, decoding):
    """Code a colour that no guess was; `expected` is the gradient, `flat` whether left and above are alike."""
    red = code_level(coder, data, contexts, RED + LEVELS * flat, level(colour, 0), decoding)
    places = LEVELS * np.int64(mixed(np.uint64(0), w) >> np.uint64(56)) + red, np.int64(red)
    known = False
    for k in range(2):
        guess = with_red[k, places[k]]
        if known or guess == NONE or (k == 1 and guess == with_red[0, places[0]]):
            continue
        if code_counted_bit(coder, data, contexts, WITH_RED + k, colour == guess, decoding):
            colour, known = guess, True
    if not known:
        coded, change = red, red - level(expected, 0)
        for channel in range(1, 3):
            less = level(expected, channel) + change
            first = GREEN_BLUE + LEVELS * (channel - 1)
            step = code_level(coder, data, contexts, first, (level(colour, channel) - less) & 255, decoding)
            change += (step ^ 128) - 128  # from -128 to 127
            coded = coded << 8 | ((less + step) & 255)
        colour = coded
    for k in range(2):
        with_red[k, places[k]] = colour
    return colour


@inlined
def code_level(coder, data, contexts, first, value, decoding):
    """Code a number from 0 to 255 bit by bit, each in a context of those before it; returns it."""
    node = 1
    for k in range(7, -1, -1):
        node = 2 * node + code_counted_bit(coder, data, contexts, first + node, (value >> k) & 1 == 1, decoding)
    return node - LEVELS
