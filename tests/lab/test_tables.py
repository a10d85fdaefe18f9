"""The tables in `data/` are of the weights that ship, hold what is promised of them, and say what the README says."""

import functools
import re
from pathlib import Path

import pandas as pd
import pytest

from cae_compress import weights
from cae_compress.lab import comparison, plots

pytestmark = pytest.mark.filterwarnings("ignore:a BD-rate rests on")  # Theis's and Toderici's curves are short
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def table(name):
    return pd.read_csv(ROOT / "data" / f"{name}.csv")


@functools.cache
def on_kodak(reference="JPEG 2000", ms_ssim=False):
    """BD-rates of every codec, in PSNR or in decibels of MS-SSIM, picture by picture."""
    points = table("kodak")
    if ms_ssim:
        points = points.assign(psnr_db=plots.ms_ssim_db(points["ms_ssim"]))
    return comparison.bd_rates(points, reference)


def percent(rate):
    """As the README has it: to the tenth with a true minus sign, whole from 100 on."""
    return f"{rate:+.{0 if abs(rate) >= 100 else 1}f} %".replace("-", "−")


@pytest.mark.parametrize("name", ["bundled", "kodak", "synthetic"])
def test_every_file_was_made_with_weights_that_ship(name):
    used = set(table(name)["weights"].dropna())
    assert used and used <= {weights.record(model)["sha256"] for model in weights.names()}


def test_the_default_needs_fewer_bits_than_jpeg_2000_and_avif_on_every_picture():
    for reference, mean in (("JPEG 2000", -24), ("AVIF", -13)):
        rates = on_kodak(reference)["cae_compress"]
        assert len(rates) == 24 and rates.max() < 0 and rates.mean() < mean


def test_the_tune_for_ms_ssim_needs_a_quarter_fewer_bits_than_avif_in_ms_ssim():
    assert on_kodak("AVIF", ms_ssim=True)["cae_compress for MS-SSIM"].mean() < -25


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("**cae_compress**", "cae_compress"),
        ("AVIF 4:4:4, speed 4", "AVIF"),
        ("Ballé 2017, adaptive contexts", "Ballé 2017, adaptive contexts"),
        ("WebP, method 6", "WebP"),
        ("CAE, trained for rate", "CAE, trained for rate"),
        ("Theis 2017, adaptive contexts", "Theis 2017, adaptive contexts"),
        ("Ballé 2017", "Ballé 2017"),
        ("CAE from a DCT, fixed basis", "CAE from a DCT, fixed PCA"),
        ("JPEG 4:2:0, optimised", "JPEG 4:2:0"),
        ("JPEG 4:4:4, optimised", "JPEG 4:4:4"),
        ("Theis 2017", "Theis 2017"),
        ("CAE, fixed basis", "CAE, fixed PCA"),
        ("CAE, no rotation", "CAE, no PCA"),
        ("CAE, basis per block", "CAE, block PCA"),
    ],
)
def test_the_readme_has_the_bd_rates_of_the_table(label, codec):
    row = re.search(rf"^\| {re.escape(label)} \| \**([^|*]+)\** \|", README, re.MULTILINE)
    assert row[1].strip() == percent(on_kodak()[codec].mean())


def test_the_readme_has_the_rates_of_either_tune():
    for tune, codec in (("psnr", "cae_compress"), ("ms-ssim", "cae_compress for MS-SSIM")):
        row = re.search(rf'^\| `tune="{tune}"`[^|]*\| ([^|]+) \| ([^|]+) \|', README, re.MULTILINE)
        assert row[1].startswith(percent(on_kodak("AVIF", ms_ssim=True)[codec].mean()))
        assert row[2] == percent(on_kodak()[codec].mean())
