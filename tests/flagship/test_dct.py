import numpy as np
import pytest

from cae_compress import BitstreamError, bitstream, metrics, synthetic
from cae_compress.flagship import dct, tiling
from cae_compress.flagship.codec import BY_DCT, MAX_PLACE, RDCodec, place_of_quality
from cae_compress.flagship.loss import loss
from cae_compress.lab.baselines import Jpeg2000


@pytest.fixture(scope="module")
def codec():
    return RDCodec()


@pytest.fixture(scope="module")
def tuned():
    return RDCodec("rdcae-ms-ssim")


@pytest.fixture(scope="module")
def noise():
    return synthetic.pictures()["noise"]


def grainy(photograph, deviation, seed=0):
    grain = deviation * np.random.default_rng(seed).standard_normal(photograph.shape)
    return np.clip(np.rint(photograph + grain), 0, 255).astype(np.uint8)


def by_dct(data):
    return bool(bitstream.read(data)[0].settings & BY_DCT)


def test_the_functions_are_orthonormal_and_the_first_is_the_mean():
    functions = dct.transform(np.eye(768).reshape(768, 16, 16, 3) + dct.MIDDLE)  # a row a sample
    np.testing.assert_allclose(functions.T @ functions, np.eye(768), atol=1e-5)
    np.testing.assert_allclose(functions[:, 0], np.full(768, 768**-0.5), rtol=1e-5)
    for k in (1, 2, 3):  # then the slow ones of the luma, alike in all colours
        assert np.abs(np.diff(functions[:, k].reshape(16, 16, 3), axis=2)).max() < 1e-6


def test_without_quantization_nothing_is_lost(photograph):
    pixels = tiling.pixels_of(photograph, np.s_[0:5, 0:7])
    y = dct.analyse(pixels, place=MAX_PLACE)
    assert y.shape == (5, 7, 768) and y.dtype == np.float32
    restored = dct.inverse(y * np.float32(dct.step_at(MAX_PLACE)))
    assert np.abs(restored - tiling.cut(pixels)).max() < 0.01
    worst = 10 * np.log10(255**2 * 12 / ((dct.step_at(MAX_PLACE) / 2) ** 2 + 1))  # errors of half a step, of a level
    assert metrics.psnr(pixels, dct.synthesise(np.rint(2 * y).astype(np.int32), MAX_PLACE)) > worst - 0.1


@pytest.mark.parametrize("quality", [10, 29, 57, 80, 100])
def test_noise_is_better_than_by_jpeg2000_at_every_quality(codec, noise, quality):
    data = codec.encode(noise, quality)
    jpeg2000 = Jpeg2000()
    theirs = jpeg2000.decode(jpeg2000.encode_to_size(noise, len(data)))
    assert metrics.psnr(noise, codec.decode(data)) > metrics.psnr(noise, theirs)


def test_quality_means_about_the_same_of_noise_as_of_photographs(codec, noise):
    assert metrics.psnr(noise, codec.decode(codec.encode(noise, 100))) > 43


@pytest.mark.parametrize("deviation, quality", [(40, 60), (20, 80), (10, 100)])
def test_grain_is_kept_where_the_networks_lose_it(codec, photographs, deviation, quality):
    picture = grainy(photographs["coffee"][:160, :208], deviation)
    data, by_networks = codec.encode(picture, quality), codec.encode_at(picture, quality)
    assert by_dct(data) and not by_dct(by_networks)
    assert len(data) < 1.35 * len(by_networks)
    assert metrics.psnr(picture, codec.decode(data)) > metrics.psnr(picture, codec.decode(by_networks)) + 2


def test_the_way_of_less_loss_is_taken(codec, photographs):
    for picture in (grainy(photographs["coffee"][:96, :96], 12), photographs["china"][:96, :96]):
        for quality in (60, 90):
            place = place_of_quality(quality)
            chosen, *both = (
                codec.encode(picture, quality),
                codec.encode_at(picture, quality),
                codec.encode_by_dct(picture, quality),
            )
            assert chosen in both
            losses = [loss(picture, codec.decode(data), place, 8 * len(data)) for data in (chosen, *both)]
            assert losses[0] == min(losses)


def test_photographs_are_for_the_networks(codec, photographs):
    for picture in photographs.values():
        assert not any(by_dct(codec.encode(picture[:128, :160], quality)) for quality in (10, 50, 75))


def test_tuned_for_ms_ssim_it_is_that_which_tells(tuned, noise, photographs):
    for picture, quality in ((noise, 100), (grainy(photographs["coffee"][:192, :208], 20), 100)):
        data, by_networks = tuned.encode(picture, quality), tuned.encode_at(picture, quality)
        assert by_dct(data) and not by_dct(by_networks)
        lack = [1 - metrics.ms_ssim(picture, tuned.decode(file)) for file in (data, by_networks)]
        assert lack[0] < 0.1 * lack[1]
    assert not by_dct(tuned.encode(grainy(photographs["coffee"][:192, :208], 20), 60)), "which few would see"


@pytest.mark.parametrize("height, width", [(1, 1), (5, 130), (17, 16), (70, 33)])
def test_any_size(codec, noise, height, width, monkeypatch):
    picture = noise[:height, :width]
    for tile in (tiling.TILE, 2):  # one tile, and many
        monkeypatch.setattr(tiling, "TILE", tile)
        decoded = codec.decode(codec.encode_by_dct(picture, 100))
        assert decoded.shape == picture.shape and metrics.psnr(picture, decoded) > 42


def test_a_few_patches_tell_whether_a_dct_is_tried(codec, noise, photographs, monkeypatch):
    for picture in (noise, np.tile(noise, (8, 8, 1)), noise[:20, :50]):
        assert dct.may_pay(picture, place_of_quality(70)) and not dct.may_pay(picture, 0)
    for picture in photographs.values():
        assert not any(dct.may_pay(picture, place_of_quality(quality)) for quality in (1, 50, 100))
    monkeypatch.setattr(codec, "encode_by_dct", None)  # of photographs it is not tried
    assert codec.encode(photographs["china"][:64, :64], 100)


def test_impossible_settings_are_refused(codec, noise):
    header, payload = bitstream.read(codec.encode_by_dct(noise[:40, :40], 50))
    for settings in (BY_DCT | (MAX_PLACE + 1), BY_DCT << 1, BY_DCT << 1 | 5):
        with pytest.raises(BitstreamError, match="impossible settings"):
            codec.decode(bitstream.write(bitstream.Header(**{**vars(header), "settings": settings}), payload))


def test_what_is_said_of_such_files_adds_up(codec, noise):
    header, payload = bitstream.read(codec.encode(noise[:64, :64], 80))
    assert header.settings & BY_DCT
    assert sum(codec.sections(header, payload).values()) == pytest.approx(len(payload))
    assert codec.estimate_bpp(header, payload)[0] > 1
