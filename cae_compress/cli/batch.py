"""Many files through one function, one after another or several at a time; a bad one costs itself alone.

    files ──> plan ──> jobs ──> run ──> what came of each, as it comes: a line, and the exit code

A job's result is written beside its target and put in its place when it is complete (`files`). Several processes are
joblib's. One that is killed, say because memory ran out, takes the others with it; then those files that may have been
in work are tried again, each alone, so that only a file that does it again is given up.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import warnings
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import joblib
from tqdm import tqdm

from cae_compress import files
from cae_compress.progress import progress_bar

PIPE = "-"  # for a file's name: standard input or output
KILLED = "the process that worked on it was killed, twice; is there too little memory?"
IDLE_SECONDS = 60  # after which a worker ends whose main process was killed


class UsageError(ValueError):
    """The command line asks for what cannot be done; said before any work."""


@dataclass(frozen=True)
class Job:
    """A file to convert.

    Attributes:
        source, target: Path, from where and to where.
        partial: Path, where the result is until it is complete.
    """

    source: Path
    target: Path
    partial: Path


def convert_many(convert, suffix, args):
    """Run `convert` over all files of a command line.

    Args:
        convert: function of (source, target, args), paths and the command line, that writes a file and returns a line
            on it. Whatever it raises is the failure of this file.
        suffix: str, what the names of its files end in.
        args: the command line: `files`, `output`, `force`, `jobs` and what `convert` looks for.

    Returns:
        int, the exit code: 0 when every file was converted, else 1.

    Raises:
        UsageError: what `args` asks for cannot be.
    """
    if PIPE in args.files or args.output == PIPE:
        return convert_piped(convert, suffix, args)
    jobs, skipped = plan(suffix, args)
    failed = 0
    with progress_bar(total=len(jobs), unit="file", show=len(jobs) > 1) as bar, contextlib.closing(
        run(convert, jobs, args)
    ) as outcomes:  # fmt: skip
        for job, ok, text in outcomes:
            bar.update()
            if ok:
                tqdm.write(f"{job.source} -> {job.target}: {text}")
            else:
                failed += 1
                tqdm.write(text if str(job.source) in text else f"{job.source}: {text}", file=sys.stderr)
    return 1 if failed or skipped else 0


def convert_piped(convert, suffix, args):
    """`convert_many` from standard input, to standard output, or both: through files of a temporary folder."""
    if len(args.files) > 1:
        raise UsageError(f"{PIPE} is for one file at a time")
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
        jobs, _ = plan(suffix, argparse.Namespace(**{**vars(args), "files": [source], "output": str(target)}))
        for job in jobs:
            ok, text = attempt(convert, job, args)
            print(text.replace(f"{folder}{os.sep}", ""), file=sys.stderr)
            if ok and to_pipe:
                sys.stdout.buffer.write(job.target.read_bytes())
            return 0 if ok else 1
    return 1


def read(path):
    """The bytes of a file, or of standard input; raises OSError, or UsageError if that is closed."""
    if path != PIPE:
        return Path(path).read_bytes()
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    return sys.stdin.buffer.read()


def plan(suffix, args):
    """Decide what is written where; says of each file that is left out, why, and how to go on.

    Returns:
        (jobs, skipped): list of `Job`, and how many files were left out.

    Raises:
        UsageError: there is no such place to write to.
    """
    target_of = targets(suffix, args)
    jobs, sources, skipped = [], {}, 0
    for source in args.files:
        target = target_of(source)
        problem = unreadable(source)
        key = os.path.normcase(os.path.realpath(target))
        if not problem and (first := sources.get(key)):
            problem = f"{target} is to be made from {first}; give this one a call of its own, with -o NAME{suffix}"
        if not problem and not may_write(target, args.force):
            problem = f"{target} exists; not overwritten (use --force)"
        if problem:
            print(f"{source}: {problem}", file=sys.stderr)
            skipped += 1
        else:
            sources[key] = source
            jobs.append(Job(source, target, files.partial_of(target)))
    return jobs, skipped


def targets(suffix, args):
    """A function from a file of the command line to where its result goes; raises UsageError if that cannot be."""
    if args.output is None:
        return lambda source: source.parent / f"{source.stem}{suffix}"
    output = Path(args.output)
    try:
        if names_folder(args):
            output.mkdir(parents=True, exist_ok=True)
            return lambda source: output / f"{source.stem}{suffix}"
        if output.parent.is_dir():
            return lambda source: output
        raise UsageError(f"{output.parent}: no such folder")
    except OSError as error:
        several = f"; {len(args.files)} files need one" if len(args.files) > 1 else ""
        raise UsageError(f"{output}: cannot be a folder: {error.strerror}{several}") from None


def names_folder(args):
    """Whether `args.output` is a folder: there is one, the name ends in a slash, or several files go there."""
    return args.output.endswith(("/", os.sep)) or os.path.isdir(args.output) or len(args.files) > 1


def unreadable(source):
    """Why there is nothing to read at a path, or None."""
    try:
        if source.is_file():
            return None
        if source.is_dir():
            return f"is a folder; name its files: {source / '*'}"
        if source.exists():
            return f"is no file but a pipe or a device; to read standard input, name it {PIPE}"
    except OSError as error:  # a name too long, a folder that may not be entered
        return error.strerror
    return "no such file"


def is_device(path):
    """Whether a path is neither file nor folder, but a pipe or a device, such as /dev/null."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def may_write(path, force):
    """True if nothing is lost: the file is new, --force was given, or the user says so."""
    if force or not os.path.exists(path) or is_device(path):
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        return input(f"overwrite {path}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def run(convert, jobs, args):
    """Yield (job, whether it went well, a line on it) as jobs are done; however it ends, nothing half done stays."""
    waiting = dict(enumerate(jobs))
    try:
        if args.jobs == 1 or len(jobs) < 2:
            for k, job in enumerate(jobs):
                outcome = attempt(convert, job, args)
                yield waiting.pop(k), *outcome
            return
        while waiting:
            started = []
            try:
                with contextlib.closing(in_processes(convert, waiting, started, args)) as outcomes:
                    for k, outcome in outcomes:
                        yield waiting.pop(k), *outcome
            except BrokenProcessPool:
                for k in [k for k in started if k in waiting]:
                    outcome = alone(convert, k, waiting[k], args)
                    yield waiting.pop(k), *outcome
    finally:
        for job in waiting.values():
            job.partial.unlink(missing_ok=True)


def in_processes(convert, waiting, started, args):
    """Yield (k, outcome) of the jobs in the dict `waiting`; the numbers of those given to workers go into `started`.

    Raises:
        BrokenProcessPool: a worker was killed.
    """

    def tasks():
        for k, job in list(waiting.items()):
            started.append(k)
            yield joblib.delayed(in_worker)(k, convert, job, args)

    parallel = joblib.Parallel(
        args.jobs, backend="loky", return_as="generator_unordered", batch_size=1, idle_worker_timeout=IDLE_SECONDS
    )
    outcomes = parallel(tasks())
    try:
        yield from outcomes
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that tasks are cancelled, when this ends early
            outcomes.close()


def alone(convert, k, job, args):
    """The outcome of a job that nothing else runs beside."""
    try:
        [(_, outcome)] = in_processes(convert, {k: job}, [], args)
        return outcome
    except BrokenProcessPool:
        job.partial.unlink(missing_ok=True)
        return False, KILLED


def in_worker(k, convert, job, args):
    """`attempt` in another process, which leaves Ctrl-C to the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return k, attempt(convert, job, args)


def attempt(convert, job, args):
    """(True, a line on the result), or (False, a line on what was raised)."""
    try:
        with files.replacing(job.target, job.partial) as path:
            return True, convert(job.source, path, args)
    except Exception as error:  # decoders of foreign formats raise whatever they like
        return False, one_line(error)


def one_line(error):
    """An exception in a line; those that are not about the file or the picture with their kind."""
    text = " ".join(str(error).split())
    return text if text and isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {text}"
