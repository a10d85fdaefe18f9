"""What came of many files: each one's outcome, a text in the end, and a table."""

import csv
from dataclasses import astuple, dataclass, field
from pathlib import Path

from cae_compress import files

SUFFIX = ".cae"
MAX_TOLD = 20  # failures in the report's text


@dataclass(frozen=True)
class Job:
    """A file to convert.

    Attributes:
        source, target: Path, from where and to where.
    """

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What came of a file.

    Attributes:
        result: "done", "failed", "skipped" because its target is there, or "left" when the run was stopped before.
        text: a line on what was made of it, or what is wrong.
        bytes_in, bytes_out: sizes of the files.
        pixels: of the picture.
        stop: whether the same would befall every other file.
    """

    result: str
    text: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    pixels: int = 0
    stop: bool = False


def named(source, text):
    """A text on a file with its name, once."""
    return text if str(source) in text else f"{source}: {text}"


@dataclass
class Report:
    """What came of all files of a command line, in its order.

    Attributes:
        jobs: list of `Job`.
        outcomes: list of `Outcome`, one a job.
        others: how many files of other kinds were in the folders.
    """

    COLUMNS = ("source", "target", "result", "bytes_in", "bytes_out", "pixels", "bits_per_pixel", "reason")

    jobs: list = field(default_factory=list)
    outcomes: list = field(default_factory=list)
    others: int = 0

    def add(self, source, target, outcome):
        self.jobs.append(Job(source, target))
        self.outcomes.append(outcome)

    def count(self, result):
        return sum(outcome.result == result for outcome in self.outcomes)

    def write(self, path, suffix):
        """Write it as a CSV table: one row a file, `bits_per_pixel` those of the .cae file; raises OSError."""
        with files.replacing(path) as partial, open(partial, "w", newline="", errors="backslashreplace") as file:
            table = csv.writer(file)
            table.writerow(self.COLUMNS)
            for job, outcome in zip(self.jobs, self.outcomes):
                result, text, *sizes, _ = astuple(outcome)
                rate = f"{rate_of([outcome], suffix):.4f}" if result == "done" else ""
                table.writerow([job.source, job.target, result, *sizes, rate, "" if result == "done" else text])

    @classmethod
    def is_at(cls, path):
        """Whether the file at a path is a report, by its first line."""
        first = ",".join(cls.COLUMNS).encode()
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return file.read(len(first)) == first

    def summary(self, suffix):
        """The report as text: one line in all, and one for each of the first failures."""
        done = [outcome for outcome in self.outcomes if outcome.result == "done"]
        counts = ", ".join(
            f"{n} {result}" for result in ("done", "skipped", "failed", "left") if (n := self.count(result))
        )
        lines = [f"{len(self.outcomes)} files" + (f": {counts}" if counts else "")]
        if done:
            megabytes = [sum(getattr(outcome, name) for outcome in done) / 1e6 for name in ("bytes_in", "bytes_out")]
            lines[0] += "; {:.3f} MB in, {:.3f} MB out, ".format(*megabytes)
            lines[0] += f"{rate_of(done, suffix):.3f} bits per pixel"
        if self.others:
            lines[0] += f"; {self.others} files of other kinds in the folders"
        failed = [(job, outcome) for job, outcome in zip(self.jobs, self.outcomes) if outcome.result == "failed"]
        lines += [f"failed: {named(job.source, outcome.text)}" for job, outcome in failed[:MAX_TOLD]]
        if len(failed) > MAX_TOLD:
            lines.append(f"failed: {len(failed) - MAX_TOLD} more; --report FILE.csv has all")
        return "\n".join(lines)


def rate_of(outcomes, suffix):
    """Bits per pixel of the .cae files of conversions, which are what was written or what was read."""
    size = "bytes_out" if suffix == SUFFIX else "bytes_in"
    num_bytes = sum(getattr(outcome, size) for outcome in outcomes)
    return 8 * num_bytes / max(1, sum(outcome.pixels for outcome in outcomes))
