"""What a picture carries beside its pixels: colour profile, EXIF, XMP and resolution."""

import re
import struct
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from cae_compress.checks import number

MAX_BYTES = 1 << 24  # of each kind: 16 MiB
MIN_DPI, MAX_DPI = 1e-3, 1e6
EXIF_PREFIX = b"Exif\0\0"  # stands before EXIF in JPEG files and in Pillow's `info`; not kept
ORIENTATION = ExifTags.Base.Orientation
XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:=["\']|>))[2-8]')
# of the tags of a TIFF file, those that say something about the picture, not about the file
TIFF_TAGS = (
    ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software,
    ExifTags.Base.DateTime, ExifTags.Base.Artist, ExifTags.Base.Copyright,
)  # fmt: skip
SRGB_GAMMA, SRGB_PRIMARIES = 0.45455, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # as PNG files have them
TIFF_FOLDERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Metadata:
    """What a picture carries beside its pixels; what it has not, is None.

    Attributes:
        icc_profile: bytes, an ICC colour profile.
        exif: bytes, a TIFF structure as cameras write it; given with "Exif\\0\\0" before it, or as a `PIL.Image.Exif`,
            it is brought to that. Pixels are kept upright, so that its orientation, if any, is 1.
        xmp: bytes, an XMP packet; a str is encoded as UTF-8.
        dpi: (x, y), pixels an inch, positive numbers of 32 bits.

    Raises:
        ValueError: a kind is not bytes or has more than 16 MiB, or the resolution is none.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple | None = None

    def __post_init__(self):
        exif = self.exif.tobytes() if isinstance(self.exif, Image.Exif) else self.exif
        exif = _bytes("exif", exif).removeprefix(EXIF_PREFIX)
        xmp = self.xmp.encode() if isinstance(self.xmp, str) else self.xmp
        for name, value in (("icc_profile", self.icc_profile), ("exif", exif), ("xmp", xmp)):
            value = _bytes(name, value) or None
            if value and len(value) > MAX_BYTES:
                raise ValueError(f"{name} has {len(value)} bytes, more than {MAX_BYTES}")
            object.__setattr__(self, name, value)
        if self.dpi is not None:
            if not isinstance(self.dpi, (tuple, list)) or len(self.dpi) != 2:
                raise ValueError(f"dpi must be two numbers, across and down, got {self.dpi!r}")
            x, y = (number("dpi", value, MIN_DPI, MAX_DPI) for value in self.dpi)
            object.__setattr__(self, "dpi", struct.unpack("<2f", struct.pack("<2f", x, y)))

    def __bool__(self):
        return any(value is not None for value in vars(self).values())

    def info(self):
        """As Pillow has it in `Image.info`, and its writers take it: dict of what there is."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        return found | ({"exif": EXIF_PREFIX + self.exif} if self.exif else {})


def _bytes(name, value):
    """`value` as bytes, none if it is None; raises ValueError if it is not bytes-like, as a number is not."""
    try:
        return bytes(memoryview(b"" if value is None else value))
    except TypeError:
        raise ValueError(f"{name} must be bytes, got {type(value).__name__}") from None


NOTHING = Metadata()


def of_pillow(image, tell, given=None):
    """What a Pillow image carries.

    Args:
        image: a loaded `PIL.Image.Image`.
        tell: called with a line on what cannot be read and is left out.
        given: dict of the attributes of `Metadata`, to stand in the place of the image's own; None leaves one out.

    Returns:
        (`Metadata`, orientation): the latter is to be applied to the pixels, 1 to 8, and not in the first.
    """
    info, orientation = image.info | (given or {}), 1
    parts = {name: info.get(name) for name in ("icc_profile", "dpi")}
    try:
        parts["exif"], orientation = _exif(image, given or {})
    except Exception as error:  # whatever broken EXIF makes of Pillow's reader
        tell(f"EXIF cannot be read and is left out: {error or type(error).__name__}")
    if xmp := info.get("xmp", info.get("XML:com.adobe.xmp")):
        parts["xmp"] = xmp
    if image.format == "PNG" and image.info.get("icc_profile", b"") is None:  # so Pillow says that it is damaged
        tell("the colour profile cannot be read and is left out")
    if not parts["icc_profile"] and has_other_colours(info):
        tell("gamma or primaries that are not those of sRGB are left out; a colour profile would be kept")
    metadata = {}
    for name, value in parts.items():
        try:
            metadata |= {name: getattr(Metadata(**{name: value}), name)}
        except Exception as error:  # too long, or of a type that it should not have
            if name != "dpi":  # a resolution of 0 says that there is none
                tell(f"{name} cannot be read and is left out: {error or type(error).__name__}")
    if upright := metadata.get("xmp"):
        metadata["xmp"] = XMP_ORIENTATION.sub(rb"\g<1>1", upright)
    return Metadata(**metadata), orientation


def has_other_colours(info):
    """Whether an `Image.info` of a PNG file says, without a profile, that samples are not those of sRGB."""
    gamma, primaries = info.get("gamma", SRGB_GAMMA), info.get("chromaticity", SRGB_PRIMARIES)
    return "srgb" not in info and not np.allclose([gamma, *primaries], [SRGB_GAMMA, *SRGB_PRIMARIES], rtol=0, atol=0.01)


def _exif(image, given):
    """EXIF that goes with an image, without its orientation, and that: (bytes or None, int)."""
    raw = Metadata(exif=given.get("exif")).exif or image.info.get("exif")
    exif = image.getexif()
    if given.get("exif"):
        exif = Image.Exif()
        exif.load(raw)
    orientation = exif.get(ORIENTATION, 1)
    if "exif" in given and not given["exif"]:
        return None, orientation
    if raw and orientation == 1:
        return raw, orientation
    upright = Image.Exif()
    if not raw and hasattr(image, "tag_v2"):  # TIFF: its tags are EXIF's, but for those on the file
        for tag in TIFF_TAGS:
            if tag in exif:
                upright[tag] = exif[tag]
        for folder in TIFF_FOLDERS:
            if values := exif.get_ifd(folder):
                upright.get_ifd(folder).update(values)
                upright[folder] = upright.get_ifd(folder)
    elif len(exif):
        upright.load(exif.tobytes())
        upright.pop(ORIENTATION, None)
    return upright.tobytes() if len(upright) else None, orientation
