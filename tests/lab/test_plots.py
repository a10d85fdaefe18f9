import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

from cae_compress.lab import evaluate, plots


@pytest.fixture
def summary():
    rows = [{"codec": "JPEG 2000", "setting": s, "bpp": s, "psnr_db": 30 + s, "ssim": 0.9} for s in (0.5, 1.0, 9.0)]
    rows += [
        {"codec": "CAE, block PCA", "setting": b, "bpp": b / 5, "estimate_bpp": b / 4, "psnr_db": b} for b in (2, 3)
    ]
    return pd.DataFrame(rows).reindex(columns=evaluate.COLUMNS)


def test_files_are_drawn_solid_and_estimates_dashed_beside_them(summary):
    lines = plots.rate_distortion(summary).axes[0].get_lines()
    drawn = {line.get_label(): line.get_linestyle() for line in lines}
    assert drawn == {
        "JPEG 2000": "-",
        "CAE, block PCA": "-",
        "CAE, block PCA: entropy estimate, no file": "--",
    }
    assert lines[0].get_xdata().tolist() == [0.5, 1.0], "points beyond the axis are left out"
    assert len(plots.rate_distortion(summary, estimates=()).axes[0].get_lines()) == 2


def test_ms_ssim_is_drawn_in_decibels(summary):
    summary["ms_ssim"] = 0.99
    lines = plots.rate_distortion(summary, "ms_ssim").axes[0].get_lines()
    assert np.allclose(lines[0].get_ydata(), 20)


SIMULATIONS = {  # Machado, Oliveira, Fernandes, IEEE TVCG 15(6), 2009: all of linear RGB, full severity
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


@pytest.mark.parametrize("simulation", SIMULATIONS.values(), ids=SIMULATIONS)
def test_any_two_codecs_have_colours_that_colour_blind_readers_tell_apart(simulation):
    from matplotlib.colors import to_rgb
    from skimage.color import deltaE_ciede2000, rgb2lab

    colours = np.array([to_rgb(colour) for colour, _ in (*plots.STYLES.values(), *plots.OTHER_STYLES)])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(simulation), 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)[None])[0]
    difference = deltaE_ciede2000(lab[:, None], lab[None])
    assert difference[~np.eye(len(lab), dtype=bool)].min() > 10
    assert lab[:, 0].max() < 75, "and none is too light for white paper"


def test_no_two_codecs_have_the_same_marker():
    markers = [marker for _, marker in (*plots.STYLES.values(), *plots.OTHER_STYLES)]
    assert len(set(markers)) == len(markers)


def test_a_codec_without_a_style_of_its_own_gets_one_that_no_other_has(summary):
    summary = pd.concat([summary, summary.replace("JPEG 2000", "new").replace("CAE, block PCA", "newer")])
    lines = [line for line in plots.rate_distortion(summary).axes[0].get_lines() if line.get_linestyle() == "-"]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 4


def test_a_figure_becomes_a_png_with_an_alternative_text():
    import base64

    before = matplotlib.pyplot.get_fignums()
    data, metadata = plots.as_output(plots.energies({"a": np.ones(3)}), "three equal maps")
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] == "three equal maps"
    assert matplotlib.pyplot.get_fignums() == before, "and is closed, so that it is not shown twice"


def test_photographs_are_stored_pixel_for_pixel():
    import base64
    import io

    from PIL import Image

    pictures = [np.random.default_rng(k).integers(0, 256, (40, 50, 3), dtype=np.uint8) for k in range(3)]
    data, _ = plots.as_output(plots.tiles(pictures, ["a", "b", "c"], zoom=2, columns=2), "noise")
    stored = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
    for picture in pictures:
        enlarged = picture.repeat(2, axis=0).repeat(2, axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(stored, (1, 100, 3))[:, :, 0, 0]
        places = np.argwhere((windows == enlarged[0]).all(axis=(2, 3))) if windows.ndim == 4 else []
        assert any(np.array_equal(stored[r : r + 80, c : c + 100], enlarged) for r, c in places)


def test_energy_curves_end_at_100_percent():
    figure = plots.energies({"a": np.array([3.0, 1.0]), "b": np.array([1.0, 1.0])})
    assert [line.get_ydata().tolist() for line in figure.axes[0].get_lines()] == [[75, 100], [50, 100]]


def test_crops_show_the_same_square_of_each_picture():
    pictures = [np.random.default_rng(k).integers(0, 256, (40, 50, 3), dtype=np.uint8) for k in range(2)]
    figure = plots.crops(pictures, ["a", "b"], top=5, left=7, size=16)
    for axis, picture in zip(figure.axes, pictures):
        assert np.array_equal(axis.get_images()[0].get_array(), picture[5:21, 7:23])


def test_every_feature_map_has_its_own_scale_which_its_title_says():
    code = np.random.default_rng(0).normal(size=(16, 16, 32)) * np.arange(1, 33)
    axes = plots.feature_maps(code, "title").axes
    assert len(axes) == 32
    for k, axis in enumerate(axes):
        limit = np.abs(code[..., k]).max()
        assert axis.get_images()[0].get_clim() == (-limit, limit)
        assert axis.get_title() == f"{k + 1}: ±{limit:.2g}"


def test_training_curves_have_a_line_a_run():
    log = pd.DataFrame({"step": [1, 2], "train_mse": [0.1, 0.01], "validation_psnr_db": [10, 20]})
    figure = plots.training_curves({"a": log, "b": log})
    assert [len(axis.get_lines()) for axis in figure.axes] == [2, 2]


def test_published_curves_are_dotted():
    summary = pd.DataFrame({"codec": "JPEG", "bpp": [0.5, 1.0], "estimate_bpp": [np.nan] * 2, "psnr_db": [30, 33]})
    published = pd.DataFrame({"codec": "Theirs 2017", "bpp": [0.4, 0.9], "psnr_db": [31, 34]})
    lines = plots.rate_distortion(summary, published=published).axes[0].lines
    assert [line.get_linestyle() for line in lines] == ["-", ":"]
    assert lines[1].get_xdata().tolist() == [0.4, 0.9]
