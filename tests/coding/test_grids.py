import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cae_compress import BitstreamError
from cae_compress.coding import contexts, grids
from cae_compress.coding.grids import LARGEST, GridCoder


def models(planes, maps):
    """Both ways to code, untrained, as keywords of `GridCoder`."""
    tables = grids.count_tables([np.zeros((1, 1, planes, maps), np.int32)])
    yield {"tables": tables.astype(np.int64)}
    yield {"model": contexts.ContextModel.untrained(contexts.NUM_CONTEXTS, (planes, maps))}


def there_and_back(grid, **model):
    coder = GridCoder(1 << 16, **model)
    coded = grid.copy()
    coder.code(coded)
    assert np.array_equal(coded, grid), "the encoder sees what the decoder will"
    data, decoded = coder.finish(), np.full_like(grid, 7)
    GridCoder(1 << 16, **model, data=data).code(decoded)
    assert np.array_equal(decoded, grid)
    return len(data)


@given(
    st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 3]), st.integers(1, 20), st.integers(0, 17),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_every_grid_comes_back_whatever_its_size_and_its_numbers(rows, columns, planes, maps, bits, seed):
    rng = np.random.default_rng(seed)
    limit = min(1 << bits, LARGEST)
    grid = rng.integers(-limit, limit + 1, (rows, columns, planes, maps), dtype=np.int32)
    grid *= rng.random(grid.shape) < rng.random()
    for model in models(planes, maps):
        there_and_back(grid, **model)


@pytest.mark.parametrize("maps", [1, 320])
def test_extreme_numbers_next_to_each_other_come_back(maps):
    grid = np.zeros((4, 5, 1, maps), np.int32)
    grid[::2, ::2] = LARGEST
    grid[1::2, 1::2] = -LARGEST
    for model in models(1, maps):
        there_and_back(grid, **model)


def test_extreme_numbers_come_back_under_the_strongest_predictions():
    model = contexts.ContextModel.untrained(contexts.NUM_CONTEXTS, (1, 2))
    model.mean_weights[:] = 384  # 1.5 of each of four neighbours: the most that `context_fit` gives
    for sign in (1, -1):
        grid = np.full((6, 6, 1, 2), LARGEST, np.int32)
        grid[3] *= sign
        there_and_back(grid, model=model)


def test_static_tables_cost_what_their_probabilities_say():
    rng = np.random.default_rng(4)
    grid = np.rint(rng.laplace(0, [0.2, 1, 30], (60, 60, 1, 3))).astype(np.int32)
    num_bytes = there_and_back(grid, tables=grids.count_tables([grid]).astype(np.int64))
    entropy = sum(_entropy(grid[..., k]) * grid[..., k].size for k in range(3))
    assert entropy < 8 * num_bytes < 1.02 * entropy + 100


def _entropy(q):
    _, counts = np.unique(q, return_counts=True)
    p = counts / counts.sum()
    return -(p * np.log2(p)).sum()


def test_adaptive_contexts_profit_from_neighbours_and_static_tables_do_not():
    ramp = np.add.outer(np.arange(40), np.arange(40))[..., None, None].astype(np.int32) // 4
    shuffled = ramp.ravel()[np.random.default_rng(5).permutation(ramp.size)].reshape(ramp.shape)
    tables = grids.count_tables([ramp]).astype(np.int64)
    model = contexts.ContextModel.untrained(contexts.NUM_CONTEXTS, (1, 1))
    model.mean_weights[:] = [128, 128, 0, 0]
    model.magnitude_weights[..., :2] = 128
    assert abs(there_and_back(ramp, tables=tables) - there_and_back(shuffled, tables=tables)) < 20
    assert there_and_back(ramp, model=model) < 0.5 * there_and_back(shuffled, model=model)


def test_tables_between_two_steps_are_between_theirs_and_the_ends_go_on():
    tables = np.array([[[[1000]]], [[[3000]]]], np.uint16)
    steps = np.array([1 << 16, 2 << 16])
    at = [int(grids.at_step(tables, steps, step)[0, 0, 0]) for step in (1, 1 << 16, 3 << 15, 2 << 16, 9 << 16)]
    assert at == [1000, 1000, 2000, 3000, 3000]


def test_a_stream_that_counts_more_maps_than_there_are_is_refused():
    coder = GridCoder(1 << 16, **next(models(1, 9)))
    coder.code(np.ones((1, 1, 1, 9), np.int32))
    with pytest.raises(BitstreamError, match="maps"):
        GridCoder(1 << 16, **next(models(1, 8)), data=coder.finish()).code(np.zeros((1, 1, 1, 8), np.int32))
