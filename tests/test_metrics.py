import warnings

import numpy as np
import pytest

from cae_compress import metrics


def test_psnr_by_hand():
    black, one = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    assert metrics.psnr(black, one) == pytest.approx(48.1308, abs=1e-4)
    assert metrics.psnr(black, black) == float("inf")


def test_psnr_agrees_with_scikit_image(photograph):
    from skimage.metrics import peak_signal_noise_ratio

    other = np.clip(photograph.astype(int) + 5, 0, 255).astype(np.uint8)
    assert metrics.psnr(photograph, other) == pytest.approx(peak_signal_noise_ratio(photograph, other))


def test_similarities_are_one_for_equal_pictures_and_fall_with_noise(photograph):
    rng = np.random.default_rng(0)
    noisy = [np.clip(photograph + rng.normal(0, s, photograph.shape), 0, 255).astype(np.uint8) for s in (5, 25)]
    for metric in (metrics.ssim, metrics.ms_ssim):
        assert metric(photograph, photograph) == pytest.approx(1)
        assert 1 > metric(photograph, noisy[0]) > metric(photograph, noisy[1]) > 0


def test_ssim_agrees_with_tensorflow(photograph):
    import tensorflow as tf

    other = np.clip(photograph.astype(int) + np.random.default_rng(1).integers(-9, 9, photograph.shape), 0, 255)
    other = other.astype(np.uint8)
    assert metrics.ssim(photograph, other) == pytest.approx(float(tf.image.ssim(photograph, other, 255)), abs=2e-3)


def test_ms_ssim_needs_161_pixels():
    small = np.zeros((160, 300, 3), np.uint8)
    with pytest.raises(ValueError, match="161"):
        metrics.ms_ssim(small, small)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.ms_ssim])
def test_pictures_that_cannot_be_compared_are_refused(metric):
    image = np.zeros((200, 200, 3), np.uint8)
    for other in (image[:-1], image.astype(float)):
        with pytest.raises(ValueError, match="uint8"):
            metric(image, other)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim, metrics.ms_ssim])
def test_grey_pictures_are_compared_as_such_and_transparent_ones_not_at_all(metric, photograph):
    grey = photograph[..., 1]
    other = np.clip(grey + np.random.default_rng(0).normal(0, 9, grey.shape), 0, 255).astype(np.uint8)
    rgb = metric(np.dstack([grey] * 3), np.dstack([other] * 3))
    assert metric(grey, other) == pytest.approx(rgb, rel=1e-4)
    assert metric(grey[..., None], other[..., None]) == pytest.approx(rgb, rel=1e-4)
    for planes in (2, 4):
        with pytest.raises(ValueError, match="transparent"):
            metric(np.dstack([grey] * planes), np.dstack([other] * planes))
    with pytest.raises(ValueError, match="one shape"):
        metric(grey, other[..., None])
    for shape in ((4,), (2, 200, 200, 3)):
        with pytest.raises(ValueError, match="shape"):
            metric(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


def test_ssim_of_a_grey_array_agrees_with_scikit_image_on_a_pattern_that_differs_by_direction():
    from skimage.metrics import structural_similarity

    y, x = np.mgrid[:200, :240]
    image = (128 + 60 * np.sin(x / 5) + 50 * np.sin(y / 3)).astype(np.uint8)
    coarse = np.repeat(image[::4], 4, axis=0)
    options = dict(data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert metrics.ssim(image, coarse) == pytest.approx(structural_similarity(image, coarse, **options))
    assert metrics.ssim(image, coarse) == pytest.approx(0.75, abs=0.01)


def test_bits_per_pixel_counts_the_whole_file():
    assert metrics.bits_per_pixel(1000, np.zeros((100, 80, 3))) == 1.0


RATES, QUALITY = [0.1, 0.2, 0.4, 0.8], [28.0, 30.5, 33.0, 36.0]


def test_half_the_bits_is_a_bd_rate_of_minus_50_percent():
    assert metrics.bd_rate(np.array(RATES) / 2, QUALITY, RATES, QUALITY) == pytest.approx(-50)
    assert metrics.bd_rate(RATES, QUALITY, RATES, QUALITY) == pytest.approx(0)


def test_bd_rate_ignores_the_order_of_points_and_uses_the_common_range():
    shuffled = metrics.bd_rate(RATES[::-1], QUALITY[::-1], np.array(RATES) * 2, QUALITY)
    assert shuffled == pytest.approx(-50)
    assert metrics.bd_rate(RATES[1:], QUALITY[1:], np.array(RATES) * 2, QUALITY) == pytest.approx(-50, abs=1)


def test_bd_rate_of_curves_on_straight_lines_in_closed_form():
    # log-rate linear in PSNR with two slopes: the mean difference over 30 to 34 dB is (0 + 0.4) / 2
    ours, reference = np.exp([0.0, 0.4]), np.exp([0.0, 0.0])
    assert metrics.bd_rate(ours, [30, 34], reference, [30, 34]) == pytest.approx(100 * np.expm1(0.2))


def test_bd_rate_without_a_common_range_is_nan():
    assert np.isnan(metrics.bd_rate(RATES, QUALITY, RATES, np.array(QUALITY) + 20))


@pytest.mark.parametrize(
    "rates, quality",
    [([1], [30]), ([1, 2], [30, 30]), ([0, 1], [30, 31]), ([1, 2], [30, 31, 32]), ([1, 2], [30, np.inf])],
)
def test_bd_rate_refuses_what_is_not_a_curve(rates, quality):
    with pytest.raises(ValueError, match="curve"):
        metrics.bd_rate(rates, quality, RATES, QUALITY)


@pytest.mark.parametrize(
    "psnrs, warned", [((20, 30.01), True), ((20, 31), True), ((20, 31.5), False), ((31, 32), False)]
)
def test_a_bd_rate_that_rests_on_little_says_so(psnrs, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert np.isfinite(metrics.bd_rate([1, 2], psnrs, [1, 2], [30, 35]))
    assert [("in common" in str(w.message)) for w in caught] == [True] * warned
