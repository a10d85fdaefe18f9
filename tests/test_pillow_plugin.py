import io

import numpy as np
import pytest
from PIL import Image

import cae_compress
import cae_compress.pillow_plugin  # noqa: F401, registers the format
from cae_compress import BitstreamError, PictureError


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


def test_what_cannot_be_coded_is_refused(photograph):
    with pytest.raises(PictureError, match="transparent"):
        Image.new("RGBA", (4, 4)).save(io.BytesIO(), "CAE")
    with pytest.raises(PictureError, match="8 bits"):
        Image.new("I;16", (4, 4)).save(io.BytesIO(), "CAE")
    with pytest.raises(ValueError, match="1 to 100"):
        Image.fromarray(photograph).save(io.BytesIO(), "CAE", quality=0)
