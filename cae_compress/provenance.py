"""What made a number: versions of the software that decides it."""

import functools
import importlib.metadata
import platform

PACKAGES = (
    "tensorflow", "keras", "numpy", "opencv-python-headless", "pillow", "glymur", "scikit-image", "openvino",
)  # fmt: skip


@functools.cache
def versions():
    """Versions of the packages that decide a number, as one string; without those that are not installed."""
    return "; ".join([f"python {platform.python_version()}", *filter(None, map(_version, PACKAGES))])


def _version(name):
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:  # OpenVINO has not wheels for every machine
        return None
