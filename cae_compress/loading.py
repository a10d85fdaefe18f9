"""Loading what is costly: when it is first needed, once in a process, and only where it can work.

TensorFlow computes in threads. A forked process (`os.fork`, `multiprocessing` on Linux before Python 3.14) is a copy of
all but the threads, so what is left to TensorFlow there never comes back. Hence a process that was forked while
TensorFlow was in use is refused networks; all else, such as the size of a picture, it may read from a file.
"""

import functools
import os
import sys
import threading

_lock = threading.RLock()  # one for everything: whoever loads a codec may load its network meanwhile
_cut_off = False  # whether this process is a copy of one in which TensorFlow computes


class network:
    """A property that is made when first needed and kept, by one thread if several ask.

    Raises RuntimeError, instead of hanging, where TensorFlow cannot compute.
    """

    def __init__(self, make):
        self.make, self.name = make, f"_{make.__name__}"
        self.__doc__ = make.__doc__

    def __get__(self, codec, kind=None):
        if codec is None:
            return self
        check_not_cut_off()
        if self.name not in codec.__dict__:
            with _lock:
                if self.name not in codec.__dict__:
                    codec.__dict__[self.name] = self.make(codec)
        return codec.__dict__[self.name]


def once(function):
    """Like `functools.cache`, but threads that ask together get one and the same."""
    cached = functools.cache(function)

    @functools.wraps(function)
    def locked(*args):
        with _lock:
            return cached(*args)

    return locked


def check_not_cut_off():
    """Raise RuntimeError in a process that was forked while TensorFlow was in use."""
    if _cut_off:
        raise RuntimeError(
            "this process was forked from one that uses TensorFlow, which cannot work here and would hang; start "
            'processes with multiprocessing.get_context("spawn"), or fork before the first picture is coded'
        )


def _after_fork():
    global _lock, _cut_off
    _lock = threading.RLock()  # another thread may have held it
    context = sys.modules.get("tensorflow.python.eager.context")
    state = context.context_safe() if context else None
    # TensorFlow tells nobody whether its threads have been started; should this attribute go, suppose so
    _cut_off = _cut_off or (state is not None and getattr(state, "_initialized", True))


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
