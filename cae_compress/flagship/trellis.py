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
Marpe, Wiegand, DCC 2019, and ITU-T H.266 (the quantizers); Ungerboeck, IEEE Trans. Information Theory 28(1), 1982,
table I (the states); Ramchandran, Vetterli, IEEE TIP 3(5), 1994 (the choice by rate and distortion).
"""

import numpy as np

from cae_compress.coding.compiled import compiled, inlined
from cae_compress.flagship.centroids import SCALES
from cae_compress.flagship.integer_passes import OUTPUT_BITS, PER_STEP

MAX_LATENT = 4094  # half steps
QUANTIZERS, STATES = 2, 256
PARITY_CHECK = 0o515, 0o362  # h0 and h1 of Ungerboeck's code of so many states
DEPENDENT_FROM = 14  # buckets of the predicted scale: from 0.31 steps on
FRACTIONS = 4  # classes of how far c is from the predicted mean
MAX_INDEX = 31  # of the table of bits; beyond, each index costs as much more as the last one
MAX_BITS = 20.0
UNREACHED = np.float32(1e9)  # cost of a state that nothing has led to, in bits


def states():
    """The code's states: its last eight bits, of which two sums tell quantizer and parity of the index.

    Returns:
        quantizer: int32 (STATES,), of each state.
        odd: int32 (STATES,), 0 or 1: whether it is an even or an odd index that a bit of 0 follows on.
    """
    state, (h0, h1) = np.arange(STATES), PARITY_CHECK
    quantizer = np.bitwise_count(state & (h1 >> 1)) % 2
    odd = np.bitwise_count(state & (h0 >> 1)) % 2 ^ quantizer
    return quantizer.astype(np.int32), odd.astype(np.int32)


QUANTIZER, ODD = states()


@inlined
def centre_of(mean):
    """The even number nearest to a mean with `OUTPUT_BITS` bits of fraction, in half steps."""
    nearest = ((np.int64(mean) + (1 << OUTPUT_BITS)) >> (OUTPUT_BITS + 1)) << 1
    return min(max(nearest, -MAX_LATENT), MAX_LATENT)


@inlined
def takes_part(bucket, dependent):
    """Whether a latent of this bucket depends on those before it and they on it; never, if not `dependent`."""
    return dependent and bucket >= DEPENDENT_FROM


@inlined
def quantizer_of(state, bucket, dependent):
    """Of a latent, 0 or 1."""
    return QUANTIZER[state] if takes_part(bucket, dependent) else 0


@inlined
def next_state(state, bucket, index, dependent):
    """After a latent."""
    if takes_part(bucket, dependent):
        return (2 * state + (ODD[state] ^ (index & 1))) % STATES
    return state


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
def cost(distance, magnitude, quantizer, weight, bits, direction):
    """Rate and weighted distortion, in bits, of an index of such magnitude; other arguments of `best_by_parity`."""
    error = distance - value_of(magnitude, 0, quantizer)
    within = min(magnitude, MAX_INDEX)
    beyond = (magnitude - within) * (bits[2 * MAX_INDEX] - bits[2 * MAX_INDEX - 1])
    return bits[MAX_INDEX + direction * within] + beyond + weight * error * error


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
            bits, direction = BITS[quantizer, place, class_of(fraction)], 1 if (index < 0) == (fraction < 0) else -1
            total += cost(0.0, abs(index), quantizer, 0.0, bits, direction)
            state = next_state(state, place, index, dependent)
    return total


@compiled
def advance(before, total, costs, way):
    """One latent further in the search, all states at once.

    To states 2 k and 2 k + 1 lead k and k + STATES / 2, which have the same quantizer, by indices of different parity.

    Args:
        before: float32 (STATES,), the least cost of coming to each state, up to what all have in common.
        total: the same after this latent, filled.
        costs: float32 (QUANTIZERS, 2), of the best even and odd index.
        way: uint8 (STATES,), filled: 0 or 1, which of the two leads at less cost to states 2 k, and then to 2 k + 1.
    """
    half, common = STATES // 2, before[0]  # without what they have in common, sums would outgrow their digits
    even_0, odd_0, even_1, odd_1 = costs[0, 0], costs[0, 1], costs[1, 0], costs[1, 1]
    for k in range(half):  # written so that compilers do it for many states in one instruction
        even = even_1 if QUANTIZER[k] != 0 else even_0
        odd = odd_1 if QUANTIZER[k] != 0 else odd_0
        bit_0 = odd if ODD[k] != 0 else even
        bit_1 = even if ODD[k] != 0 else odd
        from_k, from_other = before[k] - common, before[k + half] - common
        one, other = from_k + bit_0, from_other + bit_1
        total[2 * k] = other if other < one else one
        way[k] = 1 if other < one else 0
        one, other = from_k + bit_1, from_other + bit_0
        total[2 * k + 1] = other if other < one else one
        way[half + k] = 1 if other < one else 0


@inlined
def best_by_parity(distance, quantizer, weight, bits, direction):
    """The best even and the best odd index, as magnitudes, of a value at a distance from c.

    Args:
        distance: float64, half steps, not negative.
        quantizer: int, 0 or 1.
        weight: of `cost`.
        bits: float64 (2 * MAX_INDEX + 1,), a row of `BITS`.
        direction: int, 1 or -1: where in that row the indices on the value's side are.

    Returns:
        (cost of the even one, its magnitude, cost of the odd one, its magnitude).
    """
    inner = (np.int64(distance) + quantizer) >> 1  # the last before the value
    of_inner = cost(distance, inner, quantizer, weight, bits, direction)
    of_outer = cost(distance, inner + 1, quantizer, weight, bits, direction)
    of_zero = cost(distance, np.int64(0), quantizer, weight, bits, direction)
    even, odd, other = (of_outer, of_inner, inner + 1) if inner & 1 else (of_inner, of_outer, inner)
    return min(of_zero, even), (other if even < of_zero else 0), odd, 2 * inner + 1 - other


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
    where = np.empty((y.size + 1, 2), np.int32)  # latents that may not be what is expected
    n = num_dependent = 0
    for position in range(y.shape[0]):
        for c in range(y.shape[1]):  # without a branch, which processors could not foresee
            q[position, c] = centre_of(mean[position, c])
            is_dependent = takes_part(bucket[position, c], dependent)
            where[n, 0], where[n, 1] = position, c
            n += is_dependent | (abs(PER_STEP * y[position, c] - q[position, c]) > 1)
            num_dependent += is_dependent
    where = where[:n]

    way = np.empty((num_dependent, STATES), np.uint8)  # which of two is better after each latent, as `advance` has it
    index_of_way = np.empty((num_dependent, QUANTIZERS, 2), np.int32)
    totals = np.full((2, STATES), UNREACHED)  # in turn, before and after a latent
    totals[0, 0] = 0
    costs, indices = np.empty((QUANTIZERS, 2), np.float32), np.empty((QUANTIZERS, 2), np.int64)  # the best, by parity
    n = 0
    for position, c in where:
        place, centre = bucket[position, c], q[position, c]
        value = min(max(PER_STEP * np.float64(y[position, c]), 2.0 - MAX_LATENT), MAX_LATENT - 2.0)
        fraction = mean[position, c] - (centre << OUTPUT_BITS)
        side = 1 if value >= centre else -1
        direction = 1 if (side < 0) == (fraction < 0) else -1
        weight, distance = weights[c] / PER_STEP**2, abs(value - centre)
        is_dependent = takes_part(place, dependent)
        for quantizer in range(QUANTIZERS if is_dependent else 1):
            bits = BITS[quantizer, place, class_of(fraction)]
            even, k_even, odd, k_odd = best_by_parity(distance, quantizer, weight, bits, direction)
            costs[quantizer, 0], costs[quantizer, 1] = even, odd
            indices[quantizer, 0], indices[quantizer, 1] = side * k_even, side * k_odd
        if is_dependent:
            advance(totals[n % 2], totals[(n + 1) % 2], costs, way[n])
            index_of_way[n] = indices
            n += 1
        else:
            q[position, c] = value_of(indices[0, 1 if costs[0, 1] < costs[0, 0] else 0], centre, 0)

    state = np.argmin(totals[n % 2])
    for position, c in where[::-1]:
        if not takes_part(bucket[position, c], dependent):
            continue
        n -= 1
        half, bit = state // 2, state % 2
        came_by = way[n, STATES // 2 * bit + half]
        odd, state = ODD[half] ^ bit ^ came_by, half + STATES // 2 * came_by
        index = np.int64(index_of_way[n, QUANTIZER[state], odd])
        q[position, c] = value_of(index, q[position, c], QUANTIZER[state])
    return q
