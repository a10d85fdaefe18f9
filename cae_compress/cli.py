"""The command line: `cae-compress encode | decode | info | compare | bench`.

Exit codes: 0 all done, 1 a file failed or was skipped, 2 the command line is wrong.
"""

import argparse
import multiprocessing
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from cae_compress import bitstream, codec, pictures
from cae_compress.metadata import NOTHING

ERRORS = (OSError, ValueError)  # what a bad file raises: BitstreamError and PictureError are ValueErrors


def encode(args):
    """Compress all files."""
    return convert_many(encode_file, ".cae", args)


def decode(args):
    """Decompress all files."""
    return convert_many(decode_file, f".{args.format}", args)


def encode_file(source, target, args):
    """Compress one picture file."""
    from cae_compress import metrics

    image, metadata = read_picture(source, args)
    max_bytes = args.target_bytes
    if args.target_bpp is not None:
        max_bytes = int(args.target_bpp * image.shape[0] * image.shape[1] / 8)
    if max_bytes is None:
        data = codec.encode(image, args.quality, args.effort, args.model, metadata)
    else:
        data = codec.encode_to_size(image, max_bytes, args.effort, args.model, metadata)
    write(target, data)
    return f"{len(data)} bytes, {metrics.bits_per_pixel(len(data), image):.3f} bpp"


def decode_file(source, target, args):
    """Decompress one .cae file into the format of the target's name."""
    from cae_compress import writing

    data = Path(source).read_bytes()
    image, metadata = codec.decode(data, args.max_pixels, as_stored=True), codec.metadata_of(data, args.max_pixels)
    partial = target.with_name(f".{target.name}.part{target.suffix}")
    notes = writing.write(partial, image, NOTHING if args.strip else metadata, args.output_quality)
    partial.replace(target)
    return "; ".join([f"{image.shape[1]}x{image.shape[0]}", *notes])


def read_picture(source, args):
    """The pixels of a picture file, and the metadata that go with them, as the options of `encode` say."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda text, *_: tqdm.write(str(text), file=sys.stderr)
        picture = pictures.open_picture(source, args.background, args.convert, args.frame, args.max_pixels)
    return picture.pixels, NOTHING if args.strip else picture.metadata


def write(path, data):
    """Write a file so that it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(data)
    partial.replace(path)


def convert_many(convert, suffix, args):
    """Run `convert` over all files of the command line, `args.jobs` at a time; returns the exit code."""
    jobs, skipped = [], 0
    for source in args.files:
        target = target_of(source, suffix, args)
        if may_write(target, args.force):
            jobs.append((source, target))
        else:
            print(f"{source}: {target} exists; not overwritten (use --force)", file=sys.stderr)
            skipped += 1
    targets = [target for _, target in jobs]
    if len(set(targets)) < len(targets):
        sys.exit("cae-compress: two files would be written to one name; use separate --output folders")
    failed = 0
    with tqdm(total=len(jobs), unit="file", disable=len(jobs) < 2) as bar:
        for (source, target), outcome in run(convert, jobs, args):
            bar.update()
            if isinstance(outcome, Exception):
                failed += 1
                text = str(outcome)
                tqdm.write(text if str(source) in text else f"{source}: {text}", file=sys.stderr)
            else:
                tqdm.write(f"{source} -> {target}: {outcome}")
    return 1 if failed or skipped else 0


def run(convert, jobs, args):
    """Yield each job with what came of it, text or exception; in this process, or in several."""
    if args.jobs == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, attempt(convert, *job, args)
        return
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(attempt, convert, *job, args) for job in jobs]
        for job, future in zip(jobs, futures):
            yield job, future.result()


def attempt(convert, source, target, args):
    try:
        return convert(source, target, args)
    except ERRORS as error:
        return error


def target_of(source, suffix, args):
    """Where the result of a file goes."""
    if args.output is None:
        return source.with_suffix(suffix)
    if args.output.is_dir() or len(args.files) > 1:
        args.output.mkdir(parents=True, exist_ok=True)
        return args.output / source.with_suffix(suffix).name
    return args.output


def may_write(path, force):
    """True if nothing is lost: the file is new, --force was given, or the user says so."""
    if force or not path.exists():
        return True
    return sys.stdin.isatty() and input(f"overwrite {path}? [y/N] ").strip().lower() in ("y", "yes")


def info(args):
    """Print where the bytes of files go."""
    failed = 0
    for path in args.files:
        try:
            data = path.read_bytes()
            header, payload = bitstream.read(data, args.max_pixels)
            sections = codec.codec_of(header).sections(header, payload)
        except ERRORS as error:
            print(error if str(path) in str(error) else f"{path}: {error}", file=sys.stderr)
            failed += 1
            continue
        pixels = header.width * header.height
        print(f"{path}: {header.width}x{header.height}, model {header.model} ({header.weights.hex()})")
        parts = {"header": header.num_bytes, **sections}
        if chunks := len(bitstream.write_chunks(header.metadata)):
            parts["metadata"] = chunks
        for name, num_bytes in {**parts, "whole file": len(data)}.items():
            share = 100 * num_bytes / len(data)
            print(f"  {name:18} {num_bytes:12.1f} bytes {8 * num_bytes / pixels:9.4f} bpp {share:6.1f} %")
    return 1 if failed else 0


