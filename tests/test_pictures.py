import cv2
import numpy as np
import pytest
from PIL import Image

from cae_compress import PictureError, pictures


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def test_an_rgb_png_is_read_exactly(rgb, tmp_path):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    assert np.array_equal(pictures.read(tmp_path / "a.png"), rgb)


def test_grey_and_palette_pictures_become_rgb(rgb, tmp_path):
    Image.fromarray(rgb[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(rgb[..., 0] > 128).save(tmp_path / "bilevel.png")
    Image.fromarray(rgb).quantize(16).save(tmp_path / "palette.png")
    assert np.array_equal(pictures.read(tmp_path / "grey.png"), np.dstack([rgb[..., 0]] * 3))
    assert set(np.unique(pictures.read(tmp_path / "bilevel.png"))) == {0, 255}
    expected = np.asarray(Image.open(tmp_path / "palette.png").convert("RGB"))
    assert np.array_equal(pictures.read(tmp_path / "palette.png"), expected)


def test_opaque_alpha_is_dropped_and_transparency_refused(rgb, tmp_path):
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "opaque.png")
    assert np.array_equal(pictures.read(tmp_path / "opaque.png"), rgb)
    rgba[3, 3, 3] = 254
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    with pytest.raises(PictureError, match="clear.png.*transparent"):
        pictures.read(tmp_path / "clear.png")


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (9, 7, 4)])
def test_16_bit_png_is_refused_not_truncated(shape, tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), np.full(shape, 1000, np.uint16))
    with pytest.raises(PictureError, match="8 bits"):
        pictures.read(tmp_path / "deep.png")


def test_cmyk_is_refused(tmp_path):
    Image.new("CMYK", (4, 4)).save(tmp_path / "print.jpg")
    with pytest.raises(PictureError, match="CMYK"):
        pictures.read(tmp_path / "print.jpg")


def test_the_cameras_orientation_is_applied(rgb, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(pictures.read(tmp_path / "turned.png"), np.rot90(rgb, -1))


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file: .*nowhere.png"):
        pictures.read(tmp_path / "nowhere.png")


def test_a_file_that_is_no_picture_says_so(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(PictureError, match="text.png: not a picture"):
        pictures.read(tmp_path / "text.png")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(keep, rgb, tmp_path):
    Image.fromarray(np.tile(rgb, (20, 20, 1))).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(PictureError, match="damaged"):
        pictures.read(tmp_path / "cut.png")


@pytest.mark.parametrize(
    "bad, reason",
    [
        (np.zeros((4, 4, 3)), "uint8"),
        (np.zeros((4, 4, 3), np.uint16), "uint8"),
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((4, 4, 4), np.uint8), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        ("photo.png", "uint8"),
    ],
)
def test_arrays_that_are_no_picture_are_refused(bad, reason):
    with pytest.raises(PictureError, match=reason):
        pictures.as_rgb(bad)
