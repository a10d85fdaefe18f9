"""The arithmetic of `integer_context`: int32 sums and shifts, compiled.

Features of a latent of q half steps are a magnitude, 16 log(1 + |q| / 2) rounded, and of the lowest channels also q
itself. Most latents are zero and have no part in any sum, which is why these loops are faster than matrix products.
Each position keeps a list of those that are not, since it is looked at from several others.
"""

from typing import NamedTuple

import numpy as np

from cae_compress.coding.compiled import compiled, inlined

WEIGHT_BITS, ACTIVATION_BITS, OUTPUT_BITS = 12, 6, 6  # of fraction
MIN_LOG_SCALE, MAX_LOG_SCALE = -3.5, 7.0  # of what is predicted, in steps
PER_STEP = 2  # latents are counted in half quantization steps (`trellis`)
MAX_SIGNED, MAX_ACTIVATION = 511, 2047
AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))  # the 3x3 positions of a kernel
SIGNED_GROUPS = 2  # groups of channels whose sign matters to others, not just their magnitude


class Lists(NamedTuple):
    """The latents that are decoded and not zero, a list for each position, by rising channel.

    Attributes:
        ends: int16 (height, width, 1 + groups), where the list of each group of channels ends, after a zero.
        channel: int16 (height, width, CHANNELS), filled up to the last of the ends.
        magnitude, signed: the same, the features of each.
    """

    ends: np.ndarray
    channel: np.ndarray
    magnitude: np.ndarray
    signed: np.ndarray


def no_latents(height, width, channels, groups):
    """`Lists` of a tile of which nothing is decoded."""
    ends = np.zeros((height, width, 1 + groups), np.int16)
    return Lists(ends, *np.empty((3, height, width, channels), np.int16))


@compiled
def add_latents(values, k, a, row, column, stride, lists, magnitudes):
    """Add the latents of a pass to the lists.

    Args:
        values: int32 (positions of the pass, channels), in half steps.
        k, a: int, their group and the first of its channels.
        row, column, stride: int, the positions of the pass.
        lists: `Lists`, changed.
        magnitudes: int32 table of the first feature.
    """
    height, width, groups = lists.ends.shape
    position = 0
    for i in range(row, height, stride):
        for j in range(column, width, stride):
            channel, magnitude, signed = lists.channel[i, j], lists.magnitude[i, j], lists.signed[i, j]
            first = end = lists.ends[i, j, k]
            for c in range(values.shape[1]):  # without a branch, which processors could not foresee
                channel[end] = a + c
                end += values[position, c] != 0
            for n in range(first, end):
                value = values[position, channel[n] - a]
                magnitude[n] = magnitudes[min(abs(value), magnitudes.size - 1)]
                signed[n] = min(max(value, -MAX_SIGNED), MAX_SIGNED)
            lists.ends[i, j, k + 1 :] = end
            position += 1


@inlined
def add_products(total, begin, end, factors, which, a, rows):
    """total += the sum of factors[j] * rows[which[j] - a] for j from begin to end, int32; by fours that is faster."""
    fours = begin + (end - begin) // 4 * 4
    for j in range(begin, fours, 4):
        w, x = np.int32(factors[j]), np.int32(factors[j + 1])
        y, z = np.int32(factors[j + 2]), np.int32(factors[j + 3])
        row_w, row_x = rows[which[j] - a], rows[which[j + 1] - a]
        row_y, row_z = rows[which[j + 2] - a], rows[which[j + 3] - a]
        for k in range(total.size):
            total[k] += w * row_w[k] + x * row_x[k] + y * row_y[k] + z * row_z[k]
    for j in range(fours, end):
        w, row_w = np.int32(factors[j]), rows[which[j] - a]
        for k in range(total.size):
            total[k] += w * row_w[k]


@inlined
def nonzero(values, which, factors):
    """Fill in where values are not zero, and these values; returns how many."""
    number = 0
    for k in range(values.size):  # without a branch
        which[number], factors[number] = k, values[k]
        number += values[k] != 0
    return number


@inlined
def add(total, row):
    """total += row."""
    for k in range(total.size):
        total[k] += row[k]


