"""The context network of `models.context_network` in exact integers: what encoder and decoder run.

A decoder must compute the very probabilities that the encoder had, on any machine. Floating-point networks don't: the
order of a sum changes its rounding. Here weights and activations are whole numbers kept in float32, small enough that
every partial sum stays below 2**24 and is exact, so that any matrix product, in any order and on any machine, gives
the same result at full speed.

Fixed point: features as in `IntegerContext.code`, activations with `ACTIVATION_BITS` bits of fraction, means and log
scales with `OUTPUT_BITS`; weights with as many as the bound of 2**24 allows, chosen by `to_integers`.
"""

import numpy as np

GROUPS = (0, 8, 32, 88, 184, 320)  # where groups of channels begin and end
CHANNELS = GROUPS[-1]
PATCH = 16  # pixels of the picture to a latent, in each direction
SIGNED = 32  # channels whose sign matters to others, not just their magnitude
HIDDEN = 64
NUM_LMBDAS = 8

# A tile is coded in four phases, by row and column modulo 2: pass A, pass B, and the two halves of pass C.
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))  # (down, right) of the neighbours that pass B sees in its own group
CROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))  # of those that pass C sees
NEIGHBOURS = ((), CORNERS, CROSS, CROSS)
AROUND = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))

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
    """Predicts mean and log scale of every latent of a tile, phase by phase.

    Args:
        arrays: dict of whole numbers, as `to_integers` makes it.
    """

    def __init__(self, arrays):
        self.groups = [
            {name: arrays[f"{k}/{name}"].astype(np.float32) for name in ARRAYS if f"{k}/{name}" in arrays}
            for k in range(len(GROUPS) - 1)
        ]

    def code(self, height, width, place, counts, code_phase):
        """Walk the groups and phases of a tile; the caller codes each before the next is predicted.

        Args:
            height, width: int, of the tile in latents.
            place: int, place of the quality between the lambdas, in 1/256: 0 to 7 * 256.
            counts: for each group, how many of its channels, from the first on, are not all zero.
            code_phase: function of (index of the group, (row, column) slices, mean, log_scale), the latter two
                float32 whole numbers (positions, count) with `OUTPUT_BITS` bits of fraction, that returns the
                latents there, int32 (rows, columns, count).
        """
        # features of what is decoded, with a border of zeros around the tile
        magnitude = np.zeros((height + 2, width + 2, CHANNELS), np.float32)
        signed = np.zeros((height + 2, width + 2, SIGNED), np.float32)
        for k, (a, count) in enumerate(zip(GROUPS, counts)):
            if count == 0:
                continue
            group = {**self.groups[k], **{key: _between(self.groups[k][key], place) for key in ("quality", "out_bias")}}
            first = group["quality"] + _from_lower_groups(group, magnitude, signed, counts[:k])
            for (row, column), neighbours in zip(PHASES, NEIGHBOURS):
                rows, columns = slice(row, height, 2), slice(column, width, 2)
                if row >= height or column >= width:
                    continue
                hidden = np.broadcast_to(first, (height, width, HIDDEN))[rows, columns].reshape(-1, HIDDEN)
                own_mean = np.zeros(1, np.float32)
                for tap, (down, right) in enumerate(neighbours):
                    at = np.s_[row + 1 + down : height + 1 + down : 2, column + 1 + right : width + 1 + right : 2]
                    kind = "corners" if neighbours is CORNERS else "cross"
                    hidden = hidden + _product(magnitude[at][..., a : a + count], group[f"{kind}_magnitude"][tap])
                    if a < SIGNED:
                        hidden = hidden + _product(signed[at][..., a : a + count], group[f"{kind}_signed"][tap])
                    own_mean = own_mean + _product(signed[at][..., : a + count], group[f"{kind}_mean"][tap][:, :count])
                mean, log_scale = _last_layers(group, hidden, own_mean, count)
                q = code_phase(k, (rows, columns), mean, log_scale)
                inside = np.s_[row + 1 : height + 1 : 2, column + 1 : width + 1 : 2]
                magnitude[inside][..., a : a + count] = MAGNITUDES[np.minimum(np.abs(q), MAX_MAGNITUDE)]
                if a < SIGNED:
                    signed[inside][..., a : a + count] = np.clip(q, -MAX_SIGNED, MAX_SIGNED)


