import hashlib

import numpy as np
import pytest

from cae_compress import weights


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
