"""The payload: a segment for each pass, which can be read without those after it, so that a file can be cut.

    offset  bytes  field
    0       4      n, length of the stream
    4       4      CRC-32 of: the model's name, four bytes of its weights, width and height (4 bytes each), number of
                   the pass, from 0 (1 byte), stream
    8       n      stream of the arithmetic coder

Numbers are unsigned and little-endian. How many passes there are is in the settings of the header.
"""

import struct
import zlib

from cae_compress.bitstream import BitstreamError

_START = struct.Struct("<II")  # length, CRC
SIZE = _START.size


def write(header, streams):
    """Streams of all passes -> payload; `header` is the `bitstream.Header` of their file."""
    return b"".join(_START.pack(len(stream), _crc(header, t, stream)) + stream for t, stream in enumerate(streams))


def read(header, payload, passes):
    """The streams of a file.

    Args:
        header: `bitstream.Header`.
        payload: bytes, of which the end may be missing if `header.cut`.
        passes: int, what the header says.

    Returns:
        list of bytes, one a pass that is complete.

    Raises:
        BitstreamError: a segment is damaged, or none is complete, or, unless `header.cut`, one is not.
    """
    streams, place = [], 0
    for t in range(passes):
        length, crc = _START.unpack_from(payload, place) if len(payload) - place >= SIZE else (len(payload), 0)
        stream = payload[place + SIZE : place + SIZE + length]
        if len(stream) < length or len(payload) - place < SIZE:
            if header.cut and streams:
                return streams
            raise BitstreamError(f"truncated: pass {t + 1} is incomplete")
        if _crc(header, t, stream) != crc:
            raise BitstreamError(f"damaged: the checksum of pass {t + 1} is wrong")
        streams.append(stream)
        place += SIZE + length
    if place < len(payload):
        raise BitstreamError(f"damaged: {len(payload) - place} bytes after the last pass")
    return streams


def _crc(header, t, stream):
    about = header.model.encode("ascii") + header.weights + struct.pack("<IIB", header.width, header.height, t)
    return zlib.crc32(stream, zlib.crc32(about))
