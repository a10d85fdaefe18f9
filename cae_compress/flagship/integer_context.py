"""The context network of `context_network` in whole numbers: what encoder and decoder run.

A decoder must compute the very probabilities that the encoder had, on any machine. Floating-point networks don't: the
order of a sum changes its rounding. Here all is int32, and no sum can leave its range.

Fixed point: features as in `integer_passes`, weights with `WEIGHT_BITS` bits of fraction, activations with
`ACTIVATION_BITS`, means and log scales with `OUTPUT_BITS`.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cae_compress.flagship.integer_passes import (
    ACTIVATION_BITS,
    AROUND,
    MAX_ACTIVATION,
    MAX_SIGNED,
    PER_STEP,
    SIGNED_GROUPS,
    WEIGHT_BITS,
    add_latents,
    add_lower,
    no_latents,
    predict,
)
from cae_compress.weights import Array, check_arrays

GROUPS = (0, 8, 32, 88, 184, 320, 512, 768)  # where groups of channels begin and end
CHANNELS = GROUPS[-1]
PATCH = 16  # pixels of the picture to a latent, in each direction
SIGNED = GROUPS[SIGNED_GROUPS]  # channels whose sign matters to others, not just their magnitude
HIDDEN = 64
NUM_LMBDAS = 11

# Positions are decoded from coarse to fine. Between those of a coarse grid come the middles of its squares, then the
# other two kinds, at each spacing in turn. The lowest group, which has no lower ones to look at, begins coarsest.
SPACINGS = ((4, 2, 1), (1,), (1,), (1,), (1,), (1,), (1,))  # of each group, in latents
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
CROSS = ((-1, 0), (0, -1), (0, 1), (1, 0))
# (row, column, neighbours decoded before) of the passes that halve the spacing, all in units of the new one
HALVING = ((1, 1, CORNERS), (0, 1, CROSS), (1, 0, CROSS))

LIMIT = 2**31  # of the magnitude of int32
MAGNITUDE_UNIT = 16  # feature of a latent of q steps: round(16 log(1 + |q|)), for |q| up to MAX_SIGNED half steps
SIGNED_UNIT = 0.05  # of the feature of the lowest channels besides: q itself, up to the same
PLACE_BITS = 8  # place of the quality between two lambdas, in 1/256
MIN_LOG_SCALE, MAX_LOG_SCALE = -3.5, 7.0

MAGNITUDES = np.rint(MAGNITUDE_UNIT * np.log1p(np.arange(MAX_SIGNED + 1) / PER_STEP)).astype(np.int32)
THREADS = os.cpu_count() or 1
MIN_POSITIONS = 512  # a thread; with fewer, waking it takes longer than it saves


class IntegerContext:
    """Predicts mean and log scale of every latent of a tile, pass by pass.

    Args:
        arrays: dict of whole numbers, as `to_integers` makes it.

    Raises:
        ValueError: one is missing or of another shape or type, or so large that a sum could leave the range of int32.
    """

    def __init__(self, arrays):
        check_weights(arrays)
        self.groups = []
        for k in range(len(GROUPS) - 1):
            none = {"own_signed": np.zeros((1, len(AROUND), 0, HIDDEN), np.int32)}  # where a group has no such weights
            none["same"] = none["own_signed"][..., 0]
            group = none | {name: arrays[f"{k}/{name}"] for name in ARRAYS if f"{k}/{name}" in arrays}
            rows = {name: group[name] for name in group if name in MATRICES}
            if all(np.abs(matrix).max(initial=0) < 2**15 for matrix in rows.values()):
                group |= {name: matrix.astype(np.int16) for name, matrix in rows.items()}  # half as much to read
            self.groups.append(group)

    def code(self, height, width, place, counts, code_pass, prepare=lambda k, at, mean, log_scale: (mean, log_scale)):
        """Walk the groups and passes of a tile; the caller codes each before those that hang on it are predicted.

        Args:
            height, width: int, of the tile in latents.
            place: int, place of the quality between the lambdas, in 1/256: 0 to (NUM_LMBDAS - 1) * 256.
            counts: for each group, how many of its channels, from the first on, are not all zero.
            code_pass: function of (index of the group, (row, column) slices, mean, log_scale), the latter two int32
                (positions, count) with `OUTPUT_BITS` bits of fraction, the mean in half steps, that returns the latents
                there, int32 (positions, count), in half steps. It is called for one pass after the other.
            prepare: function of the same that may be called in another thread, while the pass before is being coded;
                what it returns is handed to `code_pass` in place of mean and log_scale.
        """
        with ThreadPoolExecutor(THREADS) as threads:
            self._code(height, width, place, counts, code_pass, prepare, threads)

    def _code(self, height, width, place, counts, code_pass, prepare, threads):
        lists = no_latents(height, width, CHANNELS, len(GROUPS) - 1)
        lower = np.zeros((height, width, HIDDEN), np.int32)
        used = [k for k, count in enumerate(counts) if count]
        for k, following in zip(used, [*used[1:], None]):
            if following:  # what the next group hears of those below this one is summed while this one is coded
                from_below, lower_of_next = np.zeros((2, height, width, HIDDEN), np.int32)
                meanwhile = threads.submit(add_lower, 0, height, *self._heard(following, 0, k), from_below, lists)
            group = self._weights(k, place, counts[k])
            for one, at, ready in prepared_passes(threads, k, group, lists, lower, prepare):
                row, column, stride, *_ = one
                latents = np.ascontiguousarray(code_pass(k, at, *ready))
                add_latents(latents, k, GROUPS[k], row, column, stride, lists, MAGNITUDES)
            if following:
                heard = self._heard(following, k, k + 1)
                in_parts(threads, add_lower, height, width, *heard, lower_of_next, lists)
                meanwhile.result()
                lower = from_below + lower_of_next

    def _heard(self, k, first, last):
        """What `add_lower` needs to know for group k to hear the groups from first to last."""
        a, b = GROUPS[first], GROUPS[last]
        return a, (first, last), *(self.groups[k][name][a:b] for name in ("lower_magnitude", "lower_signed"))

    def _weights(self, k, place, count):
        """Weights of a group at a quality, with the outputs of its first `count` channels alone: dict."""
        group = self.groups[k]
        own = {name: group[name] for name in OF_PASSES} | {name: group[name] for name in ("middle", "middle_bias")}
        own["quality"] = [_between(table, place) for table in group["quality"]]
        out, out_bias = group["out"], _between(group["out_bias"], place)
        return own | {"out": of_first(count, out), "out_bias": of_first(count, out_bias)}


def prepared_passes(threads, k, group, lists, lower, prepare):
    """The passes over a group, one after the other, as soon as what they see is in the lists.

    The two last that halve a spacing do not see each other, and are predicted and prepared side by side.

    Args:
        prepare: of `IntegerContext.code`; the others of `predict_pass`.

    Yields:
        (one of `passes`, (row, column) slices, what `prepare` returned).
    """

    def prepared(number):
        at, mean, log_scale = predict_pass(threads, number, some[number], k, group, lists, lower)
        return at, prepare(k, at, mean, log_scale)

    height, width, _ = lower.shape
    some = {number: one for number, one in enumerate(passes(k)) if one[0] < height and one[1] < width}
    ahead = {}
    for number, one in some.items():
        if number % len(HALVING) == 2 and number + 1 in some:
            ahead[number + 1] = threads.submit(prepared, number + 1)
        yield one, *(ahead[number].result() if number in ahead else prepared(number))


def predict_pass(threads, number, one, k, group, lists, lower):
    """Predict a pass over the positions of a group.

    Args:
        threads: a `ThreadPoolExecutor`.
        number, one: int, and the pass of this number, one of `passes`.
        k: int, the group.
        group: dict of its weights.
        lists, lower: of `integer_passes`.

    Returns:
        ((row, column) slices, mean, log_scale), as `IntegerContext.code` hands them on.
    """
    row, column, stride, spacing, neighbours = one
    at = slice(row, lower.shape[0], stride), slice(column, lower.shape[1], stride)
    positions, count = lower[at][..., 0].size, group["out_bias"].size // 2
    seen = [(spacing * down, spacing * right, AROUND.index((down, right))) for down, right in neighbours]
    mean, log_scale = np.empty((2, positions, count), np.int32)
    in_parts(
        threads, predict, positions, 1, mean, log_scale,
        lists, lower, row, column, stride, k, GROUPS[k], np.array(seen, np.int64).reshape(-1, 3),
        *(group[name][(number - 1) % len(group[name])] for name in OF_PASSES), group["quality"][number],
        *(group[name] for name in ("middle", "middle_bias", "out", "out_bias")),
    )  # fmt: skip
    return at, mean, log_scale


def in_parts(threads, function, count, positions, *args):
    """Call function(first, last, *args) so that all of 0 to count is worked on, in several threads at once.

    Args:
        threads: a `ThreadPoolExecutor`.
        count: int, pieces of work, each of so many `positions`; what one does must not hang on another.
    """
    parts = max(1, min(THREADS, count * positions // MIN_POSITIONS))
    edges = [count * k // parts for k in range(parts + 1)]
    others = [threads.submit(function, first, last, *args) for first, last in zip(edges[1:], edges[2:])]
    function(*edges[:2], *args)
    for other in others:
        other.result()  # raises what went wrong there


def passes(k):
    """Passes over the positions of a group: (first row, first column, stride, spacing, neighbours in the own group).

    Neighbours are (down, right) in units of the spacing.
    """
    yield 0, 0, 2 * SPACINGS[k][0], 1, ()
    for spacing in SPACINGS[k]:
        for row, column, neighbours in HALVING:
            yield spacing * row, spacing * column, 2 * spacing, spacing, neighbours


def of_first(count, outputs):
    """Of outputs, means and then log scales of all channels in the last dimension, those of the first channels."""
    return np.concatenate([half[..., :count] for half in np.split(outputs, 2, axis=-1)], axis=-1)


def _between(table, place):
    """Row of a table of whole numbers at a place in 1/256, linear in between and rounded down: int32."""
    row = min(place >> PLACE_BITS, len(table) - 2)
    fraction = place - (row << PLACE_BITS)
    low, high = table[row].astype(np.int64), table[row + 1].astype(np.int64)
    return (low + (((high - low) * fraction) >> PLACE_BITS)).astype(np.int32)


# Those of which whole rows are added up
MATRICES = ("lower_magnitude", "lower_signed", "own_magnitude", "own_signed", "mean", "same", "middle", "out")
OF_PASSES = ("own_magnitude", "own_signed", "mean", "same")  # a set of weights for every pass but the first
ARRAYS = (
    "lower_magnitude", "lower_signed",  # (channels below, 9 * HIDDEN): neighbours and itself in the lower groups
    "own_magnitude", "own_signed",  # (passes - 1, 9, channels, HIDDEN): neighbours in its own
    "mean",  # (passes - 1, 9, lowest channels, channels): their signed values, straight to the mean
    "same",  # (passes - 1, 9, channels): signed values of the same channel, straight to the mean, above the lowest
    "quality",  # (passes, NUM_LMBDAS, HIDDEN): biases of the first layer, a row a lambda
    "middle", "middle_bias",  # (HIDDEN, HIDDEN), (HIDDEN,)
    "out", "out_bias",  # (HIDDEN, 2 * channels), (NUM_LMBDAS, 2 * channels): means, then log scales
)  # fmt: skip


def shapes(k):
    """Shapes of a group's `ARRAYS` that it has: dict."""
    a, b = GROUPS[k : k + 2]
    num_passes, channels = len(list(passes(k))), b - a
    own, lowest = (num_passes - 1, len(AROUND)), min(b, SIGNED)
    sizes = {
        "own_magnitude": (*own, channels, HIDDEN), "mean": (*own, lowest, channels),
        "quality": (num_passes, NUM_LMBDAS, HIDDEN), "middle": (HIDDEN, HIDDEN), "middle_bias": (HIDDEN,),
        "out": (HIDDEN, 2 * channels), "out_bias": (NUM_LMBDAS, 2 * channels),
    }  # fmt: skip
    if a < SIGNED:
        sizes["own_signed"] = (*own, channels, HIDDEN)
    else:
        sizes["same"] = (*own, channels)
    if a:
        sizes |= {"lower_magnitude": (a, len(AROUND) * HIDDEN), "lower_signed": (min(a, SIGNED), len(AROUND) * HIDDEN)}
    return sizes


