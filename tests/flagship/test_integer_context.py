import numpy as np
import pytest

from cae_compress import weights
from cae_compress.flagship import integer_context
from cae_compress.flagship.integer_context import CHANNELS, GROUPS, LIMIT, IntegerContext
from cae_compress.flagship.integer_passes import OUTPUT_BITS, PER_STEP


@pytest.fixture(scope="module")
def float_network():
    """A network with random weights, large enough to matter."""
    from cae_compress.flagship.context_network import ContextNetwork

    network, rng = ContextNetwork(), np.random.default_rng(1)
    network.build(None)
    for group in network.groups:
        for name, variable in group.items():
            spread = 0.05 if name.startswith(("own", "lower", "mean", "same")) else 0.1
            variable.assign(rng.normal(0, spread, variable.shape))
    return network


@pytest.fixture(scope="module")
def arrays(float_network):
    return integer_context.to_integers([{k: v.numpy() for k, v in group.items()} for group in float_network.groups])


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(2)
    scale = np.geomspace(8, 0.2, CHANNELS)
    return np.rint(rng.laplace(0, scale, (7, 10, CHANNELS))).astype(np.int32)


def predictions(arrays, latents, place):
    """Mean, in half steps, and log scale of every latent, with the latents given."""
    mean, log_scale = np.zeros((2, *latents.shape))

    def code_pass(k, at, m, s):
        a, b = GROUPS[k], GROUPS[k + 1]
        for target, values in ((mean, m), (log_scale, s)):
            target[at][..., a:b] = values.reshape(target[at][..., a:b].shape)
        return latents[at][..., a:b].reshape(m.shape)

    IntegerContext(arrays).code(*latents.shape[:2], place, np.diff(GROUPS), code_pass)
    return mean, log_scale


def test_integers_agree_with_the_network_that_was_trained(float_network, arrays, latents):
    import tensorflow as tf

    for place in (0, 300, 1792):
        mean, log_scale = float_network(
            tf.constant(latents[None] / PER_STEP, tf.float32), tf.constant([place / 256], tf.float32)
        )
        got_mean, got_log_scale = (values / 2**OUTPUT_BITS for values in predictions(arrays, latents, place))
        got_log_scale = np.clip(got_log_scale, integer_context.MIN_LOG_SCALE, integer_context.MAX_LOG_SCALE)
        for got, want in ((got_mean / PER_STEP, mean.numpy()[0]), (got_log_scale, log_scale.numpy()[0])):
            assert want.std() > 0.1, "a network that predicts nothing would agree too easily"
            assert np.abs(got - want).mean() < 0.05 * want.std() + 2**-OUTPUT_BITS


def test_predictions_come_only_from_what_is_decoded_before(arrays, latents):
    mean, log_scale = predictions(arrays, latents, 700)
    changed = latents.copy()
    changed[..., GROUPS[3] :] += 3  # higher groups
    changed[:, 1::2, GROUPS[2] : GROUPS[3]] += 3  # in this group, what comes after pass A
    changed[1::2, :, GROUPS[2] : GROUPS[3]] += 3
    for before, after in zip((mean, log_scale), predictions(arrays, changed, 700)):
        assert np.array_equal(before[..., : GROUPS[2]], after[..., : GROUPS[2]])
        group = np.s_[..., GROUPS[2] : GROUPS[3]]
        assert np.array_equal(before[group][::2, ::2], after[group][::2, ::2])
        assert not np.array_equal(before[group], after[group])


@pytest.mark.parametrize("which", ["random", "shipped"])
def test_no_sum_can_leave_the_range_of_int32(which, arrays):
    if which == "shipped":
        shipped, _ = weights.load("rdcae")
        arrays = {k.removeprefix("context/"): v for k, v in shipped.items() if k.startswith("context/")}
    for k in range(len(GROUPS) - 1):
        group = {name.split("/")[1]: values for name, values in arrays.items() if name.startswith(f"{k}/")}
        assert all(0 < bound < LIMIT for bound in integer_context.bounds(group).values())


def test_bounds_are_those_of_the_worst_latents(arrays):
    """Features at their largest, of the sign of one weight of the first layer: its sum is what the bound says."""
    group = {name.split("/")[1]: values.astype(np.int64) for name, values in arrays.items() if name.startswith("1/")}
    features = {"magnitude": 89, "signed": 511}
    assert integer_context.MAGNITUDES.max() == features["magnitude"]
    sums = np.abs(group["quality"]).max(axis=1)[1:]
    for kind, largest in features.items():
        sums = sums + largest * np.abs(group[f"own_{kind}"]).sum(axis=(1, 2))
        sums = sums + largest * np.abs(group[f"lower_{kind}"]).reshape(-1, 9, integer_context.HIDDEN).sum(axis=(0, 1))
    assert integer_context.bounds(group)["first"] == pytest.approx(sums.max(), rel=1e-9)


def test_weights_too_large_for_int32_are_refused(float_network):
    groups = [{name: 1e6 * v.numpy() for name, v in group.items()} for group in float_network.groups]
    with pytest.raises(ValueError, match="too large"):
        integer_context.to_integers(groups)


def test_integers_can_be_trained_on(arrays):
    again = integer_context.to_integers(integer_context.from_integers(arrays))
    for name, values in arrays.items():
        assert np.array_equal(again[name], values), name


def test_single_rows_and_columns_are_predicted_too(arrays, latents):
    for part in (latents[:1, :1], latents[:1], latents[:, :1]):
        mean, _ = predictions(arrays, part, 0)
        assert mean.shape == part.shape


def test_threads_do_not_change_predictions(arrays, latents, monkeypatch):
    monkeypatch.setattr(integer_context, "THREADS", 1)
    alone = predictions(arrays, latents, 700)
    monkeypatch.setattr(integer_context, "MIN_POSITIONS", 1)
    for threads in (2, 5):
        monkeypatch.setattr(integer_context, "THREADS", threads)
        assert np.array_equal(predictions(arrays, latents, 700), alone)


def test_weights_of_16_bits_say_what_those_of_32_say(arrays, latents, monkeypatch):
    narrow = predictions(arrays, latents, 700)
    assert all(
        group[name].dtype == np.int16 for group in IntegerContext(arrays).groups for name in ("own_magnitude", "out")
    )
    monkeypatch.setattr(integer_context, "MATRICES", ())
    assert np.array_equal(predictions(arrays, latents, 700), narrow)


def test_weights_that_16_bits_do_not_hold_keep_their_32(arrays):
    arrays = arrays | {"2/middle": arrays["2/middle"].copy()}
    arrays["2/middle"][3, 4] = 2**15
    group = IntegerContext(arrays).groups[2]
    assert group["middle"].dtype == group["out"].dtype == np.int32 and np.array_equal(
        group["middle"], arrays["2/middle"]
    )


def test_what_goes_wrong_in_a_thread_is_raised(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(integer_context, "THREADS", 2)
    with ThreadPoolExecutor(2) as threads, pytest.raises(ZeroDivisionError):
        integer_context.in_parts(threads, lambda first, last: 1 // (first == 0), 10_000, 1)
