import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cae_compress.coding import arithmetic

MESSAGES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3)), max_size=400)


def ideal_bits(bits, which, count):
    """Sum of -log2 of the adaptive model's own probabilities, in floating point: what an ideal coder would need."""
    contexts, total = arithmetic.new_probabilities(count), 0.0
    for bit, k in zip(bits, which):
        p = float(arithmetic.probability_of_zero(contexts, k)) / arithmetic.ONE
        total -= np.log2(1 - p if bit else p)
        arithmetic.adapt(contexts, k, bool(bit))
    return total


@given(MESSAGES)
def test_decoding_inverts_encoding(message):
    bits, which = [bit for bit, _ in message], [k for _, k in message]
    data = arithmetic.encode_bits(bits, arithmetic.new_probabilities(4), which)
    assert arithmetic.decode_bits(data, len(bits), arithmetic.new_probabilities(4), which).tolist() == bits


@given(MESSAGES)
def test_a_message_is_at_most_two_bytes_longer_than_its_information(message):
    bits, which = [bit for bit, _ in message], [k for _, k in message]
    data = arithmetic.encode_bits(bits, arithmetic.new_probabilities(4), which)
    assert 8 * len(data) <= ideal_bits(bits, which, 4) + 16


@pytest.mark.parametrize("probability", [0.001, 0.03, 0.2, 0.5, 0.97])
def test_coded_size_is_within_a_thousandth_of_the_models_ideal_code_length(probability):
    bits = (np.random.default_rng(1).random(200_000) < probability).astype(int)
    coded = 8 * len(arithmetic.encode_bits(bits, arithmetic.new_probabilities(1)))
    ideal = ideal_bits(bits, np.zeros(bits.size, int), 1)
    assert ideal - 8 <= coded <= 1.001 * ideal + 16


def test_coded_size_of_a_coin_is_near_its_entropy():
    p = 0.11
    bits = (np.random.default_rng(2).random(500_000) < p).astype(int)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    assert 8 * len(arithmetic.encode_bits(bits, arithmetic.new_probabilities(1))) / bits.size == pytest.approx(
        entropy, rel=0.02
    )


def test_a_carry_runs_through_a_row_of_255s():
    """An interval that ends just above FF FF FF: the next 1 carries into all bytes written."""
    coder, data = arithmetic.new_encoder(), np.zeros(16, np.uint8)
    data[:4] = [7, 255, 255, 255]
    coder[arithmetic.POSITION], coder[arithmetic.LOW] = 4, 0xFFFFFFF0
    arithmetic.encode(coder, data, True, np.uint64(1 << 15))
    assert data[:4].tolist() == [8, 0, 0, 0] and coder[arithmetic.LOW] <= 0xFFFFFFFF


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.integers(2**24, 2**32 - 1))
def test_finish_writes_the_shortest_number_inside_the_interval(low, width):
    coder, data = arithmetic.new_encoder(), np.zeros(16, np.uint8)
    coder[arithmetic.LOW], coder[arithmetic.RANGE], coder[arithmetic.POSITION] = low, width, 1
    data[0] = 1
    end = arithmetic.finish(coder, data)
    written = int.from_bytes(bytes(data[:5]), "big") - (1 << 32)
    assert low <= written < low + width
    assert not data[end:].any() and (end == 0 or data[end - 1])
    shorter = [n for n in range(end - 1) if -(-low >> 8 * (4 - n)) << 8 * (4 - n) < low + width]
    assert not shorter, "a shorter number would do"


def test_an_empty_message_and_one_likely_bit_cost_nothing():
    assert arithmetic.encode_bits([], arithmetic.new_probabilities(1)) == b""
    assert len(arithmetic.encode_bits([0], arithmetic.new_probabilities(1))) <= 1


def test_probabilities_stay_inside_their_16_bits():
    contexts = arithmetic.new_probabilities(2)
    for _ in range(5000):
        arithmetic.adapt(contexts, 0, False)
        arithmetic.adapt(contexts, 1, True)
    assert 0.99 < arithmetic.probability_of_zero(contexts, 0) / arithmetic.ONE < 1
    assert 0 < arithmetic.probability_of_zero(contexts, 1) / arithmetic.ONE < 0.01


def test_the_fast_estimator_leads_and_the_slow_one_follows():
    contexts = arithmetic.new_probabilities(1)
    for _ in range(20):
        arithmetic.adapt(contexts, 0, True)
    assert contexts[0, 0] < contexts[0, 1] < arithmetic.ONE // 2


@given(st.lists(st.tuples(st.integers(0, 2**20 - 1), st.integers(0, 20)), max_size=50))
def test_raw_bits_come_back(numbers):
    coder, data = arithmetic.new_encoder(), np.zeros(400, np.uint8)
    for value, count in numbers:
        arithmetic.code_raw_bits(coder, data, value & ((1 << count) - 1), count, False)
    data = data[: arithmetic.finish(coder, data)].copy()
    coder = arithmetic.new_decoder(data)
    for value, count in numbers:
        assert arithmetic.code_raw_bits(coder, data, 0, count, True) == value & ((1 << count) - 1)


def test_a_trace_shows_the_coders_own_steps():
    bits = [0, 0, 1, 0, 1, 1, 0, 0]
    steps, message = arithmetic.trace(bits, arithmetic.new_probabilities(1))
    assert message == arithmetic.encode_bits(bits, arithmetic.new_probabilities(1))
    assert [step["bit"] for step in steps] == bits and steps[0]["p(0)"] == 0.5 and steps[0]["cost (bits)"] == 1
    assert steps[1]["p(0)"] > 0.5 > steps[5]["p(0)"] - 0.1
    assert sum(step["cost (bits)"] for step in steps) == pytest.approx(ideal_bits(bits, [0] * 8, 1))
    widths = [step["range"] for step in steps]
    assert all(2**24 <= width < 2**32 for width in widths)
