"""An adaptive binary arithmetic coder: a 32-bit range coder whose probabilities learn as it codes.

The coder keeps an interval of integers, `low` to `low + range - 1`. To code a bit whose probability of being 0 is
p / 2**16, the interval is cut in that proportion and the part that belongs to the bit is kept: a likely bit leaves
most of the interval, an unlikely one little. Any number in the final interval identifies all bits. Whenever the
interval has become smaller than 2**24, its top byte is settled and goes out. What was added to `low` may carry into
bytes already written; the encoder then counts them up.

A probability is learned by two estimators, a fast one and a slow one, both 16-bit integers; their mean is used. After
each bit they move towards it by 1/2**FAST and 1/2**SLOW of the distance. Where there are many contexts for few bits,
that is too slow: there bits are counted, and the n-th moves the probability by 2 / (2 n + 1) of the distance.

Everything is integer arithmetic, so a stream decodes to the same bits on every machine.

Sources: Martin, *Range encoding*, 1979; Witten, Neal, Cleary, CACM 30(6), 1987 (adaptive models); ITU-T H.266, 9.3.4
(two rates).
"""

import numpy as np

from cae_compress.coding.compiled import compiled, inlined

PROBABILITY_BITS = 16
ONE = 1 << PROBABILITY_BITS
FAST, SLOW = 5, 8  # shifts: adaptation by 1/32 and 1/256 of the distance
MOST_COUNTED = 30  # bits after which a context that counts goes on like one of a fixed rate
MIN_RANGE = np.uint64(1 << 24)
MASK32 = np.uint64(0xFFFFFFFF)
MAX_BYTES_PER_VALUE = 80  # more decisions than a latent can take, at 16 bits each

# A coder is an array of four uint64. POSITION counts the bytes written or read, DECISIONS the bits coded. LOW is the
# lower end of the interval when encoding; when decoding, only how far the number read lies above it matters, and that
# is kept in its place.
LOW, RANGE, POSITION, DECISIONS = 0, 1, 2, 3


