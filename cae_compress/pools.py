"""The pools that `workers` gives its tasks to: processes of this machine, or the workers of a Dask cluster.

Both are what Python's `concurrent.futures` calls an executor, with the same five things around it, so that `workers` is
written once:

    submit(function, *args)   a future
    result(future)            what the function returned, or raises what it raised; `Killed` if its process was killed
    size()                    how many tasks the pool does at a time
    look()                    called when nothing has come for LOOK_SECONDS
    task_seconds              how long a task should take, so that handing it out costs little beside it

joblib's own Dask backend is not used: a task whose workers were killed never comes back there, and the run waits for it
forever (joblib 1.6), and with a cluster of one worker it computes in the calling process.

Both sides run what the other sends, as with everything that pickles; keep a cluster to people who trust each other,
with Dask's TLS where the network has others. A cluster that is started here has a TLS of its own.
"""

import contextlib
import functools
import logging
import os
import pkgutil
import platform
import signal
import time
import warnings
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from cae_compress import provenance

LOCAL = "local"
LOST = "the connection to the cluster was lost"
CONNECT_SECONDS = 10
IDLE_SECONDS = 60  # after which a process ends whose main process was killed
LOOK_SECONDS = 10  # between two looks at a cluster that is silent
KEEP_MEMORY = {"MALLOC_TOP_PAD_": str(2**26)}  # else glibc, in a thread, gives back and takes anew at every picture
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkersError(RuntimeError):
    """The workers cannot be had, or cannot do the work: one sentence on what to do."""


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
    # loky ends a process that has grown by 300 MB, as one does that loads networks, and warns when it starts another
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
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

    task_seconds = 2

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
