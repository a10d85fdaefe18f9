"""The front door: a picture to the bytes of a .cae file and back, whatever the codec.

    data = encode(image, quality=50)
    image = decode(data)

What is the same for every codec is done here: metadata go along, grey pictures come back grey, and pictures of one
colour need no network. Nor do drawings, with the flagship, where they are smaller coded exactly.
A codec is loaded when it is first needed and kept for the rest of the process.
"""

import importlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cae_compress import bitstream, files, loading, pictures
from cae_compress.bitstream import BitstreamError
from cae_compress.checks import number, whole_number
from cae_compress.exact import constant, drawing
from cae_compress.metadata import Metadata

DEFAULT_MODEL = "flagship"
DEFAULT_QUALITY = 50
DEFAULT_TUNE = "psnr"


@dataclass(frozen=True)
class Entry:
    """A codec that is here: what it is, the class that makes it, and the names that its files give their model.

    `tunes` are weights for another metric than PSNR: dict from its name to theirs, which is their name in files too.
    """

    summary: str
    home: str
    name_in_files: tuple
    options: dict = field(default_factory=dict)
    progressive: bool = False  # whether a file without its end is a picture too
    tunes: dict = field(default_factory=dict)

    def names_of_tunes(self):
        """Names in files of every tune: dict from the tune to a tuple."""
        return {DEFAULT_TUNE: self.name_in_files} | {tune: (weights,) for tune, weights in self.tunes.items()}


CODECS = {
    "flagship": Entry(
        "trained for rate and distortion, one network for every quality; the default",
        "cae_compress.flagship.codec:RDCodec",
        ("rdcae",),
        tunes={"ms-ssim": "rdcae-ms-ssim"},
    ),
    "cheng2018": Entry(
        "the replication of Cheng et al., PCS 2018: CAE, PCA with one basis for all pictures, B-bit quantizer",
        "cae_compress.cheng2018.codec:CAECodec",
        ("cheng2018",),
    ),
    "cheng2018-dct": Entry(
        "the same with a network that began its training as a DCT instead of random weights",
        "cae_compress.cheng2018.codec:CAECodec",
        ("cheng2018",),
        {"model": "cheng2018-dct"},
    ),
    "cheng2018-block": Entry(
        "the replication with the paper's rotation: a PCA basis for each block, which the file has to hold",
        "cae_compress.cheng2018.codec:CAECodec",
        (),
        {"rotation": "block"},
    ),
    "cheng2018-rate": Entry(
        "the paper's network trained for rate and distortion, five networks for five lambdas",
        "cae_compress.cheng2018.rate_codec:RateCAECodec",
        tuple(f"cheng2018-{k}" for k in range(1, 6)),
    ),
    "balle2017": Entry(
        "Ballé, Laparra, Simoncelli, ICLR 2017: divisive normalization, a density for each channel, three networks",
        "cae_compress.balle2017.codec:Balle2017Codec",
        tuple(f"balle2017-{k}" for k in range(1, 4)),
    ),
    "balle2017-adaptive": Entry(
        "the same networks, with contexts that adapt to what was decoded before in place of the densities",
        "cae_compress.balle2017.codec:Balle2017Codec",
        (),
        {"entropy_model": "adaptive"},
    ),
    "theis2017": Entry(
        "Theis et al., ICLR 2017: a compressive autoencoder, two networks with scales for many rates, histograms",
        "cae_compress.theis2017.codec:Theis2017Codec",
        ("theis2017-1", "theis2017-2"),
    ),
    "theis2017-adaptive": Entry(
        "the same networks, with contexts that adapt to what was decoded before in place of the histograms",
        "cae_compress.theis2017.codec:Theis2017Codec",
        (),
        {"entropy_model": "adaptive"},
    ),
    "toderici2017": Entry(
        "Toderici et al., CVPR 2017: recurrent, progressive, one network whose files can be cut after each of 8 passes",
        "cae_compress.toderici2017.codec:Toderici2017Codec",
        ("toderici2017",),
        progressive=True,
    ),
}
MAY_BE_CUT = [name for entry in CODECS.values() if entry.progressive for name in entry.name_in_files]
TUNES = tuple(dict.fromkeys(tune for entry in CODECS.values() for tune in entry.names_of_tunes()))
EXACT = {codec.model: codec for codec in (constant.ConstantCodec(), drawing.DrawingCodec())}


