"""Writing files: each is there whole or not at all, whatever happens meanwhile.

A file is written beside its place under a name of its own, and moved there when it is complete. So a full disk, an
error or a kill leaves what was there before.
"""

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # no space on the disk, in the user's share of it, in a file


def partial_of(path, run=""):
    """A new name beside a file, of the same ending, to write to until it is complete; it begins with that of a run."""
    path = Path(os.path.realpath(path))  # the file that a link leads to is replaced, not the link
    return path.with_name(f".{run}{secrets.token_hex(6)}.part.{path.name[-40:]}")  # names end at 255 bytes


def remove_partials(paths, run):
    """Remove what processes of a run that were killed have left beside files, of all its `partial_of`."""
    for folder in {os.path.dirname(os.path.realpath(path)) for path in paths}:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(f".{run}") and ".part." in entry.name:
                    Path(entry.path).unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path, partial=None):
    """Gives the path to write to in a `with` statement; at its end that file takes the place of `path`.

    When the statement ends with an exception instead, what was written is removed, and `path` stays as it was. What is
    no file, such as a pipe or /dev/null, is written to itself.

    Args:
        path: str or Path.
        partial: where to write meanwhile, one that `partial_of` gave; by default a new one.

    Raises:
        OSError: the file cannot be written; its `filename` is `path`.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    place, partial = Path(os.path.realpath(path)), Path(partial or partial_of(path))
    try:
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, "write-protected", str(place))
        yield partial
        if place.exists():
            shutil.copymode(place, partial)
        partial.replace(place)
    except OSError as error:
        if error.filename in (str(partial), str(place)):
            error.filename = str(path)
            del error.filename2  # None would be told as a name
        raise
    finally:
        partial.unlink(missing_ok=True)


def write(path, data):
    """Write bytes to a file by `replacing` it."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def is_full(error):
    """Whether an exception says that the disk is full, whichever library raised it."""
    words = (os.strerror(number) for number in FULL)  # all that HDF5 and TensorFlow keep of the reason
    return getattr(error, "errno", None) in FULL or any(text in str(error) for text in words)
