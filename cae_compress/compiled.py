"""Decorators that compile a function with numba and keep the machine code for the next process.

numba's own cache looks only at the file of the function that is compiled. The coder's functions are compiled into one
another across files, so a change in one file would leave stale machine code of another in use, and a stale coder writes
files that nobody else can read. Hence the code is kept in a folder named after the hash of all the sources.
"""

import hashlib
import os
from pathlib import Path

import numba

SOURCES = (
    "arithmetic.py", "centroids.py", "compiled.py", "contexts.py", "integer_context.py", "integer_passes.py",
    "latents.py", "rd_latents.py", "trellis.py",
)  # fmt: skip


def cache_folder():
    """Where machine code is kept: `$XDG_CACHE_HOME/cae_compress/HASH`, by default under `~/.cache`."""
    digest = hashlib.sha256(b"".join((Path(__file__).parent / name).read_bytes() for name in SOURCES))
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
