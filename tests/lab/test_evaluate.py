import numpy as np
import pandas as pd
import pytest

from cae_compress import metrics
from cae_compress.lab import baselines, evaluate


@pytest.fixture(scope="module")
def small(photographs):
    return {name: np.ascontiguousarray(photographs[name][:170, :180]) for name in ("coffee", "china")}


def test_a_file_codec_gives_a_row_a_picture_and_setting_with_exact_rates(small):
    codec = baselines.BASELINES[0]
    rows = list(evaluate.evaluate_codec(codec, small, (20, 80)))
    assert [(row["picture"], row["setting"]) for row in rows] == [(p, s) for p in small for s in (20, 80)]
    data = codec.encode(small["coffee"], 20)
    assert rows[0]["num_bytes"] == len(data) and rows[0]["bpp"] == pytest.approx(8 * len(data) / (170 * 180))
    assert rows[0]["psnr_db"] == pytest.approx(metrics.psnr(small["coffee"], codec.decode(data)))
    assert "pillow" in rows[0]["versions"] and "openjpeg 2." in rows[0]["versions"]


def test_the_autoencoder_has_its_estimates_beside_the_rate_and_names_its_weights(small, fixed_codec):
    row = next(evaluate.evaluate_codec(fixed_codec, small, (6,)))
    assert row["num_bytes"] == len(fixed_codec.encode(small["coffee"], 6))
    latents = fixed_codec.latents(small["coffee"], 6)
    assert row["estimate_bpp"] == pytest.approx(latents.estimate_bpp(170 * 180)[0])
    assert row["weights"] == fixed_codec.weights_sha256 and row["seed"] is not None


def test_pictures_too_small_for_ms_ssim_leave_it_empty(small):
    rows = list(evaluate.evaluate_codec(baselines.BASELINES[0], {"tiny": small["coffee"][:40, :40]}, (50,)))
    assert rows[0]["ms_ssim"] is None and rows[0]["ssim"] > 0.5


def test_bd_rates_are_picture_by_picture(small):
    table = pd.DataFrame([row for c in baselines.BASELINES[:3] for row in evaluate.evaluate_codec(c, small)])
    rates = evaluate.bd_rates(table)
    assert list(rates.index) == list(small) and list(rates.columns) == ["JPEG 4:2:0", "JPEG 4:4:4"]
    ours = table[(table["picture"] == "china") & (table["codec"] == "JPEG 4:4:4")]
    reference = table[(table["picture"] == "china") & (table["codec"] == "JPEG 2000")]
    expected = metrics.bd_rate(ours["bpp"], ours["psnr_db"], reference["bpp"], reference["psnr_db"])
    assert rates.loc["china", "JPEG 4:4:4"] == pytest.approx(expected)


def test_a_summary_is_the_mean_over_pictures(small):
    table = pd.DataFrame(evaluate.evaluate_codec(baselines.BASELINES[0], small, (50,))).reindex(
        columns=evaluate.COLUMNS
    )
    summary = evaluate.summary(table)
    assert len(summary) == 1 and summary.loc[0, "psnr_db"] == pytest.approx(table["psnr_db"].mean())


def test_seconds_are_measured_for_all_codecs_in_one_run(small):
    codecs = evaluate.all_codecs()
    seconds = evaluate.measure_seconds({"coffee": small["coffee"]}, codecs, progress=False)
    assert seconds["codec"].tolist() == [codec.name for codec in codecs]
    assert (seconds[["encode_seconds", "decode_seconds"]] > 0).all(axis=None)


def test_sizes_at_equal_psnr_lie_between_real_files_and_are_missing_beyond_them():
    rows = [("ours", 1, 100, 30.0), ("ours", 2, 200, 33.0), ("theirs", 1, 150, 31.0), ("theirs", 2, 600, 35.0)]
    rows += [("worse", 1, 50, 20.0), ("worse", 2, 90, 25.0), ("one point", 1, 90, 33.0)]
    table = pd.DataFrame([dict(picture="a", codec=c, setting=s, num_bytes=b, psnr_db=p) for c, s, b, p in rows])
    sizes = evaluate.sizes_at_equal_psnr(table, reference="ours").iloc[0]
    assert sizes["ours"] == 200 and sizes["theirs"] == 300  # half-way in PSNR, half-way in log size
    assert np.isnan(sizes["worse"]) and np.isnan(sizes["one point"])


def test_mean_curves_move_where_bd_rates_of_pictures_do_not():
    """The very same codec asked for a fixed rate and for a fixed quality, on an easy and on a hard picture."""
    rate = np.array([0.25, 0.5, 1.0, 2.0])
    easy, hard = (lambda bpp: 36 + 6 * np.log2(bpp)), (lambda bpp: 30 + 6 * np.log2(bpp))
    rows = []
    for picture, psnr in (("easy", easy), ("hard", hard)):
        rows += [("JPEG 2000", k, picture, bpp, psnr(bpp)) for k, bpp in enumerate(rate)]
        fixed = 2 ** ((np.array([27, 31, 35, 39]) - psnr(1)) / 6)
        rows += [("fixed PSNR", k, picture, bpp, psnr(bpp)) for k, bpp in enumerate(fixed)]
    table = pd.DataFrame(rows, columns=["codec", "setting", "picture", "bpp", "psnr_db"])
    assert np.allclose(evaluate.bd_rates(table)["fixed PSNR"], 0, atol=0.5)
    means = table.groupby(["codec", "setting"]).mean(numeric_only=True).reset_index()
    assert evaluate.mean_curve_bd_rates(means)["fixed PSNR"] > 4
