"""Figures, drawn from result tables and arrays; each returns a matplotlib Figure, `show` puts one into a notebook."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

METRIC_NAMES = {"psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM (dB)"}
# Colour and marker belong to a codec, so that it looks the same in every figure. Any two of the colours are at least 10
# apart (CIEDE2000), also for readers without red or without green cones; no two markers are the same.
STYLES = {
    "cae_compress": ("#000000", "*"),
    "cae_compress for MS-SSIM": ("#1c2d24", "$M$"),
    "JPEG 4:2:0": ("#804000", "s"),
    "JPEG 4:4:4": ("#808020", "P"),
    "JPEG 2000": ("#609fff", "o"),
    "JPEG 2000, fixed PSNR": ("#206080", "h"),
    "WebP": ("#80bf40", "^"),
    "AVIF": ("#6060df", "v"),
    "JPEG XL": ("#0b917a", "$J$"),
    "JPEG XL, effort 9": ("#81afca", "$9$"),
    "CAE, trained for rate": ("#802040", "D"),
    "CAE, fixed PCA": ("#9f6060", "d"),
    "CAE, block PCA": ("#009f9f", "X"),
    "CAE, no PCA": ("#80a060", "H"),
    "CAE from a DCT, fixed PCA": ("#0000df", "<"),
    "Ballé 2017": ("#60bf9f", ">"),
    "Ballé 2017, adaptive contexts": ("#008080", "$A$"),
    "Theis 2017": ("#402000", "p"),
    "Theis 2017, adaptive contexts": ("#004080", "$T$"),
    "Toderici 2017": ("#000060", "8"),
}
# for codecs that have no style yet, in the order in which they come
OTHER_STYLES = (("#000020", "$+$"),)
PUBLISHED_MARKERS = "1234+x"
ESTIMATES_OF = ("CAE, fixed PCA", "CAE, block PCA")  # what the replication reported as rates
DPI = 100
TEXT = {"font.size": 10, "axes.titlesize": 10, "legend.fontsize": 9, "xtick.labelsize": 9, "ytick.labelsize": 9}


def figure(width, height, rows=1, columns=1, **options):
    """An empty figure and its axes, in inches, with text that can be read at 100 %."""
    with plt.rc_context(TEXT):
        return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", dpi=DPI, **options)


def as_output(figure, alt):
    """A figure as a notebook's output, and closed: (data by type, metadata).

    It becomes a PNG, which changes no pixel of a photograph; where there is none, 256 colours do.

    Args:
        figure: a matplotlib figure.
        alt: what it shows, in words, for who cannot see it.
    """
    figure.canvas.draw()
    drawn = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    if not any(np.ndim(image.get_array()) == 3 for axes in figure.axes for image in axes.get_images()):
        drawn = drawn.quantize(256, dither=Image.Dither.NONE)
    plt.close(figure)
    file = io.BytesIO()
    drawn.save(file, "PNG", optimize=True)
    data = {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt}}


def show(figure, alt):
    """Display a figure in a notebook with an alternative text; returns IPython's handle to update it."""
    from IPython.display import display

    data, metadata = as_output(figure, alt)
    return display(data, raw=True, metadata=metadata, display_id=True)


