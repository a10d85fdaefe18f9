"""The arithmetic of `integer_context`: int32 sums and shifts, compiled.

Features of a latent of q half steps are a magnitude, 16 log(1 + |q| / 2) rounded, and of the lowest channels also q
itself. Most latents are zero and have no part in any sum, which is why these loops are faster than matrix products.
"""

import numpy as np

from cae_compress.coding.compiled import compiled, inlined

WEIGHT_BITS, ACTIVATION_BITS, OUTPUT_BITS = 12, 6, 6  # of fraction
PER_STEP = 2  # latents are counted in half quantization steps (`trellis`)
MAX_SIGNED, MAX_ACTIVATION = 511, 2047
AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))  # the 3x3 positions of a kernel


@inlined
def magnitude(q, magnitudes):
    """Feature of a latent, looked up."""
    return magnitudes[min(abs(q), magnitudes.size - 1)]


@inlined
def signed(q):
    """The other feature."""
    return min(max(q, -MAX_SIGNED), MAX_SIGNED)


@compiled
def add_products(total, number, factors, which, rows):
    """total += the sum of factors[j] * rows[which[j]] over j below `number`, int32; four rows at a time are faster."""
    fours = number // 4 * 4
    for j in range(0, fours, 4):
        a, b, c, d = factors[j], factors[j + 1], factors[j + 2], factors[j + 3]
        row_a, row_b, row_c, row_d = rows[which[j]], rows[which[j + 1]], rows[which[j + 2]], rows[which[j + 3]]
        for k in range(total.size):
            total[k] += a * row_a[k] + b * row_b[k] + c * row_c[k] + d * row_d[k]
    for j in range(fours, number):
        a, row_a = factors[j], rows[which[j]]
        for k in range(total.size):
            total[k] += a * row_a[k]


@compiled
def features(q, num_signed, magnitudes, which, magnitude_of, signed_of):
    """Features of the latents at a position that are not zero.

    Args:
        q: int32 (channels,).
        num_signed: int, from the first channel on, so many have the signed feature.
        magnitudes: int32 table of the first feature.
        which, magnitude_of, signed_of: int64 and int32 (channels or more,), filled from the beginning: the channels
            and their features.

    Returns:
        (how many are not zero, how many of them have the signed feature).
    """
    number = with_sign = 0
    for c in range(q.size):  # `nonzero` and a second loop would take 7 % longer in all
        if q[c]:
            which[number], magnitude_of[number], signed_of[number] = c, magnitude(q[c], magnitudes), signed(q[c])
            number += 1
            with_sign += c < num_signed
    return number, with_sign


@compiled
def nonzero(values, which, factors):
    """Fill in where values are not zero, and these values; returns how many."""
    number = 0
    for k in range(values.size):
        if values[k]:
            which[number], factors[number] = k, values[k]
            number += 1
    return number


@compiled
def add(total, row):
    """total += row."""
    for k in range(total.size):
        total[k] += row[k]


@compiled
def add_lower(first, last, a, q, lower, magnitude_weights, signed_weights, magnitudes):
    """Add what lower groups tell a group's first layer at the nine positions around each of their latents.

    Args:
        first, last: int, rows of `lower` to change, the last one excluded.
        a: int, the first channel that is heard.
        q: int32 (height, width, CHANNELS), what is decoded.
        lower: int32 (height, width, HIDDEN), changed.
        magnitude_weights: int32 (channels that are heard, 9 * HIDDEN).
        signed_weights: int32 (those of the lowest channels among them, 9 * HIDDEN).
        magnitudes: int32 table of the first feature.
    """
    height, width, hidden = lower.shape
    channels, num_signed = magnitude_weights.shape[0], signed_weights.shape[0]
    sums, which = np.zeros(magnitude_weights.shape[1], np.int32), np.empty(channels, np.int64)
    magnitude_of, signed_of = np.empty((2, channels), np.int32)
    for i in range(max(first - 1, 0), min(last + 1, height)):
        for j in range(width):
            number, with_sign = features(
                q[i, j, a : a + channels], num_signed, magnitudes, which, magnitude_of, signed_of
            )
            if not number:
                continue
            sums[:] = 0
            add_products(sums, number, magnitude_of, which, magnitude_weights)
            add_products(sums, with_sign, signed_of, which, signed_weights)
            for tap in range(len(AROUND)):
                y, x = i - AROUND[tap][0], j - AROUND[tap][1]  # from where this latent is seen at that tap
                if first <= y < last and 0 <= x < width:
                    add(lower[y, x], sums[tap * hidden : (tap + 1) * hidden])


