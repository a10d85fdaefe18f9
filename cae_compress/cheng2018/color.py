"""Colour stage: RGB <-> the three planes Y, Cb, Cr that are coded on their own."""

import cv2
import numpy as np

PLANES = ("Y", "Cb", "Cr")


def rgb_to_ycbcr(rgb):
    """Convert an RGB picture to its luma and chroma planes, without rounding.

    Args:
        rgb: uint8 array, shape (h, w, 3), 0 to 255.

    Returns:
        float32 array, shape (h, w, 3), planes in the order Y, Cb, Cr, each in [0, 1]
        (Cb and Cr are 0.5 for a grey pixel).

    Raises:
        ValueError: `rgb` has another shape or dtype.

    Source: ITU-R BT.601 full range (as JPEG), through OpenCV.
    """
    rgb = np.asarray(rgb)
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected a uint8 array of shape (h, w, 3), got {rgb.dtype} {rgb.shape}")
    ycrcb = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb)
    return np.ascontiguousarray(ycrcb[..., [0, 2, 1]])  # OpenCV puts Cr before Cb


def ycbcr_to_rgb(planes):
    """Invert `rgb_to_ycbcr`, clipping to the valid range and rounding to the nearest level.

    Args:
        planes: float array, shape (h, w, 3), order Y, Cb, Cr, nominally in [0, 1].

    Returns:
        uint8 array, shape (h, w, 3), 0 to 255.

    Raises:
        ValueError: `planes` does not have three planes.
    """
    planes = np.asarray(planes, np.float32)
    if planes.ndim != 3 or planes.shape[2] != 3:
        raise ValueError(f"expected an array of shape (h, w, 3), got {planes.shape}")
    ycrcb = np.ascontiguousarray(planes[..., [0, 2, 1]])
    rgb = cv2.cvtColor(ycrcb, cv2.COLOR_YCrCb2RGB)
    return np.clip(np.rint(rgb * 255), 0, 255).astype(np.uint8)
