"""Context model: what the coder expects of each quantized latent, from latents already decoded.

Latents are walked position by position in raster order, at each position plane by plane (Y, Cb, Cr), and in each
plane map by map (PCA has put the strongest first). For each latent q:

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

import numba
import numpy as np

from cae_compress.arithmetic import code_bit, code_raw_bits

FRACTION_BITS = 8
MEAN_INPUTS = 4  # left, above, above left, above right
MAPS_BEFORE = 8
# left, above, above left, above right; maps before; same map of the two planes before; activity; average
MAGNITUDE_INPUTS = 4 + MAPS_BEFORE + 2 + 1 + 1

BUCKETS = 64  # a quarter of an octave each: from 1/16 to about 4000
ZERO, SIGN, UNARY, PREFIX = 0, 3, 6, 20  # slots of a set of contexts
MAX_UNARY = PREFIX - UNARY
MAX_PREFIX = 20
SLOTS = PREFIX + MAX_PREFIX
PLANE_CLASSES = 2  # luma, chroma
NUM_CONTEXTS = PLANE_CLASSES * BUCKETS * SLOTS

jit = numba.njit(cache=True, inline="always")


@jit
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


@jit
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


@jit
def gather(q, remainder, activity, i, j, plane, m, average, mean_inputs, magnitude_inputs):
    """Fill the inputs of both predictions for latent (i, j, plane, m); see the module's docstring for their order."""
    mean_inputs[0], mean_inputs[1] = q[i, j - 1, plane, m], q[i - 1, j, plane, m]
    mean_inputs[2], mean_inputs[3] = q[i - 1, j - 1, plane, m], q[i - 1, j + 1, plane, m]
    magnitude_inputs[0], magnitude_inputs[1] = remainder[i, j - 1, plane, m], remainder[i - 1, j, plane, m]
    magnitude_inputs[2], magnitude_inputs[3] = remainder[i - 1, j - 1, plane, m], remainder[i - 1, j + 1, plane, m]
    for k in range(MAPS_BEFORE):
        magnitude_inputs[4 + k] = remainder[i, j, plane, m - 1 - k] if m > k else 0
    magnitude_inputs[12] = remainder[i, j, plane - 1, m] if plane > 0 else 0
    magnitude_inputs[13] = remainder[i, j, plane - 2, m] if plane > 1 else 0
    magnitude_inputs[14] = activity[i, j - 1, plane] + activity[i - 1, j, plane]
    magnitude_inputs[15] = average


@numba.njit(cache=True)
def code_rows(coder, data, contexts, q, remainder, activity, active, averages, mean_weights, magnitude_weights, decoding):
    """Code rows of latents, in either direction.

    Args:
        coder, data: state and bytes of `arithmetic`.
        contexts: uint16 (NUM_CONTEXTS, 2).
        q: int32 (rows + 1, columns + 2, planes, maps). Row 0 holds the row above, the first and last column zeros.
            Read when encoding, filled when decoding.
        remainder: int32 like `q`; the magnitudes |q - mean|, filled here; row 0 those of the row above.
        activity: int32 (rows + 1, columns + 2, planes), their sums over maps, likewise.
        active: uint8 (columns, planes): how many maps of each position may differ from zero.
        averages: int64 (planes, maps), average magnitudes with 8 bits of fraction.
        mean_weights: int32 (planes, maps, MEAN_INPUTS), 8 bits of fraction.
        magnitude_weights: int32 (planes, maps, MAGNITUDE_INPUTS), 8 bits of fraction.
        decoding: bool.
    """
    rows, columns, planes = q.shape[0] - 1, q.shape[1] - 2, q.shape[2]
    mean_inputs = np.zeros(MEAN_INPUTS, np.int64)
    magnitude_inputs = np.zeros(MAGNITUDE_INPUTS, np.int64)
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            for plane in range(planes):
                total = np.int64(0)
                for m in range(active[j - 1, plane]):
                    gather(q, remainder, activity, i, j, plane, m, averages[plane, m], mean_inputs, magnitude_inputs)
                    mean = np.int64(0)
                    for k in range(MEAN_INPUTS):
                        mean += mean_weights[plane, m, k] * mean_inputs[k]
                    expected = np.int64(0)
                    for k in range(MAGNITUDE_INPUTS - 1):
                        expected += magnitude_weights[plane, m, k] * magnitude_inputs[k]
                    expected += (magnitude_weights[plane, m, MAGNITUDE_INPUTS - 1] * averages[plane, m]) >> FRACTION_BITS

                    centre = (mean + 128) >> FRACTION_BITS
                    fraction = mean - (centre << FRACTION_BITS)  # -128 to 127
                    side = 0 if abs(fraction) < 32 else (1 if fraction > 0 else 2)
                    bucket = bucket_of(expected)
                    shift = max(0, (bucket - 28) >> 2)  # keeps what is coded in unary at a few bits
                    first = ((1 if plane > 0 else 0) * BUCKETS + bucket) * SLOTS
                    value = code_remainder(
                        coder, data, contexts, first, side, shift, np.int64(q[i, j, plane, m]) - centre, decoding
                    )
                    q[i, j, plane, m] = value + centre
                    remainder[i, j, plane, m] = abs(value)
                    total += abs(value)
                activity[i, j, plane] = total
