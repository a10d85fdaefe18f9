import json
import shutil

import numpy as np
import pandas as pd
import pytest

from cae_compress import metrics, weights
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.lab import baselines, comparison, evaluate


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


class Fussy:
    """A codec that is JPEG, but cannot do one of its settings or pictures of another size."""

    name, settings = "fussy", (20, 50, 80)

    def encode(self, image, setting):
        if setting == 50:
            raise RuntimeError("a library's own kind of error")
        return baselines.BASELINES[0].encode(image, setting)

    def decode(self, data):
        image = baselines.BASELINES[0].decode(data)
        if min(image.shape[:2]) < 100:
            raise OSError("cannot decode so small a picture")
        return image


def test_what_a_codec_cannot_do_is_an_empty_row_and_not_the_end_of_the_table(small):
    pictures = small | {"tiny": small["coffee"][:9, :200]}
    with pytest.warns(UserWarning, match="fussy at 50 cannot code coffee: RuntimeError"):
        table = evaluate.evaluate(pictures, [Fussy(), baselines.BASELINES[0]], progress=False)
    assert len(table) == 3 * (3 + len(baselines.BASELINES[0].settings))
    empty = table[table["num_bytes"].isna()]
    assert set(zip(empty["picture"], empty["setting"])) == {
        ("coffee", 50), ("china", 50), ("tiny", 20), ("tiny", 50), ("tiny", 80),
    }  # fmt: skip
    assert empty[["bpp", "psnr_db", "ssim", "ms_ssim"]].isna().all(axis=None)
    tiny = table[(table["picture"] == "tiny") & (table["codec"] == "JPEG 4:2:0")]
    assert tiny["psnr_db"].notna().all() and tiny["ssim"].isna().all()  # nine rows are too few for its window
    rates = comparison.bd_rates(table, "JPEG 4:2:0")["fussy"]
    assert rates["coffee"] == pytest.approx(0, abs=3) and np.isnan(rates["tiny"])
    sizes = comparison.sizes_at_equal_psnr(table, "JPEG 4:2:0").set_index("picture")["fussy"]
    assert sizes["china"] > 0 and np.isnan(sizes["tiny"])


def test_seconds_are_those_of_the_pictures_that_a_codec_can_do(small):
    with pytest.warns(UserWarning, match="cannot code"):
        seconds = evaluate.measure_seconds(small, [Fussy(), baselines.BASELINES[0]], progress=False)
    assert seconds["pictures"].tolist() == [0, 2] and seconds["encode_seconds"].isna().tolist() == [True, False]


def test_weights_that_do_not_ship_are_named_by_their_own_record(small, tmp_path):
    for ending in ("npz", "json"):
        shutil.copy(weights.FOLDER / f"cheng2018.{ending}", tmp_path / f"mine.{ending}")
    record = json.loads((tmp_path / "mine.json").read_text())
    record["settings"]["seed"] = 77
    (tmp_path / "mine.json").write_text(json.dumps(record))
    codec = CAECodec(model=str(tmp_path / "mine.npz"))
    row = next(evaluate.evaluate_codec(codec, {"coffee": small["coffee"]}, (6,)))
    assert (row["seed"], row["weights"]) == (77, codec.weights_sha256) and row["estimate_bpp"] > 0
    (tmp_path / "mine.json").unlink()
    row = next(evaluate.evaluate_codec(codec, {"coffee": small["coffee"]}, (6,)))
    assert "seed" not in row and row["estimate_bpp"] > 0


def test_one_lossless_point_or_a_repeated_one_leaves_the_rest_of_a_curve():
    curves = {
        "cae_compress": [(0.1, 30), (0.2, 35), (0.4, 40)],
        "plain": [(0.1, 28), (0.3, 36), (0.4, 39)],
        "lossless": [(0.1, 28), (0.3, 36), (0.4, 39), (0.6, np.inf)],
        "repeated": [(0.1, 28), (0.3, 36), (0.35, 36), (0.4, 39), (0.6, 39)],
        "only lossless": [(0.5, np.inf), (0.6, np.inf)],
    }
    rows = [("p", c, k, b, int(1000 * b), q) for c, points in curves.items() for k, (b, q) in enumerate(points)]
    table = pd.DataFrame(rows, columns=["picture", "codec", "setting", "bpp", "num_bytes", "psnr_db"])
    rates = comparison.bd_rates(table, "cae_compress").iloc[0]
    means = comparison.mean_curve_bd_rates(table, "cae_compress")
    sizes = comparison.sizes_at_equal_psnr(table, "cae_compress").iloc[0]
    for result in (rates, means, sizes):
        assert result["plain"] == result["lossless"] == result["repeated"] and np.isnan(result["only lossless"])
    assert 200 < sizes["lossless"] < 320
    assert np.isnan(comparison.sizes_at_equal_psnr(table, "only lossless")["plain"][0])


