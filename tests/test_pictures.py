import os
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

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


def test_what_is_there_and_no_file_is_not_called_missing(tmp_path):
    os.mkdir(tmp_path / "folder")
    with pytest.raises(PictureError, match="folder: no file"):
        pictures.read(tmp_path / "folder")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(PictureError, match="pipe: no file"):
            pictures.read(tmp_path / "pipe")


def test_a_palette_with_opacities_is_looked_up_without_a_warning_of_pillows(rgb, tmp_path):
    image = Image.fromarray(rgb).quantize(16)
    image.save(tmp_path / "a.png", transparency=b"\xff" * 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(pictures.read(tmp_path / "a.png"), np.asarray(image.convert("RGB")))


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


# Pillow images given to `as_rgb` and `encode`


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBX", "HSV", "YCbCr"])
def test_pillow_images_are_converted_by_their_mode(mode, rgb):
    image = Image.fromarray(rgb).quantize(16) if mode == "P" else Image.fromarray(rgb).convert(mode)
    assert np.array_equal(pictures.as_rgb(image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["LAB", "CMYK", "I", "F", "I;16"])
def test_pillow_images_that_would_lose_something_are_refused(mode):
    image = Image.fromarray(np.full((3, 4), 5, np.uint16)) if mode == "I;16" else Image.new(mode, (4, 3))
    with pytest.raises(PictureError, match="convert=True"):
        pictures.as_rgb(image)


@pytest.mark.parametrize("mode", ["LA", "La", "PA", "RGBA", "RGBa"])
def test_alpha_of_any_kind_is_seen(mode, rgb):
    image = Image.fromarray(np.dstack([rgb, np.full(rgb.shape[:2], 100, np.uint8)]))
    if mode == "PA":
        image = Image.fromarray(rgb).quantize(16)
        image.putalpha(Image.new("L", image.size, 100))
    else:
        image = image.convert("LA").convert(mode) if mode == "La" else image.convert(mode)
    assert image.mode == mode
    with pytest.raises(PictureError, match="transparent"):
        pictures.as_rgb(image)


# The ways on


def test_transparent_pictures_are_laid_on_a_background(tmp_path):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = 200, 100, 50, 255
    rgba[1, 1] = 200, 100, 50, 128
    Image.fromarray(rgba).save(tmp_path / "a.png")
    for background in ("#0a141e", (10, 20, 30)):
        flat = pictures.read(tmp_path / "a.png", background=background)
        assert flat[0, 0].tolist() == [200, 100, 50] and flat[0, 1].tolist() == [10, 20, 30]
        assert np.abs(flat[1, 1] - [105, 60, 40]).max() <= 1


def test_palettes_and_colour_keys_are_transparent_too(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png", transparency=1)
    palette.save(tmp_path / "palette.gif", transparency=1)
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)).save(
        tmp_path / "key.png", transparency=(0, 255, 0)
    )
    for path in tmp_path.iterdir():
        with pytest.raises(PictureError, match=f"{path.name}.*transparent.*--background"):
            pictures.read(path)
        assert pictures.read(path, background="white").tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_a_grey_picture_on_a_grey_background_stays_grey(tmp_path):
    Image.fromarray(np.array([[[50, 255], [50, 0]]], np.uint8), "LA").save(tmp_path / "a.png")
    assert pictures.open_picture(tmp_path / "a.png", background="white").pixels.tolist() == [[50, 255]]
    assert pictures.open_picture(tmp_path / "a.png", background="red").pixels.shape == (1, 2, 3)


def test_a_deep_grey_picture_with_a_colour_key_is_transparent(tmp_path):
    Image.fromarray(np.array([[0, 65535, 300]], np.uint16)).save(tmp_path / "a.png", transparency=300)
    with pytest.raises(PictureError, match="transparent"):
        pictures.read(tmp_path / "a.png", convert=True)
    assert pictures.read(tmp_path / "a.png", "white", convert=True)[..., 0].tolist() == [[0, 255, 255]]


def test_cmyk_goes_through_its_profile_and_without_one_by_the_formula(tmp_path, monkeypatch):
    image = Image.new("CMYK", (4, 4), (200, 30, 60, 10))
    image.save(tmp_path / "plain.tif")
    image.save(tmp_path / "wrong.tif", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    image.save(tmp_path / "profile.tif", icc_profile=b"of the press")
    formula = np.asarray(image.convert("RGB"))
    assert np.array_equal(pictures.read(tmp_path / "plain.tif", convert=True), formula)
    with pytest.warns(UserWarning, match="wrong.tif: the colour profile does not fit"):
        read = pictures.open_picture(tmp_path / "wrong.tif", convert=True)
    assert np.array_equal(read.pixels, formula) and read.metadata.icc_profile is None

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", lambda file: file.read())  # no profile of a press is at hand

    def through_profile(source, profile, target, outputMode):
        assert profile == b"of the press" and source.mode == "CMYK" and outputMode == "RGB"
        return Image.new("RGB", source.size, (1, 2, 3))

    monkeypatch.setattr(ImageCms, "profileToProfile", through_profile)
    read = pictures.open_picture(tmp_path / "profile.tif", convert=True)
    assert read.pixels[0, 0].tolist() == [1, 2, 3] and read.metadata.icc_profile is None


def test_lab_becomes_srgb(tmp_path):
    colours = np.array([[[250, 250, 250], [128, 128, 128], [200, 60, 40]]], np.uint8)
    lab = ImageCms.profileToProfile(
        Image.fromarray(colours), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="a.tif: colour space LAB"):
        pictures.read(tmp_path / "a.tif")
    assert np.abs(pictures.read(tmp_path / "a.tif", convert=True).astype(int) - colours).max() <= 3


@pytest.mark.parametrize("ending", ["tif", "gif", "png", "webp", "avif"])
def test_of_several_frames_one_has_to_be_chosen(ending, tmp_path):
    frames = [Image.new("RGB", (40, 60), (60 * k + 30,) * 3) for k in range(3)]
    path = tmp_path / f"a.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="a..*: 3 frames or pages; choose one from 0 to 2 .frame=N, --frame N."):
        pictures.read(path)
    for k in range(3):
        assert np.abs(pictures.read(path, frame=k).astype(int) - (60 * k + 30)).max() <= 3
    with pytest.raises(PictureError, match="no frame 3"):
        pictures.read(path, frame=3)


def test_a_file_of_one_frame_needs_no_choice(rgb, tmp_path):
    for ending in ("tif", "gif", "png", "webp"):
        path = tmp_path / f"a.{ending}"
        Image.fromarray(rgb).save(path)
        assert np.array_equal(pictures.read(path), pictures.read(path, frame=0))


def test_of_a_cameras_pictures_the_first_is_kept_and_that_is_said(rgb, tmp_path):
    Image.fromarray(rgb).save(tmp_path / "a.mpo", save_all=True, append_images=[Image.fromarray(rgb[::-1].copy())])
    with pytest.warns(UserWarning, match="the first of 2 pictures"):
        first = pictures.read(tmp_path / "a.mpo")
    assert np.array_equal(first, pictures.read(tmp_path / "a.mpo", frame=0))


def test_one_frame_of_an_open_image_is_kept_and_that_is_said(tmp_path):
    frames = [Image.new("RGB", (4, 6), (60 * k + 30,) * 3) for k in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "a.png") as image, pytest.warns(UserWarning, match="one of 3 frames"):
        image.seek(2)
        assert (pictures.as_rgb(image) == 150).all()


@pytest.mark.parametrize("alpha", [255, 100])
def test_a_wrong_argument_is_not_blamed_on_the_file(alpha, rgb, tmp_path):
    Image.fromarray(np.dstack([rgb, np.full(rgb.shape[:2], alpha, np.uint8)])).save(tmp_path / "a.png")
    colours = ("no colour", "", "#1234567", "#00000080", "rgb(1,2)", "rgb(999,0,0)", b"white")
    triples = (5, True, (1, 2), (1, 2, 3, 4), (1, 2, 300), (1.5, 2, 3), ("a", 1, 2), (float("nan"),) * 3)
    wrong = [{"background": value} for value in (*colours, *triples)]
    wrong += [{"frame": value} for value in (-1, "0", 0.5, True, float("nan"))]
    wrong += [{"max_pixels": value} for value in ("9", None, float("nan"), -1)]
    for arguments in wrong:
        with pytest.raises(ValueError, match="a colour is|frame must be|max_pixels must be") as error:
            pictures.read(tmp_path / "a.png", **arguments)
        assert not isinstance(error.value, PictureError), arguments
    white = pictures.read(tmp_path / "a.png", background=np.array([255, 255, 255]), frame=np.int64(0))
    assert np.array_equal(white, pictures.read(tmp_path / "a.png", background="white"))


# Sizes


def test_a_large_picture_is_not_called_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    monkeypatch.setattr(pictures, "LARGE", 50)
    for ending in ("png", "tif", "jpg", "gif"):
        path = tmp_path / f"a.{ending}"
        Image.new("L", (30, 20), 9).save(path)
        assert pictures.read(path).shape == (20, 30, 3)
        with pytest.raises(PictureError, match="30x20 pixels are more than the limit of 599; raise it.*--max-pixels"):
            pictures.read(path, max_pixels=599)
    assert Image.MAX_IMAGE_PIXELS == 50


# Whatever a decoder of a foreign format raises


@pytest.mark.parametrize(
    "error", [RuntimeError, SyntaxError, IndexError, KeyError, EOFError, AssertionError, MemoryError]
)
def test_whatever_a_decoder_raises_is_a_picture_error_with_the_files_name(error, rgb, tmp_path, monkeypatch):
    def broken(self):
        raise error("words of the decoder")

    Image.fromarray(rgb).save(tmp_path / "a.bmp")
    monkeypatch.setattr("PIL.BmpImagePlugin.BmpImageFile.load", broken)
    with pytest.raises(PictureError, match="a.bmp: (damaged, or .*words of the decoder|too large)"):
        pictures.read(tmp_path / "a.bmp")
    if error is not MemoryError:
        with Image.open(tmp_path / "a.bmp") as image, pytest.raises(PictureError, match="a.bmp.*words"):
            pictures.as_rgb(image)


@pytest.mark.parametrize(
    "ending", ["avif", "webp", "jp2", "jpg", "png", "gif", "tif", "ppm", "sgi", "dds", "tga", "qoi"]
)
def test_any_damage_is_a_picture_or_a_picture_error(ending, tmp_path):
    rng = np.random.default_rng(1)
    image = Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    path = tmp_path / f"a.{ending}"
    image.save(path)
    sound = path.read_bytes()
    for _ in range(60):
        data = bytearray(sound)
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(min(len(data), 300)) if rng.integers(2) else rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data))] if rng.integers(2) else data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                pictures.read(path, convert=True, background="white", max_pixels=10**6)
            except PictureError as error:
                assert path.name in str(error)


def test_a_sound_file_that_this_machine_cannot_read_is_not_called_damaged(rgb, tmp_path, monkeypatch):
    Image.fromarray(rgb).save(tmp_path / "a.eps")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", False)
    with pytest.raises(PictureError, match="a.eps: damaged, or of a kind that cannot be read here: .*Ghostscript"):
        pictures.read(tmp_path / "a.eps")


def test_a_file_that_may_not_be_read_is_an_os_error(rgb, tmp_path, monkeypatch):
    Image.fromarray(rgb).save(tmp_path / "a.png")

    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refused)
    with pytest.raises(PermissionError, match="a.png"):
        pictures.read(tmp_path / "a.png")
