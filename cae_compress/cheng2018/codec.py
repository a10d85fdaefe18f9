"""The replication's codec, stage by stage: a picture to a .cae file and back.

    image ─> YCbCr ─> blocks ─> analysis g_a  ─> y     ─> PCA   ─> quantize   ─> q ─> contexts, arithmetic coder ─┐
                                                                                                         .cae bytes
    image <─ RGB   <─ join   <─ synthesis g_s <─ y_hat <─ PCA⁻¹ <─ dequantize <─ q <─ the same, integers only <───┘

A picture is coded tile by tile, a tile being a row of up to 64 blocks. So the memory needed beside the picture and its
file grows with the width alone: 98 bytes for every column of pixels, which hold the last row of codes.

Source: Cheng et al., PCS 2018, figure 1.
"""

from pathlib import Path

import numpy as np

from cae_compress import bitstream, loading, pictures, weights
from cae_compress.bitstream import BitstreamError
from cae_compress.checks import number
from cae_compress.cheng2018 import blocks, color, pca, quantizer
from cae_compress.cheng2018.latents import (
    BLOCK_SIZE,
    COLOUR_BITS,
    CONTEXT_ARRAYS,
    FLAT,
    MAPS,
    LatentCoder,
    Latents,
    basis_bits,
)
from cae_compress.coding.contexts import ContextModel
from cae_compress.file_codec import FileCodec
from cae_compress.weights import Array

ROTATIONS = ("fixed", "block", "none")  # in this order in the settings of a file
DEFAULT_BITS = 6
NAME_IN_FILES = {"cheng2018-dct": "cheng2018"}  # both networks' files say so; the hash of the weights tells them apart
FIRST_BITS, LAST_BITS = 2, 12  # at the lowest and the highest quality
TILE_WIDTH = 64 * BLOCK_SIZE
PLANES_AT_A_TIME = 12
FLAT_TOLERANCE = 1e-5  # a plane that varies less is of one colour; rounding of floats reaches 1e-7
COLOUR_MAX = (1 << COLOUR_BITS) - 1
RANGE_STEPS = 8  # steps an octave of a range that is sent
NEEDED = CONTEXT_ARRAYS | {  # of a weights file, beside the network
    "pca/basis": Array((MAPS, MAPS), low=-1, high=1),
    "pca/mean": Array((MAPS,)),
    "pca/scale": Array((), low=2.0**-14),  # the least normal number in half precision
    "bits": Array((), low=quantizer.MIN_BITS, high=quantizer.MAX_BITS),
}
LEVELS_MASK, ROTATION_SHIFT = 0xFFFFFF, 24  # the settings in a file's header: levels of the quantizer, rotation


