"""One way for tasks, whatever computes them: every item once, whoever is killed; errors that say what to do."""

import functools
import json
import os
import shutil
import signal
import string
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_batch import command_line, names

import cae_compress
from cae_compress import cli, codec, datasets, pools, provenance, synthetic, workers
from cae_compress.cli import batch
from cae_compress.flagship import ablations
from cae_compress.lab import evaluate, fuzz


class Dask:
    """A real scheduler and real workers on loopback, each a process of its own."""

    def __init__(self, folder, count=2):
        self.folder, self.file = folder, folder / "scheduler.json"
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file)
        self.workers = [self.start_worker() for _ in range(count)]
        while not self.file.exists() or not self.file.read_text().endswith("\n}"):  # which is being written
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, kind, *options):
        program = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *map(str, options)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        with open(self.folder / "log", "a") as log:
            process = subprocess.Popen(program, stdout=log, stderr=log, env=environment, cwd=self.folder)
        self.processes = [*getattr(self, "processes", []), process]
        return process

    def start_worker(self):
        return self.start("worker", "--scheduler-file", self.file, "--nthreads", 1, "--no-nanny")

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    pytest.importorskip("distributed")
    cluster = Dask(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.end()


def square(number):
    return number * number


@pytest.mark.parametrize("jobs", [None, 1, 2])
def test_every_result_comes_once_with_the_number_of_its_item(jobs):
    results = list(workers.run(square, range(30, 60), jobs))
    assert sorted(results) == [(k, (30 + k) ** 2) for k in range(30)]


def test_no_more_processes_are_started_than_there_are_items(monkeypatch):
    started, processes = [], pools.processes
    monkeypatch.setattr(pools, "processes", lambda jobs: started.append(jobs) or processes(jobs))
    assert sorted(workers.run(square, [3, 4], jobs=1000)) == [(0, 9), (1, 16)]
    assert started == [2]


def grown(number):
    """A number and the process that gives it, which has grown by then as one that loads networks does."""
    vars(workers).setdefault("grown", []).append(np.ones(5 * 10**7, np.float64))  # 400 MB
    time.sleep(1.2)  # how often loky looks
    return number, os.getpid()


def test_a_process_that_is_ended_because_it_has_grown_is_no_news():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        results = dict(workers.run(grown, range(6), jobs=2))
    assert [number for number, _ in map(results.get, range(6))] == list(range(6))
    assert len({process for _, process in results.values()}) > 2, "some were ended"
    assert not told


def test_a_cluster_gives_the_same_results_and_the_warnings_and_errors_of_the_function(dask):
    def careful(number):
        if number == 7:
            warnings.warn("seven is odd", stacklevel=2)
        if number == 99:
            raise ValueError("too large")
        return number, os.getpid()

    with pytest.warns(UserWarning, match="seven is odd"):
        results = dict(workers.run(careful, range(40), dask=dask.address))
    assert [results[k][0] for k in range(40)] == list(range(40))
    assert {pid for _, pid in results.values()} <= {process.pid for process in dask.workers}
    with pytest.raises(ValueError, match="too large"):
        list(workers.run(careful, [1, 99], dask=dask.address))


def test_processes_share_the_cores_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.setenv("MKL_NUM_THREADS", "5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert pools.threads_of_each(3)["OMP_NUM_THREADS"] == "2" and pools.threads_of_each(3)["MKL_NUM_THREADS"] == "5"
    assert pools.threads_of_each(20)["OMP_NUM_THREADS"] == "1"
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    pytest.importorskip("distributed")
    for dask in (None, "local"):
        threads = dict(workers.run(lambda _: os.environ["OMP_NUM_THREADS"], [0, 1], jobs=2, dask=dask))
        assert threads == {0: "2", 1: "2"} and "OMP_NUM_THREADS" not in os.environ


@pytest.fixture(scope="module")
def album(photographs, tmp_path_factory):
    """A folder of 120 small pictures in three folders, one of them damaged, and files of other kinds."""
    folder = tmp_path_factory.mktemp("album")
    rng, pictures = np.random.default_rng(1), list(photographs.values())
    for k in range(120):
        path = folder / ("", "2019", "2019/summer")[k % 3] / f"{k:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = pictures[k % len(pictures)]
        top, left = (rng.integers(side - 160) for side in picture.shape[:2])
        Image.fromarray(picture[top : top + 130, left : left + 140]).save(path)
    (folder / "2019" / "004.png").write_bytes((folder / "2019" / "007.png").read_bytes()[:500])
    (folder / "2019" / "notes.txt").write_text("of that year")
    (folder / "2019" / ".hidden.png").write_text("of a system")
    return folder


@pytest.fixture(scope="module")
def expected(album, tmp_path_factory):
    """What one process makes of the album: a dict from name to bytes."""
    out = tmp_path_factory.mktemp("expected")
    assert encode(album, out) == 1
    return contents(out)


def encode(album, out, *options):
    return cli.main(["encode", "-r", str(album), "-o", str(out), *map(str, options)])


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_worker_killed_in_the_middle_costs_no_file_and_doubles_none(dask, album, expected, tmp_path, capsys):
    out, done_before = tmp_path / "out", []

    def kill():
        while len(done := list(out.rglob("[!.]*.cae"))) < 3:
            time.sleep(0.005)
        dask.workers[0].send_signal(signal.SIGKILL)
        done_before.append(len(done))

    killer = threading.Thread(target=kill)
    killer.start()
    code = encode(album, out, "--dask", dask.address, "--report", tmp_path / "report.csv")
    killer.join()
    dask.workers[0].wait()
    dask.workers[0] = dask.start_worker()
    assert done_before[0] < 100 and dask.workers[1].poll() is None
    printed = capsys.readouterr()
    assert code == 1 and contents(out) == expected and len(expected) == 119
    lines = [line.split(" -> ")[0] for line in printed.out.splitlines() if " -> " in line]
    assert len(lines) == len(set(lines)) == 119
    assert len(printed.err.splitlines()) == 1 and "004.png: damaged" in printed.err
    report = pd.read_csv(tmp_path / "report.csv").set_index("source")
    assert len(report) == 120 and report["result"].value_counts().to_dict() == {"done": 119, "failed": 1}
    damaged = report.loc[str(album / "2019" / "004.png")]
    assert damaged["result"] == "failed" and "damaged" in damaged["reason"]


def test_the_report_adds_up_and_a_second_run_goes_on_where_the_first_stopped(album, expected, tmp_path, capsys):
    out = tmp_path / "out"
    report = tmp_path / "report.csv"
    assert encode(album, out, "-j", 2, "--report", report) == 1
    assert contents(out) == expected and {"000.cae", "2019/001.cae", "2019/summer/002.cae"} < set(expected)
    table = pd.read_csv(report)
    done = table[table["result"] == "done"]
    assert list(table["source"]) == sorted(table["source"], key=lambda name: (Path(name).parent, name))
    assert done["bytes_out"].sum() == sum(map(len, expected.values())) and (done["pixels"] == 130 * 140).all()
    assert np.allclose(done["bits_per_pixel"], 8 * done["bytes_out"] / (130 * 140), atol=1e-4)
    rate = 8 * done["bytes_out"].sum() / (119 * 130 * 140)
    told = capsys.readouterr().out.splitlines()[-2:]
    assert told[0].startswith("120 files: 119 done, 1 failed;") and f"{rate:.3f} bits per pixel" in told[0]
    assert told[0].endswith("1 files of other kinds in the folders") and told[1].startswith("failed: ")
    times = {name: (out / name).stat().st_mtime_ns for name in expected}
    for name in ("000.cae", "2019/summer/002.cae"):
        (out / name).unlink()
    assert encode(album, out, "--skip-existing", "--report", report) == 1  # the damaged one is tried again
    assert pd.read_csv(report)["result"].value_counts().to_dict() == {"skipped": 117, "done": 2, "failed": 1}
    changed = {name for name in expected if (out / name).stat().st_mtime_ns != times[name]}
    assert changed == {"000.cae", "2019/summer/002.cae"} and contents(out) == expected
    shutil.rmtree(out / "2019")
    assert cli.main(["decode", "-r", str(out), "-o", str(tmp_path / "back"), "--report", str(report)]) == 0
    assert sorted(contents(tmp_path / "back")) == [f"{k:03}.png" for k in range(0, 120, 3)]
    assert np.array_equal(Image.open(tmp_path / "back" / "000.png"), cae_compress.decode(expected["000.cae"]))
    table = pd.read_csv(report)
    assert np.allclose(table["bits_per_pixel"], 8 * table["bytes_in"] / (130 * 140), atol=1e-4)


@pytest.fixture
def sources(tmp_path):
    paths = [tmp_path / "in" / f"{name}.png" for name in string.ascii_lowercase]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text(f"picture {path.stem}")
    return paths


def copy(source, target, args):
    target.write_bytes(source.read_bytes())
    return "copied", 1000


def test_a_file_that_kills_its_worker_every_time_is_given_up_and_no_other(sources, tmp_path, capsys):
    config = pytest.importorskip("dask").config

    def convert(source, target, args):
        target.write_text("half")
        if source.stem == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return copy(source, target, args)

    args = command_line(sources, output=str(tmp_path / "out"), dask="local", jobs=2)
    with config.set({"distributed.scheduler.allowed-failures": 0}):  # else each try kills four
        assert batch.convert_many(convert, ".cae", args) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and "b.png: the process that worked on it was killed, twice" in err[0]
    others = string.ascii_lowercase.replace("b", "")
    assert names(tmp_path / "out") == [f"{name}.cae" for name in others]
    assert all((tmp_path / "out" / f"{name}.cae").read_text() == f"picture {name}" for name in others)


def stopping(error, source, target, args):
    """Copies files, but for the third, at which there is an error."""
    target.write_text("half")
    came = source.with_name("came to the third")
    if source.stem == "c":
        came.touch()
        raise error(str(target))
    for _ in range(100 * (source.stem > "c")):  # that some are left then, however late its worker is
        if not came.exists():
            time.sleep(0.05)
    time.sleep(0.05)
    return copy(source, target, args)


def full(path):
    return OSError(28, "No space left on device", path)


def gone(path):
    folder = Path(path).parent
    folder.rename(folder.with_name("elsewhere"))
    return FileNotFoundError(2, "No such file or directory", path)


@pytest.mark.parametrize("error, words", [(full, "No space left"), (gone, "No such file or directory")])
@pytest.mark.parametrize("where", ["here", "processes", "cluster"])
def test_a_full_disk_or_a_folder_that_is_gone_stops_with_one_error_and_whole_files(
    where, error, words, request, sources, tmp_path, capsys
):
    options = {"here": {}, "processes": {"jobs": 2}, "cluster": {}}[where]
    if where == "cluster":
        options = {"dask": request.getfixturevalue("dask").address}
    args = command_line(sources, output=str(tmp_path / "out"), report=tmp_path / "report.csv", **options)
    assert batch.convert_many(functools.partial(stopping, error), ".cae", args) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and words in err[0] and "part" not in err[0] and "--skip-existing" in err[0]
    for _ in range(50 * (where == "cluster")):  # its workers end what they are at
        if names(tmp_path / "out", ".*"):
            time.sleep(0.1)
    whole = contents(tmp_path / "out")
    assert len(whole) < 20 or where == "here"
    assert all(data == f"picture {name[0]}".encode() for name, data in whole.items())
    results = pd.read_csv(tmp_path / "report.csv")["result"].tolist()
    assert "left" in results and results.count("failed") == 1


def refused(capsys, *args):
    """The one line that a command line is refused with, before any work."""
    assert cli.main([str(arg) for arg in args]) == 1
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 and err[0].startswith("cae-compress: error: ")
    return err[0]


def test_a_cluster_that_cannot_do_it_is_refused_in_one_line(dask, album, tmp_path, monkeypatch, capsys):
    command = ["encode", "-r", album / "2019" / "summer", "-o", tmp_path / "out", "--dask"]
    assert "--jobs goes with --dask local" in refused(capsys, *command, dask.address, "-j", 2)
    monkeypatch.setattr(pools, "CONNECT_SECONDS", 1)
    assert "no Dask scheduler answers at nonsense" in refused(capsys, *command, "nonsense")
    assert "no Dask scheduler answers at tcp://127.0.0.1:9:" in refused(capsys, *command, "tcp://127.0.0.1:9")
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "package_hash", lambda: "of another release")
        assert "another cae_compress or other weights" in refused(capsys, *command, dask.address)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", lambda path: None)  # as if the folder were another one there
        answer = refused(capsys, *command, dask.address)
        assert f"does not see {tmp_path / 'out'}" in answer and "a file system that they share" in answer
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        assert 'pip install "cae_compress[cluster]"' in refused(capsys, *command, "local")
    with monkeypatch.context() as patch:
        patch.setattr(pools, "__name__", "cae_compress.not_yet")  # as in a release before this module
        assert "install the same everywhere" in refused(capsys, *command, dask.address)
    assert contents(tmp_path / "out") == {}
    assert cli.main(["encode", "-", "--dask", "local"]) == 2


def test_a_cluster_that_is_lost_ends_the_run_with_one_error(dask, tmp_path):
    other = Dask(tmp_path)
    try:
        with pytest.raises(workers.WorkersError, match="connection to the cluster was lost"):
            for k, _ in workers.run(time.sleep, [0, *[1] * 20], dask=other.address):
                if k == 0:
                    other.processes[0].kill()
    finally:
        other.end()


def test_a_cluster_that_is_lost_before_it_has_workers_ends_the_run_with_one_error(dask, tmp_path, monkeypatch):
    other = Dask(tmp_path, 0)
    monkeypatch.setattr(pools, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(pools.Cluster, "look", lambda pool: other.end())  # while it waits for the first
    try:
        with pytest.raises(workers.WorkersError, match="connection to the cluster was lost"):
            list(workers.run(square, [1, 2], dask=other.address))
    finally:
        other.end()


def test_nobody_waits_for_dask_who_does_not_use_it(album, tmp_path):
    code = "import sys; from cae_compress import cli; cli.main(sys.argv[1:]); print('distributed' in sys.modules)"
    args = ["encode", str(album / "000.png"), str(album / "003.png"), "-o", str(tmp_path / "out"), "-j", "2"]
    answer = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "False" and len(contents(tmp_path / "out")) == 2


def test_tables_are_the_same_row_for_row_whatever_made_them(dask, monkeypatch):
    some = {name: evaluate.codecs_by_name()[name] for name in ("cae_compress", "JPEG 2000", "Toderici 2017")}
    monkeypatch.setattr(evaluate, "codecs_by_name", lambda: some)  # here; workers have all
    pictures = {name: synthetic.pictures()[name] for name in ("gradient", "text")}
    monkeypatch.setattr(evaluate, "load_pictures", lambda name: pictures)
    ways = ({"dask": dask.address}, {"jobs": 2}, {})
    cluster, processes, here = (evaluate.evaluate_set("synthetic", 4, False, **where) for where in ways)
    pd.testing.assert_frame_equal(cluster, processes, check_exact=True)
    metrics = ["psnr_db", "ssim", "ms_ssim"]  # other threads round a sample otherwise on some processors
    pd.testing.assert_frame_equal(cluster.drop(columns=metrics), here.drop(columns=metrics), check_exact=True)
    pd.testing.assert_frame_equal(cluster[metrics], here[metrics], rtol=1e-6)
    assert here["codec"].unique().tolist() == list(some) and here["psnr_db"].notna().all()
    assert here["picture"].unique().tolist() == ["gradient", "text"]


def test_ablations_are_the_same_on_a_cluster(dask, monkeypatch, photographs):
    def measure(task):
        picture = datasets.bundled()["coffee"][100:228, 200:360]
        return ablations.measure(codec.load_codec(), picture, task[0])

    def some(codec):
        return [ablations.SHIPPED, "latents rounded to the nearest whole step", "contexts start at one half"]

    flagship = codec.load_codec()
    expected = ablations.ablations(flagship, [photographs["coffee"][100:228, 200:360]]).set_index("variant")
    monkeypatch.setattr(ablations, "variants", some)  # here; workers have all
    table = ablations.table_of(measure, flagship, 1, dask=dask.address).set_index("variant")
    pd.testing.assert_frame_equal(table, expected.loc[some(None)], check_exact=True)
    assert table["bd_rate_percent"].nunique() == 3


def test_the_fuzzer_counts_the_same_on_a_cluster_and_brings_home_the_file_that_failed(dask, monkeypatch, tmp_path):
    picture = datasets.bundled()["coffee"][:70, :140]
    files = [cae_compress.encode(image, 40) for image in (picture, picture[..., 0], 0 * picture)]
    monkeypatch.setattr(fuzz, "seeds", lambda: files)
    monkeypatch.chdir(tmp_path)
    counts = fuzz.run(400, progress=False, dask=dask.address)
    assert counts == fuzz.run(400, progress=False) and min(counts["refused"], counts["picture"]) > 20

    def never(files, seed, numbers):  # in a worker, where nothing is patched
        fuzz.MAX_SECONDS = -1
        try:
            return fuzz.try_files(files, seed, numbers)
        finally:
            fuzz.MAX_SECONDS = 60

    monkeypatch.setattr(fuzz, "try_files", never)
    with pytest.raises(AssertionError, match="took more"):
        fuzz.run(100, progress=False, dask=dask.address)
    assert (tmp_path / "fuzz-failure.cae").stat().st_size > 0
