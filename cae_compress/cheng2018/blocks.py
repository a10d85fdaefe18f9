"""Block stage: pad a picture to whole blocks, cut it, put it together again."""

import numpy as np


def padded_size(size, multiple):
    """The smallest multiple of `multiple` that is >= `size`."""
    return -(-size // multiple) * multiple


def pad(planes, multiple):
    """Repeat the last row and column until height and width are multiples of `multiple`.

    Args:
        planes: array, shape (h, w, c), h and w >= 1.
        multiple: int >= 1.

    Returns:
        array of the same dtype, shape (H, W, c); `planes` is its top left corner.
    """
    h, w = planes.shape[:2]
    return np.pad(planes, ((0, padded_size(h, multiple) - h), (0, padded_size(w, multiple) - w), (0, 0)), "edge")


def split(planes, block_size):
    """Cut planes into square blocks, row by row.

    Args:
        planes: array, shape (h, w, c), of any size from 1x1.
        block_size: int, side of a block in pixels.

    Returns:
        array, shape (rows * columns, block_size, block_size, c), padded at the right and bottom.

    Raises:
        ValueError: `planes` is empty or not three-dimensional.
    """
    if planes.ndim != 3 or 0 in planes.shape:
        raise ValueError(f"expected an array of shape (h, w, c), none of them 0, got {planes.shape}")
    padded = pad(planes, block_size)
    rows, columns, channels = padded.shape[0] // block_size, padded.shape[1] // block_size, padded.shape[2]
    blocks = padded.reshape(rows, block_size, columns, block_size, channels)
    return blocks.swapaxes(1, 2).reshape(rows * columns, block_size, block_size, channels)


def join(blocks, height, width):
    """Invert `split` and crop the padding away.

    Args:
        blocks: array, shape (n, block_size, block_size, c), in the order of `split`.
        height, width: size of the picture in pixels.

    Returns:
        array, shape (height, width, c).

    Raises:
        ValueError: the number of blocks does not fit the size.
    """
    block_size, channels = blocks.shape[1], blocks.shape[3]
    rows, columns = (padded_size(size, block_size) // block_size for size in (height, width))
    if len(blocks) != rows * columns:
        raise ValueError(f"a {width}x{height} picture has {rows * columns} blocks of {block_size}, got {len(blocks)}")
    grid = blocks.reshape(rows, columns, block_size, block_size, channels).swapaxes(1, 2)
    return grid.reshape(rows * block_size, columns * block_size, channels)[:height, :width]
