"""What an exercise is, and how an answer to it is judged."""

import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def call(function, *arguments):
    """How most answers are run: called once, and what they return is compared."""
    return function(*arguments)


@dataclass(frozen=True)
class Exercise:
    """One function that a reader writes.

    Attributes:
        number: "notebook.exercise".
        name: of the function.
        minutes: how long it takes most readers.
        level: "easy", "medium" or "hard".
        reference: the function as the library has it.
        inputs: dict from a description of an input to the tuple of arguments; the same at every check.
        mistakes: dict from what to say to a function that makes a typical mistake.
        hint: a sentence or two.
        run: function of (answer, *arguments) to what is compared, where results may differ and be right (the sign of an
            eigenvector, the numbers that were drawn) or more than a result is asked for (a gradient).
        tolerance: relative, of numbers.
    """

    number: str
    name: str
    minutes: int
    level: str
    reference: Callable
    inputs: dict
    mistakes: dict
    hint: str
    run: Callable = call
    tolerance: float = 1e-5

    def judge(self, function):
        """Run a function on every input.

        Returns:
            None if it is right, else a few lines on the first input that it fails: what came out, what should have.
        """
        for description, arguments in self.inputs.items():
            expected = self.run(self.reference, *_copies(arguments))
            try:
                seen = self.run(_watched(function), *_copies(arguments))
            except _Silent:
                return "it returns nothing yet: write your lines, and `return` the result."
            except _Writes as error:
                return f"on {description} it changes what it was given (argument {error}); work on a copy."
            except _Stopped as stopped:
                error = stopped.__cause__
                line = traceback.extract_tb(error.__traceback__)[-1].line
                return f"on {description} it stopped with {type(error).__name__}: {error}" + (f" ({line})" * bool(line))
            except Exception:  # it ran, but what it gives cannot be compared
                return f"on {description} it gives something else than the numbers asked for."
            if not _same(seen, expected, self.tolerance):
                text = f"on {description} yours gives {_short(seen)}, the library {_short(expected)}."
                return "\n".join([text, *self._advice(function)])
        return None

    def _advice(self, function):
        """What to say of a function that does on every input what a typical mistake does."""
        return [text for text, mistake in self.mistakes.items() if self._alike(function, mistake)][:1]

    def _alike(self, function, mistake):
        for arguments in self.inputs.values():
            try:
                seen, wrong = (self.run(f, *_copies(arguments)) for f in (function, mistake))
            except Exception:
                return False
            if not _same(seen, wrong, self.tolerance):
                return False
        return True


class _Silent(Exception):
    """The answer returned None."""


class _Writes(Exception):
    """The answer changed an argument."""


class _Stopped(Exception):
    """The answer raised what is the cause of this."""


def _watched(function):
    def watched(*arguments):
        before = _copies(arguments)
        try:
            result = function(*arguments)
        except Exception as error:
            raise _Stopped from error
        for k, (a, b) in enumerate(zip(arguments, before), 1):
            if isinstance(a, np.ndarray) and not np.array_equal(a, b):
                raise _Writes(k)
        if result is None:
            raise _Silent
        return result

    return watched


def parameters(function):
    """How many arguments a function takes, or None where that cannot be told."""
    try:
        return len(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return None


def _copies(arguments):
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in arguments)


def _same(a, b, tolerance):
    if isinstance(b, str):
        return isinstance(a, str) and a == b
    try:
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    except (TypeError, ValueError):
        return False
    if a.shape != b.shape:
        return False
    scale = np.abs(b[np.isfinite(b)]).max(initial=0)
    return np.allclose(a, b, rtol=tolerance, atol=tolerance * min(scale, 1) + 1e-12, equal_nan=True)


def _short(value):
    """A result in a few words."""
    if isinstance(value, str):
        return repr(value)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return f"a {type(value).__name__}"
    if array.ndim == 0:
        return f"{float(array):.6g}"
    first = ", ".join(f"{v:.4g}" for v in array.ravel()[:4])
    return f"an array of shape {array.shape} that begins {first}" + (", ..." if array.size > 4 else "")
