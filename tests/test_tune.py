import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import cae_compress
import cae_compress.pillow_plugin  # noqa: F401
from cae_compress import bitstream, cli, codec, metrics
from cae_compress.lab.plots import ms_ssim_db

TUNE = "ms-ssim"


def curve(picture, metric, **options):
    files = [cae_compress.encode(picture, quality, **options) for quality in (20, 40, 60, 80)]
    return [len(data) for data in files], [metric(picture, cae_compress.decode(data)) for data in files]


def in_decibels(original, decoded):
    return float(ms_ssim_db(metrics.ms_ssim(original, decoded)))


@pytest.fixture(scope="module")
def picture(photographs):
    return photographs["coffee"][60:300, 150:450]


def test_a_picture_tuned_for_ms_ssim_is_better_in_it_and_worse_in_psnr(picture):
    ours, plain = (curve(picture, in_decibels, tune=tune) for tune in (TUNE, "psnr"))
    assert metrics.bd_rate(*ours, *plain) < -10
    ours, plain = (curve(picture, metrics.psnr, tune=tune) for tune in (TUNE, "psnr"))
    assert metrics.bd_rate(*ours, *plain) > 0


def test_more_quality_is_more_bytes_and_a_better_picture(picture):
    sizes, quality = curve(picture, in_decibels, tune=TUNE)
    assert sizes == sorted(sizes) and quality == sorted(quality) and quality[-1] > quality[0] + 4


def test_the_file_says_what_it_was_tuned_for(picture):
    tuned, plain = cae_compress.encode(picture, 30, tune=TUNE), cae_compress.encode(picture, 30)
    assert bitstream.read(tuned)[0].model == "rdcae-ms-ssim" and bitstream.read(plain)[0].model == "rdcae"
    assert plain == cae_compress.encode(picture, 30, tune="psnr"), "the default"
    for other in (tuned, plain):  # neither codec takes the other's files
        model = bitstream.read(other)[0].model
        wrong = codec.load_codec("flagship", TUNE if model == "rdcae" else "psnr")
        with pytest.raises(cae_compress.BitstreamError, match=f"made by model {model}"):
            wrong.decode(other)


@pytest.mark.parametrize("options, message", [
    ({"tune": "ssim"}, "tune of flagship must be psnr or ms-ssim, got 'ssim'"),
    ({"tune": None}, "psnr or ms-ssim, got None"),
    ({"tune": TUNE, "model": "cheng2018"}, "tune of cheng2018 must be psnr, got 'ms-ssim'"),
])  # fmt: skip
def test_what_cannot_be_tuned_for_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        cae_compress.encode(np.zeros((4, 4, 3), np.uint8), **options)


def test_it_goes_with_everything_else(picture, tmp_path):
    data = cae_compress.encode_to_size(picture, 5000, tune=TUNE)
    assert 4900 <= len(data) <= 5000 and bitstream.read(data)[0].model == "rdcae-ms-ssim"
    grey = cae_compress.encode(picture[..., 1], 40, tune=TUNE)
    assert cae_compress.decode(grey, as_stored=True).shape == picture.shape[:2]
    cae_compress.save(tmp_path / "a.cae", picture, 40, tune=TUNE)
    Image.fromarray(picture).save(tmp_path / "b.cae", quality=40, tune=TUNE)
    Image.fromarray(picture).save(tmp_path / "c.png")
    assert cli.main(["encode", str(tmp_path / "c.png"), "-q", "40", "--tune", TUNE]) == 0
    files = [(tmp_path / name).read_bytes() for name in ("a.cae", "b.cae", "c.cae")]
    assert files[0] == files[1] == files[2] == cae_compress.encode(picture, 40, tune=TUNE)
    assert Image.open(tmp_path / "b.cae").info["model"] == "rdcae-ms-ssim"


def test_effort_is_towards_what_it_is_tuned_for(picture):
    more, none = (curve(picture, in_decibels, tune=TUNE, effort=effort) for effort in (3, 0))
    assert metrics.bd_rate(*more, *none) < -0.5


@pytest.mark.parametrize("size", [(1, 1), (33, 20), (170, 30)])
def test_effort_works_where_a_picture_is_too_small_for_the_metric(size, picture):
    image = picture[: size[0], : size[1]]
    data = cae_compress.encode(image, 50, 2, tune=TUNE)
    assert cae_compress.decode(data).shape == image.shape
    assert data == cae_compress.encode(image, 50, 2, tune=TUNE)


def test_the_command_line_names_the_tunes():
    answer = subprocess.run(
        [sys.executable, "-m", "cae_compress.cli", "encode", "x.png", "--tune", "eyes"], capture_output=True, text=True
    )
    assert answer.returncode == 2 and "psnr" in answer.stderr and "ms-ssim" in answer.stderr
