"""Many files through one function, here, in several processes or on a cluster; a bad one costs itself alone.

    files, folders ──> plan ──> jobs ──> workers.run ──> what came of each, as it comes: a line; then the report

A job's result is written beside its target and put in its place when it is complete (`files`), under a name of its own
for each attempt, since a cluster tries again what a machine that fell silent may still be at. A full disk, or a folder
that cannot be written to, ends the run with one error.
"""

import argparse
import contextlib
import errno
import functools
import os
import secrets
import sys
import tempfile
import warnings
from pathlib import Path

from cae_compress import files, workers
from cae_compress.cli.plan import PIPE, UsageError, check_extra, is_device, plan
from cae_compress.cli.report import Outcome, Report, named
from cae_compress.progress import Bar, progress_bar

KILLED = "the process that worked on it was killed, twice; is there too little memory?"


def convert_many(convert, suffix, args, endings=()):
    """Run `convert` over all files of a command line.

    Args:
        convert: function of (source, target, args), paths and the command line, that writes a file and returns a line
            on it and the number of its pixels. Whatever it raises is the failure of this file.
        suffix: str, what the names of its files end in.
        args: the command line: `files`, `output`, `force`, `recursive`, `skip_existing`, `report`, `jobs`, `dask`, and
            what `convert` looks for.
        endings: what the names of the files in a folder end in that are to be converted, in lower case.

    Returns:
        int, the exit code: 0 when every file was converted, else 1.

    Raises:
        UsageError: what `args` asks for cannot be.
    """
    if PIPE in args.files or args.output == PIPE:
        return convert_piped(convert, suffix, args)
    if args.report:
        check_extra(args.report, ".csv", args.force, ours=Report.is_at(args.report))
    report = plan(suffix, args, endings)
    try:
        problem = convert_planned(convert, report, args)
    finally:
        if args.report:
            report.write(args.report, suffix)
    if problem:
        print(f"cae-compress: error: {problem}", file=sys.stderr)
    if len(report.outcomes) != 1:
        print(report.summary(suffix))
    return 1 if problem or report.count("failed") else 0


def convert_planned(convert, report, args):
    """Convert what is left in a report, and enter what comes of it.

    Returns:
        str, why the run was stopped, or None.
    """
    left = [(k, job) for k, job in enumerate(report.jobs) if report.outcomes[k].result == "left"]
    run = secrets.token_hex(6)
    options = argparse.Namespace(**{**vars(args), "files": None, "action": None})  # what a task takes along
    mark, seen, problem = None, (), None
    try:
        if left and args.dask:
            mark = marked(left[0][1].target, run)
            seen = mark, left[0][1].source
        outcomes = workers.run(
            functools.partial(attempt, convert, run, mark, options), [job for _, job in left], args.jobs, args.dask,
            seen, killed=Outcome("failed", KILLED),
        )  # fmt: skip
        with (
            telling(),
            progress_bar(total=len(left), unit="file", show=len(left) > 1) as bar,
            contextlib.closing(outcomes),
        ):
            for number, outcome in outcomes:
                k, job = left[number]
                report.outcomes[k] = outcome
                bar.update()
                if outcome.stop:
                    problem = named(job.source, outcome.text)
                    break
                tell(job, outcome)
    except workers.WorkersError as error:
        problem = str(error)
    finally:
        if args.dask or args.jobs not in (None, 1):
            files.remove_partials((job.target for _, job in left), run)
    if problem and 0 < report.count("left") < len(left):
        problem += f"; stopped, {report.count('left')} files are left, --skip-existing goes on with them"
    return problem


def marked(target, run):
    """A new file beside a target that is there as long as the run: whoever works for it must see it, and then not."""
    mark = files.partial_of(target, run)
    try:
        mark.touch()
    except OSError as error:
        raise workers.WorkersError(f"{target.parent}: {error.strerror}") from None
    return mark


@contextlib.contextmanager
def telling():
    """Meanwhile, warnings are a line on standard error, beside the progress bar."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda text, *_: Bar.write(str(text), file=sys.stderr)
        yield


def tell(job, outcome):
    """Print what came of a job."""
    if outcome.result == "done":
        Bar.write(f"{job.source} -> {job.target}: {outcome.text}")
    else:
        Bar.write(named(job.source, outcome.text), file=sys.stderr)


def convert_piped(convert, suffix, args):
    """`convert_many` from standard input, to standard output, or both: through files of a temporary folder."""
    if len(args.files) > 1:
        raise UsageError(f"{PIPE} is for one file at a time")
    if args.dask or args.report:
        raise UsageError(f"{PIPE} has neither a cluster nor a report")
    to_pipe = args.output in (None, PIPE)
    if to_pipe and getattr(sys.stdout, "name", None) == os.devnull:  # what stands in the place of a closed one
        raise UsageError("standard output is closed; name a file: -o NAME")
    if to_pipe and sys.stdout.isatty():
        raise UsageError("a terminal is no place for a picture; name a file: -o NAME")
    with tempfile.TemporaryDirectory() as folder:
        source = args.files[0]
        if source == PIPE:
            source = Path(folder) / "standard input"
            source.write_bytes(read(PIPE))
        target = Path(folder) / f"standard output{suffix}" if to_pipe else args.output
        report = plan(suffix, argparse.Namespace(**{**vars(args), "files": [source], "output": str(target)}))
        for job in [job for job, outcome in zip(report.jobs, report.outcomes) if outcome.result == "left"]:
            with telling():
                outcome = attempt(convert, "", None, args, job)
            print(outcome.text.replace(f"{folder}{os.sep}", ""), file=sys.stderr)
            if outcome.result == "done" and to_pipe:
                sys.stdout.buffer.write(job.target.read_bytes())
            return 0 if outcome.result == "done" else 1
    return 1 if report.count("failed") else 0


def read(path):
    """The bytes of a file, or of standard input; raises OSError, or UsageError if that is closed."""
    if path != PIPE:
        return Path(path).read_bytes()
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    return sys.stdin.buffer.read()


def attempt(convert, run, mark, args, job):
    """Convert a file: its `Outcome`, whatever is raised. If the `mark` of the run is gone, nothing is put in place."""

    def look():
        if mark and not mark.exists():  # removed when the run was stopped, which nobody else tells this machine
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(mark.parent))

    try:
        with files.replacing(job.target, files.partial_of(job.target, run)) as path:
            look()
            text, pixels = convert(job.source, path, args)
            look()
            return Outcome("done", text, job.source.stat().st_size, path.stat().st_size, pixels)
    except Exception as error:  # decoders of foreign formats raise whatever they like
        stop = cannot_write(error, job.target) or (mark is not None and not mark.exists())
        return Outcome("failed", one_line(error), stop=stop)


def cannot_write(error, target):
    """Whether an exception says that no file can be written there."""
    folder = os.path.dirname(os.path.realpath(target))
    writing = isinstance(error, OSError) and error.filename == str(target)
    return files.is_full(error) or (writing and not is_device(target) and not os.access(folder, os.W_OK))


def one_line(error):
    """An exception in a line; those that are not about the file or the picture with their kind."""
    text = " ".join(str(error).split())
    return text if text and isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {text}"
