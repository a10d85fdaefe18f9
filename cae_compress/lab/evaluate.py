"""Codec x pictures x settings -> one table. `python -m cae_compress.lab.evaluate --help`.

A row is one picture coded once. Its columns:

    picture, width, height        the original, in pixels
    codec, setting                what coded it: quality, target bits a pixel, or bits B of the quantizer
    num_bytes, bpp                size of the whole file and 8 * num_bytes / pixels: the rate
    estimate_bpp                  zero-order entropy of the integers, a pixel (`entropy.estimate_bpp`); not a rate
    estimate_with_side_bpp        the same with what a decoder would have to be sent besides, uncoded
    psnr_db, ssim, ms_ssim        against the original, on RGB; ssim is empty below 11 pixels, ms_ssim below 161
    seed, weights, versions       of the training, of the weights file (SHA-256), of the software

What a codec cannot code leaves its row's results empty, with a warning that has the reason.
"""

import argparse
import contextlib
import functools
import importlib
import itertools
import time
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from cae_compress import bitstream, datasets, metrics, provenance, weights, workers
from cae_compress.balle2017.codec import Balle2017Codec
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.cheng2018.rate_codec import RateCAECodec
from cae_compress.codec import codec_of, decode, encode, load_codec
from cae_compress.flagship.codec import RDCodec
from cae_compress.lab import baselines, comparison
from cae_compress.progress import progress_bar
from cae_compress.theis2017.codec import Theis2017Codec
from cae_compress.to_size import encode_to_size
from cae_compress.toderici2017.codec import Toderici2017Codec

COLUMNS = (
    "picture", "width", "height", "codec", "setting", "num_bytes", "bpp", "estimate_bpp", "estimate_with_side_bpp",
    "psnr_db", "ssim", "ms_ssim", "seed", "weights", "versions",
)  # fmt: skip


@functools.cache
def versions():
    """Versions of all software that decides a number of a table, as one string."""
    glymur = baselines.load_glymur()
    openjpeg = [f"openjpeg {glymur.version.openjpeg_version}"] if glymur else []
    jpeg_xl = [f"pillow-jxl-plugin {metadata.version('pillow-jxl-plugin')}"] if baselines.JPEG_XL.is_here else []
    return "; ".join([provenance.versions(), *openjpeg, *jpeg_xl])


def quality(original, decoded):
    """Every metric of one decoded picture, as a dict of columns; None where the picture is too small for it."""
    size = min(original.shape[:2])
    return {
        "psnr_db": metrics.psnr(original, decoded),
        "ssim": metrics.ssim(original, decoded) if size >= metrics.SSIM_MIN_SIZE else None,
        "ms_ssim": metrics.ms_ssim(original, decoded) if size >= metrics.MS_SSIM_MIN_SIZE else None,
    }


def evaluate_codec(codec, pictures, settings=None):
    """Measure a codec.

    Args:
        codec: an object with `name`, `settings`, `encode(image, setting) -> bytes` and `decode(bytes) -> image`.
        pictures: dict from name to uint8 RGB array (h, w, 3).
        settings: the settings to measure; by default the codec's own.

    Yields:
        One row a picture and setting, a dict.
    """
    settings = settings or codec.settings
    for name, image in pictures.items():
        coded = encoder(codec, image, settings)
        for setting in settings:
            row = {
                "picture": name, "width": image.shape[1], "height": image.shape[0],
                "codec": codec.name, "setting": setting, "versions": versions(),
            }  # fmt: skip
            with unless_impossible(codec, setting, name):
                row |= results(codec, image, coded(setting))
            yield row


def encoder(codec, image, settings):
    """A function from a setting to the file of a picture; a progressive codec codes once, and cuts."""
    if not getattr(codec, "progressive", False):
        return lambda setting: codec.encode(image, setting)
    best = functools.cache(lambda: bitstream.read(codec.encode(image, max(settings))))
    return lambda setting: bitstream.write(*codec.cut(*best(), setting))


@contextlib.contextmanager
def unless_impossible(codec, setting, name):
    """One codec that cannot code one picture is a warning, whatever it raises; a table has others."""
    try:
        yield
    except Exception as error:
        text = f"{codec.name} at {setting} cannot code {name}: {type(error).__name__}: {error}"
        warnings.warn(text, stacklevel=2)


def results(codec, image, data):
    """The columns of a row that come of a picture's file."""
    return {
        "num_bytes": len(data),
        "bpp": metrics.bits_per_pixel(len(data), image),
        **quality(image, codec.decode(data)),
        **(origin(codec, data) if data.startswith(bitstream.MAGIC) else {}),
    }


