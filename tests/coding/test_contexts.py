import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cae_compress.coding import arithmetic, contexts


def code_values(values, bucket, side, data=None):
    """Values through `code_remainder` in one direction; returns bytes, or the values decoded."""
    probabilities = arithmetic.new_probabilities(contexts.NUM_CONTEXTS)
    shift, result = contexts.raw_bits_of(bucket), []
    decoding = data is not None
    buffer = np.frombuffer(data, np.uint8).copy() if decoding else np.zeros(100 * len(values) + 100, np.uint8)
    coder = arithmetic.new_decoder(buffer) if decoding else arithmetic.new_encoder()
    for value in values:
        value = 0 if decoding else value
        result.append(contexts.code_remainder(coder, buffer, probabilities, 0, side, shift, value, decoding))
    return result if decoding else (result, buffer[: arithmetic.finish(coder, buffer)].tobytes())


@given(st.lists(st.integers(-(2**19), 2**19), max_size=40), st.integers(0, contexts.BUCKETS - 1), st.integers(0, 2))
def test_every_integer_comes_back_in_every_bucket(values, bucket, side):
    coded, data = code_values(values, bucket, side)
    assert coded == values, "the encoder sees what the decoder will"
    assert code_values(values, bucket, side, data) == values


@pytest.mark.parametrize("magnitude", [0, 1, 13, 14, 15, 16, 17, 31, 32, 100, 2**15, 2**19])
def test_the_seams_of_unary_and_exp_golomb_hold(magnitude):
    values = [magnitude, -magnitude, magnitude]
    assert code_values(values, 10, 0, code_values(values, 10, 0)[1]) == values


def test_buckets_rise_four_to_an_octave():
    buckets = [contexts.bucket_of(value) for value in range(0, 1 << 20, 3)]
    assert buckets[0] == 0 and buckets == sorted(buckets) and max(buckets) <= contexts.BUCKETS - 1
    for octave in range(4, 18):
        first = contexts.bucket_of(1 << octave)
        inside = {contexts.bucket_of(value) for value in range(1 << octave, 2 << octave)}
        assert inside == set(range(first, min(first + 4, contexts.BUCKETS)))
    assert contexts.bucket_of(-5) == 0 and contexts.bucket_of(1 << 40) == contexts.BUCKETS - 1


@pytest.fixture
def model(fixed_codec):
    return fixed_codec.context_model


def code_rows(rows, model, levels=256 << 5):
    """Rows of q, int32 (rows, columns, 3, 32), through `code_row`; returns the coded bytes and bits of each plane."""
    columns = rows.shape[1]
    q = np.zeros((2, columns + 2, 3, 32), np.int32)
    remainder, activity, spent = np.zeros_like(q), np.zeros(q.shape[:3], np.int32), np.zeros(3)
    coder, data, probabilities = (
        arithmetic.new_encoder(),
        np.zeros(rows.size * 20 + 100, np.uint8),
        model.new_contexts(),
    )
    for row in rows:
        q[1, 1:-1] = row
        contexts.code_row(
            coder, data, probabilities, q, remainder, activity, np.full((columns, 3), 32, np.uint8),
            model.averages_at(levels), model.mean_weights, model.magnitude_weights, spent, False,
        )  # fmt: skip
        for array in (q, remainder, activity):
            array[0] = array[1]
    return data[: arithmetic.finish(coder, data)].tobytes(), spent


def test_neighbours_help(model):
    """Large values next to each other cost less than the same values scattered."""
    rng = np.random.default_rng(0)
    together = np.zeros((16, 16, 3, 32), np.int32)
    together[4:8, 4:8, 0, 5] = rng.integers(-9, 10, (4, 4))
    scattered = np.zeros_like(together)
    places = rng.permutation(256)[:16]
    scattered[places // 16, places % 16, 0, 5] = together[4:8, 4:8, 0, 5].ravel()
    assert len(code_rows(together, model)[0]) < len(code_rows(scattered, model)[0])


def test_a_smooth_first_map_is_predicted(model):
    """The first map holds the local mean: a ramp in it costs far less than the same values shuffled."""
    ramp = np.zeros((16, 16, 3, 32), np.int32)
    ramp[..., 0, 0] = np.add.outer(np.arange(16), np.arange(16)) - 15
    shuffled = ramp.copy()
    np.random.default_rng(0).shuffle(shuffled.reshape(256, -1))
    assert len(code_rows(ramp, model)[0]) < 0.5 * len(code_rows(shuffled, model)[0])


def test_bits_spent_on_the_planes_add_up_to_the_stream(model):
    rows = np.random.default_rng(1).geometric(0.6, (8, 12, 3, 32)).astype(np.int32) - 1
    data, spent = code_rows(rows, model)
    assert spent.sum() == pytest.approx(8 * len(data), abs=16) and (spent > 0).all()


def test_an_empty_picture_costs_next_to_nothing(model):
    assert len(code_rows(np.zeros((64, 96, 3, 32), np.int32), model)[0]) < 500


def test_trained_contexts_beat_untrained_ones(fixed_codec, photograph):
    q = fixed_codec.latents(photograph[:128, :256], 6).q  # two blocks
    rows = q.transpose(2, 0, 3, 1, 4).reshape(16, 32, 3, 32)
    untrained = contexts.ContextModel.untrained(contexts.NUM_CONTEXTS)
    assert len(code_rows(rows, fixed_codec.context_model)[0]) < 0.8 * len(code_rows(rows, untrained)[0])
