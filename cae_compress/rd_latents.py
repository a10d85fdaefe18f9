"""Entropy coding of the flagship's latents: whole numbers to bytes and back, one tile at a time.

For every tile, first how many channels of each group, from the first on, are not all zero, in 8 raw bits. Then group
by group and pass by pass (`integer_context`) the latents: the predicted log scale selects one of `BUCKETS` sets of
adaptive contexts for each group of channels, in which the difference from the predicted mean is coded
(`contexts.code_remainder`).

The same functions run in both directions, so encoder and decoder cannot disagree.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cae_compress import arithmetic
from cae_compress.arithmetic import code_raw_bits
from cae_compress.bitstream import BitstreamError
from cae_compress.compiled import compiled
from cae_compress.contexts import SLOTS, code_remainder
from cae_compress.integer_context import CHANNELS, GROUPS, MAX_LOG_SCALE, MIN_LOG_SCALE, OUTPUT_BITS

MAX_LATENT = 2047
BUCKETS, BUCKETS_PER_UNIT = 64, 6  # a sixth of a natural logarithm each
RAW_BUCKET, RAW_OCTAVE = 30, 4  # from this bucket on, a raw bit for every so many buckets
BUCKET_OFFSET = int(-MIN_LOG_SCALE * 2**OUTPUT_BITS)
FRACTIONS = 2  # sets of contexts a bucket: predicted mean near a whole number, or near the middle of two
NUM_CONTEXTS = (len(GROUPS) - 1) * BUCKETS * FRACTIONS * SLOTS
COUNT_BITS = 8


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

    def encode(self, y, quantize):
        """Quantize and code the next tile.

        Args:
            y: float32 (height, width, CHANNELS), latents in quantization steps.
            quantize: function of (y, mean, scale, channels): three float32 arrays (positions, n) and a slice of n
                channels; returns int32 (positions, n).

        Returns:
            int32 (height, width, CHANNELS): what a decoder will have.
        """
        active = (np.abs(y) > 0.5).any(axis=(0, 1))
        counts = [int(np.flatnonzero(active[a:b]).max(initial=-1)) + 1 for a, b in zip(GROUPS, GROUPS[1:])]

        def choose(at, channels, mean, log_scale):
            scale = np.exp(np.clip(log_scale * 2.0**-OUTPUT_BITS, MIN_LOG_SCALE, MAX_LOG_SCALE), dtype=np.float32)
            values = quantize(
                y[at][..., channels].reshape(mean.shape), mean * np.float32(2.0**-OUTPUT_BITS), scale, channels
            )
            return np.clip(values, -MAX_LATENT, MAX_LATENT)

        return self._code(*y.shape[:2], np.array(counts, np.int64), choose)

    def decode(self, height, width):
        """The next tile: int32 (height, width, CHANNELS).

        Raises:
            BitstreamError: decoding came to something that no encoder writes.
        """
        counts = np.zeros(len(GROUPS) - 1, np.int64)
        return self._code(height, width, counts, lambda at, channels, mean, _: np.zeros(mean.shape, np.int32))

    def _code(self, height, width, counts, choose):
        self._reserve(counts.size)
        before = arithmetic.information(self.coder)
        code_counts(self.coder, self.data, counts, self.decoding)
        if (counts > np.diff(GROUPS)).any():
            raise BitstreamError("damaged: a group has more channels than there are")
        self.side_bits += arithmetic.information(self.coder) - before
        latents = np.zeros((height, width, CHANNELS), np.int32)

        # one thread codes; when encoding, it has values to code while the next are still predicted and chosen
        with ThreadPoolExecutor(max_workers=1) as thread:
            coded = []

            def code_pass(k, at, mean, log_scale):
                channels = slice(GROUPS[k], GROUPS[k] + int(counts[k]))
                values = choose(at, channels, mean, log_scale)
                coded.append(thread.submit(self._code_values, k, values, mean, log_scale))
                if self.decoding:
                    coded[-1].result()
                latents[at][..., channels] = values.reshape(latents[at][..., channels].shape)
                return latents[at][..., channels]

            self.network.code(height, width, self.place, counts, code_pass)
            for done in coded:
                done.result()  # raises what went wrong in the thread
        return latents

    def _code_values(self, k, values, mean, log_scale):
        bucket = np.clip((log_scale + BUCKET_OFFSET) * BUCKETS_PER_UNIT * 2.0**-OUTPUT_BITS, 0, BUCKETS - 1)
        self._reserve(values.size)
        before = arithmetic.information(self.coder)
        code_values(
            self.coder, self.data, self.contexts, values, mean.astype(np.int32), bucket.astype(np.uint8),
            k * BUCKETS * FRACTIONS * SLOTS, self.decoding,
        )  # fmt: skip
        self.group_bits[k] += arithmetic.information(self.coder) - before


@compiled
def code_counts(coder, data, counts, decoding):
    """Code how many channels of each group are in use, int64 (groups,)."""
    for k in range(counts.size):
        counts[k] = code_raw_bits(coder, data, counts[k], COUNT_BITS, decoding)


@compiled
def code_values(coder, data, contexts, values, mean, bucket, first, decoding):
    """Code the latents of a pass: int32 (positions, channels), read when encoding, filled when decoding.

    Args:
        coder, data, contexts: state, bytes and probabilities of `arithmetic`.
        values: the latents.
        mean: int32 like `values`, with `OUTPUT_BITS` bits of fraction.
        bucket: uint8 like `values`.
        first: int, the contexts of this group.
        decoding: bool.
    """
    one = 1 << OUTPUT_BITS
    for position in range(values.shape[0]):
        for c in range(values.shape[1]):
            centre = (np.int64(mean[position, c]) + one // 2) >> OUTPUT_BITS
            fraction = mean[position, c] - (centre << OUTPUT_BITS)
            side = 0 if abs(fraction) < one // 8 else (1 if fraction > 0 else 2)
            place = np.int64(bucket[position, c])
            which = first + (FRACTIONS * place + (abs(fraction) >= one // 4)) * SLOTS
            shift = max(0, (place - RAW_BUCKET) // RAW_OCTAVE)
            value = np.int64(values[position, c]) - centre
            value = code_remainder(coder, data, contexts, which, side, shift, value, decoding)
            values[position, c] = value + centre
