"""The front door: a picture to the bytes of a .cae file and back, whatever the model.

    data = encode(image, quality=50)
    image = decode(data)

A codec is loaded when it is first needed and kept for the rest of the process.
"""

import functools
from pathlib import Path

from cae_compress import bitstream
from cae_compress.bitstream import BitstreamError
from cae_compress.cae import RATE_MODELS, CAECodec
from cae_compress.rd_codec import RDCodec

MODELS = {"rdcae": RDCodec, **dict.fromkeys(("cheng2018", *RATE_MODELS), CAECodec)}  # what may have made a file
DEFAULT_MODEL = "rdcae"
DEFAULT_QUALITY = 50
SIZE_TOLERANCE = 0.02
MAX_PROBES = 20


@functools.cache
def load_codec(model=DEFAULT_MODEL):
    """The codec of a model with its shipped weights, loaded once in a process."""
    return MODELS[model](model=model)


def encode(image, quality=DEFAULT_QUALITY, effort=0):
    """Compress a picture.

    Args:
        image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
        quality: number from 1 (smallest file) to 100 (best picture).
        effort: int, 0 to be fast; a hundred for a smaller file at the same PSNR and much more time (`RDCodec.encode`).

    Returns:
        bytes of a .cae file. The same arguments give the same bytes.

    Raises:
        PictureError: `image` is not such an array.
        ValueError: `quality` or `effort` is out of range.
    """
    return load_codec().encode(image, quality, effort)


def encode_to_size(image, max_bytes, effort=0):
    """Compress a picture into a file of at most `max_bytes`, and less than 2 % below where the model can.

    The quality is searched for: each probe codes the picture, ten or so are needed.

    Args:
        image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
        max_bytes: int.
        effort: as `encode` takes it, spent on every probe.

    Returns:
        bytes of a .cae file.

    Raises:
        PictureError: `image` is not such an array.
        ValueError: not even the smallest file is small enough.
    """
    codec = load_codec()
    low, high = 1.0, 100.0
    best = codec.encode(image, low, effort)
    if len(best) > max_bytes:
        raise ValueError(f"the smallest file of this picture has {len(best)} bytes, more than {max_bytes}")
    largest = codec.encode(image, high, effort)
    if len(largest) <= max_bytes:
        return largest
    for _ in range(MAX_PROBES):
        if len(best) >= (1 - SIZE_TOLERANCE) * max_bytes:
            break
        quality = (low + high) / 2
        data = codec.encode(image, quality, effort)
        if len(data) <= max_bytes:
            low, best = quality, data
        else:
            high = quality
    return best


def decode(data, max_pixels=bitstream.MAX_PIXELS):
    """Decompress a .cae file.

    Args:
        data: bytes-like, the whole file.
        max_pixels: files that declare a larger picture are refused.

    Returns:
        uint8 array, shape (h, w, 3), RGB.

    Raises:
        BitstreamError: the file is damaged, truncated, too large, or made by a model that is not here.
    """
    return codec_for(data, max_pixels).decode(data, max_pixels)


def codec_for(data, max_pixels=bitstream.MAX_PIXELS):
    """The codec that made a file; raises BitstreamError if it is not here."""
    header, _ = bitstream.read(data, max_pixels)
    if header.model not in MODELS:
        raise BitstreamError(f"the file was made by model {header.model}, which is not here")
    return load_codec(header.model)


class RateCAECodec:
    """The CAE trained for rate and distortion as one codec: its settings are the networks, one for every lambda."""

    name = "CAE, trained for rate"
    settings = tuple(range(1, len(RATE_MODELS) + 1))

    def encode(self, image, setting):
        """Code a picture with one of the networks, at the step that it was trained for: bytes of a .cae file."""
        return load_codec(RATE_MODELS[setting - 1]).encode(image)

    decode = staticmethod(decode)


def save(path, image, quality=DEFAULT_QUALITY, effort=0):
    """Compress a picture into a file; arguments and errors of `encode`. An existing file is replaced."""
    Path(path).write_bytes(encode(image, quality, effort))


def load(path, max_pixels=bitstream.MAX_PIXELS):
    """Read a picture from a .cae file; errors of `decode`, and FileNotFoundError."""
    return decode(Path(path).read_bytes(), max_pixels)
