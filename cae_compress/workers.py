"""Tasks in several processes: those of this machine, or the workers of a Dask cluster. One way for both.

    items ──> batches ──> a pool: loky's processes | a Dask cluster ──> (number of an item, its result), as they come

Both pools are what Python's `concurrent.futures` calls an executor, so all that follows is written once. joblib's own
Dask backend is not used: a task whose workers were killed never comes back there, and the run waits for it forever
(joblib 1.6), and with a cluster of one worker it computes in the calling process.

Items are names, paths and numbers, never codecs: a worker loads what it needs when it first needs it and keeps it. Both
sides run what the other sends, as with everything that pickles; keep a cluster to people who trust each other, with
Dask's TLS where the network has others. A cluster that is started here has a TLS of its own.
"""

import argparse
import contextlib
import functools
import logging
import os
import pkgutil
import platform
import queue
import signal
import time
import warnings
from collections import deque
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from cae_compress import provenance
from cae_compress.progress import progress_bar

LOCAL = "local"
LOST = "the connection to the cluster was lost"
TASK_SECONDS = 2  # what a task of a cluster should take, so that handing it out costs little beside it
MAX_BATCH = 100  # items in such a task, whatever they took before
PER_WORKER = 2  # tasks in work and in waiting, for each worker
CONNECT_SECONDS = 10
IDLE_SECONDS = 60  # after which a process ends whose main process was killed
LOOK_SECONDS = 10  # between two looks at a cluster that is silent
KEEP_MEMORY = {"MALLOC_TOP_PAD_": str(2**26)}  # else glibc, in a thread, gives back and takes anew at every picture
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkersError(RuntimeError):
    """The workers cannot be had, or cannot do the work: one sentence on what to do."""


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

    A process that is killed costs no item: those that it may have had are tried again. When a process was killed again
    by an item that was tried alone, the item is given up.

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
        WorkersError: no such cluster, or one that cannot do this; an item was given up.
        Whatever the function raises; then nothing more is computed.
    """
    items = list(items)
    if dask is None and (jobs in (None, 1) or len(items) < 2):
        yield from ((k, function(item)) for k, item in enumerate(items))
        return
    with processes(jobs) if dask is None else cluster(dask, jobs, seen) as pool:
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
                future = done.get(timeout=LOOK_SECONDS)
                return in_work.pop(future), future
            pool.look()

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
    for k, item in suspects:  # alone, so that only a file that kills a process again is given up
        start([(k, item)])
        _, future = next_done()
        try:
            _, results = pool.result(future)
        except pool.Killed:
            if killed is None:
                raise WorkersError(f"the process that worked on {item} was killed, twice; too little memory?") from None
            results = [(k, killed, [])]
        yield from _told(results)


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


class Processes:
    """A pool of processes on this machine: loky's."""

    Killed = BrokenProcessPool
    task_seconds = 0  # handing out costs nothing: one item a task

    def __init__(self, jobs):
        self.jobs = jobs

    @property
    def executor(self):
        """The one pool of this process, or a new one in the place of one that broke when a process was killed."""
        from joblib.externals.loky import get_reusable_executor

        threads = threads_of_each(self.jobs)
        return get_reusable_executor(self.jobs, timeout=IDLE_SECONDS, initializer=leave_interrupts, env=threads)

    def submit(self, *task):
        with contextlib.suppress(BrokenProcessPool):  # it broke since we looked
            return self.executor.submit(*task)
        return self.executor.submit(*task)

    def size(self):
        return self.jobs

    def look(self):
        pass

    def result(self, future):
        return future.result()


@contextlib.contextmanager
def processes(jobs):
    """`Processes` in a `with` statement, at whose end they are gone."""
    pool = Processes(jobs)
    try:
        yield pool
    finally:
        pool.executor.shutdown(wait=True, kill_workers=True)


