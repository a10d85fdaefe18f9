"""How many bits a sample a picture file holds, asked of the file: Pillow reads many deep ones as 8 bits without a word.

Sources: the formats' specifications (PNG 11.2.1; Netpbm; ISO 15444-1 A.5.1 and I.5; SGI image file format 1.00; AV1 in
ISOBMFF 2.3; TIFF 6.0, section 8; DXGI_FORMAT of Direct3D).
"""

import contextlib
import re
import struct

DEEP_RAW_MODE = re.compile(r"^(I|F|L;(12|16)|.*;16[BLNS]$)")  # of Pillow; RGB;16 and BGR;16 are 5 + 6 + 5 bits
BC6H = (94, 95, 96)  # DXGI_FORMAT: textures of half floats, which Pillow reads as 8 bits
MAX_BOX = 1 << 24  # bytes of an AVIF's metadata that are looked at
MAX_XPM = 1 << 20  # bytes of an XPM, which begins with its colours


class MisreadError(ValueError):
    """Pillow would make another picture of the file than it holds."""


def bits_per_sample(image):
    """Bits of the deepest sample of a Pillow image, best before it is loaded.

    Args:
        image: `PIL.Image.Image`; what it was opened from is looked at where it still is to be had.

    Returns:
        int: 8 or less for what Pillow reads without loss into 8 bits.

    Raises:
        MisreadError: Pillow would make another picture of it.
    """
    bits = int(image.info.get("bit_depth") or 8)  # plugins for HEIF say it there
    if any(DEEP_RAW_MODE.match(_raw_mode(tile[3])) for tile in getattr(image, "tile", ())):
        bits = 16
    if image.format in READERS:
        with _file_of(image) as file:
            if file is not None:
                bits = READERS[image.format](image, file)
    if bits <= 8 and image.mode.startswith(("I", "F")):
        bits = 16 if image.mode.startswith("I;16") else 32
    return bits


@contextlib.contextmanager
def _file_of(image):
    """The file that an image was opened from, at its start; None if that cannot be known any more."""
    file = getattr(image, "fp", None)
    if file is not None and not file.closed:
        place = file.tell()
        file.seek(0)
        yield file
        file.seek(place)
    elif name := getattr(image, "filename", None):
        try:
            file = open(name, "rb")
        except OSError:
            yield None
        else:
            with file:
                yield file
    else:
        yield None


def _raw_mode(arguments):
    first = arguments[0] if isinstance(arguments, (tuple, list)) and arguments else arguments
    return first if isinstance(first, str) else ""


def _png(image, file):
    return file.read(25)[24]


def _netpbm(image, file):
    fields = re.sub(rb"#[^\r\n]*", b" ", file.read(1 << 12)).split()
    if fields[0] in (b"P1", b"P4", b"Pf"):
        return 32 if fields[0] == b"Pf" else 1
    return int(fields[3]).bit_length()


def _sgi(image, file):
    return 8 * file.read(4)[3]


def _jpeg2000(image, file):
    if file.read(4) == b"\xff\x4f\xff\x51":
        file.seek(0)
    else:
        _seek_box(file, b"jp2c")
    size = file.read(42)  # SOC, then SIZ up to the number of components
    components = file.read(3 * int.from_bytes(size[40:42], "big"))
    return max(1 + (depth & 127) for depth in components[::3])


def _seek_box(file, kind):
    """Seek to the contents of the first top-level box of a kind in a file of boxes; returns how long they are."""
    file.seek(0)
    while len(start := file.read(8)) == 8:
        (length, found), header = struct.unpack(">I4s", start), 8
        if length == 1:
            length, header = int.from_bytes(file.read(8), "big"), 16
        if found == kind:
            return MAX_BOX if length == 0 else length - header
        if length < header:
            break
        file.seek(length - header, 1)
    raise ValueError(f"there is no box {kind.decode()}")


def _avif(image, file):
    depths = [8]
    for kind in (b"meta", b"moov"):
        try:
            length = _seek_box(file, kind)
        except ValueError:
            continue
        for configuration in file.read(min(length, MAX_BOX)).split(b"av1C")[1:]:
            flags = configuration[2] if len(configuration) > 2 else 0
            depths.append((12 if flags & 0x20 else 10) if flags & 0x40 else 8)
    return max(depths)


def _tiff(image, file):
    return max(image.tag_v2.get(258, (1,))) if hasattr(image, "tag_v2") else 8


def _dds(image, file):
    head = file.read(132)
    return 16 if head[84:88] == b"DX10" and int.from_bytes(head[128:132], "little") in BC6H else 8


def _xpm(image, file):
    text = file.read(MAX_XPM)
    if {len(colour) for colour in re.findall(rb"c #([0-9A-Fa-f]+)", text)} - {6}:
        raise MisreadError("an XPM file whose colours have other than two digits a sample cannot be read")
    if re.search(rb"c None", text):
        raise MisreadError("an XPM file with transparent pixels cannot be read")
    return 8


READERS = {
    "PNG": _png, "PPM": _netpbm, "SGI": _sgi, "JPEG2000": _jpeg2000, "AVIF": _avif, "TIFF": _tiff, "DDS": _dds,
    "XPM": _xpm,
}  # fmt: skip
