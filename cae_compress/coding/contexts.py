"""Context model: what the coder expects of each quantized latent, from latents already decoded.

Latents are walked position by position in raster order, at each position plane by plane (Y, Cb, Cr; or just one),
and in each plane map by map. For each latent q:

1. a *mean* is predicted from the values to the left, above, above left and above right in the same map;
2. a *magnitude* of what remains, q - mean, is predicted from the remainders there, those of the eight maps before at
   the same position, the same map of the planes before, the activity of all maps at the left and above, and the
   average for this map at this step;
3. the magnitude, on a logarithmic scale of `BUCKETS` steps, selects the set of adaptive contexts in which q - mean is
   coded: zero flag, magnitude (unary, then Exp-Golomb), sign. Beside it, whether the mean was rounded up or down
   selects between three zero and sign contexts.

Weights of both predictions and initial probabilities were fitted to training pictures and come with the model. All of
it is integer arithmetic (fixed point, 8 bits of fraction), so encoder and decoder agree on every machine.

Sources: Cheng et al., PCS 2018, section II-C (adaptive binary arithmetic coding of the rotated code); Weinberger,
Seroussi, Sapiro, IEEE TIP 9(8), 2000 (contexts from neighbours); ITU-T H.266, 9.3 (binarization).
"""

from dataclasses import dataclass

import numpy as np

from cae_compress.coding.arithmetic import ONE, information
from cae_compress.coding.binarization import SLOTS, code_remainder
from cae_compress.coding.compiled import compiled, inlined

FRACTION_BITS = 8
AVERAGE_BITS = 20
MEAN_INPUTS = 4  # left, above, above left, above right
MAPS_BEFORE = 8
# left, above, above left, above right; maps before; same map of the two planes before; activity; average
MAGNITUDE_INPUTS = 4 + MAPS_BEFORE + 2 + 1 + 1

BUCKETS = 64  # a quarter of an octave each: from 1/16 to about 4000
PLANE_CLASSES = 2  # luma, chroma
NUM_CONTEXTS = PLANE_CLASSES * BUCKETS * SLOTS


@inlined
def bucket_of(magnitude):
    """Predicted magnitude with 8 bits of fraction -> bucket, four to an octave, starting at 1/16."""
    value = magnitude
    octave = 0
    while value >= 32:
        value >>= 1
        octave += 1
    if value < 16:  # below 1/16
        return 0
    return min(4 * octave + ((value >> 2) & 3) + 1, BUCKETS - 1)


@inlined
def raw_bits_of(bucket):
    """How many low bits of a magnitude are raw, so that what is coded in unary stays at a few bits."""
    return max(0, (bucket - 28) >> 2)


