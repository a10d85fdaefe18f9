import numpy as np
import pytest
import tensorflow as tf

from cae_compress import metrics
from cae_compress.flagship import distortion


@pytest.fixture(scope="module")
def pair(photographs):
    x = photographs["coffee"][:180, :200]
    noise = np.random.default_rng(1).normal(0, 9, x.shape)
    return x, np.clip(x + noise, 0, 255).round().astype(np.uint8)


def errors(name, x, x_hat):
    tensors = [tf.constant(image[None].astype(np.float32) / 255 - 0.5) for image in (x, x_hat)]
    return distortion.DISTORTIONS[name].error(*tensors).numpy()


def test_distortions_are_the_metrics_that_tables_have(pair):
    mse = errors("psnr", *pair)
    assert mse.shape == (1,) and 10 * np.log10(255**2 / mse[0]) == pytest.approx(metrics.psnr(*pair), abs=1e-3)
    lacking = errors("ms-ssim", *pair) / distortion.MS_SSIM_WEIGHT
    assert lacking[0] == pytest.approx(1 - metrics.ms_ssim(*pair), rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (40, 200), (160, 161)])
def test_ms_ssim_of_small_pictures_grows_with_their_errors(pair, size):
    x, x_hat = (image[: size[0], : size[1]] for image in pair)
    half = ((x.astype(int) + x_hat) // 2).astype(np.uint8)
    same, some, all_of_it = (errors("ms-ssim", x, other)[0] for other in (x, half, x_hat))
    assert same == pytest.approx(0, abs=1e-2) and 0 < some < all_of_it < distortion.MS_SSIM_WEIGHT