class CAECodec(FileCodec):
    """Convolutional autoencoder, PCA rotation, B-bit quantizer, adaptive arithmetic coder.

    Args:
        rotation: "fixed" (one basis and range, kept with the model), "block" (fitted to each block, and sent) or
            "none" (the mean and the range of "fixed" and no rotation: what the basis is worth; for study).
        model: name of shipped weights, or the path of an .npz file written by `export`. "cheng2018" began as random
            weights, as the paper and the replication had it, "cheng2018-dct" as a DCT (`start.start_as_dct`).

    Raises:
        ValueError: there is no such rotation, or the weights file is damaged or of another version.
        FileNotFoundError: there are no such weights.
    """

    settings = tuple(range(FIRST_BITS, LAST_BITS + 1))  # the values of B of a rate-distortion curve

    def __init__(self, rotation="fixed", model="cheng2018"):
        if rotation not in ROTATIONS:
            raise ValueError(f"rotation must be one of {ROTATIONS}, got {rotation!r}")
        self.rotation, self.weights_name = rotation, model
        self.model = NAME_IN_FILES.get(model, Path(model).stem)
        start = "CAE from a DCT" if model == "cheng2018-dct" else "CAE"
        self.name = f"{start}, no PCA" if rotation == "none" else f"{start}, {rotation} PCA"
        arrays, self.weights_sha256 = weights.load(model)
        arrays.setdefault("bits", np.float32(DEFAULT_BITS))
        weights.check_arrays(arrays, NEEDED, self.model)
        self.basis, self.mean, self.scale = (arrays.pop(f"pca/{key}") for key in ("basis", "mean", "scale"))
        self.bits = float(arrays.pop("bits"))
        self.context_model = ContextModel.from_arrays(arrays)
        self._network_arrays = arrays

    @loading.network
    def cae(self):
        """The network, a `network.CAE`, loaded with TensorFlow when first needed: not to read a file's latents."""
        from cae_compress.cheng2018 import network

        return network.from_arrays(self._network_arrays)

    @staticmethod
    def setting_of_quality(quality):
        """Quality 1 to 100 -> B, 2 to 12; raises ValueError if it is out of range."""
        return FIRST_BITS + (LAST_BITS - FIRST_BITS) * (number("quality", quality, 1, 100) - 1) / 99

    def setting_text(self, header):
        """B and the rotation, as in "B = 6, fixed PCA"."""
        levels, rotation = settings_of(header)
        return f"B = {quantizer.bits_of(levels):.3g}, {'no' if rotation == 'none' else rotation} PCA"

    def encode(self, image, bits=None):
        """Code a picture.

        Args:
            image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
            bits: B of the quantizer, a number from 1 to 16; by default what the network was trained for, or 6.

        Returns:
            bytes of a .cae file (`bitstream`).

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `bits` is out of range.
        """
        image, levels = pictures.as_rgb(image), quantizer.levels_of(self.bits if bits is None else bits)
        height, width = image.shape[:2]
        coder = LatentCoder(self.context_model, levels, width)
        for tile in tiles(height, width):
            coder.code(self._tile_to_latents(image[tile], levels), tile[1].start)
        settings = levels | ROTATIONS.index(self.rotation) << ROTATION_SHIFT
        return bitstream.write(bitstream.Header(self.model, self.weights_id, width, height, settings), coder.finish())

    def decode_payload(self, header, payload):
        """`decode` for a file that `bitstream.read` has taken apart."""
        image = np.empty((header.height, header.width, 3), np.uint8)
        levels, rotation = settings_of(header)
        for tile, latents in zip(tiles(header.height, header.width), self.decode_latents(header, payload)):
            image[tile] = self._latents_to_tile(latents, levels, *image[tile].shape[:2], rotation)
        return image

    def _tile_to_latents(self, rgb, levels):
        x = blocks.split(color.rgb_to_ycbcr(rgb), BLOCK_SIZE)
        y = self.analyse(x)
        return self.quantize(y, x, levels)

    def _latents_to_tile(self, latents, levels, height, width, rotation):
        y_hat = self.dequantize(latents, levels, rotation)
        x_hat = self.synthesise(y_hat, latents)
        return color.ycbcr_to_rgb(blocks.join(x_hat, height, width))

    def decode_latents(self, header, payload):
        """The `Latents` of each tile of a file in turn, decoded in integers alone.

        Args:
            header, payload: from `bitstream.read`.

        Raises:
            BitstreamError: the file is of another model, or not what an encoder writes.
        """
        coder, own_bases = self._decoder(header, payload)
        yield from self._decode_tiles(header, coder, own_bases)

    def sections(self, header, payload):
        """Where the bytes of a payload go: dict from section to bytes, fractions included; raises BitstreamError."""
        coder, own_bases = self._decoder(header, payload)
        for _ in self._decode_tiles(header, coder, own_bases):
            pass
        sections = {"side information": coder.side_bits / 8}
        sections |= {f"latents of {name}": bits / 8 for name, bits in zip(color.PLANES, coder.plane_bits)}
        return {**sections, "end of stream": len(payload) - sum(sections.values())}

    def estimate_bpp(self, header, payload):
        """Entropy estimates of a file in bits a pixel, without and with side information (`entropy.estimate_bpp`)."""
        latents = Latents.concatenate(self.decode_latents(header, payload))
        return latents.estimate_bpp(header.width * header.height)

    def _decoder(self, header, payload):
        """A `LatentCoder` that reads a payload, and whether each block has a basis of its own."""
        bitstream.check_model(header, self.model, self.weights_id)
        levels, rotation = settings_of(header)
        return LatentCoder(self.context_model, levels, header.width, payload), rotation == "block"

    @staticmethod
    def _decode_tiles(header, coder, own_bases):
        for tile in tiles(header.height, header.width):
            latents = Latents.empty(blocks_across(tile[1].stop - tile[1].start), own_bases)
            coder.code(latents, tile[1].start)
            yield latents

    def latents(self, image, bits=6):
        """All `Latents` of a picture at once, as `encode` codes them tile by tile; for study."""
        image, levels = pictures.as_rgb(image), quantizer.levels_of(bits)
        return Latents.concatenate(self._tile_to_latents(image[tile], levels) for tile in tiles(*image.shape[:2]))

    def reconstruct(self, latents, bits, height, width):
        """The picture, uint8 (height, width, 3), that all its `Latents` decode to; for study."""
        image, first = np.empty((height, width, 3), np.uint8), 0
        for tile in tiles(height, width):
            size = image[tile].shape[:2]
            last = first + blocks_across(size[1])
            part = latents.part(first, last)
            image[tile] = self._latents_to_tile(part, quantizer.levels_of(bits), *size, self.rotation)
            first = last
        return image

    def analyse(self, x):
        """Blocks of planes x (blocks, 128, 128, 3) in [0, 1] -> codes y, float32 (blocks, 3, 16, 16, 32)."""
        planes = x.transpose(0, 3, 1, 2).reshape(-1, BLOCK_SIZE, BLOCK_SIZE, 1)
        y = _in_parts(self.cae.encode_planes, planes)
        return y.reshape(-1, 3, *y.shape[1:])

    def quantize(self, y, x, levels):
        """Codes y of blocks x -> `Latents`: rotate and quantize, with the model's basis and range or each block's own.

        Planes of one colour, which a picture with borders or a grey one has, are noted as such and have no code.
        """
        colours = np.rint(x.mean(axis=(1, 2)) * COLOUR_MAX).astype(np.int32)  # (blocks, 3)
        flat = np.ptp(x, axis=(1, 2)) < FLAT_TOLERANCE
        if self.rotation != "block":
            q = quantizer.quantize(pca.rotate(y, self._shared_basis(self.rotation), self.mean), self.scale, levels)
            ranges = bases = None
        else:
            basis = np.stack([[pca.fit(plane)[0] for plane in block] for block in y])  # (blocks, 3, 32, 32)
            rotated = pca.rotate(y, basis[:, :, None])
            ranges = np.ceil(RANGE_STEPS * np.log2(np.abs(rotated).max(axis=(2, 3, 4)) + 2.0**-15)).astype(np.int32)
            q = quantizer.quantize(rotated, range_of(ranges), levels)
            bases = np.rint(basis * 2.0 ** basis_bits(levels)).astype(np.int32)
        q[flat] = 0
        in_use = q.any(axis=(2, 3))  # (blocks, 3, 32)
        classes = in_use.shape[-1] - in_use[..., ::-1].argmax(axis=-1)  # up to the last map in use
        classes = np.where(flat, FLAT, np.where(in_use.any(axis=-1), classes, 0)).astype(np.uint8)
        return Latents(q, classes, colours * flat, ranges, bases)

    def dequantize(self, latents, levels, rotation):
        """`Latents` of a rotation -> codes y_hat, float32 (blocks, 3, 16, 16, 32)."""
        if rotation != "block":
            rotated = quantizer.dequantize(latents.q, self.scale, levels)
            return pca.rotate_back(rotated, self._shared_basis(rotation), self.mean)
        basis = (latents.bases * 2.0 ** -basis_bits(levels)).astype(np.float32)
        return pca.rotate_back(quantizer.dequantize(latents.q, range_of(latents.ranges), levels), basis[:, :, None])

    def _shared_basis(self, rotation):
        """The basis of all blocks where none has its own, float32 (32, 32)."""
        return self.basis if rotation == "fixed" else np.eye(len(self.basis), dtype=np.float32)

    def synthesise(self, y_hat, latents):
        """Codes y_hat, and the colours of planes of one colour -> blocks x_hat, float32 (blocks, 128, 128, 3)."""
        planes = _in_parts(self.cae.decode_planes, y_hat.reshape(-1, *y_hat.shape[2:]))
        x_hat = planes.reshape(-1, 3, BLOCK_SIZE, BLOCK_SIZE).transpose(0, 2, 3, 1)
        colours = (latents.colours / COLOUR_MAX)[:, None, None]
        return np.where((latents.classes == FLAT)[:, None, None], colours, x_hat)


