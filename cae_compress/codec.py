"""The front door: a picture to quantized latents and back, stage by stage.

    image ─> YCbCr ─> 128x128 blocks ─> analysis g_a ─> y ─> PCA ─> quantize ─> q
    image <─ RGB   <─ join           <─ synthesis g_s <─ y_hat <─ PCA⁻¹ <─ dequantize <─ q

Source: Cheng et al., PCS 2018, figure 1, without its entropy coder.
"""

from dataclasses import dataclass

import numpy as np

from cae_compress import blocks, color, entropy, pca, pictures, quantizer, weights

ROTATIONS = ("fixed", "block")
BLOCK_SIZE = 128
PLANES_AT_A_TIME = 48


@dataclass(frozen=True)
class Latents:
    """What a decoder needs to make a picture.

    Attributes:
        q: int32, shape (blocks, 3, 16, 16, 32), quantized rotated codes; planes in the order Y, Cb, Cr.
        bits: int B, bits a value as the quantizer's setting.
        height, width: size of the picture in pixels.
        bases: float16, shape (blocks, 3, 32, 32), the rotation of each block, or None where it is the model's.
        scales: float16, shape (blocks, 3), the range of each block, or None where it is the model's.
    """

    q: np.ndarray
    bits: int
    height: int
    width: int
    bases: np.ndarray | None = None
    scales: np.ndarray | None = None

    def estimate_bpp(self):
        """Entropy estimate in bits a pixel, without and with side information (see `entropy.estimate_bpp`)."""
        num_side_values = sum(array.size for array in (self.bases, self.scales) if array is not None)
        return entropy.estimate_bpp(self.q, self.height * self.width, num_side_values)


class CAECodec:
    """The replication's codec: convolutional autoencoder, PCA rotation, B-bit quantizer.

    Args:
        rotation: "fixed" (one basis and range, kept with the model) or "block" (fitted to each block, to be sent).
        model: name of shipped weights, or the path of an .npz file written by `cae_compress.train`.

    Raises:
        ValueError: there is no such rotation.
        FileNotFoundError: there are no such weights.
    """

    settings = tuple(range(2, 13))  # the values of B of a rate-distortion curve

    def __init__(self, rotation="fixed", model="cheng2018"):
        if rotation not in ROTATIONS:
            raise ValueError(f"rotation must be one of {ROTATIONS}, got {rotation!r}")
        self.rotation = rotation
        self.name = f"CAE, {rotation} PCA"
        arrays, self.weights_sha256 = weights.load(model)
        self.basis, self.mean, self.scale = (arrays.pop(f"pca/{key}") for key in ("basis", "mean", "scale"))

        from cae_compress.models import cheng2018  # loads TensorFlow

        self.cae = cheng2018.from_arrays(arrays)

    def encode(self, image, bits=8):
        """Code a picture.

        Args:
            image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
            bits: int B, 1 to 16, of the quantizer.

        Returns:
            The `Latents`.

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `bits` is out of range.
        """
        quantizer.check_bits(bits)
        planes = color.rgb_to_ycbcr(pictures.as_rgb(image))
        y = self.analyse(planes)
        return self.quantize(y, bits, *planes.shape[:2])

    def decode(self, latents):
        """`Latents` -> uint8 RGB picture (h, w, 3)."""
        y_hat = self.dequantize(latents)
        planes = self.synthesise(y_hat, latents.height, latents.width)
        return color.ycbcr_to_rgb(planes)

    def analyse(self, planes):
        """Planes (h, w, 3) in [0, 1] -> codes y, float32 (blocks, 3, 16, 16, 32)."""
        x = blocks.split(planes, BLOCK_SIZE)  # (blocks, 128, 128, 3)
        x = x.transpose(0, 3, 1, 2).reshape(-1, *x.shape[1:3], 1)  # (3 * blocks, 128, 128, 1)
        y = self._in_parts(self.cae.encode_planes, x)
        return y.reshape(-1, 3, *y.shape[1:])

    def synthesise(self, y_hat, height, width):
        """Codes y_hat (blocks, 3, 16, 16, 32) -> planes, float32 (height, width, 3), nominally in [0, 1]."""
        x_hat = self._in_parts(self.cae.decode_planes, y_hat.reshape(-1, *y_hat.shape[2:]))
        x_hat = x_hat.reshape(-1, 3, *x_hat.shape[1:3]).transpose(0, 2, 3, 1)
        return blocks.join(x_hat, height, width)

    def quantize(self, y, bits, height, width):
        """Codes y -> `Latents`: rotate and quantize, with the model's basis and range or each block's own."""
        if self.rotation == "fixed":
            q = quantizer.quantize(pca.rotate(y, self.basis, self.mean), self.scale, bits)
            return Latents(q, bits, height, width)
        bases = np.stack([[pca.fit(plane)[0] for plane in block] for block in y]).astype(np.float16)
        rotated = pca.rotate(y, bases[:, :, None].astype(np.float32))
        scales = np.maximum(np.abs(rotated).max(axis=(2, 3, 4)), 2.0**-10).astype(np.float16)
        q = quantizer.quantize(rotated, scales[:, :, None, None, None].astype(np.float32), bits)
        return Latents(q, bits, height, width, bases, scales)

    def dequantize(self, latents):
        """`Latents` -> codes y_hat, float32 (blocks, 3, 16, 16, 32)."""
        if latents.bases is None:
            rotated = quantizer.dequantize(latents.q, self.scale, latents.bits)
            return pca.rotate_back(rotated, self.basis, self.mean)
        rotated = quantizer.dequantize(latents.q, latents.scales[:, :, None, None, None], latents.bits)
        return pca.rotate_back(rotated, latents.bases[:, :, None].astype(np.float32))

    @staticmethod
    def _in_parts(network, x):
        """Run a network over its first axis in parts, so that memory does not grow with the picture."""
        return np.concatenate(
            [network(x[k : k + PLANES_AT_A_TIME]).numpy() for k in range(0, len(x), PLANES_AT_A_TIME)]
        )
