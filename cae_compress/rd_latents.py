"""Entropy coding of the flagship's latents: whole numbers to bytes and back, one tile at a time.

For every tile, first a flag for each channel, whether it is all zero. Then group by group and phase by phase
(`integer_context`) the latents: the predicted log scale selects one of `BUCKETS` sets of adaptive contexts for each
group of channels, in which the difference from the predicted mean is coded (`contexts.code_remainder`).

The same functions run in both directions, so encoder and decoder cannot disagree.
"""

import numpy as np

from cae_compress import arithmetic
from cae_compress.arithmetic import code_bit
from cae_compress.compiled import compiled
from cae_compress.contexts import SLOTS, code_remainder
from cae_compress.integer_context import CHANNELS, GROUPS, MIN_LOG_SCALE, OUTPUT_BITS

MAX_LATENT = 2047
BUCKETS, BUCKETS_PER_UNIT = 64, 6  # a sixth of a natural logarithm each
RAW_BUCKET, RAW_OCTAVE = 30, 4  # from this bucket on, a raw bit for every so many buckets
BUCKET_OFFSET = int(-MIN_LOG_SCALE * 2**OUTPUT_BITS)
ACTIVE_CONTEXTS = (len(GROUPS) - 1) * BUCKETS * SLOTS  # where those of the flags begin: by number of active before
NUM_CONTEXTS = ACTIVE_CONTEXTS + 3
MAX_BYTES_PER_VALUE = 80  # more decisions than a value can take, at 16 bits each


class RDLatentCoder:
    """Codes the tiles of a picture, all into or out of one stream.

    Args:
        network: an `integer_context.IntegerContext`.
        probabilities: uint16 (NUM_CONTEXTS,), initial probabilities of zero in units of 2**-16.
        place: int, the quality's place between the lambdas, in 1/256.
        data: bytes to decode, or None to encode.
    """

    def __init__(self, network, probabilities, place, data=None):
        self.network, self.place = network, place
        self.decoding = data is not None
        self.contexts = np.repeat(probabilities[:, None], 2, axis=1)
        self.data = np.frombuffer(data, np.uint8).copy() if self.decoding else np.zeros(1 << 16, np.uint8)
        self.coder = arithmetic.new_decoder(self.data) if self.decoding else arithmetic.new_encoder()
        self.group_bits, self.side_bits = np.zeros(len(GROUPS) - 1), 0.0  # information so far, for `info`

    def encode(self, y, quantize):
        """Quantize and code the next tile.

        Args:
            y: float32 (height, width, CHANNELS), latents in quantization steps.
            quantize: function of (y, mean, bucket, channels), the first three (positions, channels): whole numbers.

        Returns:
            int32 (height, width, CHANNELS): what a decoder will have.
        """
        active = (np.abs(y) > 0.5).any(axis=(0, 1))

        def choose(at, a, b, mean, bucket):
            values = quantize(y[at][..., a:b].reshape(mean.shape), mean, bucket, slice(a, b))
            return np.where(active[a:b], np.clip(values, -MAX_LATENT, MAX_LATENT), 0).astype(np.int32)

        return self._code(*y.shape[:2], active, choose)

    def decode(self, height, width):
        """The next tile: int32 (height, width, CHANNELS)."""
        return self._code(
            height, width, np.zeros(CHANNELS, bool), lambda at, a, b, mean, _: np.zeros(mean.shape, np.int32)
        )

    def _code(self, height, width, active, choose):
        self._reserve(CHANNELS)
        before = arithmetic.information(self.coder)
        code_flags(self.coder, self.data, self.contexts, active, self.decoding)
        self.side_bits += arithmetic.information(self.coder) - before
        latents = np.zeros((height, width, CHANNELS), np.int32)

        def code_phase(k, at, mean, log_scale):
            a, b = GROUPS[k], GROUPS[k + 1]
            bucket = np.clip((log_scale + BUCKET_OFFSET) * BUCKETS_PER_UNIT * 2.0**-OUTPUT_BITS, 0, BUCKETS - 1)
            mean, bucket = mean.astype(np.int32), bucket.astype(np.uint8)
            values = choose(at, a, b, mean, bucket)
            self._reserve(values.size)
            before = arithmetic.information(self.coder)
            code_values(
                self.coder,
                self.data,
                self.contexts,
                values,
                mean,
                bucket,
                active[a:b],
                k * BUCKETS * SLOTS,
                self.decoding,
            )
            self.group_bits[k] += arithmetic.information(self.coder) - before
            latents[at][..., a:b] = values.reshape(latents[at][..., a:b].shape)
            return latents[at][..., a:b]

        self.network.code(height, width, self.place, code_phase)
        return latents

    def finish(self):
        """The bytes of the stream, after the last tile was encoded."""
        self._reserve(1)
        return self.data[: arithmetic.finish(self.coder, self.data)].tobytes()

    def _reserve(self, values):
        """Make room for so many more values in the encoder's buffer."""
        needed = int(self.coder[arithmetic.POSITION]) + MAX_BYTES_PER_VALUE * values
        if not self.decoding and needed > self.data.size:
            self.data = np.concatenate([self.data, np.zeros(needed, np.uint8)])


@compiled
def code_flags(coder, data, contexts, active, decoding):
    """Code which channels are active, bool (CHANNELS,), each in the context of the two before it."""
    recent = 2
    for c in range(active.size):
        active[c] = code_bit(coder, data, contexts, ACTIVE_CONTEXTS + recent, active[c], decoding)
        recent = (1 if active[c] else 0) + (1 if c and active[c - 1] else 0)


@compiled
def code_values(coder, data, contexts, values, mean, bucket, active, first, decoding):
    """Code the latents of a phase: int32 (positions, channels), read when encoding, filled when decoding.

    Args:
        coder, data, contexts: state, bytes and probabilities of `arithmetic`.
        values: the latents.
        mean: int32 like `values`, with `OUTPUT_BITS` bits of fraction.
        bucket: uint8 like `values`.
        active: bool (channels,); latents of the others are zero.
        first: int, the contexts of this group.
        decoding: bool.
    """
    half, quarter = 1 << (OUTPUT_BITS - 1), 1 << (OUTPUT_BITS - 3)
    for position in range(values.shape[0]):
        for c in range(values.shape[1]):
            if not active[c]:
                continue
            centre = (np.int64(mean[position, c]) + half) >> OUTPUT_BITS
            fraction = mean[position, c] - (centre << OUTPUT_BITS)
            side = 0 if abs(fraction) < quarter else (1 if fraction > 0 else 2)
            place = np.int64(bucket[position, c])
            shift = max(0, (place - RAW_BUCKET) // RAW_OCTAVE)
            value = np.int64(values[position, c]) - centre
            value = code_remainder(coder, data, contexts, first + place * SLOTS, side, shift, value, decoding)
            values[position, c] = value + centre
