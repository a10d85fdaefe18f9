"""What tables of `evaluate` say: BD-rates, sizes at equal PSNR, means, and the replication beside the others."""

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from cae_compress import metrics
from cae_compress.flagship.codec import RDCodec

BESIDE_THE_REPLICATION = (RDCodec.name, "JPEG 4:2:0", "JPEG 2000", "WebP", "AVIF")


def bd_rates(table, reference="JPEG 2000"):
    """BD-rate of every codec against a reference, picture by picture (see `metrics.bd_rate`).

    Args:
        table: DataFrame of `evaluate`.
        reference: name of a codec in it.

    Returns:
        DataFrame of percentages, one row a picture, one column a codec; missing where two curves cannot be compared.
    """
    groups = {picture: dict(list(g.groupby("codec"))) for picture, g in table.groupby("picture", sort=False)}
    codecs = [codec for codec in table["codec"].unique() if codec != reference]
    return pd.DataFrame({c: {p: _bd_rate(g.get(c), g.get(reference)) for p, g in groups.items()} for c in codecs})


def mean_curve_bd_rates(points, reference="JPEG 2000"):
    """BD-rate of mean curves, as publications have it; it moves with how a codec spreads bits over pictures.

    Args:
        points: DataFrame of codec, bpp and psnr_db, such as `summary`, published curves beside it.
        reference: name of a codec in it.

    Returns:
        Series of percentages, one a codec, missing where two curves cannot be compared.
    """
    groups = dict(list(points.groupby("codec", sort=False)))
    return pd.Series({codec: _bd_rate(group, groups[reference]) for codec, group in groups.items()}).drop(reference)


def curve(points, rate):
    """The points of a table that a curve can be drawn through, by rising PSNR.

    Lossless files, whose PSNR is infinite, and empty rows are left out; of several points of one PSNR, that of the
    lowest rate stays.

    Args:
        points: DataFrame with `psnr_db` and the column named by `rate`.
        rate: "bpp" or "num_bytes".
    """
    finite = points[np.isfinite(points["psnr_db"].astype(float))]
    return finite.sort_values(["psnr_db", rate]).drop_duplicates("psnr_db")


def _bd_rate(points, reference):
    """`metrics.bd_rate` of two tables of points; nan where there is none."""
    if points is None or reference is None:
        return np.nan
    ours, theirs = curve(points, "bpp"), curve(reference, "bpp")
    if min(len(ours), len(theirs)) < 2:
        return np.nan
    return metrics.bd_rate(ours["bpp"], ours["psnr_db"], theirs["bpp"], theirs["psnr_db"])


def sizes_at_equal_psnr(table, reference=RDCodec.name):
    """How large every codec's file is at the PSNR of the reference, picture by picture.

    The reference's files are real ones, at the middle of its settings; sizes of the others are interpolated (PCHIP on
    the logarithm of the size) between their real files, and missing where those do not reach that PSNR.

    Args:
        table: DataFrame of `evaluate`.
        reference: name of a codec in it.

    Returns:
        DataFrame: picture, psnr_db, then one column of bytes a codec.
    """
    rows = []
    for picture, group in table.groupby("picture", sort=False):
        curves = {codec: curve(points, "num_bytes") for codec, points in group.groupby("codec", sort=False)}
        files = curves.get(reference, group[:0])
        ours = files.iloc[len(files) // 2] if len(files) else {"psnr_db": np.nan, "num_bytes": np.nan}
        row = {"picture": picture, "psnr_db": ours["psnr_db"], reference: ours["num_bytes"]}
        others = {codec: points for codec, points in curves.items() if codec != reference}
        row |= {codec: np.round(size_at(points, ours["psnr_db"])) for codec, points in others.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def size_at(points, psnr_db):
    """Bytes at a PSNR, interpolated as above between the files of a `curve` by size; nan beyond them."""
    if len(points) < 2:
        return np.nan
    log_size = PchipInterpolator(points["psnr_db"], np.log(points["num_bytes"]), extrapolate=False)
    return float(np.exp(log_size(psnr_db)))


def replication(table, codec="CAE, fixed PCA", beside=BESIDE_THE_REPLICATION):
    """The replication's own chain, B by B: what it reports as the rate, what its files have, and what others need.

    Args:
        table: DataFrame of `evaluate`.
        codec: name of the replication's codec in it.
        beside: names of other codecs in it.

    Returns:
        DataFrame: B; psnr_db, estimate_bpp, which is what the replication gives as its rate, and bpp of its files,
        means over pictures; then a column a codec, the mean bpp of what it needs for the same PSNR picture by picture,
        missing where one of the pictures lies beyond its files.
    """
    ours = table[table["codec"] == codec]
    rows = ours.groupby("setting")[["psnr_db", "estimate_bpp", "bpp"]].mean().rename_axis("B")
    for name in beside:
        curves = {p: curve(points, "num_bytes") for p, points in table[table["codec"] == name].groupby("picture")}
        sizes = [size_at(curves[file.picture], file.psnr_db) for file in ours.itertuples()]
        bpp = (8 * np.array(sizes) / (ours["width"] * ours["height"])).groupby(ours["setting"])
        rows[name] = bpp.mean().where(bpp.count() == bpp.size())
    return rows.reset_index()


def summary(table):
    """Means over the pictures that could be coded of a table of `evaluate`, one row a codec and setting."""
    columns = ["num_bytes", "bpp", "estimate_bpp", "estimate_with_side_bpp", "psnr_db", "ssim", "ms_ssim"]
    return table.groupby(["codec", "setting"], sort=False)[columns].mean().reset_index()
