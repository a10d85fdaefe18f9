"""The command line: `cae-compress encode | decode | truncate | info | compare | bench | warm-up`.

Exit codes: 0 all done, 1 a file failed or was skipped, 2 the command line is wrong, 130 stopped by Ctrl-C.
"""

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
from pathlib import Path

from cae_compress import __version__, bitstream, codec, pictures, workers
from cae_compress.cli import commands
from cae_compress.cli.plan import PIPE, UsageError

ABOUT = """Learned image compression.

Every command takes any number of files, tells in one line what is wrong with a bad one, and goes on with the others;
the exit code is then 1. Nothing is overwritten without leave, and no half-written file is left behind."""

ENCODING = """Reads every format that Pillow reads. A picture is coded as 8-bit RGB or grey; palettes are looked up, the
orientation that a camera noted is applied; colour profile, EXIF, XMP and resolution are kept. Drawings are coded
without loss where that takes few bytes more, or fewer. What cannot be coded without damage is refused, by name, with
the option that is the way on: more than 8 bits a sample, CMYK and other colour spaces (--convert), transparent pixels
(--background), several frames (--frame)."""

DECODING = """Writes the format that the output's name ends in, or PNG, which loses nothing. Files that are damaged, of
another program, or of weights that are not here are refused; so are those that declare more than --max-pixels."""

CUTTING = """For files of a model that codes a picture in passes, such as toderici2017, and of pictures of one colour. A
result ends after the last pass that fits: it is a file like any other, of lower quality, and keeps the metadata. To
replace a file by its shorter version, name no output and give --force."""

NAMES = """The results lie beside their files, under the same name with another ending. -o NAME names one result; -o
FOLDER/ (or several files) puts them there. - is standard input or output: cae-compress {command} - -o - <{example}
Of two files whose results would have one name, the second is left out: give it a call of its own, with -o NAME."""


def positive(kind):
    """A parser of numbers above 0."""

    def parse(text):
        value = kind(text)
        if not (value > 0 and math.isfinite(value)):
            raise argparse.ArgumentTypeError("must be positive")
        return value

    return parse


def from_1_to_100(value):
    if not 1 <= value <= 100:
        raise argparse.ArgumentTypeError("must be from 1 to 100")
    return value


def quality(text):
    return from_1_to_100(float(text))


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
    return from_1_to_100(int(text))


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


def file(text):
    return text if text == PIPE else Path(text)


