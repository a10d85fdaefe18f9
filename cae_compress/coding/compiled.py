"""Decorators that compile a function with numba and keep the machine code for the next process.

numba's own cache looks only at the file of the function that is compiled. The coder's functions are compiled into one
another across files, so a change in one file would leave stale machine code of another in use, and a stale coder writes
files that nobody else can read. Hence the code is kept in a folder named after the hash of all the sources, or, where
there is no such folder that is this user's own, not at all: then every process compiles anew.
"""

import functools
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numba
from numba.core import event
from numba.np import linalg

PACKAGE = Path(__file__).parent.parent
# All that is compiled
SOURCES = ("coding/*.py", "cheng2018/latents.py", "exact/*.py", "flagship/*.py", "toderici2017/bits.py")
MIN_FREE_BYTES = 2**26  # on a disk that is nearly full nothing is kept


def load_without_blas():
    """Load numba's functions of arrays as if SciPy had no BLAS, which they only look for to multiply vectors by it.

    To look is to import `scipy.linalg`: a twentieth of the time and 20 MB of a process that decodes a picture. Matrix
    products in compiled functions, which look for themselves, find it all the same.
    """

    def absent():
        raise ImportError

    look, linalg.ensure_blas = linalg.ensure_blas, absent
    try:
        from numba.np import arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = look


load_without_blas()


@functools.cache
def cache_folder():
    """Where machine code is kept: `$XDG_CACHE_HOME/cae_compress/HASH`, by default under `~/.cache`.

    Returns:
        str, an absolute path; or None if code that lies there could be another's, or none can be written there.
    """
    sources = sorted(path for pattern in SOURCES for path in PACKAGE.glob(pattern))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    digest.update(b"checking bounds" if numba.config.BOUNDSCHECK else b"")
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):  # "relative paths should be ignored": XDG Base Directory Specification
        root = os.path.expanduser("~/.cache")
    ours = os.path.join(root, "cae_compress")
    folder = os.path.join(ours, digest.hexdigest()[:16])
    return folder if os.path.isabs(root) and _is_usable(folder) and _is_private(ours) and _is_private(folder) else None


def _is_usable(folder):
    """Whether files can be written to a folder, which is made if need be."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return shutil.disk_usage(folder).free >= MIN_FREE_BYTES
    except OSError:
        return False


def _is_private(folder):
    """Whether nobody else can put files into a folder: loading machine code is running it."""
    status = os.stat(folder)
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o002)


def _njit(function, **options):
    """`numba.njit` with our cache folder; numba reads the setting here only, and it is put back at once."""
    folder = cache_folder()
    if folder is None:
        return numba.njit(function, **options)
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
    try:
        return numba.njit(function, cache=True, **options)
    finally:
        numba.config.CACHE_DIR = before


def compiled(function):
    """Compile a function when it is first called; other threads of Python run beside it."""
    return _njit(function, nogil=True)


def compiled_afresh(function):
    """A compiled function, to be compiled once more from what it calls by then, and not kept."""
    return numba.njit(function.py_func, nogil=True)


def inlined(function):
    """Compile a small function, which makes no arrays, into each of its callers.

    Its arrays are its caller's. To count references to them, atomically, at every call (numba's runtime, `_nrt`) would
    take twice as long as the arithmetic coding of a bit.
    """
    return _njit(function, forceinline=True, _nrt=False)


class Announcement(event.Listener):
    """Says on standard error, once in a process, why the first picture takes so long: its coder is being compiled."""

    made = False

    def on_start(self, happening):
        function = happening.data["dispatcher"].py_func
        if self.made or not function.__module__.startswith("cae_compress."):
            return
        self.made = True
        kept = "once" if cache_folder() else "for this process alone, as no folder to keep it in can be written"
        if sys.stderr is not None:
            print(f"cae_compress: compiling the coder, 10 to 30 seconds, {kept}", file=sys.stderr, flush=True)

    def on_end(self, happening):
        pass


event.register("numba:compile", Announcement())