def new_probabilities(count):
    """Fresh contexts, both estimators at one half: uint16 array of shape (count, 2)."""
    return np.full((count, 2), ONE // 2, np.uint16)


def new_counting_probabilities(count):
    """Fresh contexts for `code_counted_bit`, at one half and nothing counted: uint16 array of shape (count, 2)."""
    return np.tile(np.uint16([ONE // 2, 0]), (count, 1))


@compiled
def new_encoder():
    """A coder whose interval is everything: uint64 array (4,)."""
    return np.array([0, 0xFFFFFFFF, 0, 0], np.uint64)


@compiled
def new_decoder(data):
    """A coder that has read the first four bytes of `data`, a uint8 array: uint64 array (4,)."""
    coder = np.array([0, 0xFFFFFFFF, 0, 0], np.uint64)
    for _ in range(4):
        coder[LOW] = (coder[LOW] << np.uint64(8)) | next_byte(coder, data)
    return coder


@inlined
def probability_of_zero(contexts, k):
    """Probability that the next bit in context k is 0, in units of 2**-16, from 1 to 65535."""
    p = (np.uint64(contexts[k, 0]) + np.uint64(contexts[k, 1])) >> np.uint64(1)
    return min(max(p, np.uint64(1)), np.uint64(ONE - 1))


@inlined
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


@inlined
def encode(coder, data, bit, p):
    """Code one bit whose probability of being 0 is p / 2**16, writing settled bytes to `data`."""
    coder[DECISIONS] += np.uint64(1)
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


@inlined
def decode(coder, data, p):
    """The next bit, whose probability of being 0 is p / 2**16."""
    coder[DECISIONS] += np.uint64(1)
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


@inlined
def carry(coder, data):
    """`low` has outgrown 32 bits: add one to the bytes already written."""
    k = np.int64(coder[POSITION]) - 1
    while data[k] == 255:
        data[k] = 0
        k -= 1
    data[k] += 1
    coder[LOW] &= MASK32


@inlined
def next_byte(coder, data):
    """The next byte; after the end of `data` come zeros, as `finish` assumes."""
    k = np.int64(coder[POSITION])
    coder[POSITION] += np.uint64(1)
    return np.uint64(data[k]) if k < data.size else np.uint64(0)


@compiled
def finish(coder, data):
    """Write the shortest number inside the final interval; returns how many bytes of `data` are the stream.

    Trailing zero bytes are dropped, for the decoder reads zeros after the end.
    """
    for zero_bits in (32, 24, 16, 8, 0):
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


@inlined
def information(coder):
    """Bits coded so far, up to a constant, with fractions: bytes out, and how far the interval has narrowed."""
    return 8.0 * np.float64(coder[POSITION]) - np.log2(np.float64(coder[RANGE]))


@inlined
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


@inlined
def code_counted_bit(coder, data, contexts, k, bit, decoding):
    """`code_bit` in contexts of `new_counting_probabilities`: the first bits teach most."""
    zero, counted = np.int64(contexts[k, 0]), np.int64(contexts[k, 1])
    p = np.uint64(min(max(zero, ONE >> 12), ONE - (ONE >> 12)))
    if decoding:
        bit = decode(coder, data, p)
    else:
        encode(coder, data, bit, p)
    zero += ((0 if bit else ONE - 1) - zero) * 2 // (2 * counted + 3)
    contexts[k, 0], contexts[k, 1] = np.uint16(zero), np.uint16(min(counted + 1, MOST_COUNTED))
    return bit


@inlined
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


class Stream:
    """A stream of the coder with room to grow, in either direction; what codes latents builds on it.

    Args:
        data: bytes to decode, or None to encode.
    """

    def __init__(self, data=None):
        self.decoding = data is not None
        self.data = np.frombuffer(data, np.uint8).copy() if self.decoding else np.zeros(1 << 16, np.uint8)
        self.coder = new_decoder(self.data) if self.decoding else new_encoder()

    def finish(self):
        """The bytes of the stream, after everything was encoded."""
        self._reserve(1)
        return self.data[: finish(self.coder, self.data)].tobytes()

    def _reserve(self, values):
        """Make room for so many more values in the encoder's buffer."""
        written = int(self.coder[POSITION])
        needed = written + MAX_BYTES_PER_VALUE * values
        if not self.decoding and needed > self.data.size:
            larger = np.empty(2 * needed, np.uint8)
            larger[:written] = self.data[:written]
            self.data = larger


def encode_bits(bits, contexts, which=None):
    """Code a sequence of bits: the whole coder in one loop.

    Args:
        bits: sequence of 0 and 1.
        contexts: uint16 (n, 2) of `new_probabilities`; changed by learning.
        which: sequence of int, the context of each bit; all 0 by default.

    Returns:
        bytes.
    """
    bits = np.asarray(bits, np.uint8)
    which = np.zeros(bits.size, np.int64) if which is None else np.asarray(which, np.int64)
    coder, data = new_encoder(), np.zeros(2 * bits.size + 8, np.uint8)
    _code_bits(coder, data, contexts, which, bits, False)
    return data[: finish(coder, data)].tobytes()


def decode_bits(data, count, contexts, which=None):
    """Invert `encode_bits`: `count` bits as a uint8 array, given contexts in their state before coding."""
    bits = np.zeros(count, np.uint8)
    which = np.zeros(count, np.int64) if which is None else np.asarray(which, np.int64)
    data = np.frombuffer(data, np.uint8).copy()
    _code_bits(new_decoder(data), data, contexts, which, bits, True)
    return bits


@compiled
def _code_bits(coder, data, contexts, which, bits, decoding):
    for k in range(bits.size):
        bits[k] = code_bit(coder, data, contexts, which[k], bits[k] == 1, decoding)


def trace(bits, contexts):
    """The steps of coding a short message in one context, for the classroom; made by the coder itself.

    Args:
        bits: sequence of 0 and 1.
        contexts: uint16 (1, 2) of `new_probabilities`; changed by learning.

    Returns:
        (steps, message): one dict a bit with the probability of 0 before it, `low` and `range` after it, the bits of
        information that it cost and the bytes written so far; and the bytes of the finished message.
    """
    coder, data, steps = new_encoder(), np.zeros(2 * len(bits) + 8, np.uint8), []
    for bit in bits:
        p = probability_of_zero(contexts, 0) / ONE
        code_bit(coder, data, contexts, 0, bit == 1, False)
        steps.append(
            {
                "bit": bit,
                "p(0)": p,
                "cost (bits)": -float(np.log2(1 - p if bit else p)),
                "low": int(coder[LOW]),
                "range": int(coder[RANGE]),
                "written": data[: int(coder[POSITION])].tobytes().hex(" "),
            }
        )
    return steps, data[: finish(coder, data)].tobytes()
