"""How good and how small: PSNR, SSIM, MS-SSIM, BD-rate."""

import warnings

import numpy as np

from cae_compress import loading

SSIM_MIN_SIZE = 11  # the window
MS_SSIM_MIN_SIZE = 161  # five scales of an 11-tap window need (11 - 1) * 2**4 + 1 pixels
MIN_COMMON_RANGE = 0.25  # part of the narrower of two curves' ranges that a BD-rate should rest on


def bits_per_pixel(num_bytes, image):
    """Rate of a file: 8 * bytes / pixels of the original `image`, shape (h, w, ...)."""
    return 8 * num_bytes / (image.shape[0] * image.shape[1])


def psnr(original, decoded):
    """Peak signal-to-noise ratio over all samples of a picture, in dB.

    Args:
        original, decoded: uint8 arrays of one shape, (h, w, 3) for RGB, over whose channels the error is the mean, or
            (h, w) or (h, w, 1) for grey.

    Returns:
        float, 10 log10(255**2 / MSE); inf for identical pictures.

    Raises:
        ValueError: the arrays are not uint8 of one such shape.
    """
    original, decoded = _same(original, decoded)
    mse = np.mean(np.square(original.astype(np.float64) - decoded))
    return float(10 * np.log10(255**2 / mse)) if mse else float("inf")


def ssim(original, decoded):
    """Structural similarity, the mean over the channels; 1 for identical pictures.

    Args:
        original, decoded: as `psnr` takes them, at least 11 pixels each way.

    Raises:
        ValueError: the arrays are not uint8 of one such shape, or too small.

    Source: Wang et al., IEEE TIP 2004, section III-B (Gaussian window of 11 pixels, sigma 1.5), through scikit-image.
    """
    from skimage.metrics import structural_similarity

    original, decoded = _same(original, decoded, min_size=SSIM_MIN_SIZE)
    return float(
        structural_similarity(
            original, decoded, channel_axis=-1, data_range=255,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip


def ms_ssim(original, decoded):
    """Multi-scale structural similarity, the mean over the channels; 1 for identical pictures.

    Args:
        original, decoded: as `psnr` takes them, at least 161 pixels each way.

    Raises:
        ValueError: the arrays are not uint8 of one such shape, or too small for five scales.
        RuntimeError: this process was forked from one that uses TensorFlow (`loading`).

    Source: Wang et al., Asilomar 2003, through `tf.image.ssim_multiscale`.
    """
    from cae_compress import tensorflow_quietly  # noqa: F401

    import tensorflow as tf  # isort: skip

    loading.check_not_cut_off()
    original, decoded = _same(original, decoded, min_size=MS_SSIM_MIN_SIZE)
    return float(tf.image.ssim_multiscale(tf.constant(original[None]), tf.constant(decoded[None]), 255)[0])


def bd_rate(rates, psnrs_db, reference_rates, reference_psnrs_db):
    """Bjøntegaard delta rate: how many more bits a codec needs than a reference at equal PSNR, in percent.

    The logarithm of the rate is interpolated over PSNR by a monotone piecewise cubic (PCHIP) and averaged over
    the range of PSNR that both curves cover. Negative means fewer bits than the reference. Where that range is less
    than a quarter of the narrower curve's, the figure says little of the two codecs, and a warning says so.

    Args:
        rates, psnrs_db: sequences of at least two points, any order; rates > 0 in any unit, distinct finite PSNR in dB.
        reference_rates, reference_psnrs_db: the same for the reference, same unit.

    Returns:
        float, percent; nan when the curves have no PSNR in common.

    Raises:
        ValueError: fewer than two points, a rate that is not positive, a repeated PSNR, or that of a lossless file.

    Source: Bjøntegaard, VCEG-M33, 2001; PCHIP as in the JCT-VC common test conditions. The package `bjontegaard`
    (Herglotz et al., ICIP 2022) warns by the part that is common of all that the two curves cover; as some codecs here
    reach three times as far as others, it is the narrower one's part that counts.
    """
    curves = [_curve(rates, psnrs_db), _curve(reference_rates, reference_psnrs_db)]
    low = max(curve.x[0] for curve in curves)
    high = min(curve.x[-1] for curve in curves)
    if low >= high:
        return float("nan")
    narrower = min(curve.x[-1] - curve.x[0] for curve in curves)
    if high - low < MIN_COMMON_RANGE * narrower:
        warnings.warn(
            f"a BD-rate rests on the {high - low:.3g} dB that two curves have in common, of {narrower:.3g} dB that the"
            " narrower one covers",
            stacklevel=2,
        )
    ours, reference = (curve.integrate(low, high) / (high - low) for curve in curves)
    return float(100 * np.expm1(ours - reference))


def _curve(rates, psnrs_db):

    points = np.asarray([rates, psnrs_db], float) if len(rates) == len(psnrs_db) else np.empty((2, 0))
    rates, psnrs_db = points[:, np.argsort(points[1])]
    is_curve = len(rates) > 1 and np.isfinite(points).all() and (rates > 0).all() and (np.diff(psnrs_db) > 0).all()
    if not is_curve:
        raise ValueError("a curve needs two or more points of positive rate, each of another finite PSNR")
    from scipy.interpolate import PchipInterpolator  # whoever only codes pictures does not wait for it

    return PchipInterpolator(psnrs_db, np.log(rates))


def _same(original, decoded, min_size=1):
    """Two pictures to compare as arrays (h, w, 1 or 3), or ValueError."""
    original, decoded = np.asarray(original), np.asarray(decoded)
    if original.shape != decoded.shape or original.dtype != np.uint8 or decoded.dtype != np.uint8:
        raise ValueError(
            f"expected two uint8 arrays of one shape, got {original.dtype} {original.shape}"
            f" and {decoded.dtype} {decoded.shape}"
        )
    if original.ndim == 2:
        original, decoded = original[..., None], decoded[..., None]
    if original.ndim != 3 or original.shape[2] not in (1, 3):
        raise ValueError(
            f"expected uint8 pictures of shape (h, w, 3) or (h, w), got {original.shape}; what is transparent has to"
            " be put on a background first"
        )
    if min(original.shape[:2]) < min_size:
        raise ValueError(f"this metric needs at least {min_size} pixels each way, got {original.shape[:2]}")
    return original, decoded
