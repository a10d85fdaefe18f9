"""Compiled network functions give what the same network gives operation by operation.

TensorFlow's graph optimiser once fused a leaky ReLU wrongly: no result was absurd, all were worse. So every function
that codes pictures is held here to its eager self, on photographs.
"""

import numpy as np
import pytest
import tensorflow as tf

from cae_compress import weights
from cae_compress.balle2017 import codec as balle2017
from cae_compress.cheng2018 import network as cheng2018
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.flagship import network as flagship
from cae_compress.flagship.codec import RDCodec
from cae_compress.theis2017 import codec as theis2017
from cae_compress.toderici2017 import network as toderici2017
from cae_compress.toderici2017.codec import Toderici2017Codec

PLACES = np.float32([0, 2.5, 7])
CHENG2018 = [name for name in weights.names() if name.startswith("cheng2018")]


@pytest.fixture(scope="module")
def exact():
    """The flagship in float32, to be run operation by operation."""
    return flagship.from_arrays(RDCodec()._network_arrays)


@pytest.fixture(scope="module")
def squares(photographs):
    return np.stack([photographs[name][80:272, 100:356] for name in ("astronaut", "coffee", "china")])


def eager(function, *args):
    """What a compiled method of a network gives when nothing is compiled."""
    return function.python_function(*map(tf.constant, args)).numpy()


@pytest.mark.parametrize("dtype, largest, typical", [(None, 2e-3, 1e-4), ("mixed_bfloat16", 0.3, 0.009)])
def test_the_flagships_analysis(dtype, largest, typical, exact, squares):
    network = flagship.from_arrays(RDCodec()._network_arrays, dtype)
    for u in PLACES:
        for x in squares[:, None]:
            y = network.encode_pictures(x, u).numpy()
            error = np.abs(y - eager(exact.encode_pictures, x, u))  # in quantization steps
            assert error.max() < largest and np.sqrt(np.mean(error**2)) < typical


@pytest.mark.parametrize("dtype, largest, share", [(None, 1, 1e-3), ("mixed_bfloat16", 2, 0.15)])
def test_the_flagships_synthesis(dtype, largest, share, exact, squares):
    network = flagship.from_arrays(RDCodec()._network_arrays, dtype)
    for u in PLACES:
        for x in squares[:, None]:
            q = (2 * np.rint(eager(exact.encode_pictures, x, u))).astype(np.int16)
            offsets = np.zeros(q.shape, np.int8)
            picture = network.decode_pictures(q, offsets, u).numpy().astype(int)
            error = np.abs(picture - eager(exact.decode_pictures, q, offsets, u))  # in grey levels
            assert error.max() <= largest and np.mean(error > 0) < share


@pytest.mark.parametrize("name", CHENG2018)
def test_both_halves_of_the_cae(name, squares):
    cae = CAECodec(model=name).cae
    x = cheng2018.as_planes(squares)
    y = cae.encode_planes(x).numpy()
    assert np.abs(y - eager(cae.encode_planes, x)).max() < 1e-3 * np.abs(y).max()
    assert np.abs(cae.decode_planes(y) - eager(cae.decode_planes, y)).max() < 1e-3


@pytest.mark.parametrize("paper, name", [(paper, name) for paper in (balle2017, theis2017) for name in paper.MODELS])
def test_both_networks_of_the_papers_of_2017(paper, name, squares):
    pair = paper.codec_of_weights(name).pair
    x = squares / np.float32(255)
    y = pair._encode(x).numpy()
    assert np.abs(y - pair.g_a(x).numpy()).max() < 2e-3  # in quantization steps
    assert np.abs(pair._decode(y).numpy() - pair.g_s(y).numpy()).max() < 1e-3


def test_a_pass_of_toderici_2017_and_its_decoder(squares):
    tiles, x = Toderici2017Codec().tiles, squares[:1] / np.float32(255) - 0.5
    r, states = x, (None, None)
    for gain in toderici2017.GAINS[:3]:
        compiled = tiles.one_pass(tf.constant(r), tf.constant(gain), states)
        bits, r, states = tiles.model.one_pass(r, gain, states)  # operation by operation
        assert np.mean(compiled[0] != bits) < 1e-3  # where a sign turns, all else may be another
        for a, b in zip(*(tiles.decoder(bits, states[1]), tiles.model.decoder(bits, states[1]))):
            for one, other in zip(tf.nest.flatten(a), tf.nest.flatten(b)):
                assert np.abs(one - other).max() < 1e-4


def test_validation_while_training(squares, photographs):
    from cae_compress.flagship import train

    codec = RDCodec()
    settings = train.Settings(start="rdcae", crop=64, final_crop=64, steps=2, decay_steps=1, dtype=None)
    task = train.RateDistortion(list(photographs.values()), [squares[0]], settings)
    assert np.array_equal(task.model.log_gain, codec.network.log_gain)
    x, u = tf.constant(squares[:1]), tf.constant([6.5])
    compiled, one_by_one = task._measure(x, u), task.loss(x, u, training=False)
    for a, b in zip(compiled, one_by_one):
        assert float(a[0]) == pytest.approx(float(b[0]), rel=1e-4)
