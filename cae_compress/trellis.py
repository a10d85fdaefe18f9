"""Dependent quantization: which values a latent may have depends on the latents before it.

Latents are counted in half quantization steps. Around an even number c, the nearest to what is expected, there are two
quantizers, each as coarse as whole steps; a latent's index k in its quantizer is what is coded:

    quantizer 0, c + 2 k            . . . -4  .  -2  .   c   .  +2  .  +4 . . .
    quantizer 1, c + 2 k - sign(k)  . . .  . -3   . -1   c  +1   .  +3  . . . .

Which one a latent has follows from a state, and whether k is odd leads to the next state. So a decoder always knows the
quantizer, and an encoder can steer through the states to reach any half step, at the bits of whole ones. It finds the
path of least rate and distortion by the Viterbi algorithm. This pays where much is to be coded: latents of a small
predicted scale keep quantizer 0 and leave the state as it is.

Sources: Marcellin, Fischer, IEEE Trans. Communications 38(1), 1990 (trellis-coded quantization); Schwarz, Nguyen,
Marpe, Wiegand, DCC 2019, and ITU-T H.266 (the quantizers); ISO/IEC 15444-2, annex on trellis-coded quantization (the
eight states); Ramchandran, Vetterli, IEEE TIP 3(5), 1994 (the choice by rate and distortion).
"""

import numpy as np

from cae_compress.centroids import SCALES
from cae_compress.compiled import compiled, inlined
from cae_compress.integer_passes import OUTPUT_BITS, PER_STEP

MAX_LATENT = 4094  # half steps
QUANTIZERS, STATES = 2, 8
# state after an even and an odd index; odd states have quantizer 1
FOLLOWING = np.array([[0, 1], [3, 2], [5, 4], [6, 7], [1, 0], [2, 3], [4, 5], [7, 6]])
DEPENDENT_FROM = 14  # buckets of the predicted scale: from 0.31 steps on
FRACTIONS = 4  # classes of how far c is from the predicted mean
MAX_INDEX = 31  # of the table of bits; beyond, each index costs as much more as the last one
MAX_BITS = 20.0


@inlined
def centre_of(mean):
    """The even number nearest to a mean with `OUTPUT_BITS` bits of fraction, in half steps."""
    nearest = ((np.int64(mean) + (1 << OUTPUT_BITS)) >> (OUTPUT_BITS + 1)) << 1
    return min(max(nearest, -MAX_LATENT), MAX_LATENT)


@inlined
def quantizer_of(state, bucket, dependent):
    """Of a latent, 0 or 1."""
    return state & 1 if dependent and bucket >= DEPENDENT_FROM else 0


@inlined
def next_state(state, bucket, index, dependent):
    """After a latent."""
    return FOLLOWING[state, index & 1] if dependent and bucket >= DEPENDENT_FROM else state


@inlined
def value_of(index, centre, quantizer):
    """Index -> latent in half steps."""
    return centre + 2 * index - quantizer * np.sign(index)


@inlined
def index_of(value, centre, quantizer):
    """The inverse of `value_of`."""
    return np.sign(value - centre) * ((abs(value - centre) + quantizer) >> 1)


@inlined
def class_of(fraction):
    """Which of the `FRACTIONS` classes a mean so far from c is in."""
    return min((abs(fraction) * FRACTIONS) >> OUTPUT_BITS, FRACTIONS - 1)


def bits_of_indices():
    """Information of each index under the logistic distribution of its bucket: float64, in bits.

    Returns:
        (QUANTIZERS, BUCKETS, FRACTIONS, 2 * MAX_INDEX + 1), the last from -MAX_INDEX on, of means above c.
    """
    scale = PER_STEP * SCALES[:, None, None]
    mean = ((np.arange(FRACTIONS) + 0.5) / FRACTIONS)[:, None]
    bits = []
    for quantizer in range(QUANTIZERS):
        index = np.arange(-MAX_INDEX - 1, MAX_INDEX + 2)
        value = 2 * index - quantizer * np.sign(index)
        edges = ((value[1:] + value[:-1]) / 2 - mean) / scale
        low, high = edges[..., :-1], edges[..., 1:]
        # log(sigmoid(high) - sigmoid(low)), without a loss of digits
        nats = np.logaddexp(0, -high) + np.logaddexp(0, low) - np.log1p(-np.exp(low - high))
        bits.append(np.minimum(nats / np.log(2), MAX_BITS))
    return np.array(bits)


BITS = bits_of_indices()


