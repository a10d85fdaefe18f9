"""What the commands of the command line do; their grammar is in `cli`. Each returns the exit code."""

import math
import sys
import time
from pathlib import Path

from cae_compress import bitstream, codec, files, pictures, to_size
from cae_compress.cli import batch, plan
from cae_compress.cli.batch import convert_many
from cae_compress.cli.plan import PIPE, UsageError
from cae_compress.cli.report import SUFFIX, named
from cae_compress.metadata import NOTHING


def encode(args):
    """Compress all files."""
    check_ending(args, {SUFFIX}, f"encode writes {SUFFIX} files")
    return convert_many(encode_file, SUFFIX, args, endings(reading=True) if args.recursive else ())


def endings(reading):
    """What the names of pictures end in that Pillow can read, or else write, in lower case; a set, without .cae."""
    from PIL import Image

    Image.init()
    able = Image.OPEN if reading else Image.SAVE
    return {ending for ending, kind in Image.registered_extensions().items() if kind in able} - {SUFFIX}


def encode_file(source, target, args):
    """Compress one picture file."""
    from cae_compress import metrics

    image, metadata = read_picture(source, args)
    max_bytes = args.target_bytes
    if args.target_bpp is not None:
        max_bytes = max(1, int(min(args.target_bpp * image.shape[0] * image.shape[1] / 8, sys.maxsize / 2)))
    if max_bytes is None:
        data = codec.encode(image, args.quality, args.effort, args.model, metadata, args.tune)
    else:
        data = to_size.encode_to_size(image, max_bytes, args.effort, args.model, metadata, args.tune)
    target.write_bytes(data)
    return f"{len(data)} bytes, {metrics.bits_per_pixel(len(data), image):.3f} bpp", image.shape[0] * image.shape[1]


def read_picture(source, args):
    """The pixels of a picture file, and the metadata that go with them, as the options of `encode` say."""
    picture = pictures.open_picture(source, args.background, args.convert, args.frame, args.max_pixels)
    return picture.pixels, NOTHING if args.strip else picture.metadata


def decode(args):
    """Decompress all files."""
    suffix, possible = f".{args.format.removeprefix('.')}", endings(reading=False)
    if suffix.lower() not in possible:
        raise UsageError(f"--format {args.format}: no picture format that can be written")
    check_ending(args, possible, "decode writes picture files, such as .png")
    return convert_many(decode_file, suffix, args, {SUFFIX})


def decode_file(source, target, args):
    """Decompress one .cae file into the format of the target's name."""
    from cae_compress.pictures import writing

    picture = codec.decode_picture(source.read_bytes(), args.max_pixels)
    height, width = picture.pixels.shape[:2]
    notes = writing.write(target, picture.pixels, NOTHING if args.strip else picture.metadata, args.output_quality)
    return "; ".join([f"{width}x{height}", *notes]), width * height


def truncate(args):
    """Cut all files."""
    check_ending(args, {SUFFIX}, f"truncate writes {SUFFIX} files")
    return convert_many(truncate_file, SUFFIX, args, {SUFFIX})


def truncate_file(source, target, args):
    """Cut one .cae file."""
    before = source.read_bytes()
    data = to_size.truncate(before, args.max_bytes)
    target.write_bytes(data)
    header, _ = codec.read(data, math.inf)
    return f"{len(data)} of {len(before)} bytes", header.width * header.height


def check_ending(args, endings, what):
    """Raise UsageError if the one file that `args.output` names has another ending than those of the set."""
    if args.output in (None, PIPE) or plan.names_folder(args) or plan.is_device(args.output):
        return
    stem, dot, ending = args.output.rpartition(".")
    if f"{dot}{ending}".lower() not in endings:
        raise UsageError(f"{args.output}: {what}; a folder's name ends in /")


def info(args):
    """Print where the bytes of files go."""
    return each(args.files, lambda path: about(path, batch.read(path), args.max_pixels))


def about(path, data, max_pixels):
    """What `info` prints of a file, given its bytes."""
    header, payload = codec.read(data, max_pixels)
    its_codec = codec.codec_of(header)
    sections = its_codec.sections(header, payload)
    pixels = header.width * header.height
    lines = [f"{path}: {header.width}x{header.height}, model {header.model} ({header.weights.hex()})"]
    if setting := its_codec.setting_text(header):
        lines[0] += f", {setting}"
    parts = {"header": header.num_bytes, **sections}
    if chunks := len(bitstream.write_chunks(header.metadata)):
        parts["metadata"] = chunks
    for name, num_bytes in {**parts, "whole file": len(data)}.items():
        share = 100 * num_bytes / len(data)
        lines.append(f"  {name:18} {num_bytes:12.1f} bytes {8 * num_bytes / pixels:9.4f} bpp {share:6.1f} %")
    return "\n".join(lines)


def compare(args):
    """Print what every codec makes of pictures in files of the same size; of one picture, write a page to show."""
    from cae_compress.lab import evaluate, page

    if args.html and len(args.files) > 1:
        raise UsageError("--html is for one picture")
    if args.html:
        plan.check_extra(args.html, ".html", args.force)

    def table(path):
        image = pictures.read(path)
        rows = evaluate.at_equal_size(image, args.quality)
        if args.html:
            files.write(args.html, page.compare(image, Path(path).name, args.quality).encode())
        return f"{path}\n{rows.to_string(index=False, na_rep='')}\n"

    return each(args.files, table)


def each(paths, text_of):
    """Print a text on every file, or a line on standard error on what is wrong with it."""
    failed = 0
    for path in paths:
        problem = None if path == PIPE else plan.unreadable(path)
        try:
            text = "" if problem else text_of(path)
        except Exception as error:  # decoders of foreign formats raise whatever they like
            problem = batch.one_line(error)
        if problem:
            print(named(path, problem), file=sys.stderr)
            failed += 1
        else:
            print(text)  # outside the `try`: a reader that is gone is no fault of the file
    return 1 if failed else 0


def bench(args):
    """Print how fast the coder is."""
    from cae_compress.lab import bench

    print(bench.report())
    return 0


def warm_up(args):
    """Compile what coding needs."""
    start = time.monotonic()
    codec.warm_up()
    print(f"ready after {time.monotonic() - start:.0f} s")
    return 0
