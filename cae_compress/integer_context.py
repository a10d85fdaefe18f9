"""The context network of `models.context_network` in exact integers: what encoder and decoder run.

A decoder must compute the very probabilities that the encoder had, on any machine. Floating-point networks don't: the
order of a sum changes its rounding. Here weights and activations are whole numbers kept in float32, small enough that
every partial sum stays below 2**24 and is exact, so that any matrix product, in any order and on any machine, gives
the same result at full speed.

Fixed point: features as in `IntegerContext.code`, activations with `ACTIVATION_BITS` bits of fraction, means and log
scales with `OUTPUT_BITS`; weights with as many as the bound of 2**24 allows, chosen by `to_integers`.
"""

import numpy as np

GROUPS = (0, 8, 32, 88, 184, 320, 512)  # where groups of channels begin and end
CHANNELS = GROUPS[-1]
PATCH = 16  # pixels of the picture to a latent, in each direction
SIGNED = 32  # channels whose sign matters to others, not just their magnitude
HIDDEN = 64
NUM_LMBDAS = 8

# Positions are decoded from coarse to fine. Between those of a coarse grid come the middles of its squares, then the
# other two kinds, at each spacing in turn. The lowest group, which has no lower ones to look at, begins coarsest.
SPACINGS = ((4, 2, 1), (1,), (1,), (1,), (1,), (1,))  # of each group, in latents
AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
CROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))
# (row, column, neighbours decoded before) of the passes that halve the spacing, all in units of the new one
HALVING = ((1, 1, CORNERS), (0, 1, CROSS), (1, 0, CROSS))
BORDER = max(spacing for spacings in SPACINGS for spacing in spacings)

LIMIT = 2**24  # whole numbers below this magnitude are exact in float32
MAGNITUDE_UNIT, MAX_MAGNITUDE = 16, 255  # feature of a latent q: round(16 log(1 + |q|)), for |q| up to 255
SIGNED_UNIT, MAX_SIGNED = 0.05, 255  # feature of the lowest channels besides: q itself, up to this magnitude
ACTIVATION_BITS, MAX_ACTIVATION = 6, 2047
OUTPUT_BITS = 6
PLACE_BITS = 8  # place of the quality between two lambdas, in 1/256
MAX_WEIGHT_BITS = 20
MIN_LOG_SCALE, MAX_LOG_SCALE = -3.5, 7.0

MAGNITUDES = np.rint(MAGNITUDE_UNIT * np.log1p(np.arange(MAX_MAGNITUDE + 1))).astype(np.float32)


