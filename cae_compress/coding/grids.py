"""Grids of latents to bytes and back: what a codec of any two networks codes its integers with (`latent_codec`).

A grid is int32 (rows, columns, planes, maps); it is walked row by row, position by position, plane by plane and map by
map. Two models of what to expect:

    static      one table for each map at each step of the quantizer, which never changes: a factorized prior. A table
                holds the probabilities of the decisions that `binarization` makes of an integer.
    adaptive    contexts that learn while they code, chosen by what was decoded before (`contexts`)

Before the latents stands, for every plane, how many maps, from the first on, are not all zero; the rest are not coded.

Everything is integer arithmetic, and the same functions run in both directions, so encoder and decoder cannot disagree.

Source of the first: Balle, Laparra, Simoncelli, ICLR 2017, and Theis et al., ICLR 2017 (a table for each channel).
"""

import numpy as np

from cae_compress.bitstream import BitstreamError
from cae_compress.coding import arithmetic, contexts
from cae_compress.coding.arithmetic import ONE, code_raw_bits, information
from cae_compress.coding.binarization import MAX_PREFIX, MAX_UNARY, PREFIX, SIGN, SLOTS, UNARY, ZERO, code_remainder
from cae_compress.coding.compiled import compiled

COUNT_BITS = 12
LARGEST = (1 << 17) - 1  # magnitude of a latent; what remains after its prediction may be eight times that
STEP_BITS = 16  # fraction bits of a step
MIN_STEP, MAX_STEP = 1 << 6, (1 << 31) - 1
LEVELS = 1 << 32  # over the step: what `contexts` takes for the fineness of the quantizer


