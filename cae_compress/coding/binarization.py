"""Binarization: integers to the binary decisions that the arithmetic coder codes.

An integer is coded in a set of `SLOTS` adaptive contexts: is it zero, its magnitude, its sign. What selects the set,
and so what is expected of the integer, is the business of each codec.

Source: ITU-T H.266, 9.3 (truncated unary and Exp-Golomb binarization).
"""

import numpy as np

from cae_compress.coding.arithmetic import code_bit, code_raw_bits
from cae_compress.coding.compiled import inlined

ZERO, SIGN, UNARY, PREFIX = 0, 3, 6, 20  # slots of a set of contexts
MAX_UNARY = PREFIX - UNARY
MAX_PREFIX = 20
SLOTS = PREFIX + MAX_PREFIX


@inlined
def code_remainder(coder, data, contexts, first, side, shift, value, decoding):
    """Code an integer in a set of contexts and return it.

    Zero flag, then the magnitude above it in unary, then Exp-Golomb of order 0 with an adaptive prefix; where large
    values are expected, `shift` low bits of the magnitude are left to raw bits; then the sign.
    """
    magnitude = abs(value)
    high = magnitude >> shift
    coded = np.int64(0)
    if code_bit(coder, data, contexts, first + ZERO + side, high > 0, decoding):
        coded = 1
        while coded <= MAX_UNARY and code_bit(coder, data, contexts, first + UNARY + coded - 1, high > coded, decoding):
            coded += 1
        if coded > MAX_UNARY:
            rest = high - coded + 1
            length = 0
            while length < MAX_PREFIX - 1 and code_bit(
                coder, data, contexts, first + PREFIX + length, (rest >> (length + 1)) > 0, decoding
            ):
                length += 1
            coded += ((1 << length) | code_raw_bits(coder, data, rest & ((1 << length) - 1), length, decoding)) - 1
    if shift:
        coded = (coded << shift) | code_raw_bits(coder, data, magnitude & ((1 << shift) - 1), shift, decoding)
    if coded and code_bit(coder, data, contexts, first + SIGN + side, value < 0, decoding):
        coded = -coded
    return coded
