"""The .cae container: what stands before and after the coded latents, byte by byte.

    offset      bytes  field
    0           4      magic: 89 43 41 45, that is 0x89 and "CAE"
    4           1      version of this layout: 1 or 2
    5           1      n, length of the model's name
    6           n      name of the model, ASCII
    6 + n       4      first four bytes of the SHA-256 of its weights file
    10 + n      4      width in pixels, 1 to 2**31 - 1
    14 + n      4      height in pixels, 1 to 2**31 - 1
    18 + n      1      colour: 0, that is 8-bit RGB coded as Y, Cb, Cr of ITU-R BT.601, full range; in version 2 also
                       1, 8-bit grey, or 2, RGB whose three samples are equal in every pixel; for 1 and 2 the mean of
                       the three samples that the model gives, (R + G + B + 1) // 3, is all three of them
    19 + n      4      settings of the model's quantizer, explained with the model
    23 + n      4      m, length of the payload
    27 + n      4      CRC-32 (ISO 3309, as in PNG) of all other bytes of the file, in their order
    31 + n      m      payload: one stream of the arithmetic coder
    31 + n + m         in version 2, chunks until the end of the file; in version 1, the end of the file

A chunk holds what the picture carries beside its pixels. Each kind is there once at most, in the order of this table:

    offset      bytes  field
    0           4      kind, ASCII: "ICCP", an ICC profile; "EXIF", a TIFF structure; "XMP ", an XMP packet;
                       "DPI ", pixels an inch across and down, two positive numbers in IEEE 754 binary32
    4           1      packing: 0, data as they are; 1, data in zlib's format (RFC 1950)
    5           4      k, length of the packed data, at least 1
    9           k      packed data, of at most 2**24 bytes when unpacked

All numbers are unsigned and little-endian. Version 2 is written only for what version 1 cannot say. The same picture,
model, settings and metadata give the same bytes.

Of a progressive model the payload has checks of its own (`toderici2017.segments`). Where the end of such a file is
missing, the CRC-32 above cannot be checked; the model reads what is there, and metadata are lost. Only a file that ends
just between two chunks, or in grey just before the first, is refused: it cannot be told from a damaged one.
"""

import math
import struct
import zlib
from dataclasses import dataclass

from cae_compress.checks import number
from cae_compress.metadata import MAX_BYTES, NOTHING, Metadata

MAGIC = b"\x89CAE"
VERSIONS = (1, 2)
RGB, GREY, EQUAL_RGB = range(3)  # colours
MAX_PIXELS = 2**28  # refuse files that declare more, unless the caller raises it: 268 megapixels
BLOCK = 128  # no model codes more at once than squares of so many pixels, whatever the sides of a picture
ALWAYS_CHEAP = 2**22  # pixels in whole squares that are never too many
KINDS = {"icc_profile": b"ICCP", "exif": b"EXIF", "xmp": b"XMP ", "dpi": b"DPI "}
AS_IT_IS, ZLIB = range(2)  # packings
_FIXED = struct.Struct("<4sIIBII")  # weights, width, height, colour, settings, payload length
_CRC = struct.Struct("<I")
_CHUNK = struct.Struct("<4sBI")  # kind, packing, length
_DPI = struct.Struct("<2f")


class BitstreamError(ValueError):
    """The bytes are not a picture that this model can decode: damaged, truncated, hostile, or of another model."""


@dataclass(frozen=True)
class Header:
    """The fields of a file.

    Attributes:
        model: str, name of the model, at most 255 ASCII characters.
        weights: bytes, the first four of the weights file's SHA-256.
        width, height: int, pixels.
        settings: int, 32 bits, as the model reads them.
        colour: RGB, GREY or EQUAL_RGB.
        metadata: `Metadata`.
        cut: bool, whether the file ended before its payload or metadata did, and its checksum could not be checked.
    """

    model: str
    weights: bytes
    width: int
    height: int
    settings: int
    colour: int = RGB
    metadata: Metadata = NOTHING
    cut: bool = False

    @property
    def num_bytes(self):
        """Size in the file of what stands before the payload."""
        return 6 + len(self.model) + _FIXED.size + _CRC.size


def write(header, payload):
    """`Header` and payload bytes -> the bytes of a file."""
    version = 1 if header.colour == RGB and not header.metadata else 2
    name = header.model.encode("ascii")
    start = MAGIC + bytes([version, len(name)]) + name
    start += _FIXED.pack(header.weights, header.width, header.height, header.colour, header.settings, len(payload))
    rest = payload + write_chunks(header.metadata)
    return start + _CRC.pack(zlib.crc32(rest, zlib.crc32(start))) + rest


