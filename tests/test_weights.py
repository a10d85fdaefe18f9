import hashlib

import numpy as np
import pytest

from cae_compress import weights
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.flagship.codec import RDCodec


def test_saved_arrays_come_back_in_half_precision_with_their_hash(tmp_path):
    arrays = {"a/kernel": np.random.default_rng(0).normal(size=(3, 3)), "scale": np.float32(2)}
    (tmp_path / "log.csv").write_text("step\n1\n")
    weights.save(tmp_path / "model.npz", arrays, {"model": "test"}, tmp_path / "log.csv")
    loaded, sha256 = weights.load(str(tmp_path / "model.npz"))
    assert loaded.keys() == arrays.keys()
    assert np.array_equal(loaded["a/kernel"], arrays["a/kernel"].astype(np.float16).astype(np.float32))
    assert sha256 == hashlib.sha256((tmp_path / "model.npz").read_bytes()).hexdigest()


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(FileNotFoundError, match="cheng2018"):
        weights.load("no_such_model")


@pytest.mark.parametrize("name", weights.names())
def test_shipped_weights_match_their_training_record(name):
    record = weights.record(name)
    _, sha256 = weights.load(name)
    assert record["sha256"] == sha256
    steps = record.get("steps_in_all", record["settings"]["steps"])
    assert weights.training_log(name)["step"].iloc[-1] == steps
    assert record["training_seconds"] > 0 and record["versions"] and record["settings"]["seed"] is not None


def changed(name, **arrays):
    """The arrays of shipped weights, some of them others."""
    shipped, _ = weights.load(name)
    return {
        **shipped,
        **{key.replace("__", "/"): value(shipped[key.replace("__", "/")]) for key, value in arrays.items()},
    }


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("rdcae", {"probabilities": lambda a: a[:1000]}, "probabilities is uint16 (1000,)"),
        ("rdcae", {"probabilities": lambda a: a.astype(np.int64)}, "probabilities is int64"),
        ("rdcae", {"probabilities": lambda a: 0 * a}, "probabilities is out of its range, 1 to 65535"),
        ("rdcae", {"context__3__out": lambda a: a[:, :-2]}, "3/out is int32 (64, 190), not int32 (64, 192)"),
        ("rdcae", {"context__0__quality": lambda a: a[:-1]}, "0/quality"),
        ("rdcae", {"context__6__lower_signed": lambda a: a.astype(np.int64)}, "6/lower_signed is int64"),
        ("rdcae", {"context__1__middle": lambda a: a + 2**22}, "group 1 are too large"),
        ("rdcae", {"log_gain": lambda a: a + np.nan}, "log_gain is not of finite numbers"),
        ("cheng2018", {"contexts__probabilities": lambda a: a[:-1]}, "contexts/probabilities"),
        ("cheng2018", {"contexts__mean_weights": lambda a: a[..., :3]}, "contexts/mean_weights"),
        ("cheng2018", {"contexts__magnitude_weights": lambda a: a + 2**30}, "contexts/magnitude_weights is out of"),
        ("cheng2018", {"contexts__average_magnitudes": lambda a: -a}, "contexts/average_magnitudes is out of"),
        ("cheng2018", {"pca__basis": lambda a: a[:, :31]}, "pca/basis"),
        ("cheng2018", {"pca__scale": lambda a: 0 * a}, "pca/scale is out of"),
        ("cheng2018-1", {"bits": lambda a: a + 100}, "bits is out of"),
    ],
)  # fmt: skip
def test_weights_that_a_codec_cannot_use_are_refused(name, change, words, tmp_path):
    path = str(tmp_path / f"{name}.npz")
    np.savez(path, **changed(name, **change))
    with pytest.raises(ValueError) as error:
        (RDCodec if name == "rdcae" else CAECodec)(model=path)
    assert words in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "name, without", [("rdcae", "context/2/same"), ("rdcae", "probabilities"), ("cheng2018", "pca/mean")]
)
def test_weights_that_lack_something_are_refused(name, without, tmp_path):
    arrays, _ = weights.load(name)
    del arrays[without]
    np.savez(tmp_path / f"{name}.npz", **arrays)
    with pytest.raises(ValueError, match=f"{without.removeprefix('context/')} is missing"):
        (RDCodec if name == "rdcae" else CAECodec)(model=str(tmp_path / f"{name}.npz"))


def test_networks_of_other_shapes_are_refused(tmp_path):
    shipped, _ = weights.load("rdcae")
    for key in ("log_gain", next(key for key in shipped if key.endswith("kernel"))):
        np.savez(tmp_path / "rdcae.npz", **{**shipped, key: shipped[key][..., :-1]})
        with pytest.raises(ValueError, match="not weights of rdcae"):
            _ = RDCodec(str(tmp_path / "rdcae.npz")).network


def test_a_damaged_weights_file_is_one_error(tmp_path):
    data, path = (weights.FOLDER / "cheng2018.npz").read_bytes(), tmp_path / "cheng2018.npz"
    for damaged in (
        b"",
        b"PK\3\4",
        data[: len(data) // 2],
        data[:5000] + bytes(100) + data[5100:],
        b"\x93NUMPY",
        data[::-1],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged, or no weights file"):
            weights.load(str(path))


def test_weights_are_replaced_only_when_the_new_ones_are_complete(tmp_path, monkeypatch):
    (tmp_path / "log.csv").write_text("step\n1\n")
    weights.save(tmp_path / "model.npz", {"a": np.zeros(3)}, {}, tmp_path / "log.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def write(file, **arrays):
        open(file, "wb").write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", write)
    with pytest.raises(OSError):
        weights.save(tmp_path / "model.npz", {"a": np.ones(3)}, {}, tmp_path / "log.csv")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_trimmed_kernel_is_near_its_own_and_has_fewer_values():
    kernel = np.random.default_rng(1).normal(0, 0.3, (3, 3, 20, 30)).astype(np.float32)
    trimmed = weights.trimmed(kernel)
    assert np.abs(trimmed - kernel).max() < 0.3 / 2**5 and len(np.unique(trimmed)) < len(np.unique(kernel)) / 10
    bias = kernel[0, 0, 0]
    assert np.allclose(weights.trimmed(bias), bias, rtol=1e-3)
    zeros = np.zeros_like(kernel)
    assert np.array_equal(weights.trimmed(zeros), zeros)
