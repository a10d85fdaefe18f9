"""What a picture carries beside its pixels: colour profile, EXIF, XMP and resolution."""

import re
import struct
from dataclasses import dataclass

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
        ValueError: a kind has more than 16 MiB, or the resolution is none.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple | None = None

    def __post_init__(self):
        exif = self.exif.tobytes() if isinstance(self.exif, Image.Exif) else self.exif
        exif = bytes(exif or b"").removeprefix(EXIF_PREFIX)
        xmp = self.xmp.encode() if isinstance(self.xmp, str) else self.xmp
        for name, value in (("icc_profile", self.icc_profile), ("exif", exif), ("xmp", xmp)):
            value = bytes(value or b"") or None
            if value and len(value) > MAX_BYTES:
                raise ValueError(f"{name} has {len(value)} bytes, more than {MAX_BYTES}")
            object.__setattr__(self, name, value)
        if self.dpi is not None:
            x, y = (number("dpi", float(value), MIN_DPI, MAX_DPI) for value in self.dpi)
            object.__setattr__(self, "dpi", struct.unpack("<2f", struct.pack("<2f", x, y)))

    def __bool__(self):
        return any(value is not None for value in vars(self).values())

    def info(self):
        """As Pillow has it in `Image.info`, and its writers take it: dict of what there is."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        return found | ({"exif": EXIF_PREFIX + self.exif} if self.exif else {})


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
        parts["xmp"] = XMP_ORIENTATION.sub(rb"\g<1>1", Metadata(xmp=xmp).xmp)
    metadata = {}
    for name, value in parts.items():
        try:
            metadata |= {name: getattr(Metadata(**{name: value}), name)}
        except Exception as error:  # too long, or of a type that it should not have
            if name != "dpi":  # a resolution of 0 says that there is none
                tell(f"{name} cannot be read and is left out: {error or type(error).__name__}")
    return Metadata(**metadata), orientation


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
