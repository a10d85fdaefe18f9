import csv
import shutil

import numpy as np
import pytest

from cae_compress import training
from cae_compress.toderici2017 import export, train
from cae_compress.toderici2017.codec import Toderici2017Codec

SETTINGS = train.Settings(
    width=2, steps=6, first_steps=2, stochastic_steps=4, decay_steps=3, batch_size=2, crop=32, validate_every=3
)


@pytest.fixture(scope="module")
def data(photographs):
    return list(photographs.values()), [photographs["coffee"][:64, :96]]


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    task = train.Passes(*data, SETTINGS)
    return folder, training.run(task, folder, progress=False), task


def test_a_run_leaves_a_record_and_a_log_with_the_psnr_of_each_pass(finished):
    folder, record, task = finished
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "6"] and all(float(row["psnr_db_8"]) > 0 for row in rows)
    loss, psnr_db = task.means()
    assert record["model"] == "toderici2017" and record["validation_loss"] == pytest.approx(loss)
    assert record["validation_psnr_db_by_pass"] == pytest.approx(psnr_db)


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(finished, data, tmp_path):
    """Stopped after the switch to all passes and before that to signs, then resumed."""
    task = train.Passes(*data, SETTINGS)
    step, done = task.step, []

    def stop_in_time(batch):
        done.append(batch)
        if len(done) == 4:
            raise Stopped
        return step(batch)

    task.step = stop_in_time
    with pytest.raises(Stopped):
        training.run(task, tmp_path / "run", progress=False)
    again = train.Passes(*data, SETTINGS)
    training.run(again, tmp_path / "run", progress=False)
    for a, b in zip(finished[2].model.get_weights(), again.model.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-6)


def test_the_step_decides_how_many_passes_there_are_and_who_draws_the_bits(data, monkeypatch):
    task, seen = train.Passes(*data, SETTINGS), []
    monkeypatch.setattr(task, "_step", lambda x, passes, seed: seen.append((passes, seed is None)) or 0.0)
    for k, batch in enumerate(task.batches(0)):
        task.optimizer.iterations.assign(k)
        task.step(batch)
    assert seen == [(4, False)] * 2 + [(8, False)] * 2 + [(8, True)] * 2


def test_the_loss_falls(data):
    settings = train.Settings(**{**vars(SETTINGS), "steps": 40, "learning_rate": 0.02, "first_steps": 40})
    task = train.Passes(*data, settings)
    batch = next(task.batches(0))
    losses = [float(task.step(batch)) for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.9 * losses[0]


def test_an_exported_run_is_a_codec(finished, photographs, tmp_path):
    export.export(finished[2].model, finished[0], [photographs["coffee"][:96, :96]], tmp_path / "mine.npz")
    codec, picture = Toderici2017Codec(str(tmp_path / "mine.npz")), photographs["rocket"][:50, :70]
    assert codec.decode(codec.encode(picture, 3)).shape == picture.shape and codec.model == "mine"
    shutil.copy(tmp_path / "mine.npz", tmp_path / "other.npz")
    with np.load(tmp_path / "other.npz") as file:
        np.savez_compressed(tmp_path / "other.npz", **{**file, "bits/weights": np.zeros((8, 32, 3), np.int16)})
    with pytest.raises(ValueError, match="not weights of toderici2017: bits/weights"):
        Toderici2017Codec(str(tmp_path / "other.npz"))