def check_weights(arrays):
    """Raise ValueError unless these are arrays that `IntegerContext` can use."""
    needed = {f"{k}/{name}": Array(s, np.int32) for k in range(len(GROUPS) - 1) for name, s in shapes(k).items()}
    check_arrays(arrays, needed, "the integer context network")
    if unknown := sorted(arrays.keys() - needed):
        raise ValueError(f"these are not weights of the integer context network: {unknown[0]} has no place there")
    for k in range(len(GROUPS) - 1):
        if max(bounds({name: arrays[f"{k}/{name}"] for name in shapes(k)}).values()) >= LIMIT:
            raise ValueError(f"the weights of group {k} are too large for int32")


def to_integers(groups):
    """Weights of a trained `context_network.ContextNetwork`, which counts in steps, as whole numbers.

    Args:
        groups: list of dicts from name to float array, one a group of channels.

    Returns:
        dict of int32 arrays for `IntegerContext`, named by index of the group and one of `ARRAYS`.

    Raises:
        ValueError: a sum could leave the range of int32.
    """
    arrays = {}
    for k, weights in enumerate(groups):
        parts = _first_layer(weights, k) | {name: weights[name] for name in ("middle", "out")}
        parts |= {name: weights[name] * 2**ACTIVATION_BITS for name in ("middle_bias", "out_bias")}
        for name in ("out", "out_bias"):
            parts[name] = parts[name] * _in_half_steps(parts[name].shape[1])
        parts |= {name: _taps(weights[name], k) for name in ("mean", "same") if name in weights}
        whole = {name: np.rint(values * 2.0**WEIGHT_BITS) for name, values in parts.items()}
        if max(bounds(whole).values()) >= LIMIT:
            raise ValueError(f"the weights of group {k} are too large for int32")
        arrays |= {f"{k}/{name}": values.astype(np.int32) for name, values in whole.items()}
    return arrays


