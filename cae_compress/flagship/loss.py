"""What a coded picture costs: bits + lambda * distortion, which the networks are trained to keep small, of whole files.

The encoder decides by it where there are two ways, or several qualities, to code a picture.
"""

import numpy as np

from cae_compress.flagship.gains import PLACE_BITS, lmbda_of
from cae_compress.flagship.tiling import slices_of_pixels, tiles

STRIP = 256  # rows whose errors are summed together, so that large pictures take little memory


def loss(image, decoded, place, bits, tune="psnr"):
    """Loss in bits.

    Args:
        image, decoded: uint8 arrays (h, w, 3).
        place: int, of the quality between the lambdas, in 1/256.
        bits: of the file.
        tune: what counts as distortion, one of `DISTORTIONS`.
    """
    return bits + lmbda_of(place / 2**PLACE_BITS) * DISTORTIONS[tune](image, decoded)


def squared_error(image, decoded):
    """Sum over the pixels of the mean squared error of red, green and blue, in squared levels."""
    strips = range(0, len(image), STRIP)
    errors = (np.subtract(image[top : top + STRIP], decoded[top : top + STRIP], dtype=np.int32) for top in strips)
    return sum(int(np.square(error).sum()) for error in errors) / 3


def ms_ssim_error(image, decoded):
    """Sum over the pixels of `distortion.ms_ssim_error`, taken tile by tile. It waits for TensorFlow."""
    from cae_compress.flagship import distortion

    total = 0.0
    for tile in tiles(*image.shape[:2]):
        where = slices_of_pixels(tile)
        parts = [pixels[where][None].astype(np.float32) / 255 - np.float32(0.5) for pixels in (image, decoded)]
        total += float(distortion.ms_ssim_error(*parts)[0]) * parts[0][0, ..., 0].size
    return total


DISTORTIONS = {"psnr": squared_error, "ms-ssim": ms_ssim_error}  # of the flagship's tunes
