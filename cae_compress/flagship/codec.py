"""The flagship's codec, stage by stage: a picture to a .cae file and back.

    image ─> g_a  ─> * gain         ─> y     ─> quantize ─> q ─> integer context network, arithmetic coder ─┐
                                                                                                     .cae bytes
    image <─ g_s  <─ * inverse gain <─ y_hat <─ + offset <─ q <─ the same, integers only <──────────────────┘

Pictures that are not like photographs have a DCT in the networks' place (`dct`).

A picture is coded tile by tile, 1024x1024 pixels each. The networks see a margin around every tile, so that no seams
show; the entropy coder does not, and starts every tile afresh but for what its contexts have learned.

Sources: those of `network` and `trellis`.
"""

import itertools
import math
from pathlib import Path

import llvmlite.binding
import numpy as np

from cae_compress import bitstream, loading, pictures, weights
from cae_compress.bitstream import BitstreamError
from cae_compress.checks import number, whole_number
from cae_compress.coding import entropy
from cae_compress.file_codec import FileCodec
from cae_compress.flagship import dct, gains, patterns, tiling, trellis
from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.gains import NUM_LMBDAS, PLACE_BITS
from cae_compress.flagship.integer_context import IntegerContext
from cae_compress.flagship.integer_weights import from_integers
from cae_compress.flagship.latents import PROBABILITIES, RDLatentCoder
from cae_compress.flagship.loss import loss
from cae_compress.flagship.tiling import PATCH, grid, pixels_of, tiles, widened
from cae_compress.weights import Array

MARGIN = 6  # patches around a tile that the networks see
MAX_PLACE = (NUM_LMBDAS - 1) << PLACE_BITS
BY_DCT = 1 << 16  # in the settings of a header, beside the place between the lambdas: what the latents are of
QUALITIES_AND_PLACES = (1, 50, 100), (0, 887, MAX_PLACE)  # 50 is for daily use, 100 for some 45 dB
DEPENDENT = True  # quantization; without, the ablation
DISTORTION_WEIGHT = 6.0  # of the rate-distortion choice, chosen on held-out ImageNet samples: data/ablations.csv
TUNES = ("psnr", "ms-ssim")  # what weights are trained for
NEEDED = {  # of a weights file, beside the networks
    "probabilities": PROBABILITIES,
    "tune": Array((), np.uint8, high=len(TUNES) - 1),
}


