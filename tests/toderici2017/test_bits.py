import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cae_compress.toderici2017 import bits_fit
from cae_compress.toderici2017.bits import (
    BITS,
    BORDER,
    BUCKETS,
    FRACTION_BITS,
    INPUTS,
    LARGEST_WEIGHT,
    BitCoder,
    bordered,
    log_odds,
)

UNFITTED = np.zeros((3, BITS, INPUTS), np.int16), np.full((3, BUCKETS), 2**15, np.uint16)


def sample(rng, rows=20, columns=24, passes=3):
    """Bits that depend on their neighbours, on the pass before and on the channel before."""
    smooth = np.cumsum(rng.normal(size=(passes, rows, columns, BITS)), axis=2) / 2
    smooth[1:] += smooth[:-1]
    smooth[..., 1::2] += smooth[..., ::2]
    return np.where(smooth + rng.normal(size=smooth.shape) > 0, 1, -1).astype(np.int8)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(1)
    return bits_fit.fit([sample(rng) for _ in range(8)])


def coded(tables, bits):
    coder = BitCoder(*tables, *bits.shape[1:3])
    return [coder.encode(of_pass) for of_pass in bits]


def decoded(tables, streams, rows, columns):
    coder = BitCoder(*tables, rows, columns)
    return np.stack([coder.decode(stream) for stream in streams])


@given(seed=st.integers(0, 2**31), rows=st.integers(1, 5), columns=st.integers(1, 5), extreme=st.booleans())
def test_all_bits_come_back_whatever_was_expected(seed, rows, columns, extreme):
    rng = np.random.default_rng(seed)
    bits = rng.choice(np.int8([-1, 1]), (3, rows, columns, BITS))
    low, high = (-LARGEST_WEIGHT - 1, LARGEST_WEIGHT) if extreme else (-900, 900)
    weights = rng.integers(low, high, (3, BITS, INPUTS), np.int16, endpoint=True)
    tables = weights, rng.choice(np.uint16([1, 2**15, 2**16 - 1]), (3, BUCKETS))
    assert np.array_equal(decoded(tables, coded(tables, bits), rows, columns), bits)


def test_what_is_expected_is_the_weighted_sum_that_was_fitted(fitted):
    """Every neighbour at its place, seen from NumPy's side, at every place of a picture and every channel."""
    weights, _ = fitted
    bits = sample(np.random.default_rng(2), 4, 5)
    for t in range(3):
        before, this = bordered(bits[t - 1] if t else 0 * bits[0]), bordered(bits[t])
        parts = bits_fit.neighbours(before, this)
        for c in range(BITS):
            expected = bits_fit.inputs(*parts, c) @ weights[t, c].astype(np.float32)
            places = [(i + BORDER, j + BORDER) for i in range(4) for j in range(5)]
            assert [log_odds(before, this, i, j, c, weights[t, c]) for i, j in places] == expected.tolist()


def test_only_bits_decoded_before_are_expected_from():
    """Changing a bit changes no expectation of one at or before its place in the order of coding."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-999, 999, INPUTS, np.int16)
    before, this = (bordered(of_pass) for of_pass in sample(rng, 4, 5, 2))
    order = [(i + BORDER, j + BORDER, c) for i in range(4) for j in range(5) for c in range(BITS)]
    expected = [log_odds(before, this, *place, weights) for place in order]
    for k in rng.choice(len(order), 60, replace=False):
        other = this.copy()
        other[order[k]] *= -1
        changed = [log_odds(before, other, *place, weights) for place in order]
        assert changed[: k + 1] == expected[: k + 1]


def test_what_was_fitted_saves_bits_on_another_picture(fitted):
    bits = sample(np.random.default_rng(4))
    sizes, unfitted = ([len(stream) for stream in coded(tables, bits)] for tables in (fitted, UNFITTED))
    assert all(8 * size < 0.85 * of_pass.size for size, of_pass in zip(sizes, bits))
    assert sum(sizes) < 0.9 * sum(unfitted)


def test_a_fitted_expectation_is_the_log_odds():
    """Bits drawn with known odds given the left neighbour: the fit finds them, on the coder's scale."""
    rng = np.random.default_rng(5)
    bits = np.ones((1, 60, 60, BITS), np.int8)
    for j in range(1, 60):
        p = 1 / (1 + np.exp(-(0.4 + 1.1 * bits[0, :, j - 1])))
        bits[0, :, j] = np.where(rng.random(p.shape) < p, 1, -1)
    weights, _ = bits_fit.fit([bits])
    left, constant = weights[0, :, 0] / 2**FRACTION_BITS, weights[0, :, -1] / 2**FRACTION_BITS
    assert np.median(left) == pytest.approx(1.1, abs=0.1) and np.median(constant) == pytest.approx(0.4, abs=0.1)
    others = np.delete(weights[0], [0, INPUTS - 1], axis=1) / 2**FRACTION_BITS
    assert np.abs(np.median(others, axis=0)).max() < 0.1


def test_probabilities_are_those_of_the_bits_that_led_to_a_context(fitted):
    _, probabilities = fitted
    assert ((1 <= probabilities) & (probabilities < 2**16)).all()
    for p in probabilities.astype(int):
        assert p[2] > 2**15 > p[-3], "the higher the odds of +1, the less probable -1"
