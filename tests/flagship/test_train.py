import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from cae_compress import training
from cae_compress.flagship import export, train, training_ablations, transforms
from cae_compress.flagship.codec import RDCodec
from cae_compress.flagship.gains import NUM_LMBDAS

SETTINGS = train.Settings(
    steps=8, decay_steps=4, batch_size=2, crop=64, final_batch_size=1, final_crop=96, validate_every=4, dtype=None
)


@pytest.fixture(scope="module")
def finished(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    task = train.RateDistortion(list(photographs.values()), [photographs["coffee"][:128, :128]], SETTINGS)
    record = training.run(task, folder, progress=False)
    return folder, record, task


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def same_state(task, other):
    """Whether two runs have ended at the same best weights, and at the same moments of their gradients."""
    pairs = zip(task.model.variables + task.optimizer.variables, other.model.variables + other.optimizer.variables)
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


def test_a_run_leaves_a_record_and_a_log(finished):
    folder, record, _ = finished
    assert [row["step"] for row in rows(folder)] == ["4", "8"]
    assert record["model"] == "rdcae" and np.isfinite(record["validation_loss"])


def test_it_begins_as_a_codec_that_works(finished):
    assert 28 < finished[1]["validation_psnr_db"] < 45 and finished[1]["validation_bpp"] < 3


def test_a_finished_run_resumes_to_the_same_weights(finished, photographs):
    folder, record, task = finished
    again = train.RateDistortion(list(photographs.values()), [photographs["coffee"][:128, :128]], SETTINGS)
    assert training.run(again, folder, progress=False)["validation_loss"] == pytest.approx(record["validation_loss"])
    assert same_state(task, again)


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from test_train import SETTINGS
from cae_compress import datasets, training
from cae_compress.flagship import train
photographs = datasets.bundled()
task = train.RateDistortion(list(photographs.values()), [photographs["coffee"][:128, :128]], SETTINGS)
training.run(task, {folder!r}, progress=False)
"""


def test_a_killed_run_resumes_to_the_very_same_place(finished, photographs, tmp_path):
    folder = tmp_path / "run"
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline and not (folder / "checkpoints" / "checkpoint").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = train.RateDistortion(list(photographs.values()), [photographs["coffee"][:128, :128]], SETTINGS)
    assert [row["step"] for row in rows(folder)] == ["4"], "it was to be killed half-way"
    training.run(again, folder, progress=False)
    assert [row["train_loss"] for row in rows(folder)] == [row["train_loss"] for row in rows(finished[0])]
    assert same_state(finished[2], again)


def test_noise_is_a_function_of_seed_and_step(finished):
    task = finished[2]
    x, u = map(tf.constant, task.batch(3))

    def loss(seed):
        return float(task.loss(x, u, True, seed)[0][0])

    assert loss((1, 5)) == loss((1, 5)) and len({loss((1, 5)), loss((1, 6)), loss((2, 5))}) == 3


def test_an_exported_run_is_a_codec(finished, photographs, tmp_path):
    export.export(finished[2].model, finished[0], [photographs["coffee"][:100, :130]], tmp_path / "mine.npz")
    codec = RDCodec(str(tmp_path / "mine.npz"))
    picture = photographs["rocket"][:90, :100]
    assert codec.decode(codec.encode(picture, 50)).shape == picture.shape


def test_batches_are_a_function_of_seed_and_step(finished):
    task = finished[2]
    (x, u), (again, _), (other, _) = task.batch(3), task.batch(3), task.batch(2)
    assert x.shape == (2, 64, 64, 3) and task.batch(4)[0].shape == (1, 96, 96, 3)
    assert np.array_equal(x, again) and not np.array_equal(x, other)
    assert ((0 <= u) & (u <= NUM_LMBDAS - 1)).all() and u.min() < (NUM_LMBDAS - 1) / 2 < u.max()


@pytest.mark.parametrize("basis", [transforms.dct_basis, transforms.pca_basis])
def test_starts_are_orthonormal_bases_strongest_first(basis, photographs):
    crops = np.stack([image[k : k + 192, k : k + 192] for image in photographs.values() for k in range(0, 90, 10)])
    patches = train.patches(crops)
    functions = basis(patches).reshape(-1, transforms.CHANNELS)
    assert np.allclose(functions.T @ functions, np.eye(transforms.CHANNELS), atol=1e-4)
    energy = np.square(patches.reshape(len(patches), -1) @ functions).mean(axis=0)
    assert (np.diff(energy) <= 1e-3 * energy[:-1] + 1e-9).all()


def test_training_goes_on_from_weights(finished, photographs, tmp_path):
    export.export(finished[2].model, finished[0], [photographs["coffee"][:100, :130]], tmp_path / "mine.npz")
    settings = train.Settings(**{**vars(SETTINGS), "start": str(tmp_path / "mine.npz")})
    again = train.RateDistortion(list(photographs.values()), [photographs["coffee"][:128, :128]], settings)
    assert again.curves().mean(axis=(0, 1))[0] == pytest.approx(finished[1]["validation_loss"], rel=1e-2)


@pytest.fixture
def graphs_as_written():
    """TensorFlow's optimiser of graphs takes longer than two steps."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


@pytest.mark.parametrize("name", sorted(set(training_ablations.VARIANTS) - {"full"}))  # which the other tests train
def test_ablations_train(name, finished, photographs, tmp_path, graphs_as_written):
    data = list(photographs.values()), [photographs["coffee"][:128, :128]]
    settings = replace(SETTINGS, steps=2, decay_steps=1, validate_every=2, final_batch_size=2, final_crop=64)
    task = training_ablations.train_variant(name, tmp_path, settings, data)
    full = finished[2]
    rows = {
        row["variant"]: row
        for row in training_ablations.table({"full": (full, full.curves()), name: (task, task.curves())})
    }
    assert rows["full"]["bd_rate_percent"] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(rows[name]["bd_rate_percent"]) and rows[name]["steps"] == 2


def test_the_linear_path_alone_is_linear():
    model = training_ablations.LinearOnly()
    x = np.random.default_rng(1).normal(size=(2, 32, 48, 3)).astype(np.float32)
    u = np.zeros(2, np.float32)
    y = model.g_a([x, u]).numpy()
    assert np.allclose(model.g_a([x[:1] + x[1:], u[:1]]), y[:1] + y[1:], atol=1e-4) and len(model.g_a.weights) == 1
    assert model.g_s([y, u]).shape == x.shape and len(model.g_s.weights) == 1


def test_trimmed_kernels_are_multiples_of_a_power_of_two():
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(0, 0.1, (3, 3, 16, 16)).astype(np.float32), rng.normal(0, 0.1, 16).astype(np.float32)
    step = 2.0**-3 / 2**export.KERNEL_BITS  # the power of two nearest to the root mean square is 1/8
    trimmed = export.trimmed(kernel)
    assert np.array_equal(trimmed / step, np.rint(trimmed / step)) and np.abs(trimmed - kernel).max() <= step / 2
    assert np.array_equal(export.trimmed(bias), bias)
    linear = export.trimmed(rng.normal(0, 0.1, (1, 1, 768, 768)))
    assert not np.array_equal(linear / step, np.rint(linear / step))  # those are finer