def _from_lower_groups(group, magnitude, signed, counts):
    """What the 3x3 positions around each, in the groups below, add to the first layer: (height, width, HIDDEN)."""
    height, width = magnitude.shape[0] - 2, magnitude.shape[1] - 2
    product = np.zeros((1, len(AROUND) * HIDDEN), np.float32)
    for a, count in zip(GROUPS, counts):
        if count == 0:
            continue
        channels = slice(a, a + count)
        product = product + _product(magnitude[..., channels], group["lower_magnitude"][channels])
        if a < SIGNED:
            product = product + _product(signed[..., channels], group["lower_signed"][channels])
    if not np.any(counts):  # there is nothing below
        return np.zeros(HIDDEN, np.float32)
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
    "corners_magnitude", "corners_signed", "cross_magnitude", "cross_signed",  # (4, channels, HIDDEN): in its own
    "corners_mean", "cross_mean",  # (4, channels up to its last, channels): signed values, straight to the mean
    "quality",  # (8, HIDDEN): biases of the first layer, a row a lambda
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
    for k, (a, b, weights) in enumerate(zip(GROUPS, GROUPS[1:], groups)):
        parts = _first_layer(weights, a, b)
        bits = _weight_bits(parts, weights["quality"])
        parts = {name: values * 2.0**bits for name, values in parts.items()}
        parts["quality"] = weights["quality"] * 2.0**bits
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

        taps = {
            kind: _taps(weights[f"mean_{kind}"], places) for kind, places in (("corners", CORNERS), ("cross", CROSS))
        }
        bits = _bits_within(max(np.abs(t).sum(axis=(0, 1)).max() for t in taps.values()) * MAX_SIGNED)
        parts |= {f"{kind}_mean": t * 2.0**bits for kind, t in taps.items()}
        shifts.append(bits - OUTPUT_BITS)

        arrays |= {f"{k}/{name}": np.rint(values).astype(np.int32) for name, values in parts.items()}
        arrays[f"{k}/shifts"] = np.array(shifts, np.int32)
    return arrays


def _taps(kernel, places):
    """Those weights of a kernel (3, 3, n, m) that meet the neighbours at `places`: (len(places), n, m)."""
    return np.stack([kernel[1 + down, 1 + right] for down, right in places])


def _first_layer(weights, a, b):
    """Weights of the first layer for whole-number features, not yet scaled: dict."""
    parts = {}
    for kind, places in (("corners", CORNERS), ("cross", CROSS)):
        taps = _taps(weights[f"own_{kind}"], places)
        parts[f"{kind}_magnitude"] = taps[:, : b - a] / MAGNITUDE_UNIT
        if a < SIGNED:
            parts[f"{kind}_signed"] = taps[:, b - a :] * SIGNED_UNIT
    if a:
        taps = _taps(weights["lower"], AROUND)  # (9, features, HIDDEN)
        taps = taps.transpose(1, 0, 2).reshape(taps.shape[1], -1)
        parts["lower_magnitude"], parts["lower_signed"] = taps[:a] / MAGNITUDE_UNIT, taps[a:] * SIGNED_UNIT
    return parts


def _weight_bits(parts, quality):
    """Bits of fraction that keep every sum of the first layer below the limit."""
    largest = {"magnitude": MAGNITUDES[-1], "signed": MAX_SIGNED}
    bound = {
        name: np.abs(values).reshape(-1, HIDDEN).sum(axis=0) * largest[name.split("_")[1]]
        for name, values in parts.items()
    }
    own = [sum(v for name, v in bound.items() if name.startswith(kind)) for kind in ("corners", "cross")]
    lower = sum(v for name, v in bound.items() if name.startswith("lower"))
    return _bits_within(np.maximum(*own) + lower + np.abs(quality).max(axis=0))


def _bits_within(bound):
    """The most bits of fraction with which sums of magnitude `bound` stay well below the limit."""
    # a hundredth of room for the rounding of weights and biases
    return int(min(MAX_WEIGHT_BITS, np.floor(np.log2(0.99 * LIMIT / max(np.max(bound), 1e-9)))))
