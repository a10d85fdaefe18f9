import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cae_compress import metrics
from cae_compress.lab import baselines

BY_NAME = {codec.name: codec for codec in baselines.BASELINES}
ALL = [*baselines.BASELINES, *([baselines.SLOW_JPEG_XL] if baselines.SLOW_JPEG_XL.is_here else [])]


@pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.name)
def test_files_come_back_as_pictures_and_more_bytes_look_better(codec, photograph):
    files = [codec.encode(photograph, setting) for setting in codec.settings[:: len(codec.settings) - 1]]
    quality = [metrics.psnr(photograph, codec.decode(data)) for data in files]
    assert len(files[0]) < len(files[1]) and quality[0] < quality[1]


@pytest.mark.parametrize("codec", ALL, ids=lambda codec: codec.name)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_tiny_pictures_work(codec, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert codec.decode(codec.encode(image, codec.settings[-1])).shape == image.shape


def test_files_are_what_they_are_called(photograph):
    for name, format in {"JPEG 4:2:0": "JPEG", "JPEG 2000": "JPEG2000", "WebP": "WEBP", "AVIF": "AVIF"}.items():
        codec = BY_NAME[name]
        assert Image.open(io.BytesIO(codec.encode(photograph, codec.settings[0]))).format == format


def test_a_format_is_a_baseline_only_where_pillow_can_write_it():
    assert BY_NAME["AVIF"].is_here and not baselines.PillowCodec("?", "?", (), (), needs="no_such_module").is_here
    assert baselines.JPEG_XL.is_here == ("JPEG XL" in BY_NAME)


def test_chroma_subsampling_differs(photograph):
    assert BY_NAME["JPEG 4:2:0"].encode(photograph, 50) != BY_NAME["JPEG 4:4:4"].encode(photograph, 50)


def test_jpeg_2000_meets_its_rate_and_uses_the_irreversible_wavelet(photograph):
    data = BY_NAME["JPEG 2000"].encode(photograph, 1.0)
    assert metrics.bits_per_pixel(len(data), photograph) == pytest.approx(1.0, rel=0.05)
    cod = data.index(b"\xff\x52")  # the marker of coding style defaults (ISO/IEC 15444-1, A.6.1)
    assert data[cod + 8] == 1, "colour transform"
    assert data[cod + 13] == 0, "wavelet: 0 is 9-7 irreversible, 1 is 5-3 reversible"


def test_the_irreversible_wavelet_is_the_better_baseline(photograph):
    quality = {
        irreversible: metrics.psnr(photograph, codec.decode(codec.encode(photograph, 1.0)))
        for irreversible, codec in ((i, baselines.Jpeg2000(irreversible=i)) for i in (True, False))
    }
    assert quality[True] > quality[False]


FALLBACK = """
import sys
import numpy as np
import ctypes.util
from cae_compress.lab import baselines
from cae_compress import metrics
{setup}
image = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (1, 96, 3))
codec = baselines.Jpeg2000()
decoded = codec.decode(codec.encode(image, 1.0))
glymur = baselines.load_glymur()
print(glymur is not None and glymur.version.openjpeg_version, metrics.psnr(image, decoded) > 35)
"""


@pytest.mark.parametrize(
    "setup, version",
    [
        ("ctypes.util.find_library = lambda name: None", "2."),
        ("ctypes.util.find_library = lambda name: None\nbaselines._openjpeg_in_pillow = lambda: None", "False"),
    ],
    ids=["the library in Pillow's wheel", "Pillow's own writer"],
)
def test_without_a_system_library_jpeg_2000_still_works_through(setup, version, tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", FALLBACK.format(setup=setup)], capture_output=True, text=True, cwd=tmp_path
    )
    assert answer.returncode == 0, answer.stderr
    found, good = answer.stdout.split()
    assert found.startswith(version) and good == "True"


@pytest.mark.parametrize("codec", [BY_NAME["JPEG 4:2:0"], BY_NAME["JPEG 4:4:4"]])
def test_even_noise_becomes_an_optimised_jpeg(codec):
    noise = np.random.default_rng(1).integers(0, 256, (256, 384, 3), dtype=np.uint8)
    assert codec.decode(codec.encode(noise, 90)).shape == noise.shape


def test_jpeg_2000_reaches_the_psnr_it_is_asked_for(photographs):
    picture = photographs["coffee"]
    for psnr in (30, 38):
        decoded = baselines.FIXED_PSNR.decode(baselines.FIXED_PSNR.encode(picture, psnr))
        assert metrics.psnr(picture, decoded) == pytest.approx(psnr, abs=1)
