import numpy as np
import pytest
from PIL import Image

import cae_compress as cae
from cae_compress import datasets, pictures, synthetic
from cae_compress.flagship import patterns
from cae_compress.flagship.loss import DISTORTIONS

Y, X = np.mgrid[:64, :64]
CHEQUERED = (X + Y) % 2
PHOTOGRAPH = datasets.bundled()["coffee"][50:114, 100:164]
BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8


def grey(samples):
    return np.dstack([np.rint(samples).astype(np.uint8)] * 3)


def beside(photograph, pattern):
    return np.hstack([photograph[:, :32], pattern[:, 32:]])


def tone(level):
    """A screen tone of dots at 45 degrees."""
    return grey(255 * (np.cos(np.pi * (X + Y) / 2.83) + np.cos(np.pi * (X - Y) / 2.83) < level))


PATTERNS = {
    **{f"chequerboard of contrast {c}": grey(128 + c * (CHEQUERED - 0.5)) for c in (20, 40, 80, 255)},
    "red chequerboard": np.dstack([255 * CHEQUERED, 0 * X, 0 * X]).astype(np.uint8),
    "chequerboard that grows": grey(128 + 255 * (CHEQUERED - 0.5) * X / 63),
    "columns": grey(255 * (X % 2)),
    "weak columns": grey(100 + 40 * (X % 2)),
    "dots": grey(255 * (X % 2) * (Y % 2)),
    "screen tone": tone(0),
    "light screen tone": tone(1),
    "ordered dither": grey(255 * (PHOTOGRAPH[..., 1] > np.tile(BAYER, (16, 16)))),
    "error diffusion": np.asarray(Image.fromarray(PHOTOGRAPH).convert("1").convert("RGB")),
    "half a photograph, half a chequerboard": beside(PHOTOGRAPH, grey(255 * CHEQUERED)),
    "half a photograph, half a weak chequerboard": beside(PHOTOGRAPH, grey(100 + 20 * CHEQUERED)),
    "white with a small chequerboard": grey(255 - 255 * CHEQUERED * (abs(X - 24) < 16) * (abs(Y - 36) < 16)),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_higher_quality_is_never_a_larger_file_and_a_worse_picture(name):
    picture = PATTERNS[name]
    files = [cae.encode(picture, quality) for quality in (1, 13, 40, 71, 100)]
    psnr = [cae.psnr(picture, cae.decode(data)) for data in files]
    assert all(b >= a or len(files[k + 1]) < len(files[k]) for k, (a, b) in enumerate(zip(psnr, psnr[1:])))
    assert psnr[-1] >= max(psnr)


@pytest.mark.parametrize("name", [name for name in PATTERNS if "half" in name or "dots" in name or "columns" in name])
def test_tuned_for_ms_ssim_it_is_no_worse_in_that(name):
    picture = PATTERNS[name]
    files = [cae.encode(picture, quality, tune="ms-ssim") for quality in (1, 40, 71, 100)]
    lack = [DISTORTIONS["ms-ssim"](picture, cae.decode(data)) for data in files]
    assert all(b <= a or len(files[k + 1]) < len(files[k]) for k, (a, b) in enumerate(zip(lack, lack[1:])))
    assert lack[-1] <= min(lack)


def test_a_small_pattern_in_a_large_photograph_is_found_where_it_is():
    photograph = np.tile(PHOTOGRAPH, (40, 40, 1))
    assert patterns.find(photograph) is None
    photograph[2000:2064, 500:564] = grey(100 + 30 * CHEQUERED)
    row, column = patterns.find(photograph)
    assert 1968 <= row < 2064 and 468 <= column < 564


def test_of_a_large_picture_the_part_around_the_pattern_is_tried(monkeypatch):
    monkeypatch.setattr(patterns, "PART", 32)
    picture, tried = PATTERNS["half a photograph, half a chequerboard"], []

    class Codec(cae.RDCodec):
        def encode_at(self, image, quality, effort=0):
            tried.append((image.shape, quality))
            return super().encode_at(image, quality, effort)

        def decode_payload(self, header, payload):
            return np.zeros((header.height, header.width, 3), np.uint8)

    assert Codec().encode(picture, 20) == cae.RDCodec().encode_at(picture, 1)  # all alike: the first, the smallest
    assert tried == [((32, 32, 3), 1), ((32, 32, 3), 8), ((32, 32, 3), 15), ((64, 64, 3), 1)]


def test_photographs_are_not_taken_for_patterns_and_coded_as_asked(photographs):
    others = synthetic.pictures()
    assert not any(patterns.find(picture) for picture in [*photographs.values(), *others.values()])
    codec, picture = cae.RDCodec(), photographs["coffee"][:60, :70]
    assert codec.encode(picture, 70.5) == codec.encode_at(picture, 70.5)


def test_a_pattern_is_tried_as_it_will_be_seen_grey_where_it_is_grey(monkeypatch):
    seen, honest = [], patterns.DISTORTIONS["psnr"]
    spy = {"psnr": lambda a, b: seen.append(pictures.colour_of(b)) or honest(a, b)}
    monkeypatch.setattr(patterns, "DISTORTIONS", spy)
    cae.RDCodec().encode(PATTERNS["columns"], 10)
    assert seen and all(colour == pictures.bitstream.EQUAL_RGB for colour in seen)
