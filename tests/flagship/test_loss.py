import numpy as np
import pytest

from cae_compress import metrics
from cae_compress.flagship import tiling
from cae_compress.flagship.loss import loss


@pytest.fixture
def pair():
    """Noise, and noise that is much like it: uint8 (300, 200, 3)."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (300, 200, 3))
    return noise.astype(np.uint8), np.clip(noise + rng.integers(-9, 10, noise.shape), 0, 255).astype(np.uint8)


def test_it_is_that_of_training(pair):
    image, decoded = pair
    mse = np.mean(np.square(image.astype(np.float64) - decoded))
    assert loss(image, decoded, 700, 1000) == pytest.approx(1000 + 0.0009 * 2 ** (700 / 256) * mse * 300 * 200)


def test_for_ms_ssim_too(pair):
    image, decoded = pair
    lack = 1300 * (1 - metrics.ms_ssim(image, decoded))
    expected = 1000 + 0.0009 * 2 ** (700 / 256) * lack * 300 * 200
    assert loss(image, decoded, 700, 1000, "ms-ssim") == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (5, 130), (160, 170)])
def test_pictures_smaller_than_the_scales_of_ms_ssim_have_one(pair, size):
    image = pair[0][: size[0], : size[1]]
    nothing, much = (loss(image, decoded, 700, 0, "ms-ssim") for decoded in (image, 255 - image))
    assert nothing == pytest.approx(0, abs=1e-3 * image.size) and much > nothing + 0.1


def test_of_large_pictures_it_is_the_sum_over_their_tiles(pair, monkeypatch):
    image, decoded = (np.tile(pixels, (1, 2, 1)) for pixels in pair)
    whole = loss(image, decoded, 700, 0, "ms-ssim")
    monkeypatch.setattr(tiling, "TILE", 12)  # 192 pixels; the last column of tiles is narrow
    assert loss(image, decoded, 700, 0, "ms-ssim") == pytest.approx(whole, rel=0.1)