def bounds(parts):
    """The largest magnitude that any sum of each layer of a group can have: dict.

    Args:
        parts: dict of the group's `ARRAYS`.
    """
    size = {name: np.abs(values).astype(np.float64) for name, values in parts.items()}
    first = size["quality"].max(axis=1)  # (passes, HIDDEN)
    for kind, largest in (("magnitude", MAGNITUDES[-1]), ("signed", MAX_SIGNED)):
        if f"own_{kind}" in parts:
            first[1:] += size[f"own_{kind}"].sum(axis=(1, 2)) * largest
        if f"lower_{kind}" in parts:
            first += size[f"lower_{kind}"].reshape(-1, HIDDEN).sum(axis=0) * largest
    same = size["same"].sum(axis=1) if "same" in parts else 0
    return {
        "first": first.max(),
        "middle": (size["middle"].sum(axis=0) * MAX_ACTIVATION + size["middle_bias"]).max(),
        "last": (size["out"].sum(axis=0) * 2 * MAX_ACTIVATION + size["out_bias"].max(axis=0)).max(),
        "mean": ((size["mean"].sum(axis=(1, 2)) + same) * MAX_SIGNED).max(),
    }


def from_integers(arrays):
    """The inverse of `to_integers`, to train on: list of dicts from name to float array, one a group of channels."""
    groups = []
    for k, a in enumerate(GROUPS[:-1]):
        parts = {name: arrays[f"{k}/{name}"] / np.float32(2**WEIGHT_BITS) for name in ARRAYS if f"{k}/{name}" in arrays}
        own = [parts["own_magnitude"] * MAGNITUDE_UNIT]
        if a < SIGNED:
            own.append(parts["own_signed"] * PER_STEP / SIGNED_UNIT)
        weights = {name: parts[name] for name in ("quality", "middle", "out")}
        weights |= {name: parts[name] / 2**ACTIVATION_BITS for name in ("middle_bias", "out_bias")}
        for name in ("out", "out_bias"):
            weights[name] = weights[name] / _in_half_steps(weights[name].shape[1])
        weights |= {name: _kernels(parts[name]) for name in ("mean", "same") if name in parts}
        weights["own"] = _kernels(np.concatenate(own, axis=2))
        if a:
            signed = parts["lower_signed"] * PER_STEP / SIGNED_UNIT
            taps = np.concatenate([parts["lower_magnitude"] * MAGNITUDE_UNIT, signed])
            weights["lower"] = taps.reshape(len(taps), 3, 3, HIDDEN).transpose(1, 2, 0, 3)
        groups.append(weights)
    return groups


