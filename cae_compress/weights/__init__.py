"""What ships: arrays of trained models as `NAME.npz`, how each was trained as `NAME.json` and `NAME.csv`.

Floating-point arrays are stored in half precision and widened to float32 by loading; integers stay. No code is stored.
Compiled code reads these arrays without looking where they end: each codec declares what it needs, and has it checked.
"""

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cae_compress.files import replacing

FOLDER = Path(__file__).parent
KERNEL_BITS = 5  # of the root mean square of a kernel that is trimmed


class Array(NamedTuple):
    """What a codec needs an array to be: its shape, its type, and the range of its numbers, both ends included."""

    shape: tuple
    dtype: type = np.float32
    low: float = -np.inf
    high: float = np.inf


def names():
    """Names of the models that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def save(path, arrays, record, log):
    """Write arrays, floating-point ones in half precision, and beside them their training record and log.

    Files that are there are replaced when all three are written.

    Args:
        path: file name ending in .npz.
        arrays: dict of float or integer arrays.
        record: dict that JSON can hold.
        log: path of the run's CSV log.
    """
    path = Path(path)
    halves = {k: np.asarray(a, np.float16) if np.asarray(a).dtype.kind == "f" else a for k, a in arrays.items()}
    with (
        replacing(path) as arrays_file,
        replacing(path.with_suffix(".json")) as record_file,
        replacing(path.with_suffix(".csv")) as log_file,
    ):
        np.savez_compressed(arrays_file, **halves)
        record = {**record, "sha256": hashlib.sha256(arrays_file.read_bytes()).hexdigest()}
        record_file.write_text(json.dumps(record, indent=1) + "\n")
        shutil.copyfile(log, log_file)


def trimmed(values):
    """A kernel as half-precision multiples of a power of two, which compress better; the other arrays as they are."""
    if values.ndim < 4 or not values.any():
        return values.astype(np.float16).astype(np.float32)
    step = 2.0 ** np.rint(np.log2(np.sqrt(np.mean(np.square(values)))) - KERNEL_BITS)
    return (np.rint(values / step) * step).astype(np.float16).astype(np.float32)


def load(name):
    """Read a model's arrays.

    Args:
        name: one of `names()`, or the path of an .npz file.

    Returns:
        (arrays, sha256): a dict of float32 or integer arrays and the hash of the file in hexadecimal.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: the file is damaged, is none of weights, or holds numbers that are not finite.
    """
    path = path_of(name)
    if not path.is_file():
        raise FileNotFoundError(f"no weights named {name!r}; the package has {', '.join(names()) or 'none'}")
    data = path.read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file}
    except Exception as error:  # whatever unpacking and reading damaged arrays raises
        raise ValueError(f"{path}: damaged, or no weights file: {error}") from error
    arrays = {key: a.astype(np.float32) if a.dtype.kind == "f" else a for key, a in arrays.items()}
    for key, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{path}: {key} is not of finite numbers")
    return arrays, hashlib.sha256(data).hexdigest()


def check_arrays(arrays, needed, model):
    """Raise ValueError, one line on what is wrong, unless arrays are what a codec needs.

    Args:
        arrays: dict of arrays.
        needed: dict from name to `Array`; there may be other arrays beside these.
        model: str, whose weights they should be, for that line.
    """
    for name, (shape, dtype, low, high) in needed.items():
        wrong = None
        if name not in arrays:
            wrong = "missing"
        elif (arrays[name].shape, arrays[name].dtype) != (shape, dtype):
            wrong = f"{arrays[name].dtype} {arrays[name].shape}, not {np.dtype(dtype)} {shape}"
        elif not ((low <= arrays[name]) & (arrays[name] <= high)).all():
            wrong = f"out of its range, {low} to {high}"
        if wrong:
            raise ValueError(f"these are not weights of {model}: {name} is {wrong}")


def path_of(name):
    """Where the arrays of a model are, `name` being as `load` takes it."""
    return Path(name) if str(name).endswith(".npz") else FOLDER / f"{name}.npz"


def record(name):
    """The training record of a model, a dict; `name` as `load` takes it."""
    return json.loads(path_of(name).with_suffix(".json").read_text())


def training_log(name):
    """The log of that training, a pandas DataFrame of one row a validation."""
    import pandas as pd

    return pd.read_csv(path_of(name).with_suffix(".csv"))
