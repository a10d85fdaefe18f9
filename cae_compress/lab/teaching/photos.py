"""One's own picture in a notebook: opened, fitted to a size that keeps the notebook quick; claims about it."""

import cv2
import numpy as np

from cae_compress import datasets, pictures

LONGEST, SHORTEST = 640, 256  # sides in pixels of a picture that a notebook works on


def open_photo(path, otherwise="coffee"):
    """The picture of a notebook.

    Args:
        path: of the reader's own picture, of any format that Pillow reads, or None.
        otherwise: name of the bundled photograph that is taken if `path` is None.

    Returns:
        uint8 RGB array (h, w, 3), at most 640 pixels long and at least 256 short, from the reader's picture resized if
        need be, which is then said.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: it is not a picture, or of a kind that `pictures.read` refuses, or too long and thin.
    """
    if path is None:
        return datasets.bundled()[otherwise]
    image = pictures.read(path)
    height, width = image.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    if min(height, width) * factor < SHORTEST:
        factor = SHORTEST / min(height, width)
    if max(height, width) * factor > 4 * SHORTEST:
        raise pictures.PictureError(f"{path} is {width}x{height} pixels, too long and thin; cut a piece out of it")
    if factor == 1:
        print(f"{path}: {width}x{height} pixels.")
        return image
    size = round(width * factor), round(height * factor)
    verb = "made smaller, so that this notebook keeps its time" if factor < 1 else "made larger, for metrics need that"
    print(f"{path}: {width}x{height} pixels, {verb}: {size[0]}x{size[1]}.")
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def detail(image, size=128):
    """The square of a picture in which most happens, to look at.

    Args:
        image: uint8 RGB array (h, w, 3), at least `size` each way.
        size: side of the square in pixels.

    Returns:
        (top, left) of the square of largest variance of the mean of R, G, B, on a grid of 16 pixels.
    """
    grey = image.mean(axis=2)
    mean, square = (cv2.boxFilter(a, -1, (size, size), anchor=(0, 0)) for a in (grey, grey**2))
    variance = (square - mean**2)[: image.shape[0] - size + 1 : 16, : image.shape[1] - size + 1 : 16]
    top, left = np.unravel_index(variance.argmax(), variance.shape)
    return 16 * int(top), 16 * int(left)


def claim(text, holds, photo=None):
    """Check what a notebook says of its picture.

    Args:
        text: the claim, a sentence without its full stop.
        holds: bool, whether it is true of the picture.
        photo: path of the reader's own picture, or None for the notebook's.

    Raises:
        AssertionError: it is not true of the notebook's own picture. Of a reader's picture that is only said.
    """
    if holds:
        print(f"✓ {text}.")
    elif photo is None:
        raise AssertionError(text)
    else:
        print(f"✗ Not on your picture: {text}. Why not?")
