import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cae_compress import BitstreamError, CAECodec, PictureError, bitstream, metrics
from cae_compress.cheng2018 import blocks, color
from cae_compress.cheng2018.latents import FLAT, Latents


@pytest.fixture(params=["fixed", "block", "none"])
def codec(request, fixed_codec, block_codec, unrotated_codec):
    return {"fixed": fixed_codec, "block": block_codec, "none": unrotated_codec}[request.param]


@pytest.fixture(scope="module")
def unrotated_codec():
    return CAECodec("none")


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (129, 127), (128, 256)])
def test_pictures_of_any_size_come_back_in_that_size(size, codec):
    image = np.random.default_rng(0).integers(100, 140, (*size, 3), dtype=np.uint8)
    decoded = codec.decode(codec.encode(image, 8))
    assert decoded.shape == image.shape and decoded.dtype == np.uint8
    assert metrics.psnr(image, decoded) > 25


def test_at_12_bits_a_photograph_comes_back_well(codec, photograph):
    assert metrics.psnr(photograph, codec.decode(codec.encode(photograph, 12))) > 34


def test_more_bits_give_a_better_picture_and_a_larger_file(codec, photograph):
    files = [codec.encode(photograph, bits) for bits in (3, 4.5, 5, 7, 9)]
    quality = [metrics.psnr(photograph, codec.decode(data)) for data in files]
    assert quality == sorted(quality) and files == sorted(files, key=len)


@pytest.mark.parametrize("bits", [1, 2, 5.3, 8, 16])
def test_a_file_decodes_to_the_latents_and_the_picture_of_the_model_run_without_the_coder(codec, bits, photograph):
    data = codec.encode(photograph, bits)
    coded, decoded = codec.latents(photograph, bits), Latents.concatenate(codec.decode_latents(*bitstream.read(data)))
    assert np.array_equal(decoded.q, coded.q) and np.array_equal(decoded.classes, coded.classes)
    height, width = photograph.shape[:2]
    assert np.array_equal(codec.decode(data), codec.reconstruct(coded, bits, height, width))


PICTURES = st.tuples(
    st.integers(1, 140), st.integers(1, 140), st.integers(0, 2**32), st.sampled_from(["random", "two", "flat"])
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PICTURES, st.floats(1, 16))
def test_every_picture_goes_through_a_file_exactly_as_through_the_model(codec, picture, bits):
    height, width, seed, kind = picture
    rng = np.random.default_rng(seed)
    image = {
        "random": lambda: rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        "two": lambda: rng.choice(np.array([0, 255], np.uint8), (height, width, 3)),
        "flat": lambda: np.broadcast_to(rng.integers(0, 256, 3, dtype=np.uint8), (height, width, 3)),
    }[kind]()
    expected = codec.reconstruct(codec.latents(image, bits), bits, height, width)
    assert np.array_equal(codec.decode(codec.encode(image, bits)), expected)


def test_the_same_picture_gives_the_same_bytes(codec, photograph):
    assert codec.encode(photograph, 6) == codec.encode(photograph.copy(), 6)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (10, 200, 77), (255, 0, 1)])
def test_a_constant_picture_fits_in_100_bytes_and_is_exact(codec, colour):
    image = np.full((512, 768, 3), colour, np.uint8)
    data = codec.encode(image, 6)
    assert len(data) <= 100
    assert np.array_equal(codec.decode(data), image)


def test_a_grey_picture_stays_grey_and_costs_no_chroma(fixed_codec, photograph):
    grey = photograph[..., 1]
    data = fixed_codec.encode(grey, 6)
    assert data == fixed_codec.encode(np.dstack([grey] * 3), 6)
    decoded = fixed_codec.decode(data)
    assert np.ptp(decoded.astype(int), axis=2).max() <= 1
    assert (fixed_codec.latents(grey, 6).classes[:, 1:] == FLAT).all()


def test_latents_have_the_documented_shapes(photograph, block_codec, fixed_codec):
    latents = block_codec.latents(photograph, 6)  # 200x300: 2 by 3 blocks
    assert latents.q.shape == (6, 3, 16, 16, 32) and latents.q.dtype == np.int32
    assert latents.bases.shape == (6, 3, 32, 32) and latents.ranges.shape == latents.classes.shape == (6, 3)
    assert fixed_codec.latents(photograph, 6).bases is None


def test_rotation_modes_differ_and_only_the_one_per_block_needs_side_information(photograph, block_codec, fixed_codec):
    fixed, block = fixed_codec.latents(photograph, 6), block_codec.latents(photograph, 6)
    assert not np.array_equal(fixed.q, block.q)
    estimate, with_side = fixed.estimate_bpp(200 * 300)
    assert estimate == with_side
    estimate, with_side = block.estimate_bpp(200 * 300)
    assert with_side - estimate == pytest.approx(6 * 3 * (32 * 32 + 1) * 16 / (200 * 300))


