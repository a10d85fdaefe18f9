"""What ships: arrays of trained models as `NAME.npz`, how each was trained as `NAME.json` and `NAME.csv`.

Floating-point arrays are stored in half precision and widened to float32 by loading; integers stay. No code is stored.
"""

import hashlib
import io
import json
import shutil
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def names():
    """Names of the models that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def save(path, arrays, record, log):
    """Write arrays, floating-point ones in half precision, and beside them their training record and log.

    Args:
        path: file name ending in .npz.
        arrays: dict of float or integer arrays.
        record: dict that JSON can hold.
        log: path of the run's CSV log.
    """
    path = Path(path)
    halves = {k: np.asarray(a, np.float16) if np.asarray(a).dtype.kind == "f" else a for k, a in arrays.items()}
    np.savez_compressed(path, **halves)
    record = {**record, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    shutil.copyfile(log, path.with_suffix(".csv"))


def load(name):
    """Read a model's arrays.

    Args:
        name: one of `names()`, or the path of an .npz file.

    Returns:
        (arrays, sha256): a dict of float32 or integer arrays and the hash of the file in hexadecimal.

    Raises:
        FileNotFoundError: there is no such model.
    """
    path = Path(name) if str(name).endswith(".npz") else FOLDER / f"{name}.npz"
    if not path.is_file():
        raise FileNotFoundError(f"no weights named {name!r}; the package has {', '.join(names()) or 'none'}")
    data = path.read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = {key: file[key] for key in file}
    arrays = {key: a.astype(np.float32) if a.dtype.kind == "f" else a for key, a in arrays.items()}
    return arrays, hashlib.sha256(data).hexdigest()


def record(name):
    """The training record of a model that ships, a dict."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def training_log(name):
    """The log of that training, a pandas DataFrame of one row a validation."""
    import pandas as pd

    return pd.read_csv(FOLDER / f"{name}.csv")