def ms_ssim_db(value):
    """MS-SSIM on a scale that tells good pictures apart: -10 log10(1 - value), 20 dB for 0.99, infinite for 1."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(1 - np.asarray(value, float))


def rate_distortion(summary, metric="psnr_db", max_bpp=3.0, estimates=ESTIMATES_OF, published=None):
    """Mean rate-distortion curves.

    Sizes of whole files are drawn solid. Entropy estimates are drawn dashed, beside the rate and never in its place.

    Args:
        summary: DataFrame of `comparison.summary`; files without loss have no place on a curve.
        metric: a key of `METRIC_NAMES`; MS-SSIM is drawn in dB.
        max_bpp: right end of the rate axis, bits a pixel.
        estimates: names of the codecs whose estimates are drawn too.
        published: DataFrame of `codec`, `bpp` and the metric: curves as their authors published them, drawn dotted.
    """
    drawn, axes = figure(10, 5)
    others = iter(OTHER_STYLES)
    for codec, points in summary.groupby("codec", sort=False):
        colour, marker = STYLES.get(codec) or next(others, ("#666666", "."))
        for column, line, note in (("bpp", "-", ""), ("estimate_bpp", "--", ": entropy estimate, no file")):
            if column == "estimate_bpp" and codec not in estimates:
                continue
            values = _on_scale(points[metric], metric)
            shown = (points[column] <= max_bpp) & ~np.isinf(values)
            if shown.any():
                x, y, label = points[column][shown], values[shown], codec + note
                axes.plot(x, y, line, color=colour, marker=marker, ms=6, lw=1.5, label=label)
    for k, (codec, points) in enumerate([] if published is None else published.groupby("codec", sort=False)):
        marker = PUBLISHED_MARKERS[k % len(PUBLISHED_MARKERS)]
        values = _on_scale(points[metric], metric)
        axes.plot(points["bpp"], values, ":", color="#555555", marker=marker, ms=8, lw=1.2, label=f"{codec}, published")
    axes.set(xlabel="bits per pixel", ylabel=METRIC_NAMES[metric], xlim=(0, max_bpp))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return drawn


def _on_scale(values, metric):
    return ms_ssim_db(values) if metric == "ms_ssim" else np.asarray(values, float)


def crops(pictures, titles, top, left, size=128, zoom=1, columns=4):
    """The same square of several versions of a picture, every pixel `zoom` x `zoom` pixels of the screen.

    Args:
        pictures: list of uint8 RGB arrays of one shape.
        titles: list of str, of one or two lines.
        top, left, size: the square, in pixels.
        zoom: int.
        columns: how many stand in a row.
    """
    squares = [picture[top : top + size, left : left + size] for picture in pictures]
    return tiles(squares, titles, zoom, columns)


def tiles(pictures, titles, zoom=1, columns=4):
    """Pictures of one size in rows, pixel for pixel, each under its title.

    Args:
        pictures: list of uint8 arrays, (h, w, 3) or grey (h, w), of one shape.
        titles: list of str, of one or two lines.
        zoom: int, pixels of the screen to a pixel, each way.
        columns: how many stand in a row.
    """
    height, width = (side * zoom for side in pictures[0].shape[:2])
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    gap, caption = 8, 36
    total_width, total_height = columns * (width + gap), rows * (height + caption + gap)
    drawn = plt.figure(figsize=(total_width / DPI, total_height / DPI), dpi=DPI)
    for k, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = (k % columns) * (width + gap) + gap / 2
        bottom = total_height - (k // columns + 1) * (height + caption + gap) + gap
        place = [left / total_width, bottom / total_height, width / total_width, height / total_height]
        axes = drawn.add_axes(place)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
        axes.set_title(title, fontsize=9, pad=4)
        axes.axis("off")
    return drawn


def feature_maps(code, title, count=32):
    """The first feature maps of one code, in order, each in its own grey scale, which its title says.

    Args:
        code: float array (h, w, maps).
        title: str.
        count: how many maps, a multiple of 8 or fewer than 8.
    """
    columns = min(8, count)
    drawn, axes = figure(
        1.15 * columns, 1.35 * -(-count // columns) + 0.3, -(-count // columns), columns, squeeze=False
    )
    for k, axis in enumerate(axes.flat):
        limit = np.abs(code[..., k]).max() or 1
        axis.imshow(code[..., k], cmap="gray", vmin=-limit, vmax=limit)
        axis.set_title(f"{k + 1}: ±{limit:.2g}", fontsize=9, pad=2)
        axis.axis("off")
    drawn.suptitle(title, fontsize=11)
    return drawn


def energies(curves):
    """Share of the energy in the first k feature maps.

    Args:
        curves: dict from label to float array (c,), the energy of each feature map, in the order to be shown.
    """
    drawn, axes = figure(7, 3.8)
    for (label, energy), marker, line in zip(curves.items(), "osD^vX", ("-", "--", ":", "-.", "-", "--")):
        share = 100 * np.cumsum(energy) / np.sum(energy)
        axes.plot(np.arange(1, len(energy) + 1), share, line, marker=marker, ms=4, label=label)
    axes.set(xlabel="feature maps kept", ylabel="energy (%)", ylim=(0, 101))
    axes.grid(alpha=0.3)
    axes.legend()
    return drawn


def training_curves(logs):
    """Training loss and validation PSNR.

    Args:
        logs: dict from label to DataFrame read from a run's `log.csv`.
    """
    drawn, (loss, psnr) = figure(9, 3.6, 1, 2)
    for (label, log), marker, line in zip(logs.items(), "osD^vX", ("-", "--", ":", "-.", "-", "--")):
        loss.semilogy(log["step"], log["train_mse"], line, marker=marker, ms=4, label=label)
        psnr.plot(log["step"], log["validation_psnr_db"], line, marker=marker, ms=4, label=label)
    loss.set(xlabel="step", ylabel="training MSE (planes in [0, 1])")
    psnr.set(xlabel="step", ylabel="validation PSNR (dB)")
    for axis in (loss, psnr):
        axis.grid(alpha=0.3)
        axis.legend()
    return drawn