def codecs():
    """All codecs, a dict from name, as `encode` takes it for `model`, to a line on what it is."""
    return {name: entry.summary for name, entry in CODECS.items()}


def load_codec(model=DEFAULT_MODEL, tune=DEFAULT_TUNE):
    """A codec by name, with its shipped weights; loaded once in a process, where a codec's class loads them each time.

    Raises:
        ValueError: there is no codec of that name, or it has no weights for that metric.
    """
    if model not in CODECS:
        raise ValueError(f"there is no model {model!r}; there are {', '.join(CODECS)}")
    tunes = CODECS[model].names_of_tunes()
    if tune not in tunes:
        raise ValueError(f"tune of {model} must be {' or '.join(tunes)}, got {tune!r}")
    return _load(model, tune)


@loading.once
def _load(model, tune):
    entry = CODECS[model]
    module, kind = entry.home.split(":")
    weights = {"model": entry.tunes[tune]} if tune in entry.tunes else {}
    return getattr(importlib.import_module(module), kind)(**entry.options, **weights)


def encode(image, quality=DEFAULT_QUALITY, effort=0, model=DEFAULT_MODEL, metadata=None, tune=DEFAULT_TUNE):
    """Compress a picture.

    Args:
        image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey; or a Pillow image, made upright.
        quality: number from 1 (smallest file) to 100 (best picture), whatever the model.
        effort: int, 0 to be fast; 1 to 10 for a somewhat smaller file at the same quality in a second, a hundred for a
            smaller one yet in a minute or more (flagship only).
        model: name of a codec, one of `codecs()`.
        metadata: `Metadata` to go with the picture; by default what a Pillow image carries, and nothing with an array.
        tune: what the picture shall be best in at its size, "psnr", or "ms-ssim", which is nearer to what eyes see
            (flagship only).

    Returns:
        bytes of a .cae file. The same arguments give the same bytes on the same machine with the same threads; others
        round otherwise, and may give another file of the same quality (environment.md). A picture of one colour takes
        no more than its header, and is exact. So is a drawing, with the flagship, where that takes no more than
        `exact.drawing.WORTH` times the bytes that the network needs for this quality, and any picture (a narrow strip
        of noise) where it takes fewer.

    Raises:
        PictureError: `image` is not such an array, or an image that would lose something (`pictures`).
        ValueError: `quality` or `effort` is out of range, there is no such model, or it has no such tune; `metadata`
            is no `Metadata`.
    """
    return encode_as(image, quality, effort, model, metadata, tune)


def encode_as(image, quality, effort, model, metadata, tune, worth=drawing.WORTH):
    """`encode`, with `worth` in the place of `exact.drawing.WORTH`."""
    codec = load_codec(model, tune)
    setting, options = codec.setting_of_quality(number("quality", quality, 1, 100)), _options(codec, effort)
    picture = pictures.picture_of(image)
    metadata = _checked(picture.metadata if metadata is None else metadata)
    rgb, colour = pictures.as_rgb(picture.pixels), pictures.colour_of(picture.pixels)
    if constant.is_constant(rgb):
        data, colour = EXACT[constant.MODEL].encode(rgb), bitstream.GREY if colour == bitstream.GREY else bitstream.RGB
    elif worth and model == DEFAULT_MODEL and drawing.is_drawing(rgb):
        exact, data = EXACT[drawing.MODEL].encode(rgb), codec.encode(rgb, setting)
        if len(exact) <= worth * len(data):
            data = exact
        elif options:
            data = codec.encode(rgb, setting, **options)
    else:
        data = codec.encode(rgb, setting, **options)
        if worth and model == DEFAULT_MODEL and drawing.may_be_smaller(rgb, len(data)):
            data = min(data, EXACT[drawing.MODEL].encode(rgb), key=len)
    header, payload = bitstream.read(data, math.inf)
    return bitstream.write(replace(header, colour=colour, metadata=metadata), payload)


