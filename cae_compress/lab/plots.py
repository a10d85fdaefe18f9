"""Figures, drawn from result tables and arrays; each function returns a matplotlib Figure."""

import matplotlib.pyplot as plt
import numpy as np

METRIC_NAMES = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}
# colour and marker belong to a codec, so that it looks the same in every figure
STYLES = {
    "cae_compress": ("#000000", "*"),
    "JPEG 4:2:0": ("#8c564b", "s"),
    "JPEG 4:4:4": ("#c49c94", "s"),
    "JPEG 2000": ("#1f77b4", "o"),
    "JPEG 2000, fixed PSNR": ("#aec7e8", "o"),
    "WebP": ("#2ca02c", "^"),
    "AVIF": ("#9467bd", "v"),
    "CAE, trained for rate": ("#e377c2", "D"),
    "CAE, fixed PCA": ("#d62728", "D"),
    "CAE, block PCA": ("#ff7f0e", "D"),
}


def rate_distortion(summary, metric="psnr_db", max_bpp=3.0, estimates=True, published=None):
    """Mean rate-distortion curves.

    Sizes of whole files are drawn solid. Where a codec has an entropy estimate, it is drawn dashed, beside the rate
    and never in its place.

    Args:
        summary: DataFrame of `evaluate.summary`.
        metric: a key of `METRIC_NAMES`.
        max_bpp: right end of the rate axis, bits a pixel.
        estimates: draw the estimates too.
        published: DataFrame of `codec`, `bpp` and the metric: curves as their authors published them, drawn dotted.
    """
    figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
    for codec, points in summary.groupby("codec", sort=False):
        colour, marker = STYLES.get(codec, (None, "x"))
        for column, line, note in (("bpp", "-", ""), ("estimate_bpp", "--", " (entropy estimate, no file)")):
            shown = points[points[column] <= max_bpp]
            if len(shown) and (estimates or column == "bpp"):
                axes.plot(shown[column], shown[metric], line, color=colour, marker=marker, ms=4, label=codec + note)
    for k, (codec, points) in enumerate([] if published is None else published.groupby("codec", sort=False)):
        axes.plot(points["bpp"], points[metric], ":", color=str(0.2 + 0.15 * k), lw=1.2, label=f"{codec} (published)")
    axes.set(xlabel="bits per pixel", ylabel=METRIC_NAMES[metric], xlim=(0, max_bpp))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def crops(pictures, titles, top, left, size=128):
    """The same square of several versions of a picture, side by side.

    Args:
        pictures: list of uint8 RGB arrays of one shape.
        titles: list of str.
        top, left, size: the square, in pixels.
    """
    figure, axes = plt.subplots(1, len(pictures), figsize=(2.4 * len(pictures), 2.8), layout="constrained")
    for axis, picture, title in zip(np.atleast_1d(axes), pictures, titles, strict=True):
        axis.imshow(picture[top : top + size, left : left + size], interpolation="nearest")
        axis.set_title(title, fontsize=8)
        axis.axis("off")
    return figure


def feature_maps(code, title):
    """The 32 feature maps of one code, float (16, 16, 32), in order, all in one grey scale."""
    figure, axes = plt.subplots(4, 8, figsize=(8, 4.4), layout="constrained")
    limit = np.abs(code).max()
    for k, axis in enumerate(axes.flat):
        axis.imshow(code[..., k], cmap="gray", vmin=-limit, vmax=limit)
        axis.set_title(str(k), fontsize=6, pad=1)
        axis.axis("off")
    figure.suptitle(title, fontsize=10)
    return figure


def energies(curves):
    """Share of the energy in the first k feature maps.

    Args:
        curves: dict from label to float array (c,), the energy of each feature map, in the order to be shown.
    """
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for label, energy in curves.items():
        axes.plot(np.arange(1, len(energy) + 1), 100 * np.cumsum(energy) / np.sum(energy), marker=".", label=label)
    axes.set(xlabel="feature maps kept", ylabel="energy (%)", ylim=(None, 101))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def training_curves(logs):
    """Training loss and validation PSNR.

    Args:
        logs: dict from label to DataFrame read from a run's `log.csv`.
    """
    figure, (loss, psnr) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for label, log in logs.items():
        loss.semilogy(log["step"], log["train_mse"], marker=".", label=label)
        psnr.plot(log["step"], log["validation_psnr_db"], marker=".", label=label)
    loss.set(xlabel="step", ylabel="training MSE (planes in [0, 1])")
    psnr.set(xlabel="step", ylabel="validation PSNR (dB)")
    for axis in (loss, psnr):
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return figure
