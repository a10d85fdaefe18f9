"""Rate estimates. Nothing here is a rate: a rate is the size of a file."""

import numpy as np

# What a decoder has to be told, as 16-bit numbers: the cheapest storage one would call lossless.
SIDE_INFORMATION_BITS = 16


def zero_order_entropy(q):
    """Discrete entropy of integers under their own histogram, in bits a symbol.

    A lower bound for coders that treat symbols as independent draws from one distribution and know
    that distribution for nothing; neither a bound nor a rate for any other coder.

    Args:
        q: integer array, any shape.

    Returns:
        float >= 0; 0 for an empty or constant array.
    """
    _, counts = np.unique(np.asarray(q), return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def estimate_bpp(q, num_pixels, num_side_values=0):
    """The replication's estimate of bits a pixel, and the same with side information.

    Args:
        q: integer array, shape (blocks, planes, h, w, c): the quantized codes of a picture.
        num_pixels: int, pixels of the original picture, without padding.
        num_side_values: int, numbers of 16 bits that the decoder needs besides: bases, ranges.

    Returns:
        (estimate, with_side_information) in bits a pixel. For whole 128x128 blocks with 16x16x32 codes the
        first is 16 * 16 * 32 * (H_Y + H_Cb + H_Cr) / (128 * 128).

    Source: the replication of Cheng et al.; the second number is what it left out.
    """
    bits = sum(zero_order_entropy(q[:, plane]) * q[:, plane].size for plane in range(q.shape[1]))
    return bits / num_pixels, (bits + SIDE_INFORMATION_BITS * num_side_values) / num_pixels