class IntegerContext:
    """Predicts mean and log scale of every latent of a tile, pass by pass.

    Args:
        arrays: dict of whole numbers, as `to_integers` makes it.
    """

    def __init__(self, arrays):
        self.groups = [
            {name: arrays[f"{k}/{name}"].astype(np.float32) for name in ARRAYS if f"{k}/{name}" in arrays}
            for k in range(len(GROUPS) - 1)
        ]

    def code(self, height, width, place, counts, code_pass):
        """Walk the groups and passes of a tile; the caller codes each before the next is predicted.

        Args:
            height, width: int, of the tile in latents.
            place: int, place of the quality between the lambdas, in 1/256: 0 to 7 * 256.
            counts: for each group, how many of its channels, from the first on, are not all zero.
            code_pass: function of (index of the group, (row, column) slices, mean, log_scale), the latter two
                float32 whole numbers (positions, count) with `OUTPUT_BITS` bits of fraction, that returns the
                latents there, int32 (rows, columns, count).
        """
        # features of what is decoded, with a border of zeros around the tile
        magnitude = np.zeros((height + 2 * BORDER, width + 2 * BORDER, CHANNELS), np.float32)
        signed = np.zeros((height + 2 * BORDER, width + 2 * BORDER, SIGNED), np.float32)
        for k, (a, count) in enumerate(zip(GROUPS, counts)):
            if count == 0:
                continue
            group = {**self.groups[k], "out_bias": _between(self.groups[k]["out_bias"], place)}
            lower = _from_lower_groups(group, magnitude, signed, counts[:k])
            for number, (row, column, stride, spacing, neighbours) in enumerate(passes(k)):
                if row >= height or column >= width:
                    continue
                rows, columns = slice(row, height, stride), slice(column, width, stride)
                hidden = lower[rows, columns].reshape(-1, HIDDEN) + _between(group["quality"][number], place)
                own_mean = np.zeros(1, np.float32)
                for down, right in neighbours:
                    at = _moved(rows, spacing * down), _moved(columns, spacing * right)
                    tap = number - 1, AROUND.index((down, right))
                    hidden = hidden + _product(magnitude[at][..., a : a + count], group["own_magnitude"][tap])
                    if a < SIGNED:
                        hidden = hidden + _product(signed[at][..., a : a + count], group["own_signed"][tap])
                    own_mean = own_mean + _product(signed[at][..., : a + count], group["mean"][tap][:, :count])
                mean, log_scale = _last_layers(group, hidden, own_mean, count)
                q = code_pass(k, (rows, columns), mean, log_scale)
                inside = _moved(rows, 0), _moved(columns, 0)
                magnitude[inside][..., a : a + count] = MAGNITUDES[np.minimum(np.abs(q), MAX_MAGNITUDE)]
                if a < SIGNED:
                    signed[inside][..., a : a + count] = np.clip(q, -MAX_SIGNED, MAX_SIGNED)


def passes(k):
    """Passes over the positions of a group: (first row, first column, stride, spacing, neighbours in the own group).

    Neighbours are (down, right) in units of the spacing.
    """
    yield 0, 0, 2 * SPACINGS[k][0], 1, ()
    for spacing in SPACINGS[k]:
        for row, column, neighbours in HALVING:
            yield spacing * row, spacing * column, 2 * spacing, spacing, neighbours


def _moved(places, by):
    """A slice of a tile, moved by so many latents, in arrays with a border."""
    return slice(places.start + BORDER + by, places.stop + BORDER + by, places.step)


def _from_lower_groups(group, magnitude, signed, counts):
    """What the 3x3 positions around each, in the groups below, add to the first layer: (height, width, HIDDEN)."""
    height, width = (side - 2 * BORDER for side in magnitude.shape[:2])
    if not np.any(counts):  # there is nothing below
        return np.zeros((height, width, HIDDEN), np.float32)
    near = np.s_[BORDER - 1 : BORDER + height + 1, BORDER - 1 : BORDER + width + 1]  # a border of one is enough
    product = np.zeros((1, len(AROUND) * HIDDEN), np.float32)
    for a, count in zip(GROUPS, counts):
        if count == 0:
            continue
        channels = slice(a, a + count)
        product = product + _product(magnitude[near][..., channels], group["lower_magnitude"][channels])
        if a < SIGNED:
            product = product + _product(signed[near][..., channels], group["lower_signed"][channels])
    product = product.reshape(height + 2, width + 2, len(AROUND), HIDDEN)
    parts = (
        product[1 + down : 1 + down + height, 1 + right : 1 + right + width, tap]
        for tap, (down, right) in enumerate(AROUND)
    )
    return sum(parts, np.zeros((height, width, HIDDEN), np.float32))


def _last_layers(group, hidden, own_mean, count):
    """First layer's sums (positions, HIDDEN) -> mean and log scale of the first channels, each (positions, count)."""
    first_shift, middle_shift, out_shift, mean_shift = group["shifts"]
    hidden = np.clip(_shifted(hidden, first_shift), 0, MAX_ACTIVATION)
    middle = _shifted(hidden @ group["middle"] + group["middle_bias"], middle_shift)
    hidden = hidden + np.clip(middle, 0, MAX_ACTIVATION)
    channels = len(group["out_bias"]) // 2
    mean, log_scale = (
        _shifted(hidden @ group["out"][:, k : k + count] + group["out_bias"][k : k + count], out_shift)
        for k in (0, channels)
    )
    return mean + _shifted(own_mean, mean_shift), log_scale


