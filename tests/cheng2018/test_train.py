import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cae_compress import training
from cae_compress.cheng2018 import export, rate_train, train
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.cheng2018.network import as_planes

SETTINGS = train.Settings(
    start="dct", steps=24, batch_size=4, crop=32, picture_size=48, learning_rate=5e-4, validate_every=6,
    validation_pictures=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    task = train.Reconstruction(crops, crops[:3], SETTINGS)
    return folder, training.run(task, folder, progress=False), task.model


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return [[row["step"], row["train_mse"], row["validation_psnr_db"]] for row in csv.DictReader(file)]


def test_a_run_leaves_weights_a_record_and_logs(finished):
    folder, record, _ = finished
    assert [row[0] for row in rows(folder)] == ["6", "12", "18", "24"]
    assert record["parameters"] == 250_529
    assert record["validation_psnr_db"] > 25 and "tensorflow" in record["versions"]
    assert (folder / "best.weights.h5").exists() and list((folder / "tensorboard").iterdir())


def test_a_seed_makes_a_run_repeatable_and_another_seed_makes_another(finished, crops, tmp_path):
    train.train(crops, crops[:3], tmp_path / "same", SETTINGS, progress=False)
    assert rows(tmp_path / "same") == rows(finished[0])
    again = train.Reconstruction(crops, crops[:3], SETTINGS)
    again.model.load_weights(tmp_path / "same" / "best.weights.h5")
    for a, b in zip(again.model.get_weights(), finished[2].get_weights(), strict=True):
        assert np.array_equal(a, b)
    other = train.Settings(**{**vars(SETTINGS), "seed": 2})
    train.train(crops, crops[:3], tmp_path / "other", other, progress=False)
    assert rows(tmp_path / "other") != rows(finished[0])


KILLED = """
import os, signal, sys
import numpy as np
from cae_compress.cheng2018 import export, train
sys.path.insert(0, {tests!r})
from test_train import SETTINGS
crops = np.load({pictures!r})
train.train(crops, crops[:3], {folder!r}, SETTINGS, progress=False)
"""


def test_a_killed_run_resumes_to_the_very_same_place(finished, crops, tmp_path):
    np.save(tmp_path / "pictures.npy", crops)
    folder = tmp_path / "run"
    code = KILLED.format(tests=str(Path(__file__).parent), pictures=str(tmp_path / "pictures.npy"), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (folder / "checkpoints" / "checkpoint").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 1 <= len(rows(folder)) < 4, "it was to be killed half-way"
    train.train(crops, crops[:3], folder, SETTINGS, progress=False)
    assert rows(folder) == rows(finished[0])


def test_other_settings_do_not_continue_a_run(finished, crops):
    other = train.Settings(**{**vars(SETTINGS), "steps": 30})
    with pytest.raises(ValueError, match="other settings"):
        train.train(crops, crops[:3], finished[0], other, progress=False)


def test_batches_are_a_function_of_seed_and_step(crops):
    planes = as_planes(crops)
    everything = [batch.numpy() for batch in train.batches(planes, SETTINGS)]
    later = [batch.numpy() for batch in train.batches(planes, SETTINGS, start=20)]
    assert len(everything) == 24 and everything[0].shape == (4, 32, 32, 1)
    assert all(np.array_equal(a, b) for a, b in zip(everything[20:], later, strict=True))
    assert not np.array_equal(everything[0], everything[1])


def test_an_epoch_shows_every_plane_once():
    planes = np.arange(12, dtype=np.float32)[:, None, None, None] * np.ones((1, 32, 32, 1), np.float32)
    settings = train.Settings(**{**vars(SETTINGS), "steps": 6})
    seen = np.concatenate([batch.numpy()[:, 0, 0, 0] for batch in train.batches(planes, settings)])
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12].tolist() != seen[12:].tolist()


def test_an_exported_run_is_a_codec(finished, crops, photographs, tmp_path):
    export.export(finished[2], finished[0], crops, [photographs["coffee"][:150, :280]], tmp_path / "mine.npz")
    codec = CAECodec(model=str(tmp_path / "mine.npz"))
    planes = as_planes(crops[:1])
    codes = np.concatenate([codec.cae.encode_planes(as_planes(crops[k : k + 1])) for k in range(len(crops))])
    rotated = (codes.reshape(-1, 32) - codec.mean) @ codec.basis
    covariance = np.cov(rotated.T)
    assert (np.diff(np.diag(covariance)) <= 1e-2).all(), "feature maps by descending variance"
    assert np.abs(rotated).max() == pytest.approx(float(codec.scale), rel=1e-2)
    assert codec.cae(planes).shape == planes.shape
    image = photographs["rocket"][:100, :100]
    assert np.array_equal(codec.decode(codec.encode(image, 6)), codec.reconstruct(codec.latents(image, 6), 6, 100, 100))


def test_mixed_precision_trains_too(crops, tmp_path):
    settings = train.Settings(**{**vars(SETTINGS), "steps": 6, "mixed_precision": True})
    task = train.Reconstruction(crops, crops[:3], settings)
    assert training.run(task, tmp_path, progress=False)["validation_psnr_db"] > 20
    computing = {layer.compute_dtype for layer in task.model.g_a.layers if layer.weights}
    assert computing == {"float16"} and {v.dtype for v in task.model.trainable_variables} == {"float32"}


@pytest.mark.parametrize("mixed", [False, True])
def test_training_leaves_what_the_user_has_set_for_keras(mixed, crops, tmp_path):
    import keras

    before = keras.config.dtype_policy().name
    random.seed(3), tf.random.set_seed(3)
    expected = random.random(), float(tf.random.uniform(()))
    random.seed(3), tf.random.set_seed(3)
    settings = train.Settings(**{**vars(SETTINGS), "steps": 2, "validate_every": 2, "mixed_precision": mixed})
    train.train(crops, crops[:3], tmp_path, settings, progress=False)
    assert keras.config.dtype_policy().name == before
    assert (random.random(), float(tf.random.uniform(()))) == expected


def test_a_learning_rate_that_is_far_too_large_is_an_error_that_says_so(crops, tmp_path):
    settings = train.Settings(**{**vars(SETTINGS), "start": "random", "learning_rate": 1e20})
    with pytest.raises(training.TrainingError, match="step [1-6]: .*smaller learning rate"):
        train.train(crops, crops[:3], tmp_path, settings, progress=False)
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize("count", [3, 9, 16])
def test_validation_for_rate_and_distortion_counts_every_picture(count, crops):
    settings = rate_train.Settings.of(0.0144, steps=2)
    task = rate_train.RateDistortion(crops, crops[:count], settings)
    _, (_, bpp, _) = task._measure(crops[:count])
    single = [float(task._rate_distortion(as_planes(crops[k : k + 1]))[0]) for k in range(count)]
    assert bpp == pytest.approx(np.mean(single), rel=1e-3)
