"""Which files a command line means, and what is written where, decided before any work."""

import os
import sys
from pathlib import Path

from cae_compress.cli.report import Outcome, Report

PIPE = "-"  # for a file's name: standard input or output


class UsageError(ValueError):
    """The command line asks for what cannot be done; said before any work."""


def plan(suffix, args, endings=()):
    """Decide what is written where; says of each file that is left out, why, and how to go on.

    Returns:
        `Report`, in which what is to be done is "left".

    Raises:
        UsageError: there is no such place to write to.
    """
    report, target_of, sources = Report(), targets(suffix, args), {}
    for source, folder in found(args, endings, report):
        target, outcome = target_of(source, folder), Outcome("left")
        problem = unreadable(source)
        key = os.path.normcase(os.path.realpath(target))
        if not problem and (first := sources.get(key)):
            problem = f"{target} is to be made from {first}; give this one a call of its own, with -o NAME{suffix}"
        elif not problem:
            sources[key] = source
            if args.skip_existing and os.path.exists(target):
                outcome = Outcome("skipped", f"{target} is there")
            elif not may_write(target, args.force):
                problem = f"{target} exists; not overwritten (use --force)"
        if problem:
            outcome = Outcome("failed", problem)
            print(f"{source}: {problem}", file=sys.stderr)
        report.add(source, target, outcome)
    for folder in {job.target.parent for job, o in zip(report.jobs, report.outcomes) if o.result == "left"}:
        make_folder(folder)
    return report


def found(args, endings, report):
    """Yield (source, folder): the files of a command line, and those in its folders, each with that folder.

    What is found there of other kinds is counted in the report, and what cannot be looked into is a failure in it.
    """

    def problem(error):
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        report.add(Path(error.filename), "", Outcome("failed", error.strerror))

    for path in args.files:
        path = Path(os.path.abspath(path)) if args.dask else path  # workers are at home elsewhere
        if not (args.recursive and os.path.isdir(path)):
            yield path, None
            continue
        for here, folders, names in os.walk(path, onerror=problem):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in names if not name.startswith(".")):
                if os.path.splitext(name)[1].lower() in endings:
                    yield Path(here, name), path
                else:
                    report.others += 1


def targets(suffix, args):
    """A function from a file of the command line, and the folder it was found in or None, to where its result goes.

    Raises:
        UsageError: there cannot be such a place.
    """
    if args.output is None:
        return lambda source, folder: source.parent / f"{source.stem}{suffix}"
    output = Path(os.path.abspath(args.output) if args.dask else args.output)
    if names_folder(args):
        make_folder(output, len(args.files))

        def target(source, folder):
            return output / (source.relative_to(folder).parent if folder else "") / f"{source.stem}{suffix}"

        return target
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder")
    return lambda source, folder: output


def make_folder(folder, num_files=1):
    """Have a folder to write to; raises UsageError if there cannot be one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        several = f"; {num_files} files need one" if num_files > 1 else ""
        raise UsageError(f"{folder}: cannot be a folder: {error.strerror}{several}") from None


def names_folder(args):
    """Whether `args.output` is a folder: there is one, the name ends in a slash, or several files may go there."""
    several = args.recursive or len(args.files) > 1
    return several or args.output.endswith(("/", os.sep)) or os.path.isdir(args.output)


def unreadable(source):
    """Why there is nothing to read at a path, or None."""
    try:
        if source.is_file():
            return None
        if source.is_dir():
            return "is a folder; -r takes all files in it"
        if source.exists():
            return f"is no file but a pipe or a device; to read standard input, name it {PIPE}"
    except OSError as error:  # a name too long, a folder that may not be entered
        return error.strerror
    return "no such file"


def check_extra(path, ending, force, ours=False):
    """Raise UsageError unless a file beside the results, as a report, may be written; said before any work.

    Args:
        path: Path.
        ending: what its name must end in, so that no picture is taken for it.
        force: whether it may be overwritten.
        ours: whether what is there is an earlier one.
    """
    if is_device(path):
        return
    if path.suffix.lower() != ending:
        raise UsageError(f"{path}: its name must end in {ending}")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent}: no such folder")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder")
    if not ours and not may_write(path, force):
        raise UsageError(f"{path} exists; not overwritten (use --force)")


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