def origin(codec, data):
    """The columns that only a .cae file of a network has: estimates beside the rate, and what made its weights."""
    header, payload = bitstream.read(data)
    codec = codec.of(header)
    if codec.weights_sha256 is None:
        return {}
    estimate, with_side = codec.estimate_bpp(header, payload)
    columns = {"estimate_bpp": estimate, "estimate_with_side_bpp": with_side, "weights": codec.weights_sha256}
    with contextlib.suppress(FileNotFoundError):  # weights of one's own may have come without their record
        columns["seed"] = weights.record(codec.weights_name)["settings"]["seed"]
    return columns


def evaluate(pictures, codecs, every=1, progress=True):
    """Measure codecs on pictures.

    Args:
        pictures: dict from name to uint8 RGB array (h, w, 3).
        codecs: list of codecs, see `evaluate_codec`.
        every: 1 for all of a codec's settings, 2 for every second one.
        progress: show a progress bar.

    Returns:
        A pandas DataFrame, one row a picture, codec and setting; columns as in the module's docstring.
    """
    tasks = [(codec, {name: image}, codec.settings[::every]) for codec in codecs for name, image in pictures.items()]
    return table_of(lambda task: list(evaluate_codec(*task)), tasks, progress)


def evaluate_set(name, every=1, progress=True, jobs=None, dask=None):
    """`evaluate` of all codecs on a set of pictures, in other processes too: the same table, row for row.

    Args:
        name: of the set, as `datasets.load_pictures` takes it.
        every, progress: as `evaluate` takes them.
        jobs, dask: as `workers.run` takes them.
    """
    tasks = [(name, picture, codec, every) for codec in codecs_by_name() for picture in load_pictures(name)]
    return table_of(rows_by_name, tasks, progress, jobs=jobs, dask=dask)


def rows_by_name(task):
    """Rows of (set, picture, codec, every), names but for the last; what they name is loaded once in a process."""
    name, picture, codec, every = task
    codec, pictures = codecs_by_name()[codec], load_pictures(name)
    return list(evaluate_codec(codec, {picture: pictures[picture]}, codec.settings[::every]))


def table_of(function, tasks, progress, **where):
    """The table whose rows a function gives, a list for each task; `where` is for `workers.run`."""
    rows = workers.results(function, tasks, "curve", progress, **where)
    return pd.DataFrame(itertools.chain(*rows)).reindex(columns=COLUMNS)


load_pictures = functools.cache(datasets.load_pictures)


@functools.cache
def codecs_by_name():
    """`all_codecs`, a dict from name."""
    return {codec.name: codec for codec in all_codecs()}


class FrontDoor:
    """The flagship as it is used, which codes drawings without its network; what `evaluate_codec` needs."""

    def __init__(self, tune):
        network = load_codec(tune=tune)
        self.tune, self.name, self.settings = tune, network.name, network.settings

    def encode(self, image, quality):
        return encode(image, quality, tune=self.tune)

    def decode(self, data):
        return decode(data)

    def of(self, header):
        return codec_of(header)


def all_codecs():
    """Everything that is compared: the flagship, the CAE in all its kinds, the other papers, and the baselines."""
    cheng2018 = [
        RateCAECodec(),
        CAECodec("fixed"),
        CAECodec("block"),
        CAECodec("none"),
        CAECodec(model="cheng2018-dct"),
    ]
    papers = [codec(prior) for codec in (Theis2017Codec, Balle2017Codec) for prior in ("static", "adaptive")]
    papers.append(Toderici2017Codec())
    others = [*baselines.BASELINES, baselines.FIXED_PSNR]
    if baselines.SLOW_JPEG_XL.is_here:
        others.append(baselines.SLOW_JPEG_XL)
    return [FrontDoor("psnr"), FrontDoor("ms-ssim"), *cheng2018, *papers, *others]