class GridCoder(arithmetic.Stream):
    """Codes one grid into or out of a stream.

    Args:
        step: int, the quantizer's step in units of 2**-16, in which the models were fitted.
        tables: int64 (planes, maps, SLOTS), static probabilities of zero in units of 2**-16 (`at_step`); or None.
        model: a `contexts.ContextModel`, for adaptive contexts, where there are no tables.
        data: bytes to decode, or None to encode.
    """

    def __init__(self, step, tables=None, model=None, data=None):
        super().__init__(data)
        self.tables, self.model, self.step = tables, model, step
        self.side_bits = 0.0  # information so far, for `info`
        self.latent_bits = 0.0
        if tables is None:
            self.contexts = model.new_contexts()

    @property
    def kind(self):
        """Which of the two models, for `info`."""
        return "adaptive contexts" if self.tables is None else "static tables"

    def code(self, grid):
        """Code a grid, int32 (rows, columns, planes, maps), magnitudes up to `LARGEST`: read, or filled when decoding.

        Raises:
            BitstreamError: decoding came to something that no encoder writes.
        """
        rows, columns, planes, maps = grid.shape
        in_use = grid.any(axis=(0, 1))
        counts = (maps - in_use[:, ::-1].argmax(axis=1)) * in_use.any(axis=1)
        self._reserve(planes)
        before = information(self.coder)
        code_counts(self.coder, self.data, counts, self.decoding)
        self.side_bits += information(self.coder) - before
        if (counts > maps).any():
            raise BitstreamError("damaged: more maps in use than there are")
        before = information(self.coder)
        (self._code_static if self.tables is not None else self._code_adaptive)(grid, counts)
        self.latent_bits += information(self.coder) - before
        if self.decoding and ((grid > LARGEST) | (grid < -LARGEST)).any():
            raise BitstreamError("damaged: a latent beyond what an encoder writes")

    def _code_static(self, grid, counts):
        tables = np.repeat(self.tables[..., None], 2, axis=-1).astype(np.uint16)
        for row in grid:
            self._reserve(row.size)
            code_row_static(self.coder, self.data, tables, row, counts, self.decoding)

    def _code_adaptive(self, grid, counts):
        _, columns, planes, maps = grid.shape
        # two rows, above and current, between borders of zeros: q, remainder and activity of `contexts.code_row`
        both = [np.zeros((2, columns + 2, planes, *more), np.int32) for more in ((maps,), (maps,), ())]
        active = np.broadcast_to(counts, (columns, planes)).copy()
        model, spent = self.model, np.zeros(planes)
        fitted = model.averages_at(LEVELS // self.step), model.mean_weights, model.magnitude_weights
        for row in grid:
            self._reserve(row.size)
            both[0][1, 1:-1] = row
            contexts.code_row(self.coder, self.data, self.contexts, *both, active, *fitted, spent, self.decoding)
            row[...] = both[0][1, 1:-1]
            for array in both:
                array[0] = array[1]


def quantize(y, centre, step):
    """(y - centre) / step, rounded, within what the coder can hold: int32 of the shape of `y`; a step, or one a map."""
    return np.clip(np.rint((y - centre) / np.float32(step)), -LARGEST, LARGEST).astype(np.int32)


@compiled
def code_counts(coder, data, counts, decoding):
    """Code how many maps each plane has in use: int64 (planes,)."""
    for k in range(counts.size):
        counts[k] = code_raw_bits(coder, data, counts[k], COUNT_BITS, decoding)


@compiled
def code_row_static(coder, data, tables, row, counts, decoding):
    """Code a row of latents, int32 (columns, planes, maps), by tables uint16 (planes, maps, SLOTS, 2)."""
    table = np.empty_like(tables[0, 0])
    for j in range(row.shape[0]):
        for plane in range(row.shape[1]):
            for m in range(counts[plane]):
                table[:] = tables[plane, m]  # a copy: what it learns from this integer is forgotten
                row[j, plane, m] = code_remainder(coder, data, table, 0, 0, 0, np.int64(row[j, plane, m]), decoding)
            row[j, plane, counts[plane] :] = 0


def at_step(tables, steps, step):
    """Tables for a step between those they were made for, in whole numbers.

    Args:
        tables: uint16 (n, planes, maps, SLOTS), probabilities of zero in units of 2**-16.
        steps: int64 (n,), rising: the steps they were made for, in units of 2**-16.
        step: int; beyond the ends, the last tables are taken.

    Returns:
        int64 (planes, maps, SLOTS), 1 to 65535, the linear interpolation, rounded down.
    """
    step = min(max(step, int(steps[0])), int(steps[-1]))
    k = min(int(np.searchsorted(steps, step, side="right")) - 1, max(len(steps) - 2, 0))
    if len(steps) == 1:
        return tables[0].astype(np.int64)
    low, high = int(steps[k]), int(steps[k + 1])
    below, above = tables[k].astype(np.int64), tables[k + 1].astype(np.int64)
    return (below * (high - step) + above * (step - low)) // (high - low)


def between(places, values, place):
    """Values (n, ...) at rising places (n,), interpolated linearly; beyond the ends, the last ones are taken."""
    k = int(np.clip(np.searchsorted(places, place) - 1, 0, max(len(places) - 2, 0)))
    if len(places) == 1:
        return values[0]
    share = np.clip((place - places[k]) / (places[k + 1] - places[k]), 0, 1)
    return (1 - share) * values[k] + share * values[k + 1]


def count_tables(grids):
    """Static tables of what was counted in grids of the latents of many pictures.

    Args:
        grids: list of integer arrays (rows, columns, planes, maps).

    Returns:
        uint16 (planes, maps, SLOTS).
    """
    planes, maps = grids[0].shape[2:]
    flat = np.concatenate([grid.reshape(-1, planes, maps) for grid in grids])
    numbers = np.arange(MAX_UNARY + 1)
    above = np.stack([(np.abs(flat) > n).sum(axis=0) for n in numbers], axis=-1)  # (planes, maps, n)
    beyond = np.where(np.abs(flat) > MAX_UNARY, np.abs(flat) - MAX_UNARY, 0)
    longer = np.stack([(beyond >= 1 << k).sum(axis=0) for k in range(MAX_PREFIX + 1)], axis=-1)
    return tables_of(len(flat), above, longer, (flat < 0).sum(axis=0))


def tables_of(total, above, longer, negative):
    """Probabilities of the decisions of `binarization.code_remainder`, of counts or of probabilities.

    Args:
        total: number of latents, or a large number that stands for certainty.
        above: array (planes, maps, MAX_UNARY + 1): how many have a magnitude above 0, 1, ...
        longer: array (planes, maps, MAX_PREFIX + 1): how many have a rest, magnitude - MAX_UNARY, of at least 2**k.
        negative: array (planes, maps): how many are below zero.

    Returns:
        uint16 (planes, maps, SLOTS).
    """
    planes, maps = negative.shape
    tables = np.full((planes, maps, SLOTS), ONE // 2, np.uint16)

    def set_slot(slot, ones, of):
        zeros = np.asarray(of, np.float64) - ones
        p = (zeros + 0.5) / (np.asarray(of, np.float64) + 1)
        tables[..., slot] = np.clip(np.rint(p * ONE), 1, ONE - 1)

    set_slot(ZERO, above[..., 0], total)
    set_slot(SIGN, negative, above[..., 0])
    for k in range(MAX_UNARY):
        set_slot(UNARY + k, above[..., k + 1], above[..., k])
    for k in range(MAX_PREFIX - 1):
        set_slot(PREFIX + k, longer[..., k + 1], longer[..., k])
    return tables
