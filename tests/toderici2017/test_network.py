import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from cae_compress.toderici2017 import network
from cae_compress.toderici2017.bits import BITS, PASSES, PATCH


def convolved(x, kernel, strides=1):
    """ "Same" convolution of (h, w, c) with (k, k, c, d), sides multiples of the stride: by its definition."""
    k, (height, width) = len(kernel), x.shape[:2]
    total = max(k - strides, 0)
    before = total // 2
    padded = np.pad(x, ((before, total - before), (before, total - before), (0, 0)))
    return np.array(
        [
            [np.tensordot(padded[i : i + k, j : j + k], kernel, 3) for j in range(0, width, strides)]
            for i in range(0, height, strides)
        ]
    )


@pytest.mark.parametrize("hidden_kernel, strides", [(1, 1), (1, 2), (3, 1), (3, 2)])
def test_the_cell_is_its_formula(hidden_kernel, strides):
    rng = np.random.default_rng(1)
    cell = network.ConvLSTM(5, hidden_kernel, strides)
    cell.build((None, None, None, 3))
    cell.set_weights([rng.normal(0, 0.5, v.shape) for v in cell.get_weights()])
    from_input, bias, from_hidden = cell.get_weights()
    h, c = np.zeros((2, 4, 6, 5)), np.zeros((2, 4, 6, 5))
    state = None
    for _ in range(3):  # the state goes from call to call
        x = rng.normal(size=(2, 4 * strides, 6 * strides, 3)).astype(np.float32)
        gates = [convolved(a, from_input, strides) + bias + convolved(b, from_hidden) for a, b in zip(x, h)]
        i, f, o, g = np.split(np.array(gates), 4, axis=-1)
        c = expit(f + 1) * c + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(c)
        given, state = cell(x, state)
        assert np.allclose(given, h, atol=1e-5) and np.allclose(state[1], c, atol=1e-5)


def test_the_binarizer_gives_on_average_what_it_is_given():
    p = tf.constant(np.tile(np.float32([-1, -0.7, 0, 0.2, 1]), (40_000, 1)))
    bits = network.binarize(p, tf.random.stateless_uniform(p.shape, (1, 2))).numpy()
    assert set(np.unique(bits)) == {-1, 1}
    assert np.allclose(bits.mean(axis=0), p[0], atol=0.02)
    assert (bits[:, 0] == -1).all() and (bits[:, 4] == 1).all()


@pytest.mark.parametrize("u", [None, np.float32([0.3, 0.6, 0.9])])
def test_the_binarizers_gradient_is_that_of_its_expectation(u):
    p, slope = tf.constant([-0.5, 0.1, 0.9]), tf.constant([1.0, -2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = tf.reduce_sum(slope * network.binarize(p, u))
    assert np.array_equal(tape.gradient(value, p), slope)


def test_in_a_file_bits_are_signs():
    assert network.binarize(tf.constant([-0.1, 0.001, 0.8])).numpy().tolist() == [-1, 1, 1]


def test_a_pass_subtracts_what_its_bits_decode_to(model, photographs):
    x = photographs["coffee"][None, :48, :64]
    left_over = model.residuals(x, PASSES).numpy()
    r, states, decoded, total = x.astype(np.float32) / 255 - 0.5, (None, None), None, 0.5
    for t in range(PASSES):
        bits, r, states = model.one_pass(r, network.GAINS[t], states)
        assert bits.shape == (1, 48 // PATCH, 64 // PATCH, BITS) and set(np.unique(bits)) <= {-1, 1}
        assert np.allclose(r, left_over[t], atol=1e-5)
        change, decoded = model.decoder(bits, decoded)  # the decoder alone, from bits alone
        total += change / network.GAINS[t]
        assert np.allclose(x / 255 - total, left_over[t], atol=1e-5)


def test_states_matter(model, photographs):
    x = photographs["coffee"][None, :32, :32].astype(np.float32) / 255 - 0.5
    first, r, states = model.one_pass(x, 1.0)
    assert not np.array_equal(first, model.one_pass(x, 1.0, states)[0])


def test_bits_by_chance_follow_from_the_seed_and_differ_from_pass_to_pass(model, photographs):
    x = photographs["coffee"][None, :32, :32]
    seeds = [tf.constant(seed, tf.int64) for seed in ((1, 2), (1, 2), (1, 3))]
    once, again, other = (model.residuals(x, 2, seed).numpy() for seed in seeds)
    assert np.array_equal(once, again) and not np.array_equal(once, other)


def test_weights_go_to_arrays_and_back(model, photographs):
    x = photographs["coffee"][None, :32, :32]
    again = network.from_arrays({**network.to_arrays(model), "another": np.zeros(3)})
    assert np.array_equal(again.residuals(x, 2), model.residuals(x, 2))
    with pytest.raises(ValueError, match="not weights of toderici2017"):
        network.from_arrays({"g_a/000": np.zeros(3)})


def test_there_is_a_gain_for_every_pass():
    assert len(network.GAINS) == PASSES