def test_bd_rates_are_picture_by_picture(small):
    table = pd.DataFrame([row for c in baselines.BASELINES[:3] for row in evaluate.evaluate_codec(c, small)])
    rates = comparison.bd_rates(table)
    assert list(rates.index) == list(small) and list(rates.columns) == ["JPEG 4:2:0", "JPEG 4:4:4"]
    ours = table[(table["picture"] == "china") & (table["codec"] == "JPEG 4:4:4")]
    reference = table[(table["picture"] == "china") & (table["codec"] == "JPEG 2000")]
    expected = metrics.bd_rate(ours["bpp"], ours["psnr_db"], reference["bpp"], reference["psnr_db"])
    assert rates.loc["china", "JPEG 4:4:4"] == pytest.approx(expected)


def test_a_summary_is_the_mean_over_pictures(small):
    table = pd.DataFrame(evaluate.evaluate_codec(baselines.BASELINES[0], small, (50,))).reindex(
        columns=evaluate.COLUMNS
    )
    summary = comparison.summary(table)
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
    sizes = comparison.sizes_at_equal_psnr(table, reference="ours").iloc[0]
    assert sizes["ours"] == 200 and sizes["theirs"] == 300  # half-way in PSNR, half-way in log size
    assert np.isnan(sizes["worse"]) and np.isnan(sizes["one point"])


def test_the_replication_stands_beside_what_others_need_at_its_psnr():
    rows = [("CAE, fixed PCA", 2, 1000, 0.5, 31.5), ("CAE, fixed PCA", 4, 4000, 2.0, 40.0)]
    rows += [("theirs", 1, 100, None, 30.0), ("theirs", 2, 400, None, 33.0), ("one point", 1, 90, None, 33.0)]
    columns = ("codec", "setting", "num_bytes", "estimate_bpp", "psnr_db")
    table = pd.concat(
        pd.DataFrame([dict(zip(columns, row), picture=name) for row in rows]).assign(width=side, height=100)
        for name, side in (("a", 100), ("b", 50))
    )
    table["bpp"] = 8 * table["num_bytes"] / (table["width"] * table["height"])
    chain = comparison.replication(table, beside=("theirs", "one point"))
    assert list(chain) == ["B", "psnr_db", "estimate_bpp", "bpp", "theirs", "one point"]
    assert chain[["B", "psnr_db", "estimate_bpp"]].to_numpy().tolist() == [[2, 31.5, 0.5], [4, 40.0, 2.0]]
    assert chain["bpp"].tolist() == pytest.approx([1.2, 4.8])  # of 10,000 and of 5,000 pixels
    assert chain.loc[0, "theirs"] == pytest.approx(0.24)  # half-way in log size: 200 bytes
    assert np.isnan(chain.loc[1, "theirs"]) and chain["one point"].isna().all()


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
    assert np.allclose(comparison.bd_rates(table)["fixed PSNR"], 0, atol=0.5)
    means = table.groupby(["codec", "setting"]).mean(numeric_only=True).reset_index()
    assert comparison.mean_curve_bd_rates(means)["fixed PSNR"] > 4


def test_codecs_and_metrics_that_cannot_do_with_a_picture_are_blank_in_a_table_of_equal_sizes(small, monkeypatch):
    monkeypatch.setattr(baselines, "BASELINES", [c for c in baselines.BASELINES if c.name in ("JPEG 4:2:0", "WebP")])
    image = np.tile(small["coffee"][:8], (1, 1000, 1))[:, :16400]
    table = evaluate.at_equal_size(image, 5).set_index("codec")
    assert list(table.index) == ["cae_compress", "cae_compress for MS-SSIM", "JPEG 4:2:0", "WebP"]
    assert table.loc["WebP"].isna().all() and table["ms_ssim"].isna().all() and table["ssim"].isna().all()
    others = table.drop("WebP")[["num_bytes", "bpp", "psnr_db"]].astype(float)
    assert np.isfinite(others).all(axis=None) and (others["num_bytes"] == others["num_bytes"].round()).all()