@compiled
def add_lower(first, last, a, heard, magnitude_weights, signed_weights, lower, lists):
    """Add what lower groups tell a group's first layer at the nine positions around each of their latents.

    Args:
        first, last: int, rows of `lower` to change, the last one excluded.
        a: int, the first channel that is heard.
        heard: (int, int), the groups that are heard, the last one excluded.
        magnitude_weights: int16 or int32 (channels that are heard, 9 * HIDDEN).
        signed_weights: the same of the lowest channels among them.
        lower: int32 (height, width, HIDDEN), changed.
        lists: `Lists`.
    """
    height, width, hidden = lower.shape
    sums = np.empty(magnitude_weights.shape[1], np.int32)
    for i in range(max(first - 1, 0), min(last + 1, height)):
        for j in range(width):
            begin, end = lists.ends[i, j, heard[0]], lists.ends[i, j, heard[1]]
            if begin == end:
                continue
            signed_end = max(begin, min(end, lists.ends[i, j, SIGNED_GROUPS]))
            channel = lists.channel[i, j]
            sums[:] = 0
            add_products(sums, begin, end, lists.magnitude[i, j], channel, a, magnitude_weights)
            add_products(sums, begin, signed_end, lists.signed[i, j], channel, a, signed_weights)
            for tap in range(len(AROUND)):
                y, x = i - AROUND[tap][0], j - AROUND[tap][1]  # from where this latent is seen at that tap
                if first <= y < last and 0 <= x < width:
                    add(lower[y, x], sums[tap * hidden : (tap + 1) * hidden])


@compiled
def predict(
    first, last, mean, log_scale, lists, lower, first_row, first_column, stride, k, a, neighbours,
    own_magnitude, own_signed, mean_weights, same, quality, middle, middle_bias, out, out_bias,
):  # fmt: skip
    """Mean and log scale of the latents of a pass.

    Args:
        first, last: int, positions of the pass to predict, row by row, the last one excluded.
        mean, log_scale: int32 (positions of the pass, channels), filled.
        lists: `Lists` of what is decoded.
        lower: int32 (height, width, HIDDEN), from `add_lower`.
        first_row, first_column, stride: int, the positions of the pass.
        k, a: int, its group and the first of its channels.
        neighbours: int64 (n, 3): down, right, index of the tap.
        own_magnitude, own_signed, mean_weights, same, quality, middle, middle_bias, out, out_bias: int16 or int32, the
            weights of the group and pass, as in `integer_weights.ARRAYS`, the last two of these channels alone;
            `own_signed` and `same` may be empty.
    """
    height, width, hidden = lower.shape
    columns, count = -(-(width - first_column) // stride), mean.shape[1]
    from_neighbours, h, m = np.empty(count, np.int32), np.empty(hidden, np.int32), np.empty(hidden, np.int32)
    total = np.empty(2 * count, np.int32)  # means, then log scales
    which, factors = np.empty(hidden, np.int64), np.empty(hidden, np.int32)
    for position in range(first, last):
        i, j = first_row + stride * (position // columns), first_column + stride * (position % columns)
        h[:] = lower[i, j]
        add(h, quality)
        from_neighbours[:] = 0
        for n in range(len(neighbours)):
            y, x, tap = i + neighbours[n, 0], j + neighbours[n, 1], neighbours[n, 2]
            if not (0 <= y < height and 0 <= x < width):
                continue
            channel, signed = lists.channel[y, x], lists.signed[y, x]
            begin, end = lists.ends[y, x, k], lists.ends[y, x, k + 1]
            add_products(h, begin, end, lists.magnitude[y, x], channel, a, own_magnitude[tap])
            if own_signed.shape[1]:
                add_products(h, begin, end, signed, channel, a, own_signed[tap])
            if same.shape[1]:
                for n_own in range(begin, end):
                    c = channel[n_own] - a
                    from_neighbours[c] += signed[n_own] * same[tap, c]
            end = lists.ends[y, x, min(k + 1, SIGNED_GROUPS)]
            add_products(from_neighbours, 0, end, signed, channel, 0, mean_weights[tap])
        for unit in range(hidden):
            h[unit] = min(max(h[unit] >> (WEIGHT_BITS - ACTIVATION_BITS), 0), MAX_ACTIVATION)
        m[:] = middle_bias
        number = nonzero(h, which, factors)
        add_products(m, 0, number, factors, which, 0, middle)
        for unit in range(hidden):
            h[unit] += min(max(m[unit] >> WEIGHT_BITS, 0), MAX_ACTIVATION)
        number = nonzero(h, which, factors)
        total[:] = out_bias
        add_products(total, 0, number, factors, which, 0, out)
        for c in range(count):
            mean[position, c] = total[c] >> (WEIGHT_BITS + ACTIVATION_BITS - OUTPUT_BITS)
            mean[position, c] += from_neighbours[c] >> (WEIGHT_BITS - OUTPUT_BITS)
            log_scale[position, c] = total[count + c] >> (WEIGHT_BITS + ACTIVATION_BITS - OUTPUT_BITS)
