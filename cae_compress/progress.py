"""Progress bars, for whoever watches: in a terminal or a notebook, never in a log."""

import sys
import threading

from tqdm.auto import tqdm


class Bar(tqdm):
    """tqdm with a lock among threads alone: one among processes is left behind by a worker that is killed."""


Bar.set_lock(threading.RLock())


def progress_bar(iterable=None, show=True, **options):
    """A bar around an iterable, or one to be moved by hand.

    Args:
        iterable: what is gone through, or None.
        show: bool, False for no bar even where somebody watches.
        options: further arguments of `tqdm`.
    """
    in_notebook = "ipykernel.zmqshell" in sys.modules  # its standard error is no terminal, but is watched
    hidden = False if in_notebook else None  # None: tqdm looks whether standard error is a terminal
    return Bar(iterable, disable=hidden if show else True, **options)
