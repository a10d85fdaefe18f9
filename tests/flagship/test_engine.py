"""OpenVINO's transforms are those of the Keras network, whatever the quality, the size and the precision."""

import sys
import threading

import numpy as np
import pytest

from cae_compress import bitstream, metrics
from cae_compress.flagship import codec as flagship_codec
from cae_compress.flagship import engine, tiling
from cae_compress.flagship.codec import RDCodec

PLACES = np.float32([0, 2.5, 7])
SIZES = [(16, 16), (16, 160), (208, 32), (192, 256)]


@pytest.fixture(scope="module")
def arrays():
    return RDCodec()._network_arrays


@pytest.fixture(scope="module")
def keras_network(arrays):
    """In float32; `tests/test_compiled_networks.py` holds it to itself, run operation by operation."""
    from cae_compress.flagship import network

    return network.from_arrays(arrays)


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "bfloat16"])
def transforms(request, arrays):
    if request.param and not flagship_codec.fast_bfloat16():
        pytest.skip("this processor has no bfloat16")
    return engine.Transforms(arrays, bfloat16=request.param)


@pytest.mark.parametrize("size", SIZES)
def test_latents_are_the_same(transforms, keras_network, photographs, size):
    largest, typical = (0.3, 0.009) if transforms.bfloat16 else (2e-3, 1e-4)
    for name, u in zip(("astronaut", "coffee", "china"), PLACES):
        x = photographs[name][None, 80 : 80 + size[0], 100 : 100 + size[1]]
        y = transforms.encode_pictures(x, u)
        error = np.abs(y - keras_network.encode_pictures(x, u).numpy())  # in quantization steps
        assert y.dtype == np.float32 and error.max() < largest and np.sqrt(np.mean(error**2)) < typical


@pytest.mark.parametrize("size", SIZES)
def test_pictures_are_the_same_but_for_a_level_in_a_few_samples(transforms, keras_network, photographs, size):
    share = 0.12 if transforms.bfloat16 else 1e-3
    rng = np.random.default_rng(0)
    for name, u in zip(("astronaut", "coffee", "china"), PLACES):
        x = photographs[name][None, 80 : 80 + size[0], 100 : 100 + size[1]]
        q = np.rint(2 * keras_network.encode_pictures(x, u).numpy()).astype(np.int16)
        offsets = rng.integers(-127, 128, q.shape).astype(np.int8)
        picture = transforms.decode_pictures(q, offsets, u)
        error = np.abs(picture - keras_network.decode_pictures(q, offsets, u).numpy().astype(int))
        assert picture.dtype == np.uint8 and error.max() <= 1 and np.mean(error > 0) < share


@pytest.mark.parametrize("in_use", [0, 1, 128, 129, 400, 768])
def test_channels_at_rest_change_no_picture(transforms, keras_network, photographs, in_use):
    x = photographs["coffee"][None, :96, :128]
    q = np.rint(2 * keras_network.encode_pictures(x, 6.0).numpy()).astype(np.int16)
    offsets = np.random.default_rng(1).integers(-127, 128, q.shape).astype(np.int8)
    q[..., in_use:], offsets[..., in_use:] = 0, 0
    if in_use:  # of the last of them, an offset alone may be there
        q[..., in_use - 1], offsets[0, 2, 3, in_use - 1] = 0, 99
    picture = transforms.decode_pictures(q, offsets, np.float32(6))
    error = np.abs(picture - keras_network.decode_pictures(q, offsets, 6.0).numpy().astype(int))
    assert error.max() <= 1 and np.mean(error > 0) < (0.12 if transforms.bfloat16 else 1e-3)


def test_the_largest_tile_with_its_margins_fits(transforms):
    side = tiling.TILE + 2 * flagship_codec.MARGIN
    y = transforms.encode_pictures(np.zeros((1, 16 * side, 16 * side, 3), np.uint8), 3.0)
    assert y.shape == (1, side, side, 768)


def test_large_tiles_have_two_linear_syntheses_where_small_ones_have_six(arrays, monkeypatch):
    transforms, asked = engine.Transforms(arrays), []
    linear = transforms.linear
    monkeypatch.setitem(transforms.__dict__, "linear", lambda channels: asked.append(channels) or linear(channels))
    for rows in (2, 32):
        for channel in range(0, 768, 128):
            q = np.zeros((1, rows, 64, 768), np.int16)
            q[..., channel] = 1
            transforms.decode_pictures(q, np.zeros(q.shape, np.int8), np.float32(5))
    assert asked == [128, 256, 384, 512, 640, 768, 384, 384, 384, 768, 768, 768]


def test_threads_may_share_them(transforms, photographs):
    pictures = [photographs[name][None, :64, :96] for name in ("coffee", "china")]
    alone = [transforms.encode_pictures(x, 3.0) for x in pictures]
    results = [[], []]

    def work(k):
        results[k] += [transforms.encode_pictures(pictures[k], 3.0) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(made) == 10 and all(np.array_equal(y, alone[k]) for y in made) for k, made in enumerate(results))


@pytest.mark.parametrize("wrong", [0, np.nan, 300])
def test_what_is_computed_wrongly_is_computed_again(arrays, photographs, wrong):
    sound, broken = engine.Transforms(arrays), engine.Transforms(arrays)
    x = photographs["coffee"][None, :208, :16]
    y = sound.encode_pictures(x, 5.0)
    q = np.rint(2 * y).astype(np.int16)
    offsets = np.zeros(q.shape, np.int8)
    picture = sound.decode_pictures(q, offsets, 5.0)

    def half_wrong(run, value):
        def wrongly(inputs, u):
            (result,) = run(inputs, u)
            result = result.copy()
            result[..., result.shape[-2] // 2 :, :] = value
            return [result]

        return wrongly

    broken.g_a, broken.g_s = half_wrong(broken.g_a, wrong), half_wrong(broken.g_s, 120)
    assert np.array_equal(broken.encode_pictures(x, 5.0), y)
    assert np.array_equal(broken.decode_pictures(q, offsets, 5.0), picture)


def test_sound_results_are_not_computed_twice(transforms, photographs):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, (1, 128, 128, 3), np.uint8) * np.uint8(255)
    for x in (noise, np.ascontiguousarray(photographs["china"][None, :320, :320])):
        for u in PLACES:
            q = np.rint(2 * transforms.encode_pictures(x, u)).astype(np.int16)
            transforms.decode_pictures(q, np.zeros(q.shape, np.int8), u)
    assert "in_float32" not in vars(transforms)


def test_without_openvino_the_codec_runs_keras_network(photograph, monkeypatch):
    ours = RDCodec()
    monkeypatch.setitem(sys.modules, "openvino", None)  # what makes its import fail
    theirs = RDCodec()
    assert theirs.transforms is theirs.network
    monkeypatch.undo()
    assert isinstance(ours.transforms, engine.Transforms)
    for quality in (20, 80):
        data = theirs.encode(photograph, quality)
        decoded, own = theirs.decode(data), ours.encode(photograph, quality)
        error = np.abs(ours.decode(data).astype(int) - decoded)
        assert error.max() <= 2 and np.mean(error > 0) < 0.15  # Keras' own error in bfloat16
        assert np.array_equal(*(codec.decode_latents(*bitstream.read(data)) for codec in (ours, theirs)))
        assert len(own) == pytest.approx(len(data), rel=0.01)
        assert metrics.psnr(photograph, ours.decode(own)) == pytest.approx(metrics.psnr(photograph, decoded), abs=0.1)