def _in_half_steps(num_outputs):
    """What turns outputs, means and then log scales, from steps into half steps: the means are doubled."""
    return np.repeat(np.float32([PER_STEP, 1]), num_outputs // 2)


def _taps(kernels, k):
    """Kernels (passes - 1, 3, 3, ...) of a group as (passes - 1, 9, ...), zero where a pass sees nothing."""
    seen = np.array([[place in neighbours for place in AROUND] for *_, neighbours in passes(k)][1:])
    taps = kernels.reshape(len(kernels), len(AROUND), *kernels.shape[3:])
    return taps * seen.reshape(*seen.shape, *[1] * (taps.ndim - 2))


def _kernels(taps):
    """The inverse of `_taps`."""
    return taps.reshape(len(taps), 3, 3, *taps.shape[2:])


def _first_layer(weights, k):
    """Weights of the first layer for whole-number features, not yet scaled: dict."""
    a, b = GROUPS[k : k + 2]
    taps = _taps(weights["own"], k)
    parts = {"own_magnitude": taps[:, :, : b - a] / MAGNITUDE_UNIT, "quality": weights["quality"]}
    if a < SIGNED:
        parts["own_signed"] = taps[:, :, b - a :] * SIGNED_UNIT / PER_STEP
    if a:
        taps = weights["lower"].transpose(2, 0, 1, 3)  # (features, 3, 3, HIDDEN)
        taps = taps.reshape(len(taps), -1)
        parts["lower_magnitude"], parts["lower_signed"] = taps[:a] / MAGNITUDE_UNIT, taps[a:] * SIGNED_UNIT / PER_STEP
    return parts
