"""The codecs to compare with, each at its best settings, behind `encode(image) -> bytes`, `decode(bytes) -> image`.

Settings, and why:
- JPEG: Pillow (libjpeg-turbo), Huffman tables optimised for the picture, 4:2:0 and 4:4:4.
- JPEG 2000: OpenJPEG through glymur, irreversible 9/7 wavelet with the colour transform, rate-controlled, as a
  raw codestream (a JP2 wrapper costs 85 bytes). The default, reversible 5/3, costs about 13 % more in BD-rate.
- WebP: Pillow (libwebp), slowest method.
- AVIF: Pillow (libavif), 4:4:4, speed 4.
- JPEG XL: pillow-jxl-plugin (libjxl) where it is installed, its default effort and its highest that is of use, 7 and 9.
"""

import bisect
import contextlib
import functools
import importlib
import importlib.util
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageFile


@dataclass(frozen=True)
class PillowCodec:
    """A format that Pillow writes.

    Attributes:
        name: how tables call it.
        format: Pillow's name of the format.
        settings: the values of `quality` for a rate-distortion curve, low rates first.
        options: further options of Pillow's writer, as a tuple of pairs.
    """

    name: str
    format: str
    settings: tuple
    options: tuple
    needs: str | None = None  # a module that teaches Pillow the format, which may be missing

    @property
    def is_here(self):
        """Whether Pillow can write the format."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    def encode(self, image, quality):
        """uint8 RGB (h, w, 3) -> the bytes of a whole file; `quality` as Pillow takes it."""
        self._teach_pillow()
        file = io.BytesIO()
        # Pillow writes an optimised JPEG in one block, and does not expect one as large as noise makes
        ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2 * image.nbytes)
        Image.fromarray(image).save(file, self.format, quality=quality, **dict(self.options))
        return file.getvalue()

    def encode_to_size(self, image, max_bytes):
        """The best file of at most so many bytes, or the smallest there is."""
        qualities = range(1, 101)
        k = bisect.bisect_right(qualities, max_bytes, key=lambda quality: len(self.encode(image, quality)))
        return self.encode(image, qualities[max(k - 1, 0)])

    def decode(self, data):
        """Bytes of a file -> uint8 RGB (h, w, 3)."""
        self._teach_pillow()
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def _teach_pillow(self):
        if self.needs:
            importlib.import_module(self.needs)


@dataclass(frozen=True)
class Jpeg2000:
    """JPEG 2000 through OpenJPEG; a setting is a target in bits a pixel, or a PSNR.

    Attributes:
        name: how tables call it.
        settings: targets for a rate-distortion curve.
        target: "bpp" or "psnr_db", what a setting is.
        irreversible: True for the 9/7 wavelet, False for the 5/3.
        num_threads: threads that OpenJPEG may use.
    """

    name: str = "JPEG 2000"
    settings: tuple = (0.12, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6, 2.4)
    target: str = "bpp"
    irreversible: bool = True
    num_threads: int = 1

    def encode(self, image, setting):
        """uint8 RGB (h, w, 3) -> the bytes of a whole codestream of about that rate or PSNR."""
        by_psnr = self.target == "psnr_db"
        layers = [setting if by_psnr else 24 / setting]
        # OpenJPEG wants a level fewer for every halving below 32 pixels
        num_resolutions = max(1, min(6, int(np.log2(min(image.shape[:2]))) + 1))
        glymur = load_glymur()
        if glymur is None:
            file = io.BytesIO()
            Image.fromarray(image).save(
                file, "JPEG2000", no_jp2=True, irreversible=self.irreversible, mct=1,
                quality_mode="dB" if by_psnr else "rates", quality_layers=layers, num_resolutions=num_resolutions,
            )  # fmt: skip
            return file.getvalue()
        glymur.set_option("lib.num_threads", self.num_threads)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image.j2k"
            target = {"psnr" if by_psnr else "cratios": layers}
            glymur.Jp2k(path, data=image, irreversible=self.irreversible, mct=True, numres=num_resolutions, **target)
            return path.read_bytes()

    def encode_to_size(self, image, max_bytes):
        """A file of about so many bytes, seldom more."""
        return self.encode(image, 8 * max_bytes / (image.shape[0] * image.shape[1]))

    def decode(self, data):
        """Bytes of a codestream -> uint8 RGB (h, w, 3)."""
        glymur = load_glymur()
        if glymur is None:
            return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        glymur.set_option("lib.num_threads", self.num_threads)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image.j2k"
            path.write_bytes(data)
            return glymur.Jp2k(path)[:]


JPEG_XL_SETTINGS = (10, 30, 50, 70, 80, 90, 95)
JPEG_XL = PillowCodec("JPEG XL", "JXL", JPEG_XL_SETTINGS, (("effort", 7),), "pillow_jxl")
BASELINES = (
    PillowCodec(
        "JPEG 4:2:0", "JPEG", (5, 10, 20, 30, 40, 50, 60, 70, 80, 90), (("optimize", True), ("subsampling", 2))
    ),
    PillowCodec(
        "JPEG 4:4:4", "JPEG", (5, 10, 20, 30, 40, 50, 60, 70, 80, 90), (("optimize", True), ("subsampling", 0))
    ),
    Jpeg2000(),
    PillowCodec("WebP", "WEBP", (5, 20, 50, 75, 82, 92), (("method", 6),)),
    PillowCodec("AVIF", "AVIF", (20, 30, 40, 50, 60, 70, 80), (("subsampling", "4:4:4"), ("speed", 4))),
    *([JPEG_XL] if JPEG_XL.is_here else []),
)

# the same codec asked for a quality instead of a rate, to see what that does to mean curves
FIXED_PSNR = Jpeg2000("JPEG 2000, fixed PSNR", (26, 28, 30, 32, 34, 36, 38, 40), target="psnr_db")

# for tables alone: a large photograph takes it minutes
SLOW_JPEG_XL = PillowCodec("JPEG XL, effort 9", "JXL", JPEG_XL_SETTINGS, (("effort", 9),), "pillow_jxl")


@functools.cache
def load_glymur():
    """Import glymur with an OpenJPEG that works: the system's, else the one inside Pillow's wheel.

    Returns:
        The module, or None where there is neither (then Pillow's own writer is used, built on the same OpenJPEG).
    """
    from ctypes.util import find_library

    bundled = None if find_library("openjp2") else _openjpeg_in_pillow()
    with _glymur_configuration(bundled):
        import glymur
    return glymur if glymur.version.openjpeg_version_tuple >= (2, 4, 0) else None


def _openjpeg_in_pillow():
    """Path of the OpenJPEG library that Pillow's wheel carries (Linux, macOS), or None."""
    package = Path(PIL.__file__).parent
    folders = (package.parent / "pillow.libs", package / ".dylibs")
    return next((path for folder in folders for path in sorted(folder.glob("libopenjp2*"))), None)


@contextlib.contextmanager
def _glymur_configuration(library):
    """While glymur is imported, have it find a configuration file that names `library`."""
    if library is None or "glymur" in sys.modules:
        yield
        return
    before = os.environ.get("XDG_CONFIG_HOME")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "glymur").mkdir()
        (Path(folder) / "glymur" / "glymurrc").write_text(f"[library]\nopenjp2: {library}\n")
        os.environ["XDG_CONFIG_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_CONFIG_HOME"]
            else:
                os.environ["XDG_CONFIG_HOME"] = before
