"""Files of at most so many bytes: a quality searched for, or a progressive file cut."""

import math
import sys

from cae_compress import bitstream, pictures
from cae_compress.checks import whole_number
from cae_compress.codec import CODECS, DEFAULT_MODEL, DEFAULT_TUNE, codec_of, encode, encode_as, read

SIZE_TOLERANCE = 0.02
MAX_PROBES = 20
NEVER_EXACT = 0  # times the bytes of a file that is not


def encode_to_size(image, max_bytes, effort=0, model=DEFAULT_MODEL, metadata=None, tune=DEFAULT_TUNE):
    """Compress a picture into a file of at most `max_bytes`, and less than 2 % below where the model can.

    The quality is searched for: each probe codes the picture, ten or so are needed. Of a progressive model one is, cut
    after the last pass that fits. A drawing that fits when it is coded exactly is.

    Args:
        image: as `encode` takes it.
        max_bytes: int; metadata count.
        effort: as `encode` takes it, spent on every probe.
        model: name of a codec, one of `codecs()`.
        metadata, tune: as `encode` takes them.

    Returns:
        bytes of a .cae file.

    Raises:
        PictureError: `image` is not such an array.
        ValueError: not even the smallest file is small enough, `max_bytes` is no positive whole number, or as `encode`
            raises it.
    """
    max_bytes = whole_number("max_bytes", max_bytes, 1, sys.maxsize)
    low, high = 1.0, 100.0
    picture = pictures.picture_of(image)
    image, metadata = picture.pixels, picture.metadata if metadata is None else metadata
    if model in CODECS and CODECS[model].progressive:
        return truncate(encode(image, high, effort, model, metadata, tune), max_bytes)
    largest = encode(image, high, effort, model, metadata, tune)
    if len(largest) <= max_bytes:
        return largest
    best = min(encode_as(image, low, effort, model, metadata, tune, NEVER_EXACT), largest, key=len)
    if len(best) > max_bytes:
        raise ValueError(f"the smallest file of this picture has {len(best)} bytes, more than {max_bytes}")
    for _ in range(MAX_PROBES):
        if len(best) >= (1 - SIZE_TOLERANCE) * max_bytes:
            break
        quality = (low + high) / 2
        data = encode_as(image, quality, effort, model, metadata, tune, NEVER_EXACT)
        if len(data) <= max_bytes:
            low, best = quality, data
        else:
            high = quality
    return best


def truncate(data, max_bytes):
    """A shorter file of the same picture, of lower quality, without coding anything again.

    The file must be of a progressive model, `encode(..., model="toderici2017")`: it ends after the last pass that fits.
    Metadata stay. Pictures of one colour, whatever their model, are as short as can be already.

    Args:
        data: bytes-like, a .cae file; its end may be missing.
        max_bytes: int, the most that it may have; metadata count.

    Returns:
        bytes of a .cae file, complete and with a right checksum, the same that `encode` makes of fewer passes.

    Raises:
        BitstreamError: the file is damaged, or made by a model that is not here.
        ValueError: its model is not progressive, or not even one pass is small enough; `max_bytes` is no positive
            whole number.
    """
    max_bytes = whole_number("max_bytes", max_bytes, 1, sys.maxsize)
    header, payload = read(data, math.inf)
    codec = codec_of(header)
    if not codec.progressive:
        names = ", ".join(name for name, entry in CODECS.items() if entry.progressive)
        raise ValueError(f"files of model {header.model} cannot be cut, those of {names} can; encode the picture again")
    without_payload = len(bitstream.write(header, b""))
    shorter = bitstream.write(*codec.truncate(header, payload, max_bytes - without_payload))
    if len(shorter) > max_bytes:
        raise ValueError(
            f"the shortest file that this one can be cut to has {len(shorter)} bytes, more than {max_bytes}"
        )
    return shorter