def read(data, max_pixels=MAX_PIXELS, may_be_cut=()):
    """Take a file apart and check everything that can be checked without decoding.

    Args:
        data: bytes-like, a whole file.
        max_pixels: pictures that declare more are refused, and so are those so narrow that, in whole squares of 128 x
            128, they would cost more than twice as much.
        may_be_cut: names of models whose payload has checks of its own, so that its end may be missing.

    Returns:
        (Header, payload): the payload is bytes; if `Header.cut`, what is there of it.

    Raises:
        TypeError: `data` is not bytes-like.
        BitstreamError: what is wrong, in one line.
    """
    data = bytes(memoryview(data))  # bytes(5) would be five zeros
    if data[:4] != MAGIC:
        raise BitstreamError("not a .cae file")
    if len(data) < 6 or len(data) < 6 + data[5] + _FIXED.size + _CRC.size:
        raise BitstreamError("truncated: the header is incomplete")
    version = data[4]
    if version not in VERSIONS:
        raise BitstreamError(f"version {version} of the format is not known; this program reads versions 1 and 2")
    end = 6 + data[5]
    weights, width, height, colour, settings, payload_length = _FIXED.unpack_from(data, end)
    end += _FIXED.size
    (crc,) = _CRC.unpack_from(data, end)
    name, rest = data[6 : 6 + data[5]], data[end + _CRC.size :]
    whole, chunks = zlib.crc32(rest, zlib.crc32(data[:end])) == crc, rest[payload_length:]
    lacks_end = len(rest) < payload_length or (version == 2 and not whole and _lack_end(chunks, colour))
    cut = lacks_end and name in {model.encode("ascii") for model in may_be_cut}
    if (len(rest) < payload_length and not cut) or (version == 1 and chunks):
        kind = "truncated" if len(rest) < payload_length else "too long"
        raise BitstreamError(f"{kind}: {len(rest)} bytes of payload, the header says {payload_length}")
    if not cut and not whole:
        raise BitstreamError("damaged: the checksum is wrong")
    if not name.isascii() or not name.decode("ascii").isprintable():
        raise BitstreamError("the model's name is not ASCII text")
    if colour not in ((RGB,) if version == 1 else (RGB, GREY, EQUAL_RGB)):
        raise BitstreamError(f"colour {colour} is not known")
    check_size(width, height, max_pixels)
    metadata = NOTHING if cut else read_chunks(chunks)
    header = Header(name.decode("ascii"), weights, width, height, settings, colour, metadata, cut)
    return header, rest[:payload_length]


def check_size(width, height, max_pixels):
    """Raise BitstreamError unless a picture has pixels, and decoding costs no more than `max_pixels` of them may.

    Raises:
        ValueError: `max_pixels` is no number; infinity is one.
    """
    number("max_pixels", max_pixels, 0, math.inf)
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise BitstreamError(f"impossible size: {width}x{height} pixels")
    if width * height > max_pixels:
        raise BitstreamError(
            f"{width}x{height} pixels are more than the limit of {max_pixels}; raise max_pixels to decode"
        )
    in_squares = -(-width // BLOCK) * -(-height // BLOCK) * BLOCK**2
    if in_squares > max(2 * max_pixels, ALWAYS_CHEAP):
        raise BitstreamError(
            f"{width}x{height} pixels are so narrow that they cost as much as {in_squares}, more than twice the limit "
            f"of {max_pixels}; raise max_pixels to decode"
        )


def write_chunks(metadata):
    """`Metadata` -> chunks, bytes; the shorter packing of each."""
    chunks = b""
    for name, kind in KINDS.items():
        value = getattr(metadata, name)
        if value is None:
            continue
        plain = _DPI.pack(*value) if name == "dpi" else value
        packed = zlib.compress(plain, 9)
        packing, stored = (ZLIB, packed) if len(packed) < len(plain) else (AS_IT_IS, plain)
        chunks += _CHUNK.pack(kind, packing, len(stored)) + stored
    return chunks


def read_chunks(data):
    """Inverts `write_chunks`; unpacks 16 MiB of each kind at most.

    Raises:
        BitstreamError: these are not chunks, or not such as a program writes.
    """
    names, found, place = list(KINDS), {}, 0
    while place < len(data):
        if len(data) - place < _CHUNK.size:
            raise BitstreamError("metadata: a chunk is incomplete")
        kind, packing, length = _CHUNK.unpack_from(data, place)
        place += _CHUNK.size + length
        left = [name for name in names if KINDS[name] == kind]
        if not left:
            raise BitstreamError(f"metadata: a chunk {kind!r} is not known, is there twice or out of order")
        if not 0 < length <= len(data) - (place - length):
            raise BitstreamError(f"metadata: {length} bytes of {left[0]} are not in the file")
        names = names[names.index(left[0]) + 1 :]
        found[left[0]] = _value(left[0], unpack(data[place - length : place], packing))
    return Metadata(**found)


def _lack_end(chunks, colour):
    """Whether the end of chunks is missing: of the last one, or of all where a file of version 2 has some."""
    place = 0
    while len(chunks) - place >= _CHUNK.size:
        place += _CHUNK.size + _CHUNK.unpack_from(chunks, place)[2]
    return place != len(chunks) or (not chunks and colour == RGB)


def unpack(data, packing):
    """The data of a chunk, at most 16 MiB; raises BitstreamError."""
    if packing == ZLIB:
        unzip = zlib.decompressobj()
        try:
            data, rest = unzip.decompress(data, MAX_BYTES + 1), unzip.unused_data
        except zlib.error as error:
            raise BitstreamError(f"metadata: a chunk cannot be unpacked: {error}") from None
        if len(data) <= MAX_BYTES and (rest or not unzip.eof):
            raise BitstreamError("metadata: a chunk does not end where its packed data do")
    elif packing != AS_IT_IS:
        raise BitstreamError(f"metadata: packing {packing} is not known")
    if not 0 < len(data) <= MAX_BYTES:
        raise BitstreamError(f"metadata: a chunk holds nothing or more than {MAX_BYTES} bytes")
    return data


def _value(name, data):
    """What the data of a chunk stand for."""
    if name != "dpi":
        return data
    try:
        return Metadata(dpi=_DPI.unpack(data)).dpi
    except (struct.error, ValueError):
        raise BitstreamError("metadata: the resolution is not two positive numbers") from None


def check_model(header, model, weights):
    """Raise BitstreamError unless a file was made by the model of this name with these weights (four bytes)."""
    if (header.model, header.weights) != (model, weights):
        raise BitstreamError(
            f"the file was made by model {header.model} ({header.weights.hex()}), this is {model} ({weights.hex()})"
        )
