"""What made a number or a file: the software that decides it."""

import functools
import hashlib
import importlib.metadata
import platform
from pathlib import Path

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


@functools.cache
def package_hash():
    """SHA-256 of this package's code and weights as they lie on the disk, in hexadecimal."""
    folder, digest = Path(__file__).parent, hashlib.sha256()
    for pattern in ("**/*.py", "weights/*.npz"):
        for path in sorted(folder.glob(pattern)):
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()
