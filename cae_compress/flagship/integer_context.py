"""The context network of `context_network` in whole numbers: what encoder and decoder run.

A decoder must compute the very probabilities that the encoder had, on any machine. Floating-point networks don't: the
order of a sum changes its rounding. Here all is int32, and no sum can leave its range.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cae_compress.flagship.coding_order import CHANNELS, GROUPS, HALVING, passes
from cae_compress.flagship.gains import PLACE_BITS
from cae_compress.flagship.integer_passes import AROUND, add_latents, add_lower, no_latents, predict
from cae_compress.flagship.integer_weights import ARRAYS, HIDDEN, MAGNITUDES, MATRICES, OF_PASSES, check_weights

THREADS = os.cpu_count() or 1
MIN_POSITIONS = 512  # a thread; with fewer, waking it takes longer than it saves


class IntegerContext:
    """Predicts mean and log scale of every latent of a tile, pass by pass.

    Args:
        arrays: dict of whole numbers, as `integer_weights.to_integers` makes it.

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


def of_first(count, outputs):
    """Of outputs, means and then log scales of all channels in the last dimension, those of the first channels."""
    return np.concatenate([half[..., :count] for half in np.split(outputs, 2, axis=-1)], axis=-1)


def _between(table, place):
    """Row of a table of whole numbers at a place in 1/256, linear in between and rounded down: int32."""
    row = min(place >> PLACE_BITS, len(table) - 2)
    fraction = place - (row << PLACE_BITS)
    low, high = table[row].astype(np.int64), table[row + 1].astype(np.int64)
    return (low + (((high - low) * fraction) >> PLACE_BITS)).astype(np.int32)