@compiled
def code_row(
    coder, data, contexts, q, remainder, activity, active, averages, mean_weights, magnitude_weights, spent, decoding
):
    """Code one row of latents, in either direction.

    Args:
        coder, data: state and bytes of `arithmetic`.
        contexts: uint16 (NUM_CONTEXTS or more, 2).
        q: int32 (2, columns + 2, planes, maps): the row above, decoded, and this row; the first and the last column
            are zeros. This row is read when encoding, filled when decoding.
        remainder: int32 like `q`, the magnitudes of q - mean; this row is filled.
        activity: int32 (2, columns + 2, planes), their sums over maps; this row is filled.
        active: integer (columns, planes): the first so many maps of a position are coded, the others are zero.
        averages: int64 (planes, maps), average magnitudes with 8 bits of fraction.
        mean_weights: int32 (planes, maps, MEAN_INPUTS), 8 bits of fraction.
        magnitude_weights: int32 (planes, maps, MAGNITUDE_INPUTS), 8 bits of fraction.
        spent: float64 (planes,), to which the information coded for each plane is added, in bits.
        decoding: bool.
    """
    planes, maps = q.shape[2:]
    for j in range(1, q.shape[1] - 1):
        for plane in range(planes):
            total, recent = np.int64(0), 0  # recent: more than 0 if one of the last MAPS_BEFORE maps was not zero
            around = np.int64(activity[1, j - 1, plane]) + activity[0, j, plane]
            before = information(coder)
            for m in range(maps):
                if m >= active[j - 1, plane]:
                    q[1, j, plane, m] = remainder[1, j, plane, m] = 0
                    continue
                w = mean_weights[plane, m]
                mean = np.int64(w[0]) * q[1, j - 1, plane, m] + np.int64(w[1]) * q[0, j, plane, m]
                mean += np.int64(w[2]) * q[0, j - 1, plane, m] + np.int64(w[3]) * q[0, j + 1, plane, m]

                w = magnitude_weights[plane, m]
                magnitude = np.int64(w[0]) * remainder[1, j - 1, plane, m] + np.int64(w[1]) * remainder[0, j, plane, m]
                magnitude += (
                    np.int64(w[2]) * remainder[0, j - 1, plane, m] + np.int64(w[3]) * remainder[0, j + 1, plane, m]
                )
                if recent:
                    for k in range(min(m, MAPS_BEFORE)):
                        magnitude += np.int64(w[4 + k]) * remainder[1, j, plane, m - 1 - k]
                for k in range(min(plane, 2)):
                    magnitude += np.int64(w[4 + MAPS_BEFORE + k]) * remainder[1, j, plane - 1 - k, m]
                magnitude += np.int64(w[6 + MAPS_BEFORE]) * around
                magnitude += (np.int64(w[7 + MAPS_BEFORE]) * averages[plane, m]) >> FRACTION_BITS

                centre = (mean + 128) >> FRACTION_BITS
                fraction = mean - (centre << FRACTION_BITS)  # -128 to 127
                side = 0 if abs(fraction) < 32 else (1 if fraction > 0 else 2)
                bucket = bucket_of(magnitude)
                first = ((1 if plane > 0 else 0) * BUCKETS + bucket) * SLOTS
                value = np.int64(q[1, j, plane, m]) - centre
                value = code_remainder(coder, data, contexts, first, side, raw_bits_of(bucket), value, decoding)
                q[1, j, plane, m] = value + centre
                remainder[1, j, plane, m] = abs(value)
                total += abs(value)
                recent = MAPS_BEFORE if value else max(recent - 1, 0)
            activity[1, j, plane] = total
            spent[plane] += information(coder) - before


@dataclass(frozen=True)
class ContextModel:
    """What was fitted to training pictures, in integers (see `context_fit`).

    Attributes:
        mean_weights: int32 (planes, maps, MEAN_INPUTS), 8 bits of fraction.
        magnitude_weights: int32 (planes, maps, MAGNITUDE_INPUTS), 8 bits of fraction.
        average_magnitudes: int64 (planes, maps), in steps of a quantizer of 1/256 level, 28 bits of fraction.
        probabilities: uint16 (n,), initial probabilities of zero in units of 2**-16.
    """

    mean_weights: np.ndarray
    magnitude_weights: np.ndarray
    average_magnitudes: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def untrained(cls, num_contexts, shape=(3, 32)):
        """A model of (planes, maps) that predicts nothing: zero weights, probabilities of one half."""
        return cls(
            np.zeros((*shape, MEAN_INPUTS), np.int32),
            np.zeros((*shape, MAGNITUDE_INPUTS), np.int32),
            np.zeros(shape, np.int64),
            np.full(num_contexts, ONE // 2, np.uint16),
        )

    @classmethod
    def from_arrays(cls, arrays):
        """Take the model out of a weights file's arrays, where its names begin with "contexts/"."""
        return cls(**{name: arrays.pop(f"contexts/{name}") for name in cls.__annotations__})

    def to_arrays(self):
        """The model as `from_arrays` wants it."""
        return {f"contexts/{name}": values for name, values in vars(self).items()}

    def averages_at(self, levels):
        """Average magnitudes in steps of a quantizer of `levels` / 256 levels: int64 (planes, maps) in 1/256."""
        return np.maximum((self.average_magnitudes * levels) >> AVERAGE_BITS, 1)

    def new_contexts(self):
        """Contexts in their trained initial state, both estimators alike: uint16 (n, 2)."""
        return np.repeat(self.probabilities[:, None], 2, axis=1)
