import numpy as np
import pytest

from cae_compress import integer_context, weights
from cae_compress.integer_context import CHANNELS, GROUPS, LIMIT, OUTPUT_BITS, IntegerContext


@pytest.fixture(scope="module")
def float_network():
    """A network with random weights, large enough to matter."""
    from cae_compress.models.context_network import ContextNetwork

    network, rng = ContextNetwork(), np.random.default_rng(1)
    network.build(None)
    for group in network.groups:
        for name, variable in group.items():
            spread = 0.05 if name.startswith(("own", "lower", "mean")) else 0.1
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
    """Mean and log scale of every latent, with the latents given."""
    mean, log_scale = np.zeros((2, *latents.shape))

    def code_pass(k, at, m, s):
        a, b = GROUPS[k], GROUPS[k + 1]
        for target, values in ((mean, m), (log_scale, s)):
            target[at][..., a:b] = values.reshape(target[at][..., a:b].shape)
        return latents[at][..., a:b]

    IntegerContext(arrays).code(*latents.shape[:2], place, np.diff(GROUPS), code_pass)
    return mean, log_scale


def test_integers_agree_with_the_network_that_was_trained(float_network, arrays, latents):
    import tensorflow as tf

    for place in (0, 300, 1792):
        wanted = float_network(tf.constant(latents[None], tf.float32), tf.constant([place / 256], tf.float32))
        for got, want in zip(predictions(arrays, latents, place), wanted):
            want = want.numpy()[0]
            got = (
                np.clip(got / 2**OUTPUT_BITS, -3.5, 7)
                if want.max() <= 7 and want.min() >= -3.5
                else got / 2**OUTPUT_BITS
            )
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
def test_no_sum_can_leave_the_range_where_float32_is_exact(which, arrays):
    if which == "shipped":
        shipped, _ = weights.load("rdcae")
        arrays = {k.removeprefix("context/"): v for k, v in shipped.items() if k.startswith("context/")}
    most = integer_context.MAX_ACTIVATION
    for k in range(len(GROUPS) - 1):
        group = {
            name: np.abs(arrays[f"{k}/{name}"].astype(np.int64))
            for name in integer_context.ARRAYS
            if f"{k}/{name}" in arrays
        }
        own = [
            sum(
                largest * group[f"own_{kind}"][number].sum(axis=(0, 1))
                for kind, largest in (("magnitude", 89), ("signed", 255))
                if f"own_{kind}" in group
            )
            for number in range(len(group["mean"]))
        ]
        lower = sum(
            largest * group[f"lower_{kind}"].sum(axis=0).reshape(9, -1).sum(axis=0)
            for kind, largest in (("magnitude", 89), ("signed", 255))
            if k
        )
        assert integer_context.MAGNITUDES.max() == 89
        assert (np.max(own, axis=0) + lower + group["quality"].max(axis=(0, 1))).max() < LIMIT
        assert (most * group["middle"].sum(axis=0) + group["middle_bias"]).max() < LIMIT
        assert (2 * most * group["out"].sum(axis=0) + group["out_bias"].max(axis=0)).max() < LIMIT
        assert group["mean"].sum(axis=(1, 2)).max() * 255 < LIMIT


def test_integers_can_be_trained_on(arrays):
    again = integer_context.to_integers(integer_context.from_integers(arrays))
    for name, values in arrays.items():
        assert np.array_equal(again[name], values), name


def test_the_order_of_summation_does_not_matter(arrays, latents, monkeypatch):
    usual = predictions(arrays, latents, 700)

    def backwards(features, matrix):
        features = features.reshape(-1, features.shape[-1])
        total = np.zeros((len(features), matrix.shape[1]), np.float32)
        for k in reversed(range(features.shape[1])):
            total += features[:, k : k + 1] * matrix[k]
        return total

    monkeypatch.setattr(integer_context, "_product", backwards)
    for a, b in zip(usual, predictions(arrays, latents, 700)):
        assert np.array_equal(a, b)


def test_single_rows_and_columns_are_predicted_too(arrays, latents):
    for part in (latents[:1, :1], latents[:1], latents[:, :1]):
        mean, _ = predictions(arrays, part, 0)
        assert mean.shape == part.shape
