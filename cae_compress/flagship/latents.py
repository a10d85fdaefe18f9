"""Entropy coding of the flagship's latents: whole numbers to bytes and back, one tile at a time.

For every tile, first whether its latents depend on each other (`trellis`), in a raw bit, and how many channels of each
group, from the first on, are not all zero, in 9. Then group by group and pass by pass (`integer_context`) the latents:
the predicted log scale selects one of `BUCKETS` sets of adaptive contexts for each group of channels and quantizer, in
which the index counted from the predicted mean is coded (`binarization.code_remainder`). There are three such sets, for
what one pass cannot know of itself: whether latents at a position come out smaller than predicted, as predicted, or
larger. Most latents are all but certain; where a pass has next to no surprise among them, a bit says so and they are
not coded at all, which halves the time.

The same functions run in both directions, so encoder and decoder cannot disagree.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cae_compress.bitstream import BitstreamError
from cae_compress.coding import arithmetic
from cae_compress.coding.arithmetic import code_bit, code_raw_bits
from cae_compress.coding.binarization import SLOTS, code_remainder
from cae_compress.coding.compiled import compiled
from cae_compress.flagship.centroids import BUCKETS, BUCKETS_PER_UNIT, MAX_DISTANCE, SCALES, TABLE
from cae_compress.flagship.coding_order import CHANNELS, GROUPS
from cae_compress.flagship.integer_passes import MIN_LOG_SCALE, OUTPUT_BITS, PER_STEP
from cae_compress.flagship.trellis import (
    MAX_LATENT,
    QUANTIZERS,
    centre_of,
    index_of,
    next_state,
    quantizer_of,
    takes_part,
    value_of,
)
from cae_compress.weights import Array

RAW_BUCKET, RAW_OCTAVE = 30, 4  # from this bucket on, a raw bit for every so many buckets
BUCKET_OFFSET = int(-MIN_LOG_SCALE * 2**OUTPUT_BITS)
BUCKETS_PER_STEP = BUCKETS_PER_UNIT * 2.0**-OUTPUT_BITS
FRACTIONS = 2  # sets of contexts a bucket: predicted mean near index 0, or near the middle to the next
MOODS = 3  # for each of them: latents at this position have been smaller than expected, as expected, or larger
SETS = BUCKETS * FRACTIONS * MOODS * QUANTIZERS  # a group
CERTAIN = 4  # below this bucket index 0 is expected
MAX_SURPRISES = 1 / 500  # of those in a pass that may be left out; what differs is lost
SKIP = (len(GROUPS) - 1) * SETS * SLOTS  # one context a group: are they left out?
NUM_CONTEXTS = SKIP + len(GROUPS) - 1
PROBABILITIES = Array((NUM_CONTEXTS,), np.uint16, 1, arithmetic.ONE - 1)  # what a weights file has to hold
LARGE = 4  # magnitudes from here on count alike
COUNT_BITS = 9


class RDLatentCoder(arithmetic.Stream):
    """Codes the tiles of a picture, all into or out of one stream.

    Args:
        network: an `integer_context.IntegerContext`.
        probabilities: uint16 (NUM_CONTEXTS,), initial probabilities of zero in units of 2**-16.
        place: int, the quality's place between the lambdas, in 1/256.
        data: bytes to decode, or None to encode.
    """

    def __init__(self, network, probabilities, place, data=None):
        self.network, self.place = network, place
        super().__init__(data)
        self.contexts = np.repeat(probabilities[:, None], 2, axis=1)
        self.group_bits, self.side_bits = np.zeros(len(GROUPS) - 1), 0.0  # information so far, for `info`

    def encode(self, y, quantize, dependent=True):
        """Quantize and code the next tile.

        Args:
            y: float32 (height, width, CHANNELS), latents in quantization steps.
            quantize: function of (y, mean, bucket, channels): float32 latents, int32 means and uint8 buckets of what
                `integer_context` expects of them, arrays (positions, n), and a slice of n channels; returns int32
                (positions, n) in half steps.
            dependent: bool, whether `quantize` makes latents depend on each other (`trellis`).

        Returns:
            int16 (height, width, CHANNELS): what a decoder will have, in half steps.
        """
        active = in_use(y)
        counts = [int(np.flatnonzero(active[a:b]).max(initial=-1)) + 1 for a, b in zip(GROUPS, GROUPS[1:])]

        def choose(at, channels, mean, bucket):
            return quantize(y[at][..., channels].reshape(mean.shape), mean, bucket, channels)

        return self._code(*y.shape[:2], np.array([dependent, *counts], np.int64), choose)[0]

    def decode(self, height, width):
        """The next tile.

        Returns:
            (q, offsets): int16 and int8 (height, width, CHANNELS), the latents in half steps, and from each to where it
            probably was before rounding (`centroids`).

        Raises:
            BitstreamError: decoding came to something that no encoder writes, as latents beyond `MAX_LATENT`.
        """
        side = np.zeros(len(GROUPS), np.int64)
        return self._code(height, width, side)

    def _code(self, height, width, side, choose=None):
        self._reserve(side.size)
        before = arithmetic.information(self.coder)
        code_side(self.coder, self.data, side, self.decoding)
        dependent, counts = bool(side[0]), side[1:]
        if (counts > np.diff(GROUPS)).any():
            raise BitstreamError("damaged: a group has more channels than there are")
        self.side_bits += arithmetic.information(self.coder) - before
        latents, offsets = (np.zeros((height, width, CHANNELS), dtype) for dtype in (np.int16, np.int8))

        def channels_of(k):
            return slice(GROUPS[k], GROUPS[k] + int(counts[k]))

        def prepare(k, at, mean, log_scale):
            bucket = bucket_of(log_scale)
            if self.decoding:
                return mean, bucket, np.zeros(mean.shape, np.int32), False
            values = choose(at, channels_of(k), mean, bucket)
            return mean, bucket, values, leave_out(values, mean, bucket)

        def keep(k, at, mean, bucket, values):
            there = latents[at][..., channels_of(k)]
            there[:] = values.reshape(there.shape)
            if self.decoding:
                there = offsets[at][..., channels_of(k)]
                there[:] = offsets_of(values, mean, bucket, TABLE, dependent).reshape(there.shape)

        # what nobody waits for is done in a thread of its own
        with ThreadPoolExecutor(max_workers=1) as thread:
            later = []

            def code_pass(k, at, mean, bucket, values, skip):
                if self.decoding:
                    self._code_values(k, values, mean, bucket, skip, dependent)
                    if np.abs(values).max(initial=0) > MAX_LATENT:
                        raise BitstreamError("damaged: a latent is outside what an encoder writes")
                else:
                    later.append(thread.submit(self._code_values, k, values, mean, bucket, skip, dependent))
                later.append(thread.submit(keep, k, at, mean, bucket, values))
                return values

            self.network.code(height, width, self.place, counts, code_pass, prepare)
            for done in later:
                done.result()  # raises what went wrong in the thread
        return latents, offsets

    def _code_values(self, k, values, mean, bucket, skip, dependent):
        self._reserve(values.size + 1)
        before = arithmetic.information(self.coder)
        code_values(
            self.coder, self.data, self.contexts, values, mean, bucket, k * SETS * SLOTS, SKIP + k, skip,
            dependent, self.decoding,
        )  # fmt: skip
        self.group_bits[k] += arithmetic.information(self.coder) - before


def expected_magnitudes():
    """What to expect of the magnitude of an index in each bucket, up to `LARGE`: int64 (BUCKETS,), in 1/256."""
    beyond = [2 / (1 + np.exp(np.minimum((n - 0.5) / SCALES, 80))) for n in range(1, LARGE + 1)]  # chance of n or more
    return np.rint(256 * np.sum(beyond, axis=0)).astype(np.int64)


EXPECTED = expected_magnitudes()


@compiled
def code_side(coder, data, side, decoding):
    """Code whether latents depend on each other, and how many channels each group has in use: int64 (1 + groups,)."""
    for k in range(side.size):
        side[k] = code_raw_bits(coder, data, side[k], COUNT_BITS if k else 1, decoding)


@compiled
def in_use(y):
    """Which channels have latents beyond half a step: float32 (height, width, CHANNELS) -> bool (CHANNELS,)."""
    used = np.zeros(y.shape[2], np.bool_)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            for c in range(y.shape[2]):
                used[c] |= abs(y[i, j, c]) > 0.5
    return used


@compiled
def bucket_of(log_scale):
    """Predicted log scales, int32 (positions, channels) with `OUTPUT_BITS` bits of fraction -> which set of contexts.

    Returns:
        uint8 like `log_scale`.
    """
    bucket = np.empty(log_scale.shape, np.uint8)
    for position in range(log_scale.shape[0]):
        for c in range(log_scale.shape[1]):
            scaled = (log_scale[position, c] + BUCKET_OFFSET) * BUCKETS_PER_STEP
            bucket[position, c] = np.uint8(min(max(scaled, 0.0), BUCKETS - 1.0))
    return bucket


@compiled
def leave_out(values, mean, bucket):
    """Whether to leave out the latents of a pass that are all but certain; if so, make them what is expected.

    Args:
        values: int32 (positions, channels), changed.
        mean, bucket: as for `code_values`.

    Returns:
        bool.
    """
    certain = surprises = 0
    for position in range(values.shape[0]):
        for c in range(values.shape[1]):
            if bucket[position, c] < CERTAIN:
                certain += 1
                surprises += values[position, c] != centre_of(mean[position, c])
    if surprises > MAX_SURPRISES * certain:
        return False
    if surprises:
        for position in range(values.shape[0]):
            for c in range(values.shape[1]):
                if bucket[position, c] < CERTAIN:
                    values[position, c] = centre_of(mean[position, c])
    return True


@compiled
def offsets_of(values, mean, bucket, table, dependent):
    """Looks up `centroids.TABLE`, which is for cells of whole steps: int8 like `values`; arguments of `code_values`."""
    offsets = np.zeros(values.shape, np.int8)
    for position in range(values.shape[0]):
        for c in range(values.shape[1]):
            if takes_part(bucket[position, c], dependent):
                continue
            distance = (np.int64(mean[position, c]) - (np.int64(values[position, c]) << OUTPUT_BITS)) // PER_STEP
            distance = min(max(distance, -MAX_DISTANCE), MAX_DISTANCE)
            offsets[position, c] = table[bucket[position, c], distance + MAX_DISTANCE]
    return offsets


@compiled
def code_values(coder, data, contexts, values, mean, bucket, first, skip_context, skip, dependent, decoding):
    """Code the latents of a pass: int32 (positions, channels), read when encoding, filled when decoding.

    Args:
        coder, data, contexts: state, bytes and probabilities of `arithmetic`.
        values: the latents, in half steps.
        mean: int32 like `values`, with `OUTPUT_BITS` bits of fraction.
        bucket: uint8 like `values`.
        first, skip_context: int, the contexts of this group.
        skip: bool, leave out what is all but certain (`leave_out`); ignored when decoding.
        dependent: bool, whether the latents depend on each other.
        decoding: bool.
    """
    one, state = PER_STEP << OUTPUT_BITS, 0
    skip = code_bit(coder, data, contexts, skip_context, skip, decoding)
    for position in range(values.shape[0]):
        actual, expected = 128, 128  # magnitudes at this position in 1/256, those of late more than those long ago
        for c in range(values.shape[1]):
            centre = centre_of(mean[position, c])
            if skip and bucket[position, c] < CERTAIN:
                values[position, c] = centre
                continue
            fraction = mean[position, c] - (centre << OUTPUT_BITS)
            side = 0 if abs(fraction) < one // 8 else (1 if fraction > 0 else 2)
            place = np.int64(bucket[position, c])
            mood = 2 if 2 * actual > 3 * expected else (0 if 3 * actual < 2 * expected else 1)
            quantizer = quantizer_of(state, place, dependent)
            which = ((FRACTIONS * place + (abs(fraction) >= one // 4)) * MOODS + mood) * QUANTIZERS + quantizer
            shift = max(0, (place - RAW_BUCKET) // RAW_OCTAVE)
            index = index_of(np.int64(values[position, c]), centre, quantizer)
            index = code_remainder(coder, data, contexts, first + SLOTS * which, side, shift, index, decoding)
            values[position, c] = value_of(index, centre, quantizer)
            state = next_state(state, place, index, dependent)
            actual += 256 * min(abs(index), LARGE) - ((actual - 128) >> 5)
            expected += EXPECTED[place] - ((expected - 128) >> 5)