def measure_seconds(pictures, codecs, repeats=1, progress=True):
    """The paper's Table I: seconds to encode and decode a picture, all codecs in one run.

    Each picture is coded `repeats` times, after one warm-up, at the middle one of the codec's settings, and written to
    bytes and read from them.

    Args:
        pictures: dict from name to uint8 RGB array (h, w, 3).
        codecs: list of codecs, see `evaluate_codec`.
        repeats: timed runs of each picture.
        progress: show a progress bar.

    Returns:
        A pandas DataFrame: codec, setting, encode_seconds and decode_seconds (medians over pictures and runs),
        the number of pictures that the codec could code and of runs, versions.
    """
    rows = []
    for codec in progress_bar(codecs, show=progress, unit="codec"):
        setting = codec.settings[len(codec.settings) // 2]
        times = []
        for name, image in pictures.items():
            with unless_impossible(codec, setting, name):
                if not times:
                    codec.decode(codec.encode(image, setting))
                times += [seconds(codec, image, setting) for _ in range(repeats)]
        encode, decode = np.median(times, axis=0) if times else (None, None)
        rows.append(
            {
                "codec": codec.name, "setting": setting, "encode_seconds": encode, "decode_seconds": decode,
                "pictures": len(times) // repeats, "repeats": repeats, "versions": versions(),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def seconds(codec, image, setting):
    """How long a codec takes to encode and to decode a picture, once."""
    start = time.perf_counter()
    coded = codec.encode(image, setting)
    middle = time.perf_counter()
    codec.decode(coded)
    return middle - start, time.perf_counter() - middle


def versions_at_equal_size(image, quality):
    """What every codec makes of one picture in a file of about the size of ours.

    Args:
        image: uint8 RGB array (h, w, 3).
        quality: of the .cae file, 1 to 100, which sets the size.

    Returns:
        dict from codec to (file, decoded picture), ours first; or to None, where it cannot code this picture.
    """
    ours = encode(image, quality)
    tuned = load_codec(tune="ms-ssim").name
    versions = {RDCodec.name: (ours, decode(ours)), tuned: None}
    with contextlib.suppress(ValueError):  # its smallest file is larger
        data = encode_to_size(image, len(ours), tune="ms-ssim")
        versions[tuned] = data, decode(data)
    for baseline in baselines.BASELINES:
        versions[baseline.name] = None
        with contextlib.suppress(Exception):  # each library raises an exception of its own
            data = baseline.encode_to_size(image, len(ours))
            versions[baseline.name] = data, baseline.decode(data)
    return versions


def at_equal_size(image, quality_setting):
    """`versions_at_equal_size` in numbers.

    Args:
        image: uint8 RGB array (h, w, 3).
        quality_setting: quality of the .cae file, 1 to 100, which sets the size.

    Returns:
        A pandas DataFrame: codec, num_bytes, bpp, psnr_db, ssim, ms_ssim; missing where a codec or a metric cannot
        do with a picture of this size.
    """

    def measure(decoded):
        for name, metric in {"psnr_db": metrics.psnr, "ssim": metrics.ssim, "ms_ssim": metrics.ms_ssim}.items():
            with contextlib.suppress(ValueError):  # too few pixels
                yield name, metric(image, decoded)

    rows = []
    for name, version in versions_at_equal_size(image, quality_setting).items():
        rows.append({"codec": name})
        if version is not None:
            data, decoded = version
            rows[-1] |= {"num_bytes": len(data), "bpp": metrics.bits_per_pixel(len(data), image)}
            rows[-1] |= dict(measure(decoded))
    table = pd.DataFrame(rows, columns=["codec", "num_bytes", "bpp", "psnr_db", "ssim", "ms_ssim"]).round(4)
    return table.astype({"num_bytes": "Int64"})  # whole numbers, missing ones among them


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.lab.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pictures", choices=("kodak", "bundled", "synthetic"), default="bundled", help="(default: %(default)s)"
    )
    parser.add_argument("--out", default="build", help="folder for the tables (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="measure every second setting only")
    workers.add_options(parser)
    args = parser.parse_args(argv)
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)

    with workers.errors_told(parser):
        table = evaluate_set(args.pictures, every=2 if args.quick else 1, jobs=args.jobs, dask=args.dask)
    table.to_csv(folder / f"{args.pictures}.csv", index=False, float_format="%.6g")
    sizes = comparison.sizes_at_equal_psnr(table)
    sizes.to_csv(folder / f"{args.pictures}_sizes.csv", index=False, float_format="%.6g")
    seconds = measure_seconds(load_pictures(args.pictures), list(codecs_by_name().values()))
    seconds.to_csv(folder / f"{args.pictures}_seconds.csv", index=False, float_format="%.4g")
    with pd.option_context("display.width", 150, "display.max_rows", None, "display.float_format", "{:.3f}".format):
        print(comparison.summary(table).to_string(index=False, na_rep=""))
        print("\nBytes at equal PSNR:\n" + sizes.to_string(index=False, float_format="{:.2f}".format, na_rep="-"))
        print("\nThe replication, and the bits a pixel that others need at its PSNR:")
        print(comparison.replication(table).to_string(index=False, na_rep="-"))
        print("\nBD-rate against JPEG 2000, mean over pictures, %:")
        print(comparison.bd_rates(table).mean().round(1).to_string())
        print("\n" + seconds.drop(columns="versions").to_string(index=False))


if __name__ == "__main__":  # by its name, under which other processes find its functions
    importlib.import_module(__spec__.name).main()
