"""What many files cost, in one process, in several and on a Dask cluster of this machine: time and memory.

`python -m cae_compress.lab.bench_files --count 1000`, after `pip install "cae_compress[cluster]"`. Pictures are cut
from the bundled photographs. The ways take turns, so that whatever else a machine does disturbs all of them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from PIL import Image

from cae_compress import datasets


def make_album(folder, count, height, width):
    """Write `count` PNG files of height x width to folders of a hundred; which parts of which photographs is random."""
    rng, photographs = np.random.default_rng(1), list(datasets.bundled().values())
    for k in range(count):
        photograph = photographs[k % len(photographs)]
        photograph = np.pad(
            photograph, [(0, max(0, s - n)) for s, n in zip((height, width), photograph.shape)] + [(0, 0)], "reflect"
        )
        top, left = (rng.integers(n - s + 1) for s, n in zip((height, width), photograph.shape))
        path = Path(folder) / f"{k // 100:03}" / f"{k:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph[top : top + height, left : left + width]).save(path, compress_level=1)


def measure(*options):
    """Run `cae-compress` with options: (seconds, CPU seconds, most memory of one process in MB)."""
    import psutil

    start, peak, seconds = time.monotonic(), {}, {}
    command = [sys.executable, "-m", "cae_compress.cli", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            for one in [root, *root.children(recursive=True)]:
                try:
                    with one.oneshot():
                        times = one.cpu_times()
                        seconds[one.pid] = times.user + times.system
                        peak[one.pid] = max(peak.get(one.pid, 0), one.memory_info().rss)
                except psutil.Error:  # it has ended since
                    pass
            time.sleep(0.5)  # looking costs time itself
    if process.returncode:
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")
    return time.monotonic() - start, sum(seconds.values()), max(peak.values()) / 1e6


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.lab.bench_files", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="pictures (default: %(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 384), help="their height and width in pixels")
    parser.add_argument("--repeats", type=int, default=3, help="turns; medians are shown (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=joblib.cpu_count(), help="processes (default: one a core)")
    args = parser.parse_args(argv)
    jobs = str(args.jobs)
    ways = {"-j 1": ["-j", "1"], f"-j {jobs}": ["-j", jobs], "--dask local": ["-j", jobs, "--dask", "local"]}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        make_album(f"{folder}/in", args.count, *args.size)
        for turn in range(args.repeats):
            for way, options in ways.items():
                result = measure("encode", "-r", f"{folder}/in", "-o", f"{folder}/out", "-f", *options)
                rows.append((way, *result))
                print(f"turn {turn + 1}, {way}: {result[0]:.1f} s", file=sys.stderr, flush=True)
    columns = ["way", "seconds", "cpu_seconds", "worker_mb"]
    table = pd.DataFrame(rows, columns=columns).groupby("way", sort=False).median()
    table["of -j 1"] = table["seconds"] / table.loc["-j 1", "seconds"]
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