@compiled
def predict(
    first, last, mean, log_scale, q, lower, first_row, first_column, stride, a, neighbours,
    own_magnitude, own_signed, mean_weights, same, quality, middle, middle_bias, out, out_bias, magnitudes,
):  # fmt: skip
    """Mean and log scale of the latents of a pass.

    Args:
        first, last: int, positions of the pass to predict, row by row, the last one excluded.
        mean, log_scale: int32 (positions of the pass, channels), filled.
        q: int32 (height, width, CHANNELS), what is decoded.
        lower: int32 (height, width, HIDDEN), from `add_lower`.
        first_row, first_column, stride: int, the positions of the pass.
        a: int, the first of its channels.
        neighbours: int64 (n, 3): down, right, index of the tap.
        own_magnitude, own_signed, mean_weights, same, quality, middle, middle_bias, out, out_bias: int32, the
            weights of the group and pass, as in `integer_context.ARRAYS`; `own_signed` and `same` may be empty.
        magnitudes: int32 table of the first feature.
    """
    height, width, hidden = lower.shape
    columns, count, channels = -(-(width - first_column) // stride), mean.shape[1], out.shape[1] // 2
    from_neighbours, h, m = np.empty(count, np.int32), np.empty(hidden, np.int32), np.empty(hidden, np.int32)
    lowest, own = mean_weights.shape[1], own_signed.shape[1]
    which = np.empty(max(count, lowest, hidden), np.int64)
    magnitude_of, signed_of, factors = np.empty((3, which.size), np.int32)
    for position in range(first, last):
        i, j = first_row + stride * (position // columns), first_column + stride * (position % columns)
        h[:] = lower[i, j]
        add(h, quality)
        from_neighbours[:] = 0
        for n in range(len(neighbours)):
            y, x, tap = i + neighbours[n, 0], j + neighbours[n, 1], neighbours[n, 2]
            if not (0 <= y < height and 0 <= x < width):
                continue
            number, with_sign = features(q[y, x, a : a + count], own, magnitudes, which, magnitude_of, signed_of)
            add_products(h, number, magnitude_of, which, own_magnitude[tap])
            add_products(h, with_sign, signed_of, which, own_signed[tap])
            if same.shape[1]:
                for k in range(number):
                    from_neighbours[which[k]] += signed_of[k] * same[tap, which[k]]
            number, _ = features(q[y, x, :lowest], lowest, magnitudes, which, magnitude_of, signed_of)
            add_products(from_neighbours, number, signed_of, which, mean_weights[tap])
        for k in range(hidden):
            h[k] = min(max(h[k] >> (WEIGHT_BITS - ACTIVATION_BITS), 0), MAX_ACTIVATION)
        m[:] = middle_bias
        number = nonzero(h, which, factors)
        add_products(m, number, factors, which, middle)
        for k in range(hidden):
            h[k] += min(max(m[k] >> WEIGHT_BITS, 0), MAX_ACTIVATION)
        number = nonzero(h, which, factors)
        mean[position] = out_bias[:count]
        add_products(mean[position], number, factors, which, out)
        log_scale[position] = out_bias[channels : channels + count]
        add_products(log_scale[position], number, factors, which, out[:, channels:])
        for c in range(count):
            mean[position, c] >>= WEIGHT_BITS + ACTIVATION_BITS - OUTPUT_BITS
            mean[position, c] += from_neighbours[c] >> (WEIGHT_BITS - OUTPUT_BITS)
            log_scale[position, c] >>= WEIGHT_BITS + ACTIVATION_BITS - OUTPUT_BITS
