"""One page to show: a picture and what every codec makes of it at equal size, in a single HTML file.

Two versions lie on top of each other under a curtain that a slider moves; below are the numbers and the curve of this
very picture. The page needs no network: pictures are inside it, without loss, as WebP.
"""

import base64
import html
import io
from pathlib import Path

import pandas as pd
from PIL import Image

from cae_compress import metrics
from cae_compress.lab import baselines, evaluate, plots

TEMPLATE = Path(__file__).with_name("page.html")
CURVE_SETTINGS = {"cae_compress": (10, 25, 40, 57, 75)}  # of codecs whose own settings are more than a page needs


def compare(image, name, quality=50):
    """The page.

    Args:
        image: uint8 RGB array (h, w, 3).
        name: of the picture, for the heading.
        quality: of the .cae file, 1 to 100; every other codec gets as many bytes.

    Returns:
        str, HTML.
    """
    versions = {codec: v for codec, v in evaluate.versions_at_equal_size(image, quality).items() if v}
    rows = [row_of(version, data, image, decoded) for version, (data, decoded) in versions.items()]
    pictures = {"original": image, **{version: decoded for version, (_, decoded) in versions.items()}}
    height, width = image.shape[:2]
    parts = {
        "TITLE": html.escape(name),
        "WIDTH": str(width),
        "HEIGHT": str(height),
        "OPTIONS": "".join(
            f'<option value="{k}">{html.escape(version)}</option>' for k, version in enumerate(pictures)
        ),
        "PICTURES": "".join(picture_of(k, version, array) for k, (version, array) in enumerate(pictures.items())),
        "ROWS": "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows),
        "CURVE": curve_of(image),
    }
    page = TEMPLATE.read_text(encoding="utf-8")
    for key, value in parts.items():
        page = page.replace(f"@{key}@", value)
    return page


def row_of(version, data, image, decoded):
    """A row of the table of numbers, as text."""
    quality = evaluate.quality(image, decoded)
    ssim, ms_ssim = ("" if quality[key] is None else f"{quality[key]:.4f}" for key in ("ssim", "ms_ssim"))
    rate = f"{metrics.bits_per_pixel(len(data), image):.3f}"
    return version, f"{len(data):,}", rate, f"{quality['psnr_db']:.2f}", ssim, ms_ssim


def picture_of(k, version, array):
    """An <img> with the picture in it, without loss."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "WEBP", lossless=True, method=4)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img id="p{k}" alt="{html.escape(version)}" src="data:image/webp;base64,{data}">'


def curve_of(image):
    """An <img> of PSNR over rate, of this picture alone."""
    rows = []
    for codec in (evaluate.FrontDoor("psnr"), *baselines.BASELINES):
        settings = CURVE_SETTINGS.get(codec.name, codec.settings[::2])
        for setting in settings:
            data = codec.encode(image, setting)
            psnr_db = metrics.psnr(image, codec.decode(data))
            rows.append({"codec": codec.name, "bpp": metrics.bits_per_pixel(len(data), image), "psnr_db": psnr_db})
    figure = plots.rate_distortion(pd.DataFrame(rows), max_bpp=2.0, estimates=())
    output, _ = plots.as_output(figure, "")
    alt = "PSNR over bits per pixel of every codec on this picture"
    return f'<img class="curve" alt="{alt}" src="data:image/png;base64,{output["image/png"]}">'
