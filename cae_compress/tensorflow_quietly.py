"""Imports TensorFlow without the messages it prints on a machine that has no GPU.

They come from C++ before Python could turn them off, mention CUDA errors, are harmless and frighten students. What
is written to standard error while TensorFlow loads and looks for devices is dropped, unless loading fails. Set
`TF_CPP_MIN_LOG_LEVEL=0` to see everything. Where `OMP_NUM_THREADS` says how many threads a process may have, TensorFlow
is told.
"""

import os
import sys
import tempfile


def _anywhere():
    """A file to write to and read from, or the null device where no folder can be written."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "r+b")


def _load():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    threads = os.environ.get("OMP_NUM_THREADS", "")  # which TensorFlow does not look at
    if threads.isdecimal():
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", threads)
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", threads)
    try:
        stderr = os.dup(2)
    except OSError:  # there is no standard error that anything could be written to
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    with _anywhere() as dropped:
        os.dup2(dropped.fileno(), 2)
        try:
            import tensorflow

            tensorflow.config.list_physical_devices("GPU")
        except BaseException:
            dropped.seek(0)
            os.write(stderr, dropped.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


if "tensorflow" not in sys.modules and "TF_CPP_MIN_LOG_LEVEL" not in os.environ:
    _load()
