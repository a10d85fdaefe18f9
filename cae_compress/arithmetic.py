"""An adaptive binary arithmetic coder: a 32-bit range coder whose probabilities learn as it codes.

The coder keeps an interval of integers, `low` to `low + range - 1`. To code a bit whose probability of being 0 is
p / 2**16, the interval is cut in that proportion and the part that belongs to the bit is kept: a likely bit leaves
most of the interval, an unlikely one little. Any number in the final interval identifies all bits. Whenever the
interval has become smaller than 2**24, its top byte is settled and goes out. What was added to `low` may carry into
bytes already written; the encoder then counts them up.

A probability is learned by two estimators, a fast one and a slow one, both 16-bit integers; their mean is used. After
each bit they move towards it by 1/2**FAST and 1/2**SLOW of the distance.

Everything is integer arithmetic, so a stream decodes to the same bits on every machine.

Sources: Martin, *Range encoding*, 1979; Witten, Neal, Cleary, CACM 30(6), 1987 (adaptive models); ITU-T H.266, 9.3.4
(two rates).
"""

import numba
import numpy as np

PROBABILITY_BITS = 16
ONE = 1 << PROBABILITY_BITS
FAST, SLOW = 5, 8  # shifts: adaptation by 1/32 and 1/256 of the distance
MIN_RANGE = np.uint64(1 << 24)
MASK32 = np.uint64(0xFFFFFFFF)

# A coder is an array of three uint64. POSITION counts the bytes written or read. LOW is the lower end of the interval
# when encoding; when decoding, only how far the number read lies above it matters, and that is kept in its place.
LOW, RANGE, POSITION = 0, 1, 2

jit = numba.njit(cache=True, inline="always")


def new_probabilities(count):
    """Fresh contexts, both estimators at one half: uint16 array of shape (count, 2)."""
    return np.full((count, 2), ONE // 2, np.uint16)


@numba.njit(cache=True)
def new_encoder():
    """A coder whose interval is everything: uint64 array (3,)."""
    return np.array([0, 0xFFFFFFFF, 0], np.uint64)


@numba.njit(cache=True)
def new_decoder(data):
    """A coder that has read the first four bytes of `data`, a uint8 array: uint64 array (3,)."""
    coder = np.array([0, 0xFFFFFFFF, 0], np.uint64)
    for _ in range(4):
        coder[LOW] = (coder[LOW] << np.uint64(8)) | next_byte(coder, data)
    return coder


@jit
def probability_of_zero(contexts, k):
    """Probability that the next bit in context k is 0, in units of 2**-16, from 1 to 65535."""
    p = (np.uint64(contexts[k, 0]) + np.uint64(contexts[k, 1])) >> np.uint64(1)
    return min(max(p, np.uint64(1)), np.uint64(ONE - 1))


@jit
def adapt(contexts, k, bit):
    """Move both estimators of context k towards the bit just coded."""
    fast, slow = np.int32(contexts[k, 0]), np.int32(contexts[k, 1])
    if bit:
        fast -= fast >> FAST
        slow -= slow >> SLOW
    else:
        fast += (ONE - 1 - fast) >> FAST
        slow += (ONE - 1 - slow) >> SLOW
    contexts[k, 0], contexts[k, 1] = np.uint16(fast), np.uint16(slow)


@jit
def encode(coder, data, bit, p):
    """Code one bit whose probability of being 0 is p / 2**16, writing settled bytes to `data`."""
    bound = (coder[RANGE] * p) >> np.uint64(PROBABILITY_BITS)
    if bit:
        coder[LOW] += bound
        coder[RANGE] -= bound
        if coder[LOW] > MASK32:
            carry(coder, data)
    else:
        coder[RANGE] = bound
    while coder[RANGE] < MIN_RANGE:
        data[np.int64(coder[POSITION])] = coder[LOW] >> np.uint64(24)
        coder[POSITION] += np.uint64(1)
        coder[LOW] = (coder[LOW] << np.uint64(8)) & MASK32
        coder[RANGE] <<= np.uint64(8)


@jit
def decode(coder, data, p):
    """The next bit, whose probability of being 0 is p / 2**16."""
    bound = (coder[RANGE] * p) >> np.uint64(PROBABILITY_BITS)
    bit = coder[LOW] >= bound
    if bit:
        coder[LOW] -= bound
        coder[RANGE] -= bound
    else:
        coder[RANGE] = bound
    while coder[RANGE] < MIN_RANGE:
        coder[LOW] = (coder[LOW] << np.uint64(8)) | next_byte(coder, data)
        coder[RANGE] <<= np.uint64(8)
    return bit


@jit
def carry(coder, data):
    """`low` has outgrown 32 bits: add one to the bytes already written."""
    k = np.int64(coder[POSITION]) - 1
    while data[k] == 255:
        data[k] = 0
        k -= 1
    data[k] += 1
    coder[LOW] &= MASK32


@jit
def next_byte(coder, data):
    """The next byte; after the end of `data` come zeros, as `finish` assumes."""
    k = np.int64(coder[POSITION])
    coder[POSITION] += np.uint64(1)
    return np.uint64(data[k]) if k < data.size else np.uint64(0)


@numba.njit(cache=True)
def finish(coder, data):
    """Write the shortest number inside the final interval; returns how many bytes of `data` are the stream.

    Trailing zero bytes are dropped, for the decoder reads zeros after the end.
    """
    for zero_bits in (24, 16, 8, 0):
        mask = np.uint64((1 << zero_bits) - 1)
        number = (coder[LOW] + mask) & ~mask
        if number < coder[LOW] + coder[RANGE]:
            break
    coder[LOW] = number
    if coder[LOW] > MASK32:
        carry(coder, data)
    end = np.int64(coder[POSITION])
    for k in range(4):
        data[end + k] = (coder[LOW] >> np.uint64(24 - 8 * k)) & np.uint64(255)
    end += 4
    while end > 0 and data[end - 1] == 0:
        end -= 1
    return end


@jit
def information(coder):
    """Bits coded so far, up to a constant and to fractions of a bit: bytes out, and how far the interval has narrowed."""
    return 8.0 * np.float64(coder[POSITION]) - np.log2(np.float64(coder[RANGE]))


@jit
def code_bit(coder, data, contexts, k, bit, decoding):
    """Code a bit in context k, in either direction, and learn from it.

    Encoder and decoder walk through the same code, so they cannot disagree: one is given the bit and writes it, the
    other ignores what it is given and reads it. Returns the bit.
    """
    p = probability_of_zero(contexts, k)
    if decoding:
        bit = decode(coder, data, p)
    else:
        encode(coder, data, bit, p)
    adapt(contexts, k, bit)
    return bit


@jit
def code_raw_bits(coder, data, value, count, decoding):
    """Code `count` bits of `value`, most significant first, each at probability one half; returns the value."""
    result = np.int64(0)
    for k in range(count - 1, -1, -1):
        bit = ((value >> k) & 1) == 1
        if decoding:
            bit = decode(coder, data, np.uint64(ONE // 2))
        else:
            encode(coder, data, bit, np.uint64(ONE // 2))
        result = 2 * result + bit
    return result
