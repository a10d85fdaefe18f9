"""The .cae container: what stands before the coded latents, byte by byte.

    offset  bytes  field
    0       4      magic: 89 43 41 45, that is 0x89 and "CAE"
    4       1      version of this layout: 1
    5       1      n, length of the model's name
    6       n      name of the model, ASCII
    6 + n   4      first four bytes of the SHA-256 of its weights file
    10 + n  4      width in pixels, 1 to 2**31 - 1
    14 + n  4      height in pixels, 1 to 2**31 - 1
    18 + n  1      colour: 0, that is 8-bit RGB coded as Y, Cb, Cr of ITU-R BT.601, full range
    19 + n  4      settings of the model's quantizer, explained with the model
    23 + n  4      m, length of the payload
    27 + n  4      CRC-32 (ISO 3309, as in PNG) of all other bytes of the file, in their order
    31 + n  m      payload: one stream of the arithmetic coder

All numbers are unsigned and little-endian. The file ends with the payload. The same picture, model and settings give
the same bytes.
"""

import struct
import zlib
from dataclasses import dataclass

MAGIC = b"\x89CAE"
VERSION = 1
COLOUR_YCBCR = 0
MAX_PIXELS = 2**28  # refuse files that declare more, unless the caller raises it: 268 megapixels
_FIXED = struct.Struct("<4sIIBII")  # weights, width, height, colour, settings, payload length
_CRC = struct.Struct("<I")


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
    """

    model: str
    weights: bytes
    width: int
    height: int
    settings: int

    @property
    def num_bytes(self):
        """Size of the header in the file."""
        return 6 + len(self.model) + _FIXED.size + _CRC.size


def write(header, payload):
    """`Header` and payload bytes -> the bytes of a file."""
    name = header.model.encode("ascii")
    start = MAGIC + bytes([VERSION, len(name)]) + name
    start += _FIXED.pack(header.weights, header.width, header.height, COLOUR_YCBCR, header.settings, len(payload))
    return start + _CRC.pack(zlib.crc32(payload, zlib.crc32(start))) + payload


def read(data, max_pixels=MAX_PIXELS):
    """Take a file apart and check everything that can be checked without decoding.

    Args:
        data: bytes-like, a whole file.
        max_pixels: pictures that declare more are refused.

    Returns:
        (Header, payload): the payload is bytes.

    Raises:
        BitstreamError: what is wrong, in one line.
    """
    data = bytes(data)
    if data[:4] != MAGIC:
        raise BitstreamError("not a .cae file")
    if len(data) < 6 or len(data) < 6 + data[5] + _FIXED.size + _CRC.size:
        raise BitstreamError("truncated: the header is incomplete")
    if data[4] != VERSION:
        raise BitstreamError(f"version {data[4]} of the format is not known; this program reads version {VERSION}")
    end = 6 + data[5]
    weights, width, height, colour, settings, payload_length = _FIXED.unpack_from(data, end)
    end += _FIXED.size
    (crc,) = _CRC.unpack_from(data, end)
    payload = data[end + _CRC.size :]
    if len(payload) != payload_length:
        kind = "truncated" if len(payload) < payload_length else "too long"
        raise BitstreamError(f"{kind}: {len(payload)} bytes of payload, the header says {payload_length}")
    if zlib.crc32(payload, zlib.crc32(data[:end])) != crc:
        raise BitstreamError("damaged: the checksum is wrong")
    name = data[6 : 6 + data[5]]
    if not name.isascii() or not name.decode("ascii").isprintable():
        raise BitstreamError("the model's name is not ASCII text")
    if colour != COLOUR_YCBCR:
        raise BitstreamError(f"colour {colour} is not known")
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise BitstreamError(f"impossible size: {width}x{height} pixels")
    if width * height > max_pixels:
        raise BitstreamError(
            f"{width}x{height} pixels are more than the limit of {max_pixels}; raise max_pixels to decode"
        )
    return Header(name.decode("ascii"), weights, width, height, settings), payload


def check_model(header, model, weights):
    """Raise BitstreamError unless a file was made by the model of this name with these weights (four bytes)."""
    if (header.model, header.weights) != (model, weights):
        raise BitstreamError(
            f"the file was made by model {header.model} ({header.weights.hex()}), this is {model} ({weights.hex()})"
        )
