"""Checks of numbers that callers give: one error for each kind, whatever asks. NumPy's numbers are numbers."""

import numbers

import numpy as np


def number(name, value, low, high):
    """`value` as a float.

    Raises:
        ValueError: it is not a number from `low` to `high`; `name` says what it is for.
    """
    value = _scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low} to {high}, got {value!r}")
    return float(value)


def whole_number(name, value, low, high):
    """`value` as an int; raises ValueError as `number` does."""
    value = _scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    return int(value)


def _scalar(value):
    """What an array without dimensions, such as an entry of a table may be, holds; anything else as it is."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
