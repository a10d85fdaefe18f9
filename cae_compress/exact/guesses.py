"""Pixels to bits and back by asking: is it this colour? Is it that one? What drawings are coded with, without loss.

A letter looks like the same letter further up, an area like the pixel to the left. So most pixels of drawings,
screenshots and pages of text can be guessed from those decoded before. The guesses of a pixel are asked in turn, each in
a context of how well it has done, until one is right:

    1, 2    the colour that came last after the same pixels around it: the ten nearest ones, or the nearest four
    3 ... 6 the colour of the pixel to the left, above, above to the right, above to the left
    7       left + above - above left, which goes on with a gradient

    . A A A .        what the ten are; 3 ... 6 are the four that touch
    A A A A A
    A A x

Where all are wrong the colour is coded as its difference from 7: red; then one more guess, what went with that red
before; then green and blue. Encoder and decoder walk through the same code, all in integers.

Sources: Howard, Kossentini, Martins, Forchhammer, Rucklidge, IEEE CSVT 8(7), 1998 (JBIG2: contexts of pixels around);
Bloom, *Solving the problems of context modeling*, 1998 (the symbol that came last in a context, and its confidence).
"""

import numpy as np

from cae_compress.coding import arithmetic
from cae_compress.coding.arithmetic import code_bit, new_probabilities
from cae_compress.coding.binarization import SLOTS, code_remainder
from cae_compress.coding.compiled import compiled, inlined

BORDER = 2  # pixels around a row that stand for those outside of the picture
TABLE_BITS = 18  # of the tables of what came last; where two contexts meet in one place, the later is remembered
MAX_CONFIDENCE = 15
GUESSES = 7
PATTERNS = 128  # which of the pixels around are alike
AFTER_PATTERNS = 2 * 16  # contexts of the first two guesses stand behind those of the others
NUM_CONTEXTS = 2 * 16 * 16 + 5 * PATTERNS
REDS = 65536
TREES = NUM_CONTEXTS + 3
NONE = -1


class PixelCoder(arithmetic.Stream):
    """Codes the rows of a picture into or out of a stream, one after the other.

    Args:
        width: of the picture in pixels.
        data: bytes to decode, or None to encode.
    """

    def __init__(self, width, data=None):
        super().__init__(data)
        self.contexts = new_probabilities(TREES + 2 * 256)
        self.differences = new_probabilities(3 * 3 * SLOTS)
        self.colours = np.full((2, 1 << TABLE_BITS), NONE, np.int32)
        self.confidence = np.zeros((2, 1 << TABLE_BITS), np.uint8)
        self.with_red = np.full((2, REDS), NONE, np.int32)
        self.rows = np.zeros((3, width + 2 * BORDER), np.int32)  # the one being coded, the one above, the one above that

    def code(self, row):
        """Code a row, int32 (width,) of red << 16 | green << 8 | blue: read, or filled when decoding."""
        self._reserve(4 * row.size)
        self.rows = np.roll(self.rows, 1, axis=0)
        self.rows[0, BORDER:-BORDER] = row
        code_row(
            self.coder, self.data, self.contexts, self.differences, self.colours, self.confidence, self.with_red,
            *self.rows, self.decoding,
        )  # fmt: skip
        row[:] = self.rows[0, BORDER:-BORDER]


