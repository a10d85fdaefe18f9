"""Pictures: Kodak, Imagenette, ImageNet samples, and photographs bundled with installed packages.

A set is looked for under `$CAE_COMPRESS_DATA`, then under the project's `data/`; failing that it is downloaded
from its public home into `data/`. The bundled photographs need no network.

Downloads are our own because one of 340 MB has to go on where it broke off: pooch, which scikit-image uses, begins
again (version 1.9), and before Python 3.12 it unpacks archives unfiltered.
"""

import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import requests

from cae_compress import pictures, synthetic
from cae_compress.files import is_full
from cae_compress.progress import progress_bar

_PROJECT = Path(__file__).resolve().parent.parent
DATA = (_PROJECT if (_PROJECT / "pyproject.toml").exists() else Path.cwd()) / "data"
KODAK_URL = "https://r0k.us/graphics/kodak/kodak/"
KODAK_SHA256 = dict(
    line.split()[::-1] for line in (Path(__file__).parent / "kodak.sha256").read_text().splitlines()
)  # file name -> hash
IMAGENETTE_URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz"
IMAGENETTE_MD5 = "3df6f0d01a2c9592104656642f5e78a3"  # published by fast.ai; no stronger hash is
IMAGENETTE_CLASSES = 10
IMAGENETTE_PER_CLASS = {"train": 240, "val": 60}  # the replication's 2,400 and 600
SAMPLES_URL = "https://github.com/EliSchwartz/imagenet-sample-images/archive/refs/heads/master.zip"
NUM_SAMPLES = 1000
TIMEOUT_SECONDS = 30


class DownloadError(RuntimeError):
    """A set could not be fetched, or what came is not what was asked for."""


def load_pictures(name):
    """A test set by name.

    Args:
        name: "kodak" (24 pictures, 768x512; downloaded if need be), "bundled" (6 photographs, no network) or
            "synthetic" (7 pictures that are no photographs, `synthetic`).

    Returns:
        dict from picture name to uint8 RGB array (h, w, 3).

    Raises:
        ValueError: there is no such set.
        DownloadError: Kodak is not here and could not be downloaded, or what is here is not Kodak.
    """
    if name == "kodak":
        folder = kodak_folder()
        return {Path(name).stem: pictures.read(folder / name) for name in KODAK_SHA256}
    if name == "bundled":
        return bundled()
    if name == "synthetic":
        return synthetic.pictures()
    raise ValueError(f"no picture set named {name!r}; there are 'kodak', 'bundled' and 'synthetic'")


def bundled():
    """Six photographs that scikit-image and scikit-learn carry, by name, uint8 RGB (h, w, 3)."""
    import skimage.data
    import sklearn.datasets

    photographs = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
    photographs |= {name: sklearn.datasets.load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    return {name: pictures.as_rgb(image) for name, image in photographs.items()}


def find(name):
    """The folder of a set that is already here, or None."""
    named = os.environ.get("CAE_COMPRESS_DATA")
    roots = [Path(named)] if named else []
    return next((root / name for root in [*roots, DATA] if (root / name).is_dir()), None)


def kodak_folder():
    """Folder of the 24 Kodak pictures, checked, and downloaded if need be; raises DownloadError."""
    if folder := find("kodak"):
        missing = [name for name in KODAK_SHA256 if not (folder / name).is_file()]
        others = [
            name for name in KODAK_SHA256 if name not in missing and not _matches(folder / name, KODAK_SHA256[name])
        ]
        if missing or others:
            faults = {"missing": missing, "not the original file": others}
            text = "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names)
            raise DownloadError(f"{folder} is not the Kodak set ({text}); remove it to have the set downloaded")
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
        DownloadError: the set is not here and could not be downloaded, or pictures are missing.
    """
    folder = find("imagenette2-224") or find("imagenette2-320")
    folder = folder or _fetch_archive(IMAGENETTE_URL, IMAGENETTE_MD5, "imagenette2-320")
    classes = sorted(path for path in (folder / split).glob("*") if path.is_dir())
    files = [file for c in classes for file in sorted(c.glob("*.JPEG"))[: IMAGENETTE_PER_CLASS[split]]]
    _expect(IMAGENETTE_CLASSES * IMAGENETTE_PER_CLASS[split], files, folder / split)
    resized = (cv2.resize(pictures.read(file), (size, size), interpolation=cv2.INTER_AREA) for file in files)
    bar = progress_bar(resized, total=len(files), desc=f"imagenette {split}", unit="picture", leave=False)
    return np.stack(list(bar))


def imagenet_samples():
    """Paths of 1,000 photographs, one a class of ImageNet, downloaded if need be; raises DownloadError."""
    name = "imagenet-sample-images"
    folder = find(name) or _fetch_archive(SAMPLES_URL, None, name, top=f"{name}-master")
    files = sorted(folder.glob("*.JPEG"))
    _expect(NUM_SAMPLES, files, folder)
    return files


def _expect(count, files, folder):
    """Raise DownloadError unless so many pictures were found."""
    if len(files) != count:
        text = f"{folder} has {len(files)} of the {count} pictures that are used"
        raise DownloadError(f"{text}; remove it to have the set downloaded")


def download(url, path, checksum=None):
    """Fetch a file, with a progress bar; a partial file of an earlier try is continued.

    Args:
        url: where from.
        path: where to; the unfinished file is kept beside it as `PATH.part`.
        checksum: SHA-256 or MD5 in hexadecimal, told by its length, or None to accept what comes.

    Returns:
        `path`.

    Raises:
        DownloadError: no connection, an answer that is not the file, an incomplete file, a full disk, or a wrong
            checksum (the file is then deleted).
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
    except OSError as error:
        if not is_full(error):
            raise
        raise DownloadError(f"{path.parent}: the disk is full; make room and try again to continue {url}") from error
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
            progress_bar(total=total, initial=have, desc=partial.stem, unit="B", unit_scale=True, leave=False) as bar,
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
    shutil.rmtree(unpacked, ignore_errors=True)  # of a try that was ended
    try:
        _unpack(archive, unpacked)
        if not (unpacked / (top or name)).is_dir():
            raise ValueError(f"there is no folder {top or name} in it")
    except Exception as error:
        shutil.rmtree(unpacked, ignore_errors=True)
        if is_full(error):
            raise DownloadError(f"{DATA}: the disk is full; {archive} is kept, make room and try again") from error
        if getattr(error, "errno", None):  # the system's fault, not the archive's
            raise
        archive.unlink()
        raise DownloadError(f"{url}: the archive is damaged and was deleted; try again ({error})") from error
    folder = (unpacked / (top or name)).rename(DATA / name)
    shutil.rmtree(unpacked)
    archive.unlink()
    return folder


def _unpack(archive, folder):
    """Unpack a .tgz or .zip; what would lie outside of the folder, links to there and special files are errors.

    Source: PEP 706 (in Python 3.10 since 3.10.12, in 3.11 since 3.11.4).
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:  # writes links as files, and nobody's permissions
            for name in file.namelist():
                if not (folder / name).resolve().is_relative_to(folder.resolve()):
                    raise ValueError(f"{name} is not inside the archive's folder")
            file.extractall(folder)
    else:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