def compare(args):
    """Print what every codec makes of pictures in files of the same size; of one picture, write a page to show."""
    from cae_compress.lab import evaluate, page

    if args.html and len(args.files) > 1:
        sys.exit("cae-compress: --html is for one picture")
    failed = 0
    for path in args.files:
        try:
            image = pictures.read(path)
            print(f"{path}\n{evaluate.at_equal_size(image, args.quality).to_string(index=False)}\n")
            if args.html:
                write(args.html, page.compare(image, path.name, args.quality).encode())
        except ERRORS as error:
            print(error if str(path) in str(error) else f"{path}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def bench(args):
    """Print how fast the coder is."""
    from cae_compress.lab import bench

    print(bench.report())
    return 0


def positive(kind):
    def parse(text):
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError("must be positive")
        return value

    return parse


def quality(text):
    value = float(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return value


def background(text):
    try:
        return pictures.colour(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def not_negative(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def quality_of_writer(text):
    value = int(text)
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return value


def add_ways_on(encoding):
    """The options of `encode` for pictures that would be refused, and for what they carry."""
    encoding.add_argument(
        "--background", type=background, metavar="COLOUR",
        help='lay transparent pictures on this colour, a name or "#rrggbb"; refused otherwise',
    )  # fmt: skip
    encoding.add_argument(
        "--convert", action="store_true",
        help="round more than 8 bits a sample to 8, turn CMYK (by its ICC profile) and LAB into RGB; refused otherwise",
    )  # fmt: skip
    encoding.add_argument(
        "--frame", type=not_negative, metavar="N",
        help="which frame of an animation or page of a scan, from 0; files of several are refused otherwise",
    )  # fmt: skip
    encoding.add_argument(
        "--strip", action="store_true",
        help="leave out colour profile, EXIF, XMP and resolution, which are kept otherwise; orientation is applied",
    )  # fmt: skip


def parser():
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="cae-compress", description="Learned image compression.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, action, text, files=True):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(action=action)
        if files:
            command.add_argument("files", nargs="+", type=Path, metavar="FILE")
        return command

    def add_conversion(command):
        command.add_argument("-o", "--output", type=Path, help="file or folder to write (default: beside the input)")
        command.add_argument("-f", "--force", action="store_true", help="overwrite without asking")
        command.add_argument("-j", "--jobs", type=positive(int), default=1, help="files at a time (default: 1)")

    encoding = add("encode", encode, "Compress pictures.")
    add_conversion(encoding)
    goal = encoding.add_mutually_exclusive_group()
    goal.add_argument("-q", "--quality", type=quality, default=50, help="1 (small) to 100 (good); default 50")
    goal.add_argument("--target-bpp", type=positive(float), help="at most so many bits a pixel, and near it")
    goal.add_argument("--target-bytes", type=positive(int), help="at most so many bytes, and near it")
    encoding.add_argument(
        "--effort", type=not_negative, default=0, metavar="STEPS",
        help="gradient steps in search of smaller files: 100 takes a minute and more a picture (default: 0, fast)",
    )  # fmt: skip
    encoding.add_argument(
        "--model", choices=codec.codecs(), default=codec.DEFAULT_MODEL, metavar="NAME",
        help="; ".join(f"{name}: {text}" for name, text in codec.codecs().items()),
    )  # fmt: skip

    add_ways_on(encoding)

    decoding = add("decode", decode, "Decompress .cae files.")
    add_conversion(decoding)
    decoding.add_argument("--format", default="png", help="file name ending, if no output file is named (default: png)")

    decoding.add_argument(
        "--output-quality", type=quality_of_writer, metavar="Q",
        help="of formats that lose something, as jpg, webp and avif, 1 to 100 (default: their best)",
    )  # fmt: skip
    decoding.add_argument("--strip", action="store_true", help="leave out colour profile, EXIF, XMP and resolution")

    about = add("info", info, "Show where the bytes of .cae files go.")
    for command in (encoding, decoding, about):
        command.add_argument(
            "--max-pixels", type=positive(int), default=bitstream.MAX_PIXELS,
            help="refuse larger pictures (default: %(default)s)",
        )  # fmt: skip
    compared = add("compare", compare, "Compare with JPEG, JPEG 2000, WebP and AVIF at the same size.")
    compared.add_argument("-q", "--quality", type=quality, default=50, help="of the .cae file (default: 50)")
    compared.add_argument("--html", type=Path, metavar="PAGE", help="write a page with all versions under a slider")
    add("bench", bench, "Measure the speed of the coder.", files=False)
    return top


def main(argv=None):
    args = parser().parse_args(argv)
    try:
        return args.action(args)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
