"""How a picture is cut into patches of 16x16 pixels, one position of latents each, and these into tiles."""

import numpy as np

PATCH = 16  # pixels of the picture to a latent, in each direction
TILE = 64  # patches, in each direction


def grid(height, width):
    """How many rows and columns of patches a picture of so many pixels has."""
    return -(-height // PATCH), -(-width // PATCH)


def tiles(height, width):
    """Slices (rows, columns) of patches that cut a picture of so many pixels into tiles, row by row."""
    rows, columns = grid(height, width)
    return [
        np.s_[top : min(top + TILE, rows), left : min(left + TILE, columns)]
        for top in range(0, rows, TILE)
        for left in range(0, columns, TILE)
    ]


def widened(tile, margin, shape):
    """A tile, slices of rows and columns, with so much of its surroundings as there is in a grid of this shape."""
    return tuple(slice(max(s.start - margin, 0), min(s.stop + margin, size)) for s, size in zip(tile, shape))


def slices_of_pixels(patches):
    """Where the pixels of patches, slices of rows and columns, are: slices too, which may go beyond the picture."""
    return tuple(slice(PATCH * s.start, PATCH * s.stop) for s in patches)


def pixels_of(image, patches):
    """The pixels of patches, slices of rows and columns; beyond the picture, its last row and column are repeated."""
    rows, columns = slices_of_pixels(patches)
    pixels = image[rows, columns]
    missing = (rows.stop - rows.start - pixels.shape[0], columns.stop - columns.start - pixels.shape[1])
    if any(missing):
        pixels = np.pad(pixels, [(0, missing[0]), (0, missing[1]), (0, 0)], "edge")
    return np.ascontiguousarray(pixels)


def cut(pixels):
    """Pixels (..., 16 * rows, 16 * columns, 3) by patches: (..., rows, columns, 16, 16, 3)."""
    *pictures, height, width, _ = pixels.shape
    return pixels.reshape(*pictures, height // PATCH, PATCH, width // PATCH, PATCH, 3).swapaxes(-4, -3)


def sum_by_halves(runs, size):
    """Runs of `size` numbers along the last axis, a power of two of them, added up, in a fifth of the time of `sum`."""
    while runs.shape[-1] > size:
        runs = np.add(*np.split(runs, 2, axis=-1))
    return runs
