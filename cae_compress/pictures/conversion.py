"""Pictures that lose something on their way to 8-bit RGB or grey: depth, colour spaces, transparency.

Every one of these ways is taken only when asked for (`pictures.read`, `convert` and `background`).
"""

import io

import numpy as np
from PIL import ExifTags, Image, ImageCms

MAX_16 = 65535
EXACT_FORMATS = ("PNG", "TIFF", "JPEG2000")  # whose deep RGB OpenCV reads as such; Pillow drops the low bits
WRAPPING_FORMATS = ("JPEG2000",)  # whose brightest deep samples Pillow makes the darkest


class ConversionError(ValueError):
    """There is no sensible way to 8-bit RGB."""


def to_8_bits(image, bits):
    """Round deeper samples to 8 bits.

    Args:
        image: Pillow image, as deep as `depth.bits_per_sample` says, `bits`. Modes I;16 and I are grey from 0 to
            65535, but for TIFF files of fewer bits; mode F is grey from 0 to 1.

    Returns:
        Pillow image of mode L or as it was.

    Raises:
        ConversionError: samples are out of that range.
    """
    if image.mode.startswith(("I", "F")):
        samples = np.asarray(image).astype(np.float64)
        largest = 1 if image.mode == "F" else 2**bits - 1 if image.format == "TIFF" and bits < 16 else MAX_16
        if not (np.isfinite(samples).all() and samples.min() >= 0 and samples.max() <= largest):
            raise ConversionError(f"samples are not all from 0 to {largest}; scale them first")
        grey = Image.fromarray(np.rint(samples * (255 / largest)).astype(np.uint8))
        key = image.info.get("transparency")
        if isinstance(key, int):
            grey.putalpha(Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)))
        return grey
    if "transparency" in image.info:
        raise ConversionError("more than 8 bits a sample and a transparent colour cannot be converted together")
    deep = _read_deep(image) if image.format in EXACT_FORMATS and image.mode in ("RGB", "RGBA") else None
    if deep is not None:
        return Image.fromarray(np.rint(deep.astype(np.float32) * (255 / (2**bits - 1))).astype(np.uint8))
    if image.format in WRAPPING_FORMATS:
        raise ConversionError("more than 8 bits a sample that cannot be converted; convert it to 8 bits first")
    return image


def _read_deep(image):
    """RGB or RGBA samples, uint16 (h, w, 3 or 4), of a file of one frame; None if OpenCV reads something else."""
    import cv2  # seldom needed

    turned = image.format == "TIFF" and image.tag_v2.get(ExifTags.Base.Orientation, 1) != 1  # Pillow turns it back
    if turned or getattr(image, "n_frames", 1) > 1 or not getattr(image, "fp", None):
        return None
    place = image.fp.tell()
    image.fp.seek(0)
    data = np.frombuffer(image.fp.read(), np.uint8)
    image.fp.seek(place)
    deep = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    shape = (*image.size[::-1], len(image.getbands()))
    if deep is None or deep.dtype != np.uint16 or deep.shape != shape:
        return None
    return deep[..., [2, 1, 0, 3][: shape[2]]]  # OpenCV's order is BGR


def to_srgb(image, tell):
    """CMYK or LAB -> RGB image: through the ICC profile where there is one; `tell` is called with what goes wrong."""
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
    elif profile:
        source = io.BytesIO(profile)
    else:
        return image.convert("RGB")
    try:
        if image.mode != "LAB":
            source = ImageCms.ImageCmsProfile(source)
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        tell(f"the colour profile does not fit the picture and is not used: {error}")
        return image.convert("RGB")


def is_transparent(image):
    """Whether any pixel of a Pillow image lets something through."""
    return image.has_transparency_data and image.convert("RGBA").getextrema()[3][0] < 255


def flatten(image, background):
    """Lay a transparent image onto a background, (red, green, blue), 0 to 255.

    Returns:
        Pillow image, of mode L if the image and the background are grey, and otherwise RGB.
    """
    below = Image.new("RGBA", image.size, (*background, 255))
    flat = Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")
    return flat.getchannel(0) if is_grey(image) and len(set(background)) == 1 else flat


def is_grey(image):
    """Whether a Pillow image has one channel of brightness."""
    return image.mode in ("1", "L", "LA", "La")
