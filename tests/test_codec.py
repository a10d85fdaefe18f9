import numpy as np
import pytest

from cae_compress import CAECodec, PictureError, metrics


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (129, 127), (128, 256)])
@pytest.mark.parametrize("rotation", ["fixed", "block"])
def test_pictures_of_any_size_come_back_in_that_size(size, rotation, fixed_codec, block_codec):
    codec = {"fixed": fixed_codec, "block": block_codec}[rotation]
    image = np.random.default_rng(0).integers(100, 140, (*size, 3), dtype=np.uint8)
    decoded = codec.decode(codec.encode(image, 8))
    assert decoded.shape == image.shape and decoded.dtype == np.uint8
    assert metrics.psnr(image, decoded) > 25


@pytest.mark.parametrize("rotation", ["fixed", "block"])
def test_at_12_bits_a_photograph_comes_back_well(rotation, photograph, fixed_codec, block_codec):
    codec = {"fixed": fixed_codec, "block": block_codec}[rotation]
    assert metrics.psnr(photograph, codec.decode(codec.encode(photograph, 12))) > 34


def test_more_bits_give_a_better_picture_and_a_higher_estimate(photograph, fixed_codec):
    latents = [fixed_codec.encode(photograph, bits) for bits in (3, 5, 7, 9)]
    quality = [metrics.psnr(photograph, fixed_codec.decode(item)) for item in latents]
    rates = [item.estimate_bpp()[0] for item in latents]
    assert quality == sorted(quality) and rates == sorted(rates)


def test_latents_have_the_documented_shapes(photograph, block_codec, fixed_codec):
    latents = block_codec.encode(photograph, 6)  # 200x300: 2 by 3 blocks
    assert latents.q.shape == (6, 3, 16, 16, 32) and latents.q.dtype == np.int32
    assert latents.bases.shape == (6, 3, 32, 32) and latents.scales.shape == (6, 3)
    assert fixed_codec.encode(photograph, 6).bases is None


def test_rotation_modes_differ_and_only_the_one_per_block_needs_side_information(photograph, block_codec, fixed_codec):
    fixed, block = fixed_codec.encode(photograph, 6), block_codec.encode(photograph, 6)
    assert not np.array_equal(fixed.q, block.q)
    assert fixed.estimate_bpp()[0] == fixed.estimate_bpp()[1]
    side = block.estimate_bpp()[1] - block.estimate_bpp()[0]
    assert side == pytest.approx(6 * 3 * (32 * 32 + 1) * 16 / (200 * 300))


def test_blocks_are_coded_on_their_own(photographs, fixed_codec):
    image = np.ascontiguousarray(photographs["coffee"][:128, :256])
    changed = image.copy()
    changed[:, 128:] = 0
    before, after = (fixed_codec.decode(fixed_codec.encode(picture, 8)) for picture in (image, changed))
    assert np.array_equal(before[:, :128], after[:, :128])
    assert not np.array_equal(before[:, 128:], after[:, 128:])


def test_a_grey_picture_is_coded_as_rgb(photograph, fixed_codec):
    grey = photograph[..., 0]
    assert np.array_equal(fixed_codec.encode(grey, 6).q, fixed_codec.encode(np.dstack([grey] * 3), 6).q)


def test_a_constant_picture_does_not_trouble_the_rotation_per_block(block_codec):
    image = np.full((64, 64, 3), 128, np.uint8)
    assert metrics.psnr(image, block_codec.decode(block_codec.encode(image, 8))) > 30


@pytest.mark.parametrize("bits", [0, 17, 7.5, "8"])
def test_bits_out_of_range_are_refused_before_any_work(bits, photograph, fixed_codec):
    with pytest.raises(ValueError, match="1 to 16"):
        fixed_codec.encode(photograph, bits)


@pytest.mark.parametrize("bad", [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.uint16), np.zeros((0, 8, 3), np.uint8)])
def test_what_is_not_a_picture_is_refused(bad, fixed_codec):
    with pytest.raises(PictureError):
        fixed_codec.encode(bad)


def test_an_unknown_rotation_or_model_is_refused():
    with pytest.raises(ValueError, match="rotation"):
        CAECodec("diagonal")
    with pytest.raises(FileNotFoundError, match="no weights named 'nothing'"):
        CAECodec(model="nothing")