def settings_of(header):
    """What a file's header says of its coding: (levels of the quantizer, rotation).

    Raises:
        BitstreamError: no encoder writes such settings.
    """
    levels, rotation = header.settings & LEVELS_MASK, header.settings >> ROTATION_SHIFT
    if not quantizer.MIN_LEVELS <= levels <= quantizer.MAX_LEVELS or rotation >= len(ROTATIONS):
        raise BitstreamError(f"impossible settings: {header.settings:#010x}")
    return levels, ROTATIONS[rotation]


def blocks_across(width):
    """Blocks in a tile `width` pixels wide."""
    return blocks.padded_size(width, BLOCK_SIZE) // BLOCK_SIZE


def tiles(height, width):
    """Slices (rows, columns) that cut a picture into tiles, row by row."""
    return [
        np.s_[top : min(top + BLOCK_SIZE, height), left : min(left + TILE_WIDTH, width)]
        for top in range(0, height, BLOCK_SIZE)
        for left in range(0, width, TILE_WIDTH)
    ]


def range_of(ranges):
    """Ranges as they are sent, int (blocks, 3) -> float32, to be broadcast over codes (blocks, 3, 16, 16, 32)."""
    return (2.0 ** (ranges / RANGE_STEPS)).astype(np.float32)[:, :, None, None, None]


def _in_parts(network, x):
    """Run a network over its first axis in parts, so that its memory does not grow with the tile."""
    return np.concatenate([network(x[k : k + PLANES_AT_A_TIME]).numpy() for k in range(0, len(x), PLANES_AT_A_TIME)])
