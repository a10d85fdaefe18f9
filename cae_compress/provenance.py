"""What made a number: versions of the software that decides it."""

import functools
import importlib.metadata
import platform

PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pillow", "glymur", "scikit-image")


@functools.cache
def versions():
    """Versions of the packages that decide a number, as one string."""
    parts = [f"python {platform.python_version()}"]
    return "; ".join(parts + [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES])
