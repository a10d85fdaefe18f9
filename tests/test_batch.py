"""A bad file costs itself alone, whatever happens to it; an end in the middle leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

from cae_compress.cli import batch


@pytest.fixture
def sources(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "abcdef"]
    for path in paths:
        path.write_text(f"picture {path.stem}")
    return paths


def command_line(sources, **options):
    defaults = dict.fromkeys(("output", "jobs", "dask", "report"), None)
    switches = dict.fromkeys(("force", "recursive", "skip_existing"), False)
    return Namespace(**{"files": sources, **defaults, **switches, **options})


def names(folder, pattern="*"):
    return sorted(path.name for path in folder.glob(pattern) if path.suffix != ".png")


def copy(source, target, args):
    target.write_bytes(source.read_bytes())
    return "copied", 1000


@pytest.mark.parametrize("jobs", [1, 2])
def test_whatever_is_raised_for_one_file_is_one_line_and_the_others_are_done(jobs, sources, tmp_path, capsys):
    errors = dict(zip("abc", (RuntimeError("no AVIF\nof ours"), MemoryError(), KeyError("x"))))

    class Unsendable(Exception):  # to another process
        def __reduce__(self):
            raise TypeError("never")

    def convert(source, target, args):
        target.write_text("half")
        if source.stem == "d":
            raise Unsendable("odd indeed")
        if source.stem in errors:
            raise errors[source.stem]
        return copy(source, target, args)

    assert batch.convert_many(convert, ".cae", command_line(sources, jobs=jobs)) == 1
    out, err = capsys.readouterr()
    assert names(tmp_path) == ["e.cae", "f.cae"]
    told = [
        "/a.png: RuntimeError: no AVIF of ours", "/b.png: MemoryError: ", "/c.png: KeyError: 'x'",
        "/d.png: Unsendable: odd indeed",
    ]  # fmt: skip
    assert sorted(line.removeprefix(str(tmp_path)) for line in err.splitlines()) == told
    summary, *failed = out.splitlines()[2:]
    assert summary == "6 files: 2 done, 4 failed; 0.000 MB in, 0.000 MB out, 0.072 bits per pixel"
    assert [line.removeprefix(f"failed: {tmp_path}") for line in failed] == told


def test_a_killed_worker_costs_no_file_unless_a_file_kills_it_every_time(sources, tmp_path, capsys):
    def convert(source, target, args):
        target.write_text("half")
        mark = source.with_suffix(".tried")
        if source.stem == "e" or (source.stem == "b" and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        with open(source.parent / "log.png", "a") as log:
            log.write(source.stem)
        target.write_bytes(source.read_bytes())
        return "copied", 1000

    assert batch.convert_many(convert, ".cae", command_line(sources, jobs=2)) == 1
    out, err = capsys.readouterr()
    assert names(tmp_path, "[!.]*.cae") == [f"{name}.cae" for name in "abcdf"] and names(tmp_path, ".*") == []
    assert sorted(line.split(" -> ")[0][-5] for line in out.splitlines() if " -> " in line) == list(
        "abcdf"
    )  # each once
    assert [line for line in err.splitlines() if "e.png: " in line and "killed" in line] and "b.png" not in err
    assert all((tmp_path / f"{name}.cae").read_text() == f"picture {name}" for name in "abcdf")


STOPPED = """
import sys, time
from pathlib import Path
from cae_compress import cli
from cae_compress.cli import commands

def slow(source, target, args):
    target.write_text("half")
    if source.stem > "b":
        time.sleep(100)
    return "done", 1000

commands.encode_file = slow
sys.exit(cli.main(["encode", *sys.argv[1:]]))
"""


def children(pid):
    of_threads = Path(f"/proc/{pid}/task").glob("*/children")  # whichever of its threads has started them
    return [int(p) for path in of_threads for p in path.read_text().split()]


def command_of(pid):
    """The command line of a process, empty of one that has ended."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes under /proc")
@pytest.mark.parametrize("jobs, where", [(1, []), (2, []), (2, ["--dask", "local"])])
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_ends_at_once_and_leaves_no_process_and_no_half_file(jobs, where, number, code, sources, tmp_path):
    if where:
        pytest.importorskip("distributed")
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, *map(str, sources), "-j", str(jobs), *where],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell's background jobs ignore
    )  # fmt: skip
    for _ in range(600):
        if len(names(tmp_path, ".*.cae")) >= jobs + len(where[:1]) and len(names(tmp_path, "[!.]*.cae")) == 2:
            break
        time.sleep(0.05)
    workers, start = children(process.pid), time.monotonic()
    assert len(workers) >= jobs * (jobs > 1)
    if number == signal.SIGINT:  # a terminal sends it to every process
        os.killpg(process.pid, number)
    else:
        process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == code and time.monotonic() - start < 10 and "Traceback" not in err
    time.sleep(0.5)
    assert not [pid for pid in workers if command_of(pid)]
    assert names(tmp_path) == ["a.cae", "b.cae"]


def test_what_would_have_the_name_of_another_result_is_left_out_and_said(sources, tmp_path, capsys):
    twin = tmp_path / "a.jpg"
    twin.write_text("another")
    again = tmp_path / "folder" / ".." / "b.png"
    (tmp_path / "folder").mkdir()
    assert batch.convert_many(copy, ".cae", command_line([*sources, twin, again])) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 2 and "a.jpg" in err[0] and "a.png" in err[0] and "-o NAME.cae" in err[0] and "b.png" in err[1]
    assert (tmp_path / "a.cae").read_text() == "picture a" and (tmp_path / "f.cae").exists()


@pytest.mark.parametrize("output, count", [("small/", 1), ("small", 2), ("deep/small/", 2), ("there", 1)])
def test_a_slash_or_several_files_or_one_that_is_there_make_a_folder(output, count, sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert batch.convert_many(copy, ".cae", command_line(sources[:count], output=output)) == 0
    assert names(tmp_path / output) == [f"{name}.cae" for name in "abcdef"[:count]]


def test_an_output_that_cannot_be_is_refused_before_any_work(sources, tmp_path):
    (tmp_path / "afile").touch()
    for output, count in (("afile", 2), ("afile/", 1), ("afile/a.cae", 1), ("nowhere/a.cae", 1)):
        with pytest.raises(batch.UsageError, match="afile|nowhere"):
            batch.convert_many(copy, ".cae", command_line(sources[:count], output=f"{tmp_path}/{output}"))


def test_folders_pipes_and_impossible_names_get_clear_words(sources, tmp_path, capsys):
    (tmp_path / "pics").mkdir()
    os.mkfifo(tmp_path / "pipe")
    odd = [tmp_path / "pics", tmp_path / "pipe", tmp_path / ("y" * 300 + ".png"), sources[0] / "a.png", Path(".")]
    assert batch.convert_many(copy, ".cae", command_line([*odd, tmp_path / "no.png", sources[0]])) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 6 and (tmp_path / "a.cae").exists()
    for line, words in zip(err, ("is a folder", "a pipe", "too long", "no such file", "is a folder", "no such file")):
        assert words in line
