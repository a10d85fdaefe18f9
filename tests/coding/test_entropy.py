import numpy as np
import pytest
from scipy import stats

from cae_compress.coding import entropy


def test_entropies_known_in_closed_form():
    assert entropy.zero_order_entropy([7, 7, 7]) == 0
    assert entropy.zero_order_entropy([0, 1]) == 1
    assert entropy.zero_order_entropy(np.arange(256)) == 8
    assert entropy.zero_order_entropy([0, 0, 0, 1]) == pytest.approx(0.811278, abs=1e-6)


def test_it_agrees_with_scipy():
    q = np.random.default_rng(0).geometric(0.3, 5000)
    assert entropy.zero_order_entropy(q) == pytest.approx(stats.entropy(np.bincount(q), base=2))


def test_the_estimate_is_the_replications_formula_for_whole_blocks():
    q = np.random.default_rng(1).integers(-8, 8, (6, 3, 16, 16, 32))
    expected = 16 * 16 * 32 * sum(entropy.zero_order_entropy(q[:, p]) for p in range(3)) / (128 * 128)
    estimate, with_side = entropy.estimate_bpp(q, 6 * 128 * 128)
    assert estimate == with_side == pytest.approx(expected)


def test_a_basis_for_each_block_costs_three_bits_a_pixel():
    q = np.zeros((1, 3, 16, 16, 32), int)
    estimate, with_side = entropy.estimate_bpp(q, 128 * 128, num_side_values=3 * 32 * 32)
    assert (estimate, with_side) == (0, 3)
