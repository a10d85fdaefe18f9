"""Drawings are coded exactly where that is smaller, whatever is drawn; photographs never are."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import cae_compress
from cae_compress import BitstreamError, bitstream, cli, codec, datasets, synthetic
from cae_compress.exact import drawing
from cae_compress.exact.guesses import PixelCoder

DRAWN = ("text", "gradient", "slide", "chart", "screen", "facade")
CODER = drawing.DrawingCodec()


def model_of(data):
    return bitstream.read(data)[0].model


@st.composite
def images(draw):
    """Pictures of few or of many colours, of any shape."""
    shape = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    colours = rng.integers(0, 256, (draw(st.sampled_from([1, 2, 5, 300])), 3), dtype=np.uint8)
    return colours[rng.integers(len(colours), size=shape)]


@settings(max_examples=200, deadline=None)
@given(images())
def test_any_picture_comes_back_exactly(image):
    assert np.array_equal(CODER.decode(CODER.encode(image)), image)


@pytest.mark.parametrize("levels", itertools.product((0, 255), repeat=3))
def test_so_do_the_largest_jumps(levels):
    image = np.zeros((7, 9, 3), np.uint8)
    image[::2, ::3] = levels
    image[3] = 255 - np.uint8(levels)
    assert np.array_equal(CODER.decode(CODER.encode(image)), image)


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("tune", ["psnr", "ms-ssim"])
def test_drawings_come_back_exactly_in_fewer_bytes_beside_the_header_than_png_and_webp_take(name, tune, tmp_path):
    image = synthetic.pictures()[name]
    data = cae_compress.encode(image, 90, tune=tune)
    assert model_of(data) == drawing.MODEL and np.array_equal(cae_compress.decode(data), image)
    for file, options in (("a.png", {"optimize": True}), ("a.webp", {"lossless": True, "quality": 100, "method": 6})):
        Image.fromarray(image).save(tmp_path / file, **options)
        assert len(bitstream.read(data)[1]) < (tmp_path / file).stat().st_size


@pytest.mark.parametrize("name", ["text", "gradient", "facade"])
def test_text_gradients_and_stripes_come_back_exactly_at_the_lowest_quality_too(name):
    image = synthetic.pictures()[name]
    assert np.array_equal(cae_compress.decode(cae_compress.encode(image, 1)), image)


def test_photographs_and_noise_are_left_to_the_network(photographs):
    for image in (*photographs.values(), synthetic.pictures()["noise"]):
        assert model_of(cae_compress.encode(image[:256, :256], 100)) == "rdcae"


def test_what_is_exact_is_never_much_larger_than_what_is_not():
    for name, quality in itertools.product(DRAWN, (1, 20, 60, 100)):
        image = synthetic.pictures()[name]
        data, network = cae_compress.encode(image, quality), codec.load_codec().encode(image, quality)
        assert len(data) <= drawing.WORTH * len(network)
        assert model_of(data) == drawing.MODEL or len(CODER.encode(image)) > drawing.WORTH * len(network)


@pytest.mark.parametrize("size", [(1, 600), (600, 1), (3, 200), (5, 7), (1, 2)])
@pytest.mark.parametrize("quality", [15, 50, 100])
def test_a_strip_of_noise_is_never_larger_than_when_it_is_coded_exactly(size, quality):
    """The network codes rows and columns beside it too: up to six times the bytes."""
    noise = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    data = cae_compress.encode(noise, quality)
    assert len(data) <= len(CODER.encode(noise))
    assert model_of(data) == "rdcae" or np.array_equal(cae_compress.decode(data), noise)


@pytest.mark.parametrize("name", ["text", "screen"])
def test_any_size_can_still_be_had(name):
    image = synthetic.pictures()[name]
    exact = len(CODER.encode(image))
    assert len(cae_compress.encode_to_size(image, exact)) == exact
    assert len(cae_compress.encode_to_size(image, 10 * exact)) == exact
    for target in (exact - 1, exact - 300):
        data = cae_compress.encode_to_size(image, target)
        assert model_of(data) == "rdcae" and 0.98 * target <= len(data) <= target
    smallest = len(codec.load_codec().encode(image, 1))
    with pytest.raises(ValueError, match=f"smallest file of this picture has {smallest} bytes"):
        cae_compress.encode_to_size(image, smallest - 1)


def test_no_effort_is_spent_on_what_is_coded_exactly(monkeypatch):
    image = synthetic.pictures()["facade"]
    expected = cae_compress.encode(image, 40)
    monkeypatch.setattr(type(codec.load_codec()), "refine", None)
    assert cae_compress.encode(image, 40, effort=1000) == expected
    with pytest.raises(TypeError):
        cae_compress.encode(synthetic.pictures()["slide"], 1, effort=1)


def test_other_models_code_drawings_themselves():
    image = synthetic.pictures()["chart"]
    assert model_of(cae_compress.encode(image, 30, model="cheng2018-rate")).startswith("cheng2018")


def test_grey_drawings_stay_grey_and_keep_their_metadata():
    image = synthetic.pictures()["text"].copy()[..., 0]
    metadata = cae_compress.Metadata(dpi=(300, 300))
    data = cae_compress.encode(image, 80, metadata=metadata)
    assert model_of(data) == drawing.MODEL
    assert np.array_equal(cae_compress.decode(data, as_stored=True), image)
    assert cae_compress.metadata_of(data).dpi == (300, 300)


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_screen_tones_are_drawings_too(period):
    rows, columns = np.mgrid[:200, :300]
    image = np.where(((rows + columns) % period == 0)[..., None], np.uint8([250, 240, 230]), np.uint8([10, 20, 90]))
    data = cae_compress.encode(image)
    assert np.array_equal(cae_compress.decode(data), image) and len(data) < 400


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (1, 2), (2, 1), (2, 2)])
def test_narrow_pictures_are_no_error(size):
    image = np.zeros((*size, 3), np.uint8)
    image[-1, -1] = 200
    assert cae_compress.decode(cae_compress.encode(image, 90)).shape == image.shape


def test_large_ones_take_the_time_of_their_pixels_and_no_memory_beside_them():
    image = np.tile(synthetic.pictures()["slide"], (4, 5, 1))
    data = CODER.encode(image)
    assert len(data) < 12 * len(CODER.encode(synthetic.pictures()["slide"]))
    assert np.array_equal(CODER.decode(data), image)


@pytest.mark.parametrize("change, more", [({"settings": 1}, b""), ({}, b"\1\1\1\1\1"), ({"weights": b"1234"}, b"")])
def test_what_the_encoder_does_not_write_is_refused(change, more):
    header, payload = bitstream.read(CODER.encode(synthetic.pictures()["facade"]))
    with pytest.raises(BitstreamError):
        cae_compress.decode(bitstream.write(replace(header, **change), payload + more))


def test_noise_in_the_place_of_a_drawing_is_some_picture_or_refused():
    rng = np.random.default_rng(5)
    header, payload = bitstream.read(CODER.encode(synthetic.pictures()["facade"]))
    for size in (0, 1, 5, 500):
        try:
            assert CODER.decode_payload(header, rng.bytes(size)).shape == (256, 384, 3)
        except BitstreamError:
            assert size


def test_info_says_what_it_is(tmp_path, capsys):
    path = tmp_path / "page.cae"
    cae_compress.save(path, synthetic.pictures()["text"], 80)
    assert cli.main(["info", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "model drawing" in printed and "pixels" in printed


def test_rows_are_coded_alike_in_both_directions():
    image = drawing.packed(datasets.bundled()["coffee"][:20, :30])
    encoder = PixelCoder(30)
    for row in image:
        encoder.code(row)
    data = encoder.finish()
    decoder, decoded = PixelCoder(30, data), np.zeros_like(image)
    for row in decoded:
        decoder.code(row)
    assert np.array_equal(decoded, image) and np.array_equal(decoder.contexts, encoder.contexts)
