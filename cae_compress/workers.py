"""Tasks in several processes: those of this machine, or the workers of a Dask cluster. One way for both.

    items ──> batches ──> a pool: loky's processes | a Dask cluster ──> (number of an item, its result), as they come

Items are names, paths and numbers, never codecs: a worker loads what it needs when it first needs it and keeps it.
"""

import argparse
import contextlib
import queue
import time
import warnings
from collections import deque

from cae_compress import pools
from cae_compress.pools import WorkersError
from cae_compress.progress import progress_bar

MAX_BATCH = 100  # items in a task of a cluster, whatever they took before
PER_WORKER = 2  # tasks in work and in waiting, for each worker


def add_options(command):
    """Give a command line the options `--jobs` and `--dask`, as `run` takes them."""
    command.add_argument(
        "-j", "--jobs", type=_positive, metavar="N",
        help="processes on this machine, each of about 0.5 GB or more (default: 1; with --dask local, one a core)",
    )  # fmt: skip
    command.add_argument(
        "--dask", metavar="ADDRESS",
        help='scheduler of a Dask cluster whose machines share the files, or "local" for one on this machine; '
        'needs pip install "cae_compress[cluster]"',
    )  # fmt: skip


@contextlib.contextmanager
def errors_told(parser):
    """Meanwhile, WorkersError ends the program with one line and exit code 1."""
    try:
        yield
    except WorkersError as error:
        parser.exit(1, f"{parser.prog}: error: {error}\n")


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be positive")
    return value


def run(function, items, jobs=None, dask=None, seen=(), killed=None):
    """Apply a function to items, in this process, in several, or on a cluster.

    A process that is killed costs no item: those that it may have had are tried again. An item is given up when it was
    tried alone and its process was killed, twice.

    Args:
        function: of one item. It may run more than once for an item, and at once on two machines of which one was lost
            for a while.
        items: list of what can be pickled.
        jobs: int, processes on this machine; None is 1, or with a cluster on this machine one a core.
        dask: None, or the address of a Dask scheduler, or "local" for a cluster on this machine that lasts as long as
            the run.
        seen: paths that all machines of a cluster must see.
        killed: the result of an item that is given up; None raises WorkersError.

    Yields:
        (k, result): the number of an item and what the function returned, in no order. Warnings that the function gave
        are given here.

    Raises:
        WorkersError: no such cluster, or one that cannot do this or is lost; an item was given up.
        Whatever the function raises; then nothing more is computed.
    """
    items = list(items)
    if jobs is not None:
        jobs = max(1, min(jobs, len(items)))  # more would be started, and idle
    if dask is None and jobs in (None, 1):
        yield from ((k, function(item)) for k, item in enumerate(items))
        return
    with pools.processes(jobs) if dask is None else pools.cluster(dask, jobs, seen) as pool:
        yield from _run(pool, function, items, killed)


def results(function, items, unit, progress=True, **where):
    """What a function returns for items, a list in their order, with a progress bar; `where` is for `run`."""
    found = [None] * len(items)
    with progress_bar(show=progress, total=len(items), unit=unit) as bar:
        for k, result in run(function, items, **where):
            found[k] = result
            bar.update()
    return found


def _run(pool, function, items, killed):
    waiting, suspects = deque(enumerate(items)), []
    in_work, done, size = {}, queue.SimpleQueue(), 1

    def start(batch):
        future = pool.submit(_work, function, batch)
        in_work[future] = batch
        future.add_done_callback(done.put)

    def next_done():
        while True:
            with contextlib.suppress(queue.Empty):
                future = done.get(timeout=pools.LOOK_SECONDS)
                return in_work.pop(future), future
            pool.look()

    def alone(k, item):
        for _ in range(2):  # if its process was killed once before, another item's may have been the reason
            start([(k, item)])
            _, future = next_done()
            with contextlib.suppress(pool.Killed):
                return pool.result(future)[1]
        if killed is None:
            raise WorkersError(f"the process that worked on {item} was killed, twice; too little memory?")
        return [(k, killed, [])]

    while waiting or in_work:
        while waiting and len(in_work) < PER_WORKER * pool.size():
            left_for_each = -(-len(waiting) // (PER_WORKER * pool.size()))
            start([waiting.popleft() for _ in range(min(size, left_for_each))])
        batch, future = next_done()
        try:
            seconds, results = pool.result(future)
        except pool.Killed:
            suspects += batch
            continue
        yield from _told(results)
        size = min(MAX_BATCH, max(1, int(pool.task_seconds * len(batch) / max(seconds, 1e-3))))
    for k, item in suspects:
        yield from _told(alone(k, item))


def _work(function, batch):
    """In a worker: (seconds, results), each result with its number and the warnings that were given."""
    start, results = time.monotonic(), []
    for k, item in batch:
        with warnings.catch_warnings(record=True) as given:
            result = function(item)
        results.append((k, result, [(str(w.message), w.category) for w in given]))
    return time.monotonic() - start, results


def _told(results):
    for k, result, given in results:
        for text, category in given:
            warnings.warn(text, category, stacklevel=2)
        yield k, result