def leave_interrupts():
    """Leave Ctrl-C to the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def threads_of_each(jobs):
    """Environment in which so many processes share the cores of this machine, where the user has not said otherwise."""
    import joblib

    threads = str(max(1, joblib.cpu_count() // jobs))
    return {name: os.environ.get(name, threads) for name in THREADS}


class Cluster:
    """A pool of the workers of a Dask cluster.

    Args:
        client: `distributed.Client`.
        seen: paths that all workers must see.
    """

    task_seconds = TASK_SECONDS

    def __init__(self, client, seen):
        from distributed import KilledWorker

        self.Killed = KilledWorker
        self.client, self.executor = client, client.get_executor(pure=False)  # not pure: each try is a task of its own
        self.expected = provenance.package_hash(), tuple(os.path.abspath(path) for path in seen)
        self.threads, self.looked = 0, -1.0
        self.require_package()

    def require_package(self):
        """Wait for the first worker; raise WorkersError where this package is not installed."""
        from distributed import TimeoutError

        ask = pkgutil.resolve_name, f"{__name__}:LOCAL"  # of Python's own library, so that everyone can run it
        try:
            self.client.run_on_scheduler(*ask)
            first = self.client.submit(*ask, pure=False)  # a cluster that grows with its work wants some
            while not first.done():
                try:
                    first.result(timeout=LOOK_SECONDS)
                except TimeoutError:
                    self.look()
            first.result()
            self.client.run(*ask)
        except (ImportError, AttributeError) as error:
            text = f"the scheduler or a worker has no such cae_compress; install the same everywhere ({error})"
            raise WorkersError(text) from None
        except Exception as error:  # of many kinds, as the client gives up
            raise WorkersError(LOST) from error

    def submit(self, function, *args):
        return self.executor.submit(_checked, self.expected, function, *args)

    def size(self):
        """How many tasks it can do at a time; workers come and go."""
        if time.monotonic() > self.looked + 1:
            try:
                self.threads, self.looked = sum(self.client.nthreads().values()), time.monotonic()
            except Exception as error:  # of many kinds, as the client gives up
                raise WorkersError(LOST) from error
        return max(1, self.threads)

    def look(self):
        """Say so where a cluster has no workers, which is no error: they may be waiting for machines."""
        if self.client.status == "running" and self.size() and not self.threads:
            warnings.warn("the cluster has no workers yet; waiting for them", stacklevel=2)

    def result(self, future):
        try:
            return future.result()
        except CancelledError:
            raise WorkersError(LOST) from None


def _checked(expected, function, *args):
    """In a worker of a cluster: the function's result, if this worker can do the work."""
    if problem := _unfit(*expected):
        raise WorkersError(problem)
    return function(*args)


@functools.cache
def _unfit(expected_hash, seen):
    """Why this worker cannot do the work, or None; looked at once for a run."""
    if provenance.package_hash() != expected_hash:
        return f"the worker on {platform.node()} has another cae_compress or other weights; install the same everywhere"
    for path in seen:
        if not Path(path).exists():
            return (
                f"the worker on {platform.node()} does not see {path}; all machines of a cluster must have the files "
                "under the same path, on a file system that they share"
            )
    return None


@contextlib.contextmanager
def cluster(address, jobs=None, seen=()):
    """`Cluster` at an address, or on this machine, in a `with` statement."""
    try:
        import distributed
    except ImportError as error:
        raise WorkersError(f'--dask needs Dask: pip install "cae_compress[cluster]" ({error})') from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters comes as exceptions
    with contextlib.ExitStack() as stack:
        if address == LOCAL:
            address = stack.enter_context(_local_cluster(jobs))
        elif jobs is not None:
            raise WorkersError("a cluster has the workers that it has: --jobs goes with --dask local only")
        try:
            if isinstance(address, str):
                distributed.comm.get_address_host_port(distributed.core.coerce_to_address(address))
            client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            text = " ".join(str(error).split())
            raise WorkersError(f"no Dask scheduler answers at {address}: {text}") from None
        pool = Cluster(stack.enter_context(client), seen)
        try:
            yield pool
        finally:
            pool.executor.shutdown(wait=False)


@contextlib.contextmanager
def _local_cluster(jobs):
    """A cluster of processes on this machine, of one thread each, in a `with` statement."""
    import dask
    import joblib
    from distributed import LocalCluster

    jobs = jobs or joblib.cpu_count()
    settings = {
        "distributed.nanny.pre-spawn-environ": {**threads_of_each(jobs), **KEEP_MEMORY},
        "distributed.worker.profile.enabled": False,  # nobody looks at it
    }
    environment = dict(os.environ)
    try:
        with dask.config.set(settings):
            started = LocalCluster(
                n_workers=jobs, threads_per_worker=1, memory_limit=None, security=True, silence_logs=logging.CRITICAL,
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            )  # fmt: skip
    except ImportError as error:  # cryptography, for the TLS without which others on this machine could send it work
        raise WorkersError(f'--dask local needs more: pip install "cae_compress[cluster]" ({error})') from None
    try:
        with started:
            yield started
    finally:
        os.environ.clear()  # Dask leaves in it what it gave to the workers
        os.environ.update(environment)
