import io

import numpy as np
import pytest
from PIL import Image

import cae_compress
import cae_compress.pillow_plugin  # noqa: F401, registers the format
from cae_compress import BitstreamError, PictureError, bitstream


def test_pillow_writes_and_reads_cae_files(photograph, tmp_path):
    Image.fromarray(photograph).save(tmp_path / "a.cae", quality=40)
    assert (tmp_path / "a.cae").read_bytes() == cae_compress.encode(photograph, 40)
    with Image.open(tmp_path / "a.cae") as image:
        assert (image.format, image.mode, image.size) == ("CAE", "RGB", (300, 200))
        assert np.array_equal(np.asarray(image), cae_compress.load(tmp_path / "a.cae"))


def test_the_default_quality_is_the_packages(photograph):
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "CAE")
    assert file.getvalue() == cae_compress.encode(photograph)


def test_size_is_known_before_anything_is_decoded(photograph, monkeypatch):
    data = cae_compress.encode(photograph)
    monkeypatch.setattr("cae_compress.codec.decode", lambda *args: pytest.fail("decoded too early"))
    assert Image.open(io.BytesIO(data)).size == (300, 200)


def test_pictures_are_converted_cropped_and_copied_like_any_other(photograph):
    file = io.BytesIO()
    Image.fromarray(photograph).convert("L").save(file, "CAE")
    image = Image.open(file)
    assert image.crop((10, 20, 60, 50)).size == (50, 30)
    assert image.copy().resize((30, 20)).convert("L").mode == "L"
    assert image.format == "CAE" and Image.MIME["CAE"] == "image/x-cae"


def test_damaged_files_raise_bitstream_errors(photograph):
    data = cae_compress.encode(photograph)
    with pytest.raises(BitstreamError, match="truncated"):
        Image.open(io.BytesIO(data[:-1]))
    with pytest.raises(BitstreamError, match="checksum"):
        Image.open(io.BytesIO(data[:-1] + bytes([data[-1] ^ 1])))


def test_a_verified_image_can_be_loaded_and_a_closed_one_is_refused_as_pillow_refuses_it(photograph, tmp_path):
    Image.fromarray(photograph).save(tmp_path / "a.cae")
    image = Image.open(tmp_path / "a.cae")
    image.verify()
    assert np.array_equal(np.asarray(image), cae_compress.load(tmp_path / "a.cae"))
    image = Image.open(tmp_path / "a.cae")
    image.close()
    with pytest.raises(ValueError, match="closed image"):
        image.load()


def test_what_cannot_be_coded_is_refused(photograph):
    with pytest.raises(PictureError, match="transparent"):
        Image.new("RGBA", (4, 4)).save(io.BytesIO(), "CAE")
    with pytest.raises(PictureError, match="8 bits"):
        Image.new("I;16", (4, 4)).save(io.BytesIO(), "CAE")
    with pytest.raises(ValueError, match="1 to 100"):
        Image.fromarray(photograph).save(io.BytesIO(), "CAE", quality=0)


def test_grey_goes_in_and_comes_back_as_grey(photograph):
    for mode in ("L", "LA", "1"):
        file = io.BytesIO()
        image = Image.fromarray(photograph).convert("L").convert(mode)
        image.save(file, "CAE")
        with Image.open(file) as back:
            assert back.mode == "L" and back.size == image.size
            assert np.array_equal(np.asarray(back), cae_compress.decode(file.getvalue())[..., 0])
    file = io.BytesIO()
    Image.fromarray(photograph).convert("L").convert("RGB").save(file, "CAE")
    assert Image.open(file).mode == "RGB"


def test_files_are_closed_once_loaded(photograph, tmp_path):
    Image.fromarray(photograph[:20, :20]).save(tmp_path / "a.cae")
    image = Image.open(tmp_path / "a.cae")
    file = image.fp
    image.load()
    assert file.closed
    with open(tmp_path / "a.cae", "rb") as ours:
        Image.open(ours).load()
        assert not ours.closed, "a file that the caller opened is the caller's"


@pytest.mark.parametrize("mode, colour", [("RGB", (1, 2, 3)), ("L", 7)])
def test_pixels_can_be_written(mode, colour, photograph):
    file = io.BytesIO()
    Image.fromarray(photograph[:20, :20]).convert(mode).save(file, "CAE")
    image = Image.open(file)
    image.load()[3, 4] = colour
    assert image.getpixel((3, 4)) == colour
    image.paste(colour, (0, 0, 2, 2))
    assert image.getpixel((1, 1)) == colour


def test_several_frames_are_refused(tmp_path):
    frames = [Image.new("RGB", (4, 6), (60 * k + 30,) * 3) for k in range(3)]
    for options in ({"save_all": True}, {"append_images": frames[1:]}):
        with pytest.raises(PictureError, match="holds one picture"):
            frames[0].save(tmp_path / "a.cae", **options)
    assert not list(tmp_path.iterdir())


def test_quality_may_be_a_number_of_numpy(photograph):
    for quality in (np.int64(40), np.float32(40), np.arange(40, 42)[0]):
        file = io.BytesIO()
        Image.fromarray(photograph).save(file, "CAE", quality=quality)
        assert file.getvalue() == cae_compress.encode(photograph, 40)


def header_only(width, height):
    return io.BytesIO(bitstream.write(bitstream.Header("constant", bytes(4), width, height, 0), b""))


def test_pillows_limit_of_pixels_is_honoured(monkeypatch):
    with pytest.raises(Image.DecompressionBombError):
        Image.open(header_only(15_000, 15_000))
    with pytest.raises(ValueError):
        Image.open(header_only(20_000, 20_000))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(header_only(21, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert Image.open(header_only(20_000, 20_000)).size == (20_000, 20_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**9)
    assert Image.open(header_only(20_000, 20_000)).size == (20_000, 20_000)
