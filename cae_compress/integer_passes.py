"""The arithmetic of `integer_context`: int32 sums and shifts, compiled.

Features of a latent of q half steps are a magnitude, 16 log(1 + |q| / 2) rounded, and of the lowest channels also q
itself. Most latents are zero and have no part in any sum, which is why these loops are faster than matrix products.
"""

import numpy as np

from cae_compress.compiled import compiled, inlined

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
def add_multiple(total, factor, row):
    """total += factor * row, int32."""
    for k in range(total.size):
        total[k] += np.int32(factor) * row[k]


@compiled
def add_lower(first, last, q, lower, magnitude_weights, signed_weights, magnitudes):
    """Add what lower groups tell a group's first layer at the nine positions around each of their latents.

    Args:
        first, last: int, rows of `lower` to change, the last one excluded.
        q: int32 (height, width, CHANNELS), what is decoded.
        lower: int32 (height, width, HIDDEN), changed.
        magnitude_weights: int32 (channels of lower groups, 9 * HIDDEN).
        signed_weights: int32 (lowest channels, 9 * HIDDEN).
        magnitudes: int32 table of the first feature.
    """
    height, width, hidden = lower.shape
    sums = np.zeros(magnitude_weights.shape[1], np.int32)
    for i in range(max(first - 1, 0), min(last + 1, height)):
        for j in range(width):
            sums[:] = 0
            for c in range(magnitude_weights.shape[0]):
                if q[i, j, c]:
                    add_multiple(sums, magnitude(q[i, j, c], magnitudes), magnitude_weights[c])
                    if c < signed_weights.shape[0]:
                        add_multiple(sums, signed(q[i, j, c]), signed_weights[c])
            for tap in range(len(AROUND)):
                y, x = i - AROUND[tap][0], j - AROUND[tap][1]  # from where this latent is seen at that tap
                if first <= y < last and 0 <= x < width:
                    add_multiple(lower[y, x], 1, sums[tap * hidden : (tap + 1) * hidden])


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
    for position in range(first, last):
        i, j = first_row + stride * (position // columns), first_column + stride * (position % columns)
        h[:] = lower[i, j]
        add_multiple(h, 1, quality)
        from_neighbours[:] = 0
        for n in range(len(neighbours)):
            y, x, tap = i + neighbours[n, 0], j + neighbours[n, 1], neighbours[n, 2]
            if not (0 <= y < height and 0 <= x < width):
                continue
            for c in range(count):
                value = q[y, x, a + c]
                if value:
                    add_multiple(h, magnitude(value, magnitudes), own_magnitude[tap, c])
                    if own_signed.shape[1]:
                        add_multiple(h, signed(value), own_signed[tap, c])
                    if same.shape[1]:
                        from_neighbours[c] += signed(value) * same[tap, c]
            for c in range(mean_weights.shape[1]):
                if q[y, x, c]:
                    add_multiple(from_neighbours, signed(q[y, x, c]), mean_weights[tap, c])
        for k in range(hidden):
            h[k] = min(max(h[k] >> (WEIGHT_BITS - ACTIVATION_BITS), 0), MAX_ACTIVATION)
        m[:] = middle_bias
        for k in range(hidden):
            if h[k]:
                add_multiple(m, h[k], middle[k])
        for k in range(hidden):
            h[k] += min(max(m[k] >> WEIGHT_BITS, 0), MAX_ACTIVATION)
        mean[position] = out_bias[:count]
        log_scale[position] = out_bias[channels : channels + count]
        for k in range(hidden):
            if h[k]:
                add_multiple(mean[position], h[k], out[k])
                add_multiple(log_scale[position], h[k], out[k, channels:])
        for c in range(count):
            mean[position, c] >>= WEIGHT_BITS + ACTIVATION_BITS - OUTPUT_BITS
            mean[position, c] += from_neighbours[c] >> (WEIGHT_BITS - OUTPUT_BITS)
            log_scale[position, c] >>= WEIGHT_BITS + ACTIVATION_BITS - OUTPUT_BITS
    return mean, log_scale