def test_the_network_codes_each_block_on_its_own(photographs, fixed_codec):
    image = np.ascontiguousarray(photographs["coffee"][:128, :256])
    changed = image.copy()
    changed[:, 128:, 0] ^= 85
    before, after = (fixed_codec.decode(fixed_codec.encode(picture, 8)) for picture in (image, changed))
    assert np.array_equal(before[:, :128], after[:, :128])
    assert not np.array_equal(before[:, 128:], after[:, 128:])


def test_files_are_at_least_a_tenth_smaller_than_the_zero_order_estimate(photographs, fixed_codec):
    image = photographs["chelsea"]
    num_pixels = image.shape[0] * image.shape[1]
    for bits in range(2, 9):
        estimate, _ = fixed_codec.latents(image, bits).estimate_bpp(num_pixels)
        assert metrics.bits_per_pixel(len(fixed_codec.encode(image, bits)), image) < 0.9 * estimate


def test_without_a_rotation_the_integers_are_those_of_the_code_itself(photograph, unrotated_codec, fixed_codec):
    x = blocks.split(color.rgb_to_ycbcr(photograph), 128)
    y = unrotated_codec.analyse(x)
    expected = np.rint((y - unrotated_codec.mean) / unrotated_codec.scale * 2**6)
    assert np.array_equal(unrotated_codec.latents(photograph, 7).q, expected)
    assert not np.array_equal(fixed_codec.latents(photograph, 7).q, expected)


def test_a_file_of_the_other_rotation_or_of_other_weights_is_handled(
    photograph, fixed_codec, block_codec, unrotated_codec
):
    data = block_codec.encode(photograph, 6)
    assert np.array_equal(fixed_codec.decode(data), block_codec.decode(data)), "the file says which rotation"
    data = unrotated_codec.encode(photograph, 6)
    assert np.array_equal(fixed_codec.decode(data), unrotated_codec.decode(data))
    assert not np.array_equal(fixed_codec.decode(data), fixed_codec.decode(fixed_codec.encode(photograph, 6)))
    header, payload = bitstream.read(data)
    other = bitstream.Header(header.model, b"\0\0\0\0", header.width, header.height, header.settings)
    with pytest.raises(BitstreamError, match="made by model cheng2018 .00000000."):
        fixed_codec.decode(bitstream.write(other, payload))


@pytest.mark.parametrize("settings", [0, 255, 1 << 24 | 255, 3 << 24 | 4096, 0xFFFFFFFF])
def test_impossible_settings_are_refused(settings, fixed_codec):
    header = bitstream.Header("cheng2018", fixed_codec.weights_id, 8, 8, settings)
    with pytest.raises(BitstreamError, match="settings"):
        fixed_codec.decode(bitstream.write(header, b"abc"))


@pytest.mark.parametrize("bits", [0, 17, "8"])
def test_bits_out_of_range_are_refused_before_any_work(bits, photograph, fixed_codec):
    with pytest.raises(ValueError, match="1 to 16"):
        fixed_codec.encode(photograph, bits)


@pytest.mark.parametrize(
    "bad", [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.uint16), np.zeros((0, 8, 3), np.uint8)]
)
def test_what_is_not_a_picture_is_refused(bad, fixed_codec):
    with pytest.raises(PictureError):
        fixed_codec.encode(bad)


def test_an_unknown_rotation_or_model_is_refused():
    with pytest.raises(ValueError, match="rotation"):
        CAECodec("diagonal")
    with pytest.raises(FileNotFoundError, match="no weights named 'nothing'"):
        CAECodec(model="nothing")


@pytest.mark.parametrize("value", [64, -65, 5000])
def test_latents_outside_the_quantizers_range_are_refused(value, fixed_codec, photograph, monkeypatch):
    def beyond(*args):
        latents = CAECodec.quantize(fixed_codec, *args)
        latents.q[1, 0, 3, 4, 5], latents.classes[1, 0] = value, 32
        return latents

    monkeypatch.setattr(fixed_codec, "quantize", beyond)
    data = fixed_codec.encode(photograph, 7)  # -64 to 63
    with pytest.raises(BitstreamError, match="outside the quantizer's range"):
        fixed_codec.decode(data)


def test_a_basis_that_is_none_is_refused(block_codec, photograph, monkeypatch):
    def beyond(*args):
        latents = CAECodec.quantize(block_codec, *args)
        latents.bases[0, 0, 3, 0] = 1 << 12
        return latents

    monkeypatch.setattr(block_codec, "quantize", beyond)
    with pytest.raises(BitstreamError, match="basis"):
        block_codec.decode(block_codec.encode(photograph, 6))