class RDCodec(FileCodec):
    """Convolutional autoencoder with gains, rate-distortion optimised quantization, integer context network.

    Args:
        model: name of shipped weights, or the path of an .npz file written by `export`.

    Raises:
        FileNotFoundError: there are no such weights.
        ValueError: the file is damaged, or holds weights of another version.
    """

    name = "cae_compress"
    settings = (1, 15, 29, 43, 57, 71, 85, 100)  # qualities of a rate-distortion curve
    max_effort = 10_000

    def __init__(self, model="rdcae"):
        self.model, self.weights_name = Path(model).stem, model  # in files, and for `weights`
        arrays, self.weights_sha256 = weights.load(model)
        self._context_arrays = take(arrays, "context")
        self.context = IntegerContext(self._context_arrays)
        arrays.setdefault("tune", np.uint8(0))
        weights.check_arrays(arrays, NEEDED, self.model)
        self.probabilities, self.tune = arrays.pop("probabilities"), TUNES[arrays.pop("tune")]
        if self.tune != "psnr":
            self.name = f"{self.name} for {self.tune.upper()}"
        self._network_arrays = arrays

    @loading.network
    def transforms(self):
        """What runs g_a and g_s, made when first needed: OpenVINO where it is installed (`engine`), else `network`."""
        try:
            import openvino  # noqa: F401
        except ImportError:
            return self.network
        from cae_compress.flagship.engine import Transforms

        return Transforms(self._network_arrays, fast_bfloat16())

    @loading.network
    def network(self):
        """The network, a `network.RDCAE`, loaded with TensorFlow when first needed: to search for better latents."""
        from cae_compress.flagship import network

        return network.from_arrays(self._network_arrays, "mixed_bfloat16" if fast_bfloat16() else None)

    @loading.network
    def network_with_context(self):
        """The network, its context network in floating point too: to search for better latents."""
        self.network.context.assign(from_integers(self._context_arrays))
        return self.network

    @staticmethod
    def setting_of_quality(quality):
        """The quality itself."""
        return quality

    def setting_text(self, header):
        """The quality, as in "quality 50", and whether a DCT stands in the networks' place."""
        quality = np.interp(header.settings & ~BY_DCT, *reversed(QUALITIES_AND_PLACES))
        return f"quality {round(quality, 1):g}" + (", by a DCT" if header.settings & BY_DCT else "")

    def encode(self, image, quality=50, effort=0):
        """Code a picture.

        Args:
            image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
            quality: number from 1 (smallest file) to 100 (best picture).
            effort: int, gradient steps in search of better latents (`refinement`): the first few make a file two to
                three per cent smaller at the same quality, 100 five. Decoding takes no longer.

        Returns:
            bytes of a .cae file (`bitstream`); its settings hold the place of the quality between the lambdas.

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `quality` or `effort` is out of range.
        """
        effort = whole_number("effort", effort, 0, self.max_effort)
        image, quality = pictures.as_rgb(image), number("quality", quality, 1, 100)
        place, best = place_of_quality(quality), quality
        pattern = patterns.find(image)
        if pattern:
            best = patterns.best_quality(self, image, quality, pattern)
        data = self.encode_at(image, best, effort)
        if not (pattern or dct.may_pay(image, place)):
            return data
        both = data, self.encode_by_dct(image, quality)
        return min(both, key=lambda file: loss(image, self.decode(file, math.inf), place, 8 * len(file), self.tune))

    def encode_at(self, image, quality, effort=0):
        """`encode` at just this quality, of RGB, by the networks."""
        place = place_of_quality(quality)

        def latents_of(tile):
            y = self.analyse(image, tile, place)
            return self.refine(y, image, tile, place, effort) if effort else y

        return self._file_of(latents_of, image, place, self.quantizer(place, DEPENDENT))

    def encode_by_dct(self, image, quality):
        """`encode` at just this quality, of RGB, by a DCT."""
        place = place_of_quality(quality)

        def latents_of(tile):
            return dct.analyse(pixels_of(image, tile), place)

        return self._file_of(latents_of, image, BY_DCT | place, quantizer_by(dct.ERROR_WEIGHTS, DEPENDENT))

    def _file_of(self, latents_of, image, settings, quantize):
        height, width = image.shape[:2]
        coder = RDLatentCoder(self.context, self.probabilities, settings & ~BY_DCT)
        for tile in tiles(height, width):
            coder.encode(latents_of(tile), quantize, DEPENDENT)
        header = bitstream.Header(self.model, self.weights_id, width, height, settings)
        return bitstream.write(header, coder.finish())

    def decode_payload(self, header, payload):
        """`decode` for a file that `bitstream.read` has taken apart."""
        image = np.empty((header.height, header.width, 3), np.uint8)
        place, by_dct = header.settings & ~BY_DCT, header.settings & BY_DCT
        for top, left, q, offsets, tile in self._tiles(header, self._coder(header, payload)):
            rgb = dct.synthesise(q[tile], place) if by_dct else self.synthesise(q, offsets, tile, place)
            pixels = image[top : top + rgb.shape[0], left : left + rgb.shape[1]]
            pixels[:] = rgb[: pixels.shape[0], : pixels.shape[1]]
        return image

    def decode_latents(self, header, payload):
        """The quantized latents of a file in half steps, decoded in integers alone: int16 (h / 16, w / 16, CHANNELS).

        Args:
            header, payload: from `bitstream.read`.

        Raises:
            BitstreamError: the file is of another model, or not what an encoder writes.
        """
        return np.concatenate([q for q, _ in self._rows(header, self._coder(header, payload))])

    def sections(self, header, payload):
        """Where the bytes of a payload go: dict from section to bytes, fractions included; raises BitstreamError."""
        coder = self._coder(header, payload)
        for _ in self._rows(header, coder):
            pass
        sections = {"channels in use": coder.side_bits / 8}
        sections |= {f"latents, group {k + 1}": bits / 8 for k, bits in enumerate(coder.group_bits)}
        return {**sections, "end of stream": len(payload) - sum(sections.values())}

    def estimate_bpp(self, header, payload):
        """Zero-order entropy of each channel, in bits a pixel; twice, as there is no side information."""
        q = self.decode_latents(header, payload)
        estimate, _ = entropy.estimate_bpp(q.transpose(2, 0, 1)[None], header.width * header.height)
        return estimate, estimate

    def _coder(self, header, payload):
        """What decodes the latents of a file."""
        bitstream.check_model(header, self.model, self.weights_id)
        place = header.settings & ~BY_DCT
        if place > MAX_PLACE:
            raise BitstreamError(f"impossible settings: {header.settings:#010x}")
        return RDLatentCoder(self.context, self.probabilities, place, payload)

    def _rows(self, header, coder):
        """Rows of tiles, one after the other, so that a large picture's latents need not be held all together.

        Yields:
            (q, offsets): int16 and int8 (rows, columns, CHANNELS), as `RDLatentCoder.decode` gives them.
        """
        rows, columns = grid(header.height, header.width)
        for top in range(0, rows, tiling.TILE):
            shape = min(tiling.TILE, rows - top), columns, CHANNELS
            q, offsets = np.empty(shape, np.int16), np.empty(shape, np.int8)
            for left in range(0, columns, tiling.TILE):
                tile = np.s_[:, left : left + tiling.TILE]
                q[tile], offsets[tile] = coder.decode(*q[tile].shape[:2])
            yield q, offsets

    def _tiles(self, header, coder):
        """Tiles as they come, with what is around them, while the latents of two rows of them are held.

        Yields:
            (top, left, q, offsets, tile): the tile's first pixel; latents of the tile and MARGIN patches around it, as
            `_rows` gives them; and which of them are the tile's.
        """
        width = grid(header.height, header.width)[1]
        rows, top = self._rows(header, coder), 0
        above = nothing = np.empty((2, 0, width, CHANNELS), np.int8)
        row = next(rows)
        for below in itertools.chain(rows, [nothing]):
            height, before = len(row[0]), len(above[0])
            for left in range(0, width, tiling.TILE):
                columns = slice(left, min(left + tiling.TILE, width))
                (seen,) = widened([columns], MARGIN, [width])
                parts = zip(above, row, below)
                q, offsets = (np.concatenate([a[:, seen], b[:, seen], c[:MARGIN, seen]]) for a, b, c in parts)
                tile = np.s_[before : before + height, columns.start - seen.start : columns.stop - seen.start]
                yield PATCH * top, PATCH * left, q, offsets, tile
            above, row, top = [a[-MARGIN:].copy() for a in row], below, top + height

    def analyse(self, image, tile, place):
        """Latents of a tile in quantization steps, y = gain * g_a(x): float32 (rows, columns, CHANNELS)."""
        pixels = pixels_of(image, widened(tile, MARGIN, grid(*image.shape[:2])))
        y = self.transforms.encode_pictures(pixels[None], np.float32(place / 2**PLACE_BITS))
        top, left = (min(s.start, MARGIN) for s in tile)
        return np.asarray(y)[0, top:, left:][: tile[0].stop - tile[0].start, : tile[1].stop - tile[1].start]

    def refine(self, y, image, tile, place, effort):
        """Better latents of a tile than those of `analyse`, of the same shape, after `effort` gradient steps."""
        from cae_compress.flagship.refinement import refine

        pixels = image[tiling.slices_of_pixels(tile)]
        u, weights = place / 2**PLACE_BITS, self.error_weights(place)
        return refine(self.network_with_context, y, pixels, u, effort, weights, self.tune)

    def synthesise(self, q, offsets, tile, place):
        """The pixels of a tile, from latents and offsets around it too: uint8 RGB (16 * rows, 16 * columns, 3)."""
        u = np.float32(place / 2**PLACE_BITS)
        x_hat = self.transforms.decode_pictures(q[None], offsets[None], u)
        return np.asarray(x_hat)[0][tiling.slices_of_pixels(tile)]

    def quantizer(self, place, dependent=True):
        """Rate-distortion optimised choice at a quality (`trellis.choose`), as `RDLatentCoder.encode` wants it."""
        return quantizer_by(self.error_weights(place), dependent)

    def error_weights(self, place):
        """Bits that a squared error of one step in a latent costs in each channel: float32 (CHANNELS,)."""
        costs = gains.distortion_weights(self._network_arrays, place / 2**PLACE_BITS)
        return (DISTORTION_WEIGHT * costs).astype(np.float32)


