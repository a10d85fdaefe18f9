"""Decorators that compile a function with numba and keep the machine code for the next process.

numba's own cache looks only at the file of the function that is compiled. The coder's functions are compiled into one
another across files, so a change in one file would leave stale machine code of another in use, and a stale coder writes
files that nobody else can read. Hence the code is kept in a folder named after the hash of all the sources.
"""

import hashlib
import os
from pathlib import Path

import numba

PACKAGE = Path(__file__).parent.parent
SOURCES = ("coding/*.py", "cheng2018/latents.py", "flagship/*.py")  # all that is compiled


def cache_folder():
    """Where machine code is kept: `$XDG_CACHE_HOME/cae_compress/HASH`, by default under `~/.cache`."""
    sources = sorted(path for pattern in SOURCES for path in PACKAGE.glob(pattern))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(root, "cae_compress", digest.hexdigest()[:16])


def _njit(function, **options):
    """`numba.njit` with our cache folder; numba reads the setting here only, and it is put back at once."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, cache_folder()
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
    """Compile a small function into each of its callers."""
    return _njit(function, inline="always")
