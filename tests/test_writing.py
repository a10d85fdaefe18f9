import numpy as np
import pytest
from PIL import Image

import cae_compress
from cae_compress import cli, metrics
from cae_compress.pictures import writing


@pytest.fixture
def pixels(photograph):
    return photograph[:60, :70]


@pytest.mark.parametrize(
    "ending, least", [("jpg", 45), ("webp", 99), ("avif", 45), ("png", 99), ("tif", 99), ("jp2", 99)]
)
def test_the_best_quality_is_the_default(ending, least, pixels, tmp_path):
    notes = writing.write(tmp_path / f"a.{ending}", pixels)
    assert metrics.psnr(pixels, np.asarray(Image.open(tmp_path / f"a.{ending}").convert("RGB"))) >= least
    assert bool(notes) == (least < 99), "a loss is said, and nothing else"


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif"])
def test_another_quality_is_a_choice_and_said(ending, pixels, tmp_path):
    best, chosen = tmp_path / f"best.{ending}", tmp_path / f"chosen.{ending}"
    writing.write(best, pixels)
    assert "with loss" in writing.write(chosen, pixels, quality=40)[0]
    assert chosen.stat().st_size < best.stat().st_size / 2
    with pytest.raises(ValueError, match="1 to 100"):
        writing.write(chosen, pixels, quality=0)


def test_a_loss_is_said_of_every_format_and_none_has_its_default_quality(pixels, tmp_path):
    for ending in ("mpo", "pdf", "gif", "ico", "icns"):
        assert any("with loss" in note for note in writing.write(tmp_path / f"a.{ending}", pixels)), ending
    assert writing.write(tmp_path / "grey.gif", pixels[..., 0]) == []
    assert metrics.psnr(pixels, np.asarray(Image.open(tmp_path / "a.mpo").convert("RGB"))) >= 45
    data = (tmp_path / "a.pdf").read_bytes()
    (tmp_path / "in_it.jpg").write_bytes(data[data.index(b"\xff\xd8") :])
    assert metrics.psnr(pixels, np.asarray(Image.open(tmp_path / "in_it.jpg"))) >= 45


def test_every_format_that_is_said_to_lose_nothing_loses_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (50, 301, 3), dtype=np.uint8)
    Image.init()
    tried = 0
    for ending in {*Image.registered_extensions()} - {".cae", ".jxl"}:  # which plugins add
        for pixels in (noise, noise[..., 0]):
            try:
                notes = writing.write(tmp_path / f"a{ending}", pixels)
                back = np.asarray(Image.open(tmp_path / f"a{ending}").convert("RGB" if pixels.ndim == 3 else "L"))
            except (ValueError, OSError):  # no writer here, or no reader
                continue
            tried += 1
            assert notes or np.array_equal(back, pixels), ending
    assert tried > 20


def test_grey_is_written_as_grey(pixels, tmp_path):
    for ending in ("png", "jpg", "tif", "webp", "qoi"):
        writing.write(tmp_path / f"a.{ending}", pixels[..., 0])
        assert Image.open(tmp_path / f"a.{ending}").mode == ("RGB" if ending in ("webp", "qoi") else "L")


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.cur"])
def test_a_format_that_cannot_be_written_is_named(name, pixels, tmp_path):
    with pytest.raises(ValueError, match="cannot be written"):
        writing.write(tmp_path / name, pixels)


def test_the_command_line_says_that_something_is_lost(pixels, tmp_path, capsys):
    cae_compress.save(tmp_path / "a.cae", pixels)
    assert cli.main(["decode", str(tmp_path / "a.cae"), "--format", "jpg"]) == 0
    assert "coded a second time, with loss: JPEG quality 100" in capsys.readouterr().out
    best = (tmp_path / "a.jpg").stat().st_size
    assert cli.main(["decode", str(tmp_path / "a.cae"), "--format", "jpg", "--output-quality", "50", "-f"]) == 0
    assert "JPEG quality 50" in capsys.readouterr().out and (tmp_path / "a.jpg").stat().st_size < best / 2
    assert cli.main(["decode", str(tmp_path / "a.cae")]) == 0 and "loss" not in capsys.readouterr().out