def _product(features, weights):
    """features (rows, columns, n) @ weights (n or more, m) -> (rows * columns, m)."""
    n = features.shape[-1]
    return features.reshape(-1, n) @ weights[:n]


def _shifted(x, shift):
    """Whole numbers divided by 2**shift, rounded down: exact."""
    return np.floor(x * np.float32(2.0**-shift))


def _between(table, place):
    """Row of a table of whole numbers at a place in 1/256, linear in between and rounded down: float32."""
    row = min(place >> PLACE_BITS, len(table) - 2)
    fraction = place - (row << PLACE_BITS)
    low, high = table[row].astype(np.int64), table[row + 1].astype(np.int64)
    return (low + (((high - low) * fraction) >> PLACE_BITS)).astype(np.float32)


ARRAYS = (
    "lower_magnitude", "lower_signed",  # (channels below, 9 * HIDDEN): neighbours and itself in the lower groups
    "own_magnitude", "own_signed",  # (passes - 1, 9, channels, HIDDEN): neighbours in its own
    "mean",  # (passes - 1, 9, channels up to its last, channels): signed values, straight to the mean
    "quality",  # (passes, 8, HIDDEN): biases of the first layer, a row a lambda
    "middle", "middle_bias",  # (HIDDEN, HIDDEN), (HIDDEN,)
    "out", "out_bias",  # (HIDDEN, 2 * channels), (8, 2 * channels): means, then log scales
    "shifts",  # (4,): bits to drop after the first layer, the middle one, the last, and of the straight means
)  # fmt: skip


def to_integers(groups):
    """Weights of a trained `models.context_network.ContextNetwork` as whole numbers.

    Args:
        groups: list of dicts from name to float array, one a group of channels.

    Returns:
        dict of int32 arrays for `IntegerContext`, named by index of the group and one of `ARRAYS`.
    """
    arrays = {}
    for k, weights in enumerate(groups):
        parts = _first_layer(weights, k)
        bits = _bits_within(first_layer_bound(parts))
        parts = {name: values * 2.0**bits for name, values in parts.items()}
        shifts = [bits - ACTIVATION_BITS]

        bound = np.abs(weights["middle"]).sum(axis=0) * MAX_ACTIVATION
        bits = _bits_within(bound + np.abs(weights["middle_bias"]) * 2**ACTIVATION_BITS)
        parts["middle"] = weights["middle"] * 2.0**bits
        parts["middle_bias"] = weights["middle_bias"] * 2.0 ** (bits + ACTIVATION_BITS)
        shifts.append(bits)

        bound = np.abs(weights["out"]).sum(axis=0) * 2 * MAX_ACTIVATION
        bits = _bits_within(bound + np.abs(weights["out_bias"]).max(axis=0) * 2**ACTIVATION_BITS)
        parts["out"] = weights["out"] * 2.0**bits
        parts["out_bias"] = weights["out_bias"] * 2.0 ** (bits + ACTIVATION_BITS)
        shifts.append(bits + ACTIVATION_BITS - OUTPUT_BITS)

        taps = _taps(weights["mean"], k)
        bits = _bits_within(np.abs(taps).sum(axis=(1, 2)).max() * MAX_SIGNED)
        parts["mean"] = taps * 2.0**bits
        shifts.append(bits - OUTPUT_BITS)

        arrays |= {f"{k}/{name}": np.rint(values).astype(np.int32) for name, values in parts.items()}
        arrays[f"{k}/shifts"] = np.array(shifts, np.int32)
    return arrays


