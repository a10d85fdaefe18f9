import numpy as np
import pytest

from cae_compress.flagship import integer_context
from cae_compress.flagship.coding_order import CHANNELS, GROUPS
from cae_compress.flagship.integer_context import IntegerContext
from cae_compress.flagship.integer_passes import MAX_LOG_SCALE, MIN_LOG_SCALE, OUTPUT_BITS, PER_STEP


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(2)
    scale = np.geomspace(8, 0.2, CHANNELS)
    return np.rint(rng.laplace(0, scale, (7, 10, CHANNELS))).astype(np.int32)


def predictions(integer_arrays, latents, place):
    """Mean, in half steps, and log scale of every latent, with the latents given."""
    mean, log_scale = np.zeros((2, *latents.shape))

    def code_pass(k, at, m, s):
        a, b = GROUPS[k], GROUPS[k + 1]
        for target, values in ((mean, m), (log_scale, s)):
            target[at][..., a:b] = values.reshape(target[at][..., a:b].shape)
        return latents[at][..., a:b].reshape(m.shape)

    IntegerContext(integer_arrays).code(*latents.shape[:2], place, np.diff(GROUPS), code_pass)
    return mean, log_scale


def test_integers_agree_with_the_network_that_was_trained(float_network, integer_arrays, latents):
    import tensorflow as tf

    for place in (0, 300, 1792):
        mean, log_scale = float_network(
            tf.constant(latents[None] / PER_STEP, tf.float32), tf.constant([place / 256], tf.float32)
        )
        got_mean, got_log_scale = (values / 2**OUTPUT_BITS for values in predictions(integer_arrays, latents, place))
        got_log_scale = np.clip(got_log_scale, MIN_LOG_SCALE, MAX_LOG_SCALE)
        for got, want in ((got_mean / PER_STEP, mean.numpy()[0]), (got_log_scale, log_scale.numpy()[0])):
            assert want.std() > 0.1, "a network that predicts nothing would agree too easily"
            assert np.abs(got - want).mean() < 0.05 * want.std() + 2**-OUTPUT_BITS


def test_predictions_come_only_from_what_is_decoded_before(integer_arrays, latents):
    mean, log_scale = predictions(integer_arrays, latents, 700)
    changed = latents.copy()
    changed[..., GROUPS[3] :] += 3  # higher groups
    changed[:, 1::2, GROUPS[2] : GROUPS[3]] += 3  # in this group, what comes after pass A
    changed[1::2, :, GROUPS[2] : GROUPS[3]] += 3
    for before, after in zip((mean, log_scale), predictions(integer_arrays, changed, 700)):
        assert np.array_equal(before[..., : GROUPS[2]], after[..., : GROUPS[2]])
        group = np.s_[..., GROUPS[2] : GROUPS[3]]
        assert np.array_equal(before[group][::2, ::2], after[group][::2, ::2])
        assert not np.array_equal(before[group], after[group])


def test_single_rows_and_columns_are_predicted_too(integer_arrays, latents):
    for part in (latents[:1, :1], latents[:1], latents[:, :1]):
        mean, _ = predictions(integer_arrays, part, 0)
        assert mean.shape == part.shape


def test_threads_do_not_change_predictions(integer_arrays, latents, monkeypatch):
    monkeypatch.setattr(integer_context, "THREADS", 1)
    alone = predictions(integer_arrays, latents, 700)
    monkeypatch.setattr(integer_context, "MIN_POSITIONS", 1)
    for threads in (2, 5):
        monkeypatch.setattr(integer_context, "THREADS", threads)
        assert np.array_equal(predictions(integer_arrays, latents, 700), alone)


def test_weights_of_16_bits_say_what_those_of_32_say(integer_arrays, latents, monkeypatch):
    narrow = predictions(integer_arrays, latents, 700)
    assert all(
        group[name].dtype == np.int16
        for group in IntegerContext(integer_arrays).groups
        for name in ("own_magnitude", "out")
    )
    monkeypatch.setattr(integer_context, "MATRICES", ())
    assert np.array_equal(predictions(integer_arrays, latents, 700), narrow)


def test_weights_that_16_bits_do_not_hold_keep_their_32(integer_arrays):
    integer_arrays = integer_arrays | {"2/middle": integer_arrays["2/middle"].copy()}
    integer_arrays["2/middle"][3, 4] = 2**15
    group = IntegerContext(integer_arrays).groups[2]
    assert group["middle"].dtype == group["out"].dtype == np.int32 and np.array_equal(
        group["middle"], integer_arrays["2/middle"]
    )


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(integer_context, "THREADS", 2)
    with ThreadPoolExecutor(2) as threads, pytest.raises(ZeroDivisionError):
        integer_context.in_parts(threads, lambda first, last: 1 // (first == 0), 10_000, 1)