def quantizer_by(weights, dependent):
    """Rate-distortion optimised choice, where errors of one step in each channel cost so many bits."""
    return lambda y, mean, bucket, channels: trellis.choose(y, mean, bucket, weights[channels], dependent)


def place_of_quality(quality):
    """Quality 1 to 100 -> place between the lambdas in 1/256, from 0 to `MAX_PLACE`; in two lines that meet at 50.

    Raises:
        ValueError: the quality is out of range.
    """
    return round(np.interp(number("quality", quality, 1, 100), *QUALITIES_AND_PLACES))


def fast_bfloat16():
    """Whether this processor multiplies numbers of 16 bits, which the networks may then use: 1.7 times as fast.

    Latents are decoded in integers in any case. Of the samples of a decoded picture 3 to 11 % come out one level
    different, seldom two (18 files of the bundled photographs), and of the same picture other files are made, up to
    half a per cent smaller or larger: latents at the border between two steps go either way.
    """
    return llvmlite.binding.get_host_cpu_features().get("avx512bf16", False)


def take(arrays, prefix):
    """Move the arrays whose names begin with "prefix/" into a dict of their own."""
    return {name.removeprefix(f"{prefix}/"): arrays.pop(name) for name in list(arrays) if name.startswith(f"{prefix}/")}
