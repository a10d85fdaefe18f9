import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cae_compress.cheng2018 import blocks


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.sampled_from([1, 8, 16]))
def test_join_inverts_split_for_every_size(height, width, channels, block_size):
    planes = np.random.default_rng(height * 71 + width).random((height, width, channels))
    parts = blocks.split(planes, block_size)
    assert parts.shape == (-(-height // block_size) * -(-width // block_size), block_size, block_size, channels)
    assert np.array_equal(blocks.join(parts, height, width), planes)


def test_blocks_come_row_by_row():
    planes = np.arange(16).reshape(4, 4, 1)
    assert blocks.split(planes, 2)[:, 0, 0, 0].tolist() == [0, 2, 8, 10]


def test_padding_repeats_the_border():
    padded = blocks.pad(np.array([[[1], [2]]]), 4)
    assert padded[..., 0].tolist() == [[1, 2, 2, 2]] * 4


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 3), (4, 0, 3)])
def test_empty_or_flat_input_is_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        blocks.split(np.zeros(shape), 2)


def test_a_wrong_number_of_blocks_is_refused():
    with pytest.raises(ValueError, match="4 blocks"):
        blocks.join(np.zeros((3, 2, 2, 1)), 4, 4)
