"""Pictures: Imagenette, Kodak, ImageNet samples, and photographs bundled with installed packages."""

import os
from pathlib import Path

import cv2
import numpy as np


def roots():
    """Folders searched for picture sets, in order: `$CAE_COMPRESS_DATA`, then the project's `data/`."""
    named = os.environ.get("CAE_COMPRESS_DATA")
    return ([Path(named)] if named else []) + [Path(__file__).resolve().parent.parent / "data"]


def load_imagenette(split, size):
    for root in roots():
        folder = root / "imagenette2-224" / split
        if folder.is_dir():
            files = sorted(folder.glob("*/*.JPEG"))
            return np.stack([cv2.resize(cv2.imread(str(f))[..., ::-1], (size, size), interpolation=cv2.INTER_AREA) for f in files])
    raise FileNotFoundError
