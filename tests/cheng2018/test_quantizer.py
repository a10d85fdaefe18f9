import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cae_compress.cheng2018 import quantizer

CODES = hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(-4, 4, width=32))


BITS = st.integers(1, 16) | st.floats(1, 16)


@given(CODES, BITS)
def test_integers_fill_b_bits_and_no_more(y, bits):
    q = quantizer.quantize(y, 4.0, quantizer.levels_of(bits))
    assert q.dtype == np.int32
    assert ((q >= -(2 ** (bits - 1))) & (q <= 2 ** (bits - 1) - 1)).all()


@given(BITS)
def test_levels_tell_b(bits):
    assert quantizer.bits_of(quantizer.levels_of(bits)) == pytest.approx(bits, abs=0.003)


@given(CODES, st.integers(2, 16))
def test_the_error_is_at_most_half_a_step_where_nothing_is_clipped(y, bits):
    step = 5.0 / 2 ** (bits - 1)
    y = np.clip(y, -4, 5 - 2 * step)
    levels = quantizer.levels_of(bits)
    y_hat = quantizer.dequantize(quantizer.quantize(y, 5.0, levels), 5.0, levels)
    assert (np.abs(y_hat - y) <= step / 2 + 1e-5).all()


@given(CODES, st.integers(1, 12))
def test_quantizing_what_was_dequantized_changes_nothing(y, bits):
    levels = quantizer.levels_of(bits)
    q = quantizer.quantize(y, 4.0, levels)
    assert np.array_equal(quantizer.quantize(quantizer.dequantize(q, 4.0, levels), 4.0, levels), q)


def test_the_formula_of_the_paper_by_hand():
    y = np.array([-1.0, -0.3, 0.0, 0.26, 0.999, 1.0])
    assert quantizer.quantize(y, 1.0, quantizer.levels_of(3)).tolist() == [-4, -1, 0, 1, 3, 3]


@pytest.mark.parametrize("bits, levels", [(1, 256), (2, 512), (1.5, 362), (16, 256 << 15)])
def test_levels_are_two_to_the_b_minus_one_in_256ths(bits, levels):
    assert quantizer.levels_of(bits) == levels


@pytest.mark.parametrize("bits", [0, 17, -1, 0.999, 16.001, "8", True, None, float("nan")])
def test_bits_out_of_range_are_refused(bits):
    with pytest.raises(ValueError, match="1 to 16"):
        quantizer.levels_of(bits)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        quantizer.quantize(np.zeros(3), scale, 256)


def test_codes_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        quantizer.quantize(np.array([np.nan]), 1.0, 256)