@compiled
def code_row(
    coder, data, contexts, differences, colours, confidence, with_red, row, above, further, decoding
):  # fmt: skip
    guesses, places = np.empty(GUESSES, np.int32), np.empty(2, np.int64)
    row[:BORDER] = above[BORDER]
    for j in range(BORDER, row.size - BORDER):
        w, n, nw, ne = row[j - 1], above[j], above[j - 1], above[j + 1]
        near = mixed(mixed(mixed(np.uint64(w), n), nw), ne)
        far = mixed(mixed(mixed(near, row[j - 2]), above[j - 2]), above[j + 2])
        far = mixed(mixed(mixed(far, further[j]), further[j - 1]), further[j + 1])
        places[0], places[1] = place_of(far), place_of(near)
        guesses[0], guesses[1] = colours[0, places[0]], colours[1, places[1]]
        guesses[2], guesses[3], guesses[4], guesses[5] = w, n, ne, nw
        guesses[6] = gradient(w, n, nw)
        pattern = (w == n) | (w == nw) << 1 | (n == nw) << 2 | (n == ne) << 3 | (w == row[j - 2]) << 4
        pattern |= (n == further[j]) << 5 | (guesses[6] == w) << 6
        colour, found = row[j], False
        for k in range(GUESSES):
            guess = guesses[k]
            refused = guess == NONE
            for earlier in range(k):
                refused |= guesses[earlier] == guess
            if refused:
                continue
            if k < 2:
                other = 0 if k else min(np.int64(confidence[1, places[1]]), 15) if guesses[1] != NONE and guesses[1]==guess else 0
                context = 16 * (16 * k + np.int64(confidence[k, places[k]])) + other
            else:
                context = 2 * 16 * 16 + (k - 2) * PATTERNS + pattern
            if code_bit(coder, data, contexts, context, colour == guess, decoding):
                colour, found = guess, True
                break
        if not found:
            colour = code_colour(coder, data, contexts, differences, with_red, guesses, colour, decoding)
        row[j] = colour
        for k in range(2):
            learn(colours[k], confidence[k], places[k], colour)
    row[-BORDER:] = row[-BORDER - 1]


@inlined
def mixed(state, value):
    """A hash of what went into the state before and of a value."""
    return (state ^ np.uint64(value)) * np.uint64(0x9E3779B97F4A7C15) ^ (state >> np.uint64(29))


@inlined
def place_of(state):
    """Where in a table what follows this state stands."""
    return np.int64(state >> np.uint64(64 - TABLE_BITS))


@inlined
def learn(colours, confidence, place, colour):
    """Remember what came: a colour that was right is trusted more, one that was wrong forgotten in time."""
    if colours[place] == colour:
        confidence[place] = min(confidence[place] + 1, MAX_CONFIDENCE)
    else:
        colours[place] = colour
        confidence[place] = 0


@inlined
def gradient(w, n, nw):
    """w + n - nw in red, green and blue, each from 0 to 255."""
    result = 0
    for shift in (16, 8, 0):
        value = ((w >> shift) & 255) + ((n >> shift) & 255) - ((nw >> shift) & 255)
        result = result << 8 | min(max(value, 0), 255)
    return result


@inlined
def code_colour(coder, data, contexts, differences, with_red, guesses, colour, decoding):
    """Code a colour that nobody has guessed: red, what may go with it, and the other two as red has changed."""
    w, expected = guesses[2], guesses[GUESSES - 1]
    red = code_level(coder, data, contexts, TREES + 256 * (w == guesses[3]), colour >> 16, decoding)
    place = np.int64((np.uint64(w) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(56)) * 256 + red
    first, second = with_red[1, place], with_red[0, red]
    if first != NONE and code_bit(coder, data, contexts, NUM_CONTEXTS, colour == first, decoding):
        result = first
    elif second != NONE and second != first and code_bit(coder, data, contexts, NUM_CONTEXTS + 1, colour == second, decoding):
        result = second
    else:
        difference = red - ((expected >> 16) & 255)
        result = red
        for channel in range(1, 3):
            shift = 16 - 8 * channel
            value = np.int64(((colour >> shift) & 255) - ((expected >> shift) & 255)) - difference
            value = code_remainder(coder, data, differences, channel * SLOTS, 0, 0, value, decoding)
            difference += value
            result = result << 8 | ((((expected >> shift) & 255) + difference) & 255)
    with_red[1, place] = result
    with_red[0, red] = result
    return result


@inlined
def code_level(coder, data, contexts, first, level, decoding):
    """Code a level, 0 to 255, bit by bit, each in a context of those before it; returns it."""
    node = 1
    for k in range(7, -1, -1):
        node = 2 * node + code_bit(coder, data, contexts, first + node, (level >> k) & 1 == 1, decoding)
    return node - 256
