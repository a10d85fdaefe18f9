"""Pictures in: files, Pillow images and arrays of every kind to one kind, 8-bit RGB or grey, or a clear error.

What would lose something is refused, unless asked for: more than 8 bits a sample, CMYK and LAB (`convert`),
transparency (`background`), all but one frame of an animation or page of a scan (`frame`).
"""

import io
import math
import sys
import threading
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from cae_compress import bitstream, metadata
from cae_compress.checks import number, whole_number
from cae_compress.metadata import NOTHING, Metadata
from cae_compress.pictures import conversion, depth, png

RGB_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "HSV", "YCbCr")  # the last two are other words for RGB
PRINT_MODES = ("CMYK", "LAB")
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
ONE_PICTURE = ("PSD",)  # formats whose frames are layers of the one picture that is read
FIRST_COUNTS = ("MPO",)  # a camera's photograph, and previews or views beside it
LARGE = 2**26  # pixels from which Pillow's own limit may stand in the way
_LIFTING = threading.Lock()  # Pillow's limit is one for the process


class PictureError(ValueError):
    """What was given is not a picture that can be compressed without damage."""


@dataclass(frozen=True)
class Picture:
    """A picture and what it carries.

    Attributes:
        pixels: uint8 array, shape (h, w, 3) for RGB or (h, w) for grey, upright.
        metadata: `Metadata`.
    """

    pixels: np.ndarray
    metadata: Metadata = field(default=NOTHING)


def read(path, background=None, convert=False, frame=None, max_pixels=bitstream.MAX_PIXELS):
    """Read a picture file as RGB.

    Orientation recorded by the camera is applied. Grey pictures become RGB by repetition, palettes are looked up, and
    a transparency of pixels that are all opaque is dropped.

    Args:
        path: file of any format Pillow reads.
        background: colour to lay transparent pictures on: a name or "#rrggbb", or (red, green, blue); None to refuse
            them.
        convert: whether to round more than 8 bits a sample to 8, and to turn CMYK (by its ICC profile, where it has
            one) and LAB into sRGB, rather than to refuse them.
        frame: int, which frame of an animation or page of a scan, from 0; None to refuse files of several.
        max_pixels: larger pictures are refused.

    Returns:
        uint8 array, shape (h, w, 3).

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: the file is not a picture, is damaged, or is of a kind refused above; the message names it.
        ValueError: `background`, `frame` or `max_pixels` is not what it can be.
    """
    return as_rgb(open_picture(path, background, convert, frame, max_pixels).pixels)


def open_picture(path, background=None, convert=False, frame=None, max_pixels=bitstream.MAX_PIXELS):
    """`read` for a `Picture`: grey as grey, and with what the file carries beside its pixels."""
    path, background = Path(path), None if background is None else colour(background)
    frame = None if frame is None else whole_number("frame", frame, 0, sys.maxsize)
    number("max_pixels", max_pixels, 0, math.inf)
    if not path.is_file():
        if path.exists():
            raise PictureError(f"{path}: no file, but a folder, a pipe or a device")
        raise FileNotFoundError(f"no such file: {path}")

    def tell(text):
        warnings.warn(f"{path}: {text}", stacklevel=3)

    def open_image(file):
        with _without_pillows_limit():
            image = Image.open(file)
        with image:
            _check_size(image, max_pixels)
            _choose_frame(image, frame, tell)
            with _without_pillows_limit() if image.width * image.height > LARGE else nullcontext():
                return from_pillow(image, background, convert, tell)

    try:
        try:
            return open_image(path)
        except (PictureError, FileNotFoundError, PermissionError, MemoryError):
            raise
        except Exception:
            data, left_out = png.without_bad_metadata(path)
            if not left_out:
                raise
            picture = open_image(io.BytesIO(data))
            tell(f"metadata that cannot be read is left out: {', '.join(left_out)}")
            return picture
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not a picture in a format that can be read, or too damaged to tell") from None
    except MemoryError:
        raise PictureError(f"{path}: too large for this machine's memory") from None
    except Exception as error:  # decoders of foreign formats raise anything
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file cannot be had
        raise PictureError(f"{path}: {_undecodable(error)}") from error


def _undecodable(error):
    """What a decoder of a foreign format raised, in words; it does not say whether the file is at fault."""
    return f"damaged, or of a kind that cannot be read here: {error or type(error).__name__}"


def from_pillow(image, background=None, convert=False, tell=warnings.warn, given=None):
    """A Pillow image -> `Picture`, by the rules of `read`; of several frames, the one it is at.

    Args:
        image: `PIL.Image.Image`.
        background, convert: of `read`.
        tell: called with a line on what had to be left out.
        given: metadata in the place of the image's own, a dict (`metadata.of_pillow`).

    Raises:
        PictureError: as `read` does, without a file's name.
        ValueError: `background` is no colour.
    """
    background = None if background is None else colour(background)
    try:
        return _from_pillow(image, background, convert, tell, given)
    except (depth.MisreadError, conversion.ConversionError) as error:
        raise PictureError(str(error)) from None