def parser():
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="cae-compress", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="cae-compress COMMAND --help tells what is kept, what is refused, and how to go on.",
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"cae-compress {__version__}")
    commands_of = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, action, text, more="", files=True):
        command = commands_of.add_parser(
            name, help=text, description=f"{text}\n\n{more}".strip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        command.set_defaults(action=action)
        if files:
            command.add_argument("files", nargs="+", type=file, metavar="FILE")
        return command

    def add_conversion(command):
        command.add_argument("-o", "--output", help="file or folder to write (default: beside the input)")
        there = command.add_mutually_exclusive_group()
        there.add_argument("-f", "--force", action="store_true", help="overwrite without asking")
        there.add_argument("--skip-existing", action="store_true", help="leave out what is there, as of an earlier run")
        command.add_argument(
            "-r", "--recursive", action="store_true", help="take all files in folders; their structure stays under -o"
        )
        command.add_argument("--report", type=Path, metavar="CSV", help="write what came of each file to NAME.csv")
        workers.add_options(command)

    names = NAMES.format(command="encode", example="a.png >a.cae")
    encoding = add("encode", commands.encode, "Compress pictures.", f"{ENCODING}\n\n{names}")
    add_conversion(encoding)
    goal = encoding.add_mutually_exclusive_group()
    goal.add_argument("-q", "--quality", type=quality, default=50, help="1 (small) to 100 (good); default 50")
    goal.add_argument("--target-bpp", type=positive(float), help="at most so many bits a pixel, and near it")
    goal.add_argument("--target-bytes", type=positive(int), help="at most so many bytes, and near it")
    encoding.add_argument(
        "--effort", type=not_negative, default=0, metavar="STEPS",
        help="gradient steps in search of smaller files: 1 to 10 take about a second a picture and save 2 to 3 %%, 100"
        " take a minute and save 5 (default: 0, fast)",
    )  # fmt: skip
    encoding.add_argument(
        "--model", choices=codec.codecs(), default=codec.DEFAULT_MODEL, metavar="NAME",
        help="; ".join(f"{name}: {text}" for name, text in codec.codecs().items()),
    )  # fmt: skip
    encoding.add_argument(
        "--tune", choices=codec.TUNES, default=codec.DEFAULT_TUNE,
        help="what pictures shall be best in at their size; ms-ssim is nearer to what eyes see (default: %(default)s)",
    )  # fmt: skip

    add_ways_on(encoding)

    names = NAMES.format(command="decode", example="a.cae >a.png")
    decoding = add("decode", commands.decode, "Decompress .cae files.", f"{DECODING}\n\n{names}")
    add_conversion(decoding)
    decoding.add_argument("--format", default="png", help="file name ending, if no output file is named (default: png)")
    decoding.add_argument(
        "--output-quality", type=quality_of_writer, metavar="Q",
        help="of formats that lose something, as jpg, webp and avif, 1 to 100 (default: their best)",
    )  # fmt: skip
    decoding.add_argument("--strip", action="store_true", help="leave out colour profile, EXIF, XMP and resolution")

    names = NAMES.format(command="truncate --max-bytes 9000", example="a.cae >b.cae")
    cutting = add(
        "truncate", commands.truncate, "Cut .cae files of a progressive model to a size.", f"{CUTTING}\n\n{names}"
    )
    add_conversion(cutting)
    cutting.add_argument("--max-bytes", type=positive(int), required=True, metavar="N", help="at most so many bytes")

    about = add("info", commands.info, "Show where the bytes of .cae files go.", f"{PIPE} is standard input.")
    for command in (encoding, decoding, about):
        command.add_argument(
            "--max-pixels", type=positive(int), default=bitstream.MAX_PIXELS,
            help="refuse larger pictures (default: %(default)s)",
        )  # fmt: skip
    compared = add(
        "compare", commands.compare, "Compare with JPEG, JPEG 2000, WebP and AVIF at the same size.",
        "Blank is what a codec or a metric cannot do with a picture: WebP ends at 16383 pixels, MS-SSIM begins at 161.",
    )  # fmt: skip
    compared.add_argument("-q", "--quality", type=quality, default=50, help="of the .cae file (default: 50)")
    compared.add_argument(
        "--html", type=Path, metavar="PAGE", help="write a page with all versions under a slider, NAME.html"
    )
    compared.add_argument("-f", "--force", action="store_true", help="overwrite a page that is there")
    add("bench", commands.bench, "Measure the speed of the coder.", files=False)
    add(
        "warm-up", commands.warm_up, "Compile the coder, so that the first picture need not wait for it.",
        "Once after an installation is enough; the first call of another command does it too.", files=False,
    )  # fmt: skip
    return top


def main(argv=None):
    ready_streams()
    try:
        with orderly_stop():
            args = parser().parse_args(argv)
            code = args.action(args)
            sys.stdout.flush()
            return code
    except UsageError as error:
        print(f"cae-compress: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # of the standard streams; those of files have been told
        if not isinstance(error, BrokenPipeError):  # whoever read our output has had enough
            print(f"cae-compress: error: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes what is left when it ends
        return 1


def ready_streams():
    """Have standard input, output and error, whatever this process was given, that take every file name."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed; else the next file that is opened would be taken for it
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
        if hasattr(getattr(sys, name), "reconfigure"):
            getattr(sys, name).reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def orderly_stop():
    """Meanwhile, SIGTERM and a closed terminal stop the program as Ctrl-C does, through everything that cleans up."""

    def stop(number, frame):
        sys.exit(128 + number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