@inlined
def cost(value, index, centre, quantizer, weight, bits, mirrored):
    """Rate and weighted distortion, in bits, of an index for a value."""
    error = value - value_of(index, centre, quantizer)
    magnitude = min(abs(index), MAX_INDEX)
    k = MAX_INDEX + (magnitude if (index < 0) == mirrored else -magnitude)
    beyond = (abs(index) - magnitude) * (bits[2 * MAX_INDEX] - bits[2 * MAX_INDEX - 1])
    return bits[k] + beyond + weight * error * error


@compiled
def information(q, mean, bucket, dependent):
    """What latents cost by `BITS`, in bits; arguments of `choose`, and latents in half steps."""
    state, total = 0, 0.0
    for position in range(q.shape[0]):
        for c in range(q.shape[1]):
            place, centre = bucket[position, c], centre_of(mean[position, c])
            quantizer = quantizer_of(state, place, dependent)
            index = index_of(np.int64(q[position, c]), centre, quantizer)
            fraction = mean[position, c] - (centre << OUTPUT_BITS)
            bits = BITS[quantizer, place, class_of(fraction)]
            total += cost(np.float64(q[position, c]), index, centre, quantizer, 0.0, bits, fraction < 0)
            state = next_state(state, place, index, dependent)
    return total


@compiled
def choose(y, mean, bucket, weights, dependent):
    """Quantize latents.

    Args:
        y: float32 (positions, channels), latents in quantization steps.
        mean: int32 like `y`, predicted, in half steps with `OUTPUT_BITS` bits of fraction.
        bucket: uint8 like `y`, of the predicted scale.
        weights: float32 (channels,), bits that a squared error of one step is worth.
        dependent: bool; otherwise every latent has quantizer 0.

    Returns:
        int32 like `y`, in half steps.
    """
    q = np.empty(y.shape, np.int32)
    num_dependent = 0
    if dependent:
        for position in range(y.shape[0]):
            for c in range(y.shape[1]):
                num_dependent += bucket[position, c] >= DEPENDENT_FROM
    came_from = np.empty((num_dependent, STATES), np.int8)  # the best way to each state after each latent
    index_to = np.empty((num_dependent, STATES), np.int32)
    where = np.empty((num_dependent, 2), np.int32)
    total, reached = np.full(STATES, np.inf), np.empty(STATES)
    total[0] = 0
    best_cost, best_index = np.empty((QUANTIZERS, 2)), np.empty((QUANTIZERS, 2), np.int32)  # by parity

    n = 0
    for position in range(y.shape[0]):
        for c in range(y.shape[1]):
            value = min(max(PER_STEP * np.float64(y[position, c]), 2.0 - MAX_LATENT), MAX_LATENT - 2.0)
            place, centre = bucket[position, c], centre_of(mean[position, c])
            is_dependent = dependent and place >= DEPENDENT_FROM
            if not is_dependent and abs(value - centre) <= 1:
                q[position, c] = centre
                continue
            fraction = mean[position, c] - (centre << OUTPUT_BITS)
            mirrored = fraction < 0
            weight = weights[c] / PER_STEP**2
            for quantizer in range(QUANTIZERS if is_dependent else 1):
                bits = BITS[quantizer, place, class_of(fraction)]
                side = np.int64(1 if value >= centre else -1)
                inner = side * np.int64((abs(value - centre) + quantizer) // 2)  # the last index before the value
                best_cost[quantizer, 0] = cost(value, np.int64(0), centre, quantizer, weight, bits, mirrored)
                best_index[quantizer, 0] = 0
                best_cost[quantizer, 1] = np.inf
                for index in (inner, inner + side):
                    this = cost(value, index, centre, quantizer, weight, bits, mirrored)
                    if this < best_cost[quantizer, index & 1]:
                        best_cost[quantizer, index & 1], best_index[quantizer, index & 1] = this, index
            if not is_dependent:
                parity = 1 if best_cost[0, 1] < best_cost[0, 0] else 0
                q[position, c] = value_of(np.int64(best_index[0, parity]), centre, 0)
                continue
            reached[:] = np.inf
            for state in range(STATES):
                for parity in range(2):
                    after, this = FOLLOWING[state, parity], total[state] + best_cost[state & 1, parity]
                    if this < reached[after]:
                        reached[after] = this
                        came_from[n, after], index_to[n, after] = state, best_index[state & 1, parity]
            total[:] = reached
            where[n, 0], where[n, 1] = position, c
            n += 1

    state = np.argmin(total)
    for n in range(num_dependent - 1, -1, -1):
        position, c = where[n]
        index, state = np.int64(index_to[n, state]), np.int64(came_from[n, state])
        q[position, c] = value_of(index, centre_of(mean[position, c]), state & 1)
    return q