def from_integers(arrays):
    """The inverse of `to_integers`, to train on: list of dicts from name to float array, one a group of channels."""
    groups = []
    for k, a in enumerate(GROUPS[:-1]):
        parts = {name: arrays[f"{k}/{name}"].astype(np.float32) for name in ARRAYS if f"{k}/{name}" in arrays}
        first, middle, out, mean = parts["shifts"] + [ACTIVATION_BITS, 0, OUTPUT_BITS - ACTIVATION_BITS, OUTPUT_BITS]
        own = [parts["own_magnitude"] * MAGNITUDE_UNIT]
        if a < SIGNED:
            own.append(parts["own_signed"] / SIGNED_UNIT)
        weights = {
            "own": _kernels(np.concatenate(own, axis=2) / 2.0**first),
            "mean": _kernels(parts["mean"] / 2.0**mean),
            "quality": parts["quality"] / 2.0**first,
            "middle": parts["middle"] / 2.0**middle,
            "middle_bias": parts["middle_bias"] / 2.0 ** (middle + ACTIVATION_BITS),
            "out": parts["out"] / 2.0**out,
            "out_bias": parts["out_bias"] / 2.0 ** (out + ACTIVATION_BITS),
        }
        if a:
            taps = np.concatenate([parts["lower_magnitude"] * MAGNITUDE_UNIT, parts["lower_signed"] / SIGNED_UNIT])
            weights["lower"] = taps.reshape(len(taps), 3, 3, HIDDEN).transpose(1, 2, 0, 3) / 2.0**first
        groups.append(weights)
    return groups


def _taps(kernels, k):
    """Kernels (passes - 1, 3, 3, n, m) of a group as (passes - 1, 9, n, m), zero where a pass sees nothing."""
    seen = np.array([[place in neighbours for place in AROUND] for *_, neighbours in passes(k)][1:])
    return kernels.reshape(len(kernels), len(AROUND), *kernels.shape[3:]) * seen[:, :, None, None]


def _kernels(taps):
    """The inverse of `_taps`."""
    return taps.reshape(len(taps), 3, 3, *taps.shape[2:])


def _first_layer(weights, k):
    """Weights of the first layer for whole-number features, not yet scaled: dict."""
    a, b = GROUPS[k : k + 2]
    taps = _taps(weights["own"], k)
    parts = {"own_magnitude": taps[:, :, : b - a] / MAGNITUDE_UNIT, "quality": weights["quality"]}
    if a < SIGNED:
        parts["own_signed"] = taps[:, :, b - a :] * SIGNED_UNIT
    if a:
        taps = weights["lower"].transpose(2, 0, 1, 3)  # (features, 3, 3, HIDDEN)
        taps = taps.reshape(len(taps), -1)
        parts["lower_magnitude"], parts["lower_signed"] = taps[:a] / MAGNITUDE_UNIT, taps[a:] * SIGNED_UNIT
    return parts


def first_layer_bound(parts):
    """The largest magnitude that any sum of the first layer can have.

    Args:
        parts: dict of those of `ARRAYS` that make it, of whole numbers or not.
    """
    magnitudes = {name: np.abs(values) for name, values in parts.items()}
    bound = magnitudes["quality"].max(axis=1)  # (passes, HIDDEN)
    for kind, largest in (("magnitude", MAGNITUDES[-1]), ("signed", MAX_SIGNED)):
        if f"own_{kind}" in parts:
            bound[1:] += magnitudes[f"own_{kind}"].sum(axis=(1, 2)) * largest
        if f"lower_{kind}" in parts:
            bound += magnitudes[f"lower_{kind}"].reshape(-1, HIDDEN).sum(axis=0) * largest
    return bound.max()


def _bits_within(bound):
    """The most bits of fraction with which sums of magnitude `bound` stay well below the limit."""
    # a hundredth of room for the rounding of weights and biases
    return int(min(MAX_WEIGHT_BITS, np.floor(np.log2(0.99 * LIMIT / max(np.max(bound), 1e-9)))))