def _checked(metadata):
    if not isinstance(metadata, Metadata):
        raise ValueError(f"metadata must be a cae_compress.Metadata, got {metadata!r}")
    return metadata


def _options(codec, effort):
    """What a codec's `encode` is passed for an effort; raises ValueError if it cannot make it."""
    effort = whole_number(f"effort of {codec.name}", effort, 0, codec.max_effort)
    return {"effort": effort} if effort else {}


def decode(data, max_pixels=bitstream.MAX_PIXELS, as_stored=False):
    """Decompress a .cae file.

    Args:
        data: bytes-like, the whole file.
        max_pixels: files that declare a larger picture are refused (`bitstream.read`).
        as_stored: whether to give grey pictures as grey.

    Returns:
        uint8 array, shape (h, w, 3), RGB; or (h, w) of a grey picture, `as_stored`.

    Raises:
        BitstreamError: the file is damaged, truncated, too large, or made by a model that is not here.
    """
    rgb, header = _decode(data, max_pixels)
    return _as_stored(rgb, header.colour) if as_stored else rgb


def decode_picture(data, max_pixels=bitstream.MAX_PIXELS):
    """The `pictures.Picture` in a .cae file: its pixels, `as_stored`, and its metadata; raises BitstreamError."""
    rgb, header = _decode(data, max_pixels)
    return pictures.Picture(_as_stored(rgb, header.colour), header.metadata)


def _decode(data, max_pixels):
    header, payload = read(data, max_pixels)
    return pictures.in_colour(codec_of(header).decode_payload(header, payload), header.colour), header


def _as_stored(rgb, colour):
    return np.ascontiguousarray(rgb[..., 0]) if colour == bitstream.GREY else rgb


def metadata_of(data, max_pixels=bitstream.MAX_PIXELS):
    """The `Metadata` in a .cae file, which is not decoded; raises BitstreamError."""
    return read(data, max_pixels)[0].metadata


def read(data, max_pixels=bitstream.MAX_PIXELS):
    """`bitstream.read` of a file of any codec; those of progressive ones may be without their end."""
    return bitstream.read(data, max_pixels, MAY_BE_CUT)


def codec_of(header):
    """The codec whose model made a file of this `bitstream.Header`; raises BitstreamError if there is none here."""
    if header.model in EXACT:
        return EXACT[header.model]
    makers = [
        (model, tune)
        for model, entry in CODECS.items()
        for tune, names in entry.names_of_tunes().items()
        if header.model in names
    ]
    if not makers:
        raise BitstreamError(f"the file was made by model {header.model}, which is not here")
    for maker in makers:
        codec = load_codec(*maker).of(header)
        if codec.weights_id == header.weights:
            return codec
    return load_codec(*makers[0]).of(header)  # which says, decoding, whose weights these are


def save(path, image, quality=DEFAULT_QUALITY, effort=0, model=DEFAULT_MODEL, metadata=None, tune=DEFAULT_TUNE):
    """Compress a picture into a file; arguments and errors of `encode`, and OSError if it cannot be written.

    An existing file is replaced when the new one is complete (`files`), and stays as it was after an error.
    """
    files.write(path, encode(image, quality, effort, model, metadata, tune))


def warm_up():
    """Compile all machine code that coding needs, with each codec on a small picture, so that no picture has to wait.

    It is kept for the next process (`coding.compiled`): once after an installation is enough.
    """
    from cae_compress.coding import arithmetic
    from cae_compress.flagship import latents, trellis

    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for model in CODECS:
        decode(encode(picture, model=model))  # tunes share machine code
    decode(EXACT[drawing.MODEL].encode(picture))
    # the coder by itself, for the classroom
    _, data = arithmetic.trace([0, 1], arithmetic.new_probabilities(1))
    arithmetic.decode_bits(data, 2, arithmetic.new_probabilities(1))
    expected = np.zeros((1, 1), np.int32)
    trellis.information(expected, expected, latents.bucket_of(expected), True)


def load(path, max_pixels=bitstream.MAX_PIXELS, as_stored=False):
    """Read a picture from a .cae file; arguments and errors of `decode`, and FileNotFoundError."""
    return decode(Path(path).read_bytes(), max_pixels, as_stored)
