"""Pictures in: files and arrays of every kind to one kind, uint8 RGB, or a clear error."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


class PictureError(ValueError):
    """What was given is not a picture that can be compressed without damage."""


def read(path):
    """Read a picture file.

    Orientation recorded by the camera is applied. Grey pictures become RGB by repetition and palettes are looked
    up. Transparency is dropped when every pixel is opaque and refused otherwise; more than 8 bits a sample, CMYK
    and other colour spaces are refused: reducing them is the user's choice.

    Args:
        path: file of any format Pillow reads.

    Returns:
        uint8 array, shape (h, w, 3).

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: the file is not a picture, is damaged, or is of a kind refused above.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with Image.open(path) as image:
            return from_pillow(image)
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not a picture in a format that can be read") from None
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f"{path}: damaged picture: {error}") from error


def from_pillow(image):
    """A Pillow image -> uint8 RGB (h, w, 3), by the rules of `read`; raises PictureError."""
    if _bits_per_sample(image) > 8:
        raise PictureError("more than 8 bits a sample; convert it to 8 bits first")
    if image.mode not in ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"):
        raise PictureError(f"colour space {image.mode} is not supported; convert it to RGB first")
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        if alpha.size and alpha.min() < 255:
            raise PictureError("the picture is transparent in places; flatten it onto a background first")
    return as_rgb(np.asarray(image.convert("RGB")))


def as_rgb(array):
    """Check an array and bring it to RGB.

    Args:
        array: uint8, shape (h, w, 3) for RGB, or (h, w) or (h, w, 1) for grey, which is repeated.

    Returns:
        uint8 array, shape (h, w, 3), contiguous.

    Raises:
        PictureError: any other dtype or shape, or an empty picture.
    """
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise PictureError(f"expected uint8 samples from 0 to 255, got {array.dtype}")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise PictureError(f"expected shape (h, w, 3) or (h, w), got {array.shape}")
    if array.size == 0:
        raise PictureError(f"the picture has no pixels: shape {array.shape}")
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _bits_per_sample(image):
    """16 or 32 where the file holds more than 8 bits a sample, although Pillow may already read it as 8."""
    if image.mode.startswith(("I", "F")):
        return 32
    raw_modes = (str(part) for tile in getattr(image, "tile", ()) for part in np.atleast_1d(tile[3]))
    return 16 if any(";16" in mode for mode in raw_modes) else 8
