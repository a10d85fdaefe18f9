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
        "CAE, block PCA (entropy estimate, no file)": "--",
    }
    assert lines[0].get_xdata().tolist() == [0.5, 1.0], "points beyond the axis are left out"
    assert len(plots.rate_distortion(summary, estimates=False).axes[0].get_lines()) == 2


def test_energy_curves_end_at_100_percent():
    figure = plots.energies({"a": np.array([3.0, 1.0]), "b": np.array([1.0, 1.0])})
    assert [line.get_ydata().tolist() for line in figure.axes[0].get_lines()] == [[75, 100], [50, 100]]


def test_crops_show_the_same_square_of_each_picture():
    pictures = [np.random.default_rng(k).integers(0, 256, (40, 50, 3), dtype=np.uint8) for k in range(2)]
    figure = plots.crops(pictures, ["a", "b"], top=5, left=7, size=16)
    for axis, picture in zip(figure.axes, pictures):
        assert np.array_equal(axis.get_images()[0].get_array(), picture[5:21, 7:23])


def test_all_32_feature_maps_share_one_scale():
    code = np.random.default_rng(0).normal(size=(16, 16, 32))
    images = [axis.get_images()[0] for axis in plots.feature_maps(code, "title").axes]
    assert len(images) == 32 and {image.get_clim() for image in images} == {(-np.abs(code).max(), np.abs(code).max())}


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
