"""What effort when encoding brings and costs: `python -m cae_compress.flagship.efforts --help`.

A row of the table is one effort (`refinement`), with its BD-rate against none on held-out photographs, in whole files,
and the seconds that a megapixel takes. Kodak plays no part in it.
"""

import argparse
import time

import numpy as np
import pandas as pd

from cae_compress import metrics
from cae_compress.flagship.codec import RDCodec
from cae_compress.photographs import held_out
from cae_compress.progress import progress_bar
from cae_compress.provenance import versions

EFFORTS = (0, 1, 2, 3, 10, 30, 100)
QUALITIES = (15, 45, 75)
EVERY = 3  # one of so many held-out photographs is coded
REPEATS = 3


def curve(codec, picture, effort):
    """(bpp, psnr_db) of a picture at all qualities: float (2, qualities)."""
    files = [codec.encode(picture, quality, effort) for quality in QUALITIES]
    bpp = [metrics.bits_per_pixel(len(data), picture) for data in files]
    return np.array([bpp, [metrics.psnr(picture, codec.decode(data)) for data in files]])


def seconds_a_megapixel(codec, picture, effort):
    """How long encoding takes, the median of `REPEATS` runs."""
    runs = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        codec.encode(picture, effort=effort)
        runs.append(time.perf_counter() - start)
    return 1e6 * np.median(runs) / (picture.shape[0] * picture.shape[1])


def table(codec, pictures, efforts=EFFORTS):
    """A row an effort.

    Args:
        codec: an `RDCodec`.
        pictures: list of uint8 arrays (h, w, 3) that nothing was trained on.
        efforts: ints, 0 among them.

    Returns:
        A pandas DataFrame: effort, bd_rate_percent, the mean over pictures; seconds_a_megapixel, of the first picture
        at quality 50; pictures; weights; versions.
    """
    curves = {
        effort: [
            curve(codec, picture, effort) for picture in progress_bar(pictures, desc=f"effort {effort}", unit="picture")
        ]
        for effort in efforts
    }
    return pd.DataFrame(
        {
            "effort": effort,
            "bd_rate_percent": np.mean([metrics.bd_rate(*ours, *none) for ours, none in zip(of_effort, curves[0])]),
            "seconds_a_megapixel": seconds_a_megapixel(codec, pictures[0], effort),
            "pictures": len(pictures),
            "weights": codec.weights_sha256,
            "versions": versions(),
        }
        for effort, of_effort in curves.items()
    )


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m cae_compress.flagship.efforts", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", default="data/effort.csv", help="table to write (default: %(default)s)")
    args = parser.parse_args(argv)
    rows = table(RDCodec(), held_out()[::EVERY])
    rows.to_csv(args.out, index=False, float_format="%.4g")
    print(rows.drop(columns=["weights", "versions"]).to_string(index=False))


if __name__ == "__main__":
    main()
