"""PNG files whose metadata Pillow does not take: the picture in them is sound, so what cannot be read is left out."""

import io
import struct

from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")  # not metadata
TEXT = (b"tEXt", b"zTXt", b"iTXt")  # of which Pillow takes only so much in one file


def without_bad_metadata(path):
    """A file without the chunks that Pillow cannot read, wherever they stand.

    Args:
        path: Path, of a file of any kind.

    Returns:
        (bytes, names): what is left of it, and the kinds of these chunks, list of str; none if it is not a PNG file,
        or if what is wrong with it is something else.
    """
    with open(path, "rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return b"", []
        chunks = list(_chunks(SIGNATURE + file.read()))
    bad = {k for k, (kind, chunk) in enumerate(chunks) if kind not in PICTURE and not _is_taken(chunk)}
    sound = b"".join(chunk for k, (kind, chunk) in enumerate(chunks) if kind not in PICTURE and k not in bad)
    if not _is_taken(sound):  # each for itself is, so it is too much text
        bad |= {k for k, (kind, _) in enumerate(chunks) if kind in TEXT}
    names = sorted({chunks[k][0].decode("latin-1") for k in bad})
    return SIGNATURE + b"".join(chunk for k, (_, chunk) in enumerate(chunks) if k not in bad), names


def _chunks(data):
    """Yield (kind, bytes of the whole chunk); the last may be incomplete."""
    place = len(SIGNATURE)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place) if place + 8 <= len(data) else (0, b"")
        yield kind, data[place : place + length + 12]
        place += length + 12


def _is_taken(chunks):
    """Whether Pillow opens a file of one pixel with these chunks of metadata in it."""
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    start = len(SIGNATURE) + 25  # after the header
    try:
        Image.open(io.BytesIO(file.getvalue()[:start] + chunks + file.getvalue()[start:]))
    except Exception:  # it raises whatever it likes
        return False
    return True
