"""Pictures: Kodak, Imagenette, ImageNet samples, and photographs bundled with installed packages.

A set is looked for under `$CAE_COMPRESS_DATA`, then under the project's `data/`; failing that it is downloaded
from its public home into `data/`. The bundled photographs need no network.
"""

import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import requests
from tqdm.auto import tqdm

from cae_compress import pictures

_PROJECT = Path(__file__).resolve().parent.parent
DATA = (_PROJECT if (_PROJECT / "pyproject.toml").exists() else Path.cwd()) / "data"
KODAK_URL = "https://r0k.us/graphics/kodak/kodak/"
KODAK_SHA256 = dict(
    line.split()[::-1] for line in (Path(__file__).parent / "kodak.sha256").read_text().splitlines()
)  # file name -> hash
IMAGENETTE_URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz"
IMAGENETTE_MD5 = "3df6f0d01a2c9592104656642f5e78a3"  # published by fast.ai; no stronger hash is
IMAGENETTE_PER_CLASS = {"train": 240, "val": 60}  # the replication's 2,400 and 600
SAMPLES_URL = "https://github.com/EliSchwartz/imagenet-sample-images/archive/refs/heads/master.zip"
TIMEOUT_SECONDS = 30


class DownloadError(RuntimeError):
    """A set could not be fetched, or what came is not what was asked for."""


def load_pictures(name):
    """A test set by name.

    Args:
        name: "kodak" (24 pictures, 768x512; downloaded if need be), "bundled" (6 photographs, no network) or
            "synthetic" (3 pictures that are no photographs, drawn here).

    Returns:
        dict from picture name to uint8 RGB array (h, w, 3).

    Raises:
        ValueError: there is no such set.
        DownloadError: Kodak is not here and could not be downloaded.
    """
    if name == "kodak":
        return {path.stem: pictures.read(path) for path in sorted(kodak_folder().glob("kodim*.png"))}
    if name == "bundled":
        return bundled()
    if name == "synthetic":
        return synthetic()
    raise ValueError(f"no picture set named {name!r}; there are 'kodak', 'bundled' and 'synthetic'")


def bundled():
    """Six photographs that scikit-image and scikit-learn carry, by name, uint8 RGB (h, w, 3)."""
    import skimage.data
    import sklearn.datasets

    photographs = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
    photographs |= {name: sklearn.datasets.load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    return {name: pictures.as_rgb(image) for name, image in photographs.items()}


def synthetic():
    """What a codec for photographs was not made for, by name, uint8 RGB (256, 384, 3): text, a gradient, noise."""
    text = np.full((256, 384, 3), 255, np.uint8)
    lines = Path(__file__).read_text().splitlines()[:17]
    for k, line in enumerate(lines):
        cv2.putText(text, line, (4, 14 + 15 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (20, 20, 60), 1, cv2.LINE_AA)
    rows, columns = np.mgrid[0:1:256j, 0:1:384j]
    gradient = np.stack([255 * rows, 255 * columns, 255 * (1 - rows)], axis=-1).round().astype(np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (256, 384, 3), dtype=np.uint8)
    return {"text": text, "gradient": gradient, "noise": noise}


def find(name):
    """The folder of a set that is already here, or None."""
    named = os.environ.get("CAE_COMPRESS_DATA")
    roots = [Path(named)] if named else []
    return next((root / name for root in [*roots, DATA] if (root / name).is_dir()), None)


def kodak_folder():
    """Folder of the 24 Kodak pictures, downloaded and checked if need be; raises DownloadError."""
    if folder := find("kodak"):
        return folder
    partial = DATA / "downloads" / "kodak"
    for name, sha256 in KODAK_SHA256.items():
        download(KODAK_URL + name, partial / name, sha256)
    return partial.rename(DATA / "kodak")  # appears only when complete


def load_imagenette(split, size):
    """Imagenette as the replication used it: 10 classes, 240 pictures each to train and 60 to validate.

    Args:
        split: "train" or "val".
        size: side in pixels that pictures are resized to.

    Returns:
        uint8 array, shape (n, size, size, 3), RGB; n is 2400 or 600.

    Raises:
        DownloadError: the set is not here and could not be downloaded.
    """
    if folder := find("imagenette2-224"):
        classes = sorted((folder / split).iterdir())
    else:
        folder = find("imagenette2-320") or _fetch_archive(IMAGENETTE_URL, IMAGENETTE_MD5, "imagenette2-320")
        classes = sorted((folder / split).iterdir())
    files = [file for c in classes for file in sorted(c.glob("*.JPEG"))[: IMAGENETTE_PER_CLASS[split]]]
    resized = (cv2.resize(pictures.read(file), (size, size), interpolation=cv2.INTER_AREA) for file in files)
    return np.stack(list(tqdm(resized, total=len(files), desc=f"imagenette {split}", unit="picture", leave=False)))


def imagenet_samples():
    """Paths of 1,000 photographs, one a class of ImageNet, downloaded if need be; raises DownloadError."""
    name = "imagenet-sample-images"
    folder = find(name) or _fetch_archive(SAMPLES_URL, None, name, top=f"{name}-master")
    return sorted(folder.glob("*.JPEG"))


def download(url, path, checksum=None):
    """Fetch a file, with a progress bar; a partial file of an earlier try is continued.

    Args:
        url: where from.
        path: where to; the unfinished file is kept beside it as `PATH.part`.
        checksum: SHA-256 or MD5 in hexadecimal, told by its length, or None to accept what comes.

    Returns:
        `path`.

    Raises:
        DownloadError: no connection, an answer that is not the file, an incomplete file, or a wrong checksum
            (the file is then deleted).
    """
    path = Path(path)
    if path.exists() and _matches(path, checksum):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        _fetch(url, partial)
    except requests.RequestException as error:
        raise DownloadError(f"could not download {url}: {error}. Try again to continue where it stopped.") from error
    if not _matches(partial, checksum):
        partial.unlink()
        raise DownloadError(f"{url}: what came has a wrong checksum and was deleted; try again")
    return partial.replace(path)


def _fetch(url, partial):
    """Append to `partial` what is still missing of `url`."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        if answer.status_code == 416:  # nothing is missing
            return
        answer.raise_for_status()
        if answer.status_code != 206:  # the server sends everything again
            have = 0
        size = answer.headers.get("Content-Length")
        total = have + int(size) if size else None
        with (
            open(partial, "ab" if have else "wb") as file,
            tqdm(total=total, initial=have, desc=partial.stem, unit="B", unit_scale=True, leave=False) as bar,
        ):
            for part in answer.iter_content(1 << 16):
                file.write(part)
                bar.update(len(part))
    if total is not None and partial.stat().st_size != total:
        raise requests.ConnectionError(f"got {partial.stat().st_size} of {total} bytes")


def _matches(path, checksum):
    if checksum is None:
        return True
    digest = hashlib.new({32: "md5", 64: "sha256"}[len(checksum)])
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest() == checksum


def _fetch_archive(url, checksum, name, top=None):
    """Download and unpack an archive; `top` is its top folder, `name` what it becomes under `data/`."""
    archive = download(url, DATA / "downloads" / url.rsplit("/", 1)[1], checksum)
    unpacked = DATA / "downloads" / (name + ".unpacked")
    try:
        shutil.unpack_archive(archive, unpacked)
    except (shutil.ReadError, EOFError, OSError) as error:
        archive.unlink()
        raise DownloadError(f"{url}: the archive is damaged and was deleted; try again ({error})") from error
    archive.unlink()
    return (unpacked / (top or name)).rename(DATA / name)