def _from_pillow(image, background, convert, tell, given):
    bits = depth.bits_per_sample(image)
    if bits > 8 and not convert:
        raise PictureError(f"more than 8 bits a sample ({bits}); allow the conversion (convert=True, --convert)")
    if image.mode in PRINT_MODES and not convert:
        raise PictureError(f"colour space {image.mode}; allow the conversion to RGB (convert=True, --convert)")
    if image.mode not in ("1", "L", "LA", "La", *RGB_MODES, *PRINT_MODES) and bits <= 8:
        raise PictureError(f"colour space {image.mode} is not supported; convert it to RGB first")
    converted = conversion.to_8_bits(image, bits) if bits > 8 else image
    image.load()
    carried, orientation = metadata.of_pillow(image, tell, given)
    image = converted.convert("LA") if converted.mode == "La" else converted
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in PRINT_MODES:
        image, carried = conversion.to_srgb(image, tell), replace(carried, icc_profile=None)
    if conversion.is_transparent(image):
        if background is None:
            raise PictureError("the picture is transparent in places; give it a background (background=, --background)")
        image = conversion.flatten(image, background)
    image = image.convert("L" if conversion.is_grey(image) else "RGB")
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    return Picture(_checked(np.asarray(image)), carried)


def picture_of(image, given=None):
    """What `encode` takes, an array or a Pillow image (with `given`, of `from_pillow`) as a `Picture`; PictureError."""
    if isinstance(image, Image.Image):
        if getattr(image, "n_frames", 1) > 1 and image.format not in ONE_PICTURE:
            warnings.warn(f"one of {image.n_frames} frames is kept", stacklevel=3)
        try:
            return from_pillow(image, given=given)
        except PictureError:
            raise
        except Exception as error:  # decoders of foreign formats raise anything
            name = getattr(image, "filename", "") or "the image"
            raise PictureError(f"{name}: {_undecodable(error)}") from error
    return Picture(_checked(image))


def as_rgb(image):
    """Check a picture and bring it to RGB.

    Args:
        image: uint8 array, shape (h, w, 3) for RGB, or (h, w) or (h, w, 1) for grey, which is repeated; or a Pillow
            image, converted by its mode.

    Returns:
        uint8 array, shape (h, w, 3), contiguous.

    Raises:
        PictureError: an array of any other dtype or shape, an empty picture, or an image that is refused.
    """
    pixels = picture_of(image).pixels
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _checked(array):
    """A picture as an array, uint8 (h, w, 3) or (h, w); raises PictureError."""
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise PictureError(f"expected uint8 samples from 0 to 255, got {array.dtype}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and (array.ndim != 3 or array.shape[2] != 3):
        raise PictureError(f"expected shape (h, w, 3) or (h, w), got {array.shape}")
    if array.size == 0:
        raise PictureError(f"the picture has no pixels: shape {array.shape}")
    return array


def colour_of(pixels):
    """A picture's colour in `bitstream`: GREY for uint8 (h, w), EQUAL_RGB for grey in three channels, or RGB."""
    if pixels.ndim == 2:
        return bitstream.GREY
    red, green, blue = (pixels[..., k] for k in range(3))
    equal = np.array_equal(red[0], green[0]) and np.array_equal(red, green) and np.array_equal(green, blue)
    return bitstream.EQUAL_RGB if equal else bitstream.RGB


def in_colour(rgb, colour):
    """What a model decodes, uint8 (h, w, 3), as a file of that colour has it: grey is the mean of the channels."""
    if colour == bitstream.RGB:
        return rgb
    for row in rgb:  # in place, without a second picture
        row[...] = ((row.sum(axis=-1, dtype=np.uint16) + 1) // 3)[:, None]
    return rgb


def colour(name):
    """(red, green, blue), 0 to 255, of a colour's name, "#rrggbb" or such a triple; raises ValueError."""
    try:
        values = ImageColor.getrgb(name) if isinstance(name, str) else name
        red, green, blue = (whole_number("a part of it", value, 0, 255) for value in values)
    except (TypeError, ValueError):
        text = 'a colour is a name, "#rrggbb", or three whole numbers from 0 to 255'
        raise ValueError(f"{text}, got {name!r}") from None
    return red, green, blue


@contextmanager
def _without_pillows_limit():
    """Pillow's own limit of pixels lifted: `read` has one of its own."""
    with _LIFTING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _check_size(image, max_pixels):
    width, height = image.size
    if width * height > max_pixels:
        raise PictureError(
            f"{width}x{height} pixels are more than the limit of {max_pixels}; raise it (max_pixels=, --max-pixels)"
        )


def _choose_frame(image, frame, tell):
    """Seek to a frame of an image; raises PictureError where one has to be chosen, or is not there."""
    frames = max(getattr(image, "n_frames", 1), 1)
    if frame is None:
        if frames > 1 and image.format in FIRST_COUNTS:
            tell(f"the first of {frames} pictures is kept")
        elif frames > 1 and image.format not in ONE_PICTURE:
            raise PictureError(f"{frames} frames or pages; choose one from 0 to {frames - 1} (frame=N, --frame N)")
    elif not 0 <= frame < frames:
        raise PictureError(f"there is no frame {frame}; the file has {frames}, counted from 0")
    elif frames > 1:
        image.seek(frame + (image.format in ONE_PICTURE))  # Pillow counts layers from 1
