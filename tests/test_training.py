"""The training loop, on a model so small that a step takes a millisecond."""

import csv
import errno
import random
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae_compress import training

INPUTS, OUTPUTS = 40, 30


@dataclass(frozen=True)
class Settings:
    steps: int = 8
    validate_every: int = 2
    seed: int = 1


class Regression:
    """Learns a random matrix."""

    name, columns, learning_rate = "regression", ("train_loss", "validation_loss"), 0.01

    def __init__(self):
        self.settings = Settings()
        with training.seeded(self.settings.seed):
            self.model = keras.Sequential([keras.Input((INPUTS,)), keras.layers.Dense(OUTPUTS)])
        self.optimizer = keras.optimizers.Adam(self.learning_rate)
        self.optimizer.build(self.model.trainable_variables)
        self.tracked = {"model": self.model, "optimizer": self.optimizer}
        self.target = np.random.default_rng(0).normal(size=(INPUTS, OUTPUTS)).astype(np.float32)

    def batch(self, k):
        return np.random.default_rng(k).normal(size=(16, INPUTS)).astype(np.float32)

    def batches(self, start):
        return (self.batch(k) for k in range(start, self.settings.steps))

    def loss(self, x):
        return tf.reduce_mean(tf.square(self.model(x) - x @ self.target))

    def step(self, x):
        with tf.GradientTape() as tape:
            loss = self.loss(x)
        self.optimizer.apply(tape.gradient(loss, self.model.trainable_variables), self.model.trainable_variables)
        return loss

    def validate(self):
        loss = float(self.loss(self.batch(1000)))
        return -loss, (loss,)

    def save(self, path):
        self.model.save_weights(path)

    def results(self):
        return {"validation_loss": self.validate()[1][0]}

    def spoil(self):
        """Make a weight infinite."""
        kernel = self.model.layers[0].kernel
        kernel.assign(np.where(np.arange(OUTPUTS) == 3, np.inf, kernel))

    @property
    def done(self):
        """Steps taken so far."""
        return int(self.optimizer.iterations.numpy())


class BrokenBatch(Regression):
    def batch(self, k):
        return super().batch(k) * (np.nan if k == 4 else 1)


class BrokenLoss(Regression):
    def step(self, x):
        if self.done == 4:
            self.spoil()
        return super().step(x)


class BrokenWeights(Regression):
    def step(self, x):
        loss = super().step(x)
        if self.done == 6:  # the loss was measured before
            self.spoil()
        return loss


class BrokenValidation(Regression):
    def validate(self):
        score, measured = super().validate()
        return (score, measured) if self.done < 6 else (float("nan"), (float("nan"),))


class Ended(Exception):
    """Whatever ends a process."""


class EndedAtStep7(Regression):
    def step(self, x):
        if self.done == 6:
            raise Ended
        return super().step(x)


def run(task, folder):
    return training.run(task, folder, progress=False)


def rows(folder):
    with open(folder / "log.csv", newline="") as file:
        return [(row["step"], row["train_loss"], row["validation_loss"]) for row in csv.DictReader(file)]


@pytest.fixture
def finished(tmp_path):
    task = Regression()
    run(task, tmp_path / "finished")
    return tmp_path / "finished", task


@pytest.mark.parametrize(
    "kind, step, culprit",
    [
        (BrokenBatch, 5, "the batch has values that are not finite"),
        (BrokenLoss, 5, "the loss is (inf|nan)"),
        (BrokenWeights, 6, "weights are not finite"),
        (BrokenValidation, 6, "the validation gives .*nan"),
    ],
)
def test_a_run_that_diverges_stops_at_the_step_and_keeps_what_was_good(kind, step, culprit, finished, tmp_path):
    task = kind()
    with pytest.raises(training.TrainingError, match=f"step {step}: {culprit}.* checkpoint of step 4 .*learning rate"):
        run(task, tmp_path / "run")
    assert task.done == step
    assert not (tmp_path / "run" / "record.json").exists()
    task.model.load_weights(tmp_path / "run" / "best.weights.h5")
    assert all(np.isfinite(weights).all() for weights in task.model.get_weights())
    sound = Regression()
    run(sound, tmp_path / "run")  # from the checkpoint of step 4
    assert rows(tmp_path / "run") == rows(finished[0])


def test_a_run_that_diverges_at_once_hands_out_nothing(tmp_path):
    task = Regression()
    task.spoil()
    with pytest.raises(training.TrainingError, match="step 1: .*keeps no weights yet"):
        run(task, tmp_path)
    assert not (tmp_path / "best.weights.h5").exists() and not (tmp_path / "record.json").exists()


def cut(path):
    path.write_bytes(path.read_bytes()[:50])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(255 - byte for byte in data[len(data) // 2 :])
    path.write_bytes(data)


DAMAGE = {
    "index cut": ("ckpt-6.index", cut),
    "index lost": ("ckpt-6.index", lambda path: path.unlink()),
    "data cut": ("ckpt-6.data-00000-of-00001", cut),
    "data changed": ("ckpt-6.data-00000-of-00001", flip),
    "data lost": ("ckpt-6.data-00000-of-00001", lambda path: path.unlink()),
}


@pytest.fixture
def ended(tmp_path):
    """The folder of a run that was ended after step 6, with checkpoints of steps 4 and 6."""
    with pytest.raises(Ended):
        run(EndedAtStep7(), tmp_path / "ended")
    return tmp_path / "ended"


@pytest.mark.parametrize("damage", DAMAGE)
def test_where_the_newest_checkpoint_is_damaged_a_run_resumes_from_the_one_before(damage, ended, finished):
    name, harm = DAMAGE[damage]
    harm(ended / "checkpoints" / name)
    task = Regression()
    with pytest.warns(UserWarning, match="checkpoint of step 6 .* cannot be read"):
        run(task, ended)
    assert rows(ended) == rows(finished[0])
    for a, b in zip(task.model.get_weights(), finished[1].model.get_weights(), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("harm", [cut, lambda path: path.unlink()], ids=["cut", "lost"])
def test_a_damaged_list_of_checkpoints_is_not_needed(harm, ended, finished):
    harm(ended / "checkpoints" / "checkpoint")
    task = Regression()
    losses = []
    task.step, step = lambda x: losses.append(step(x)) or losses[-1], task.step
    run(task, ended)
    assert len(losses) == 2 and rows(ended) == rows(finished[0])


def test_without_a_checkpoint_that_can_be_read_nothing_is_begun_again_in_silence(ended):
    for path in (ended / "checkpoints").glob("ckpt-*.index"):
        cut(path)
    log = (ended / "log.csv").read_bytes()
    with (
        pytest.warns(UserWarning, match="cannot be read"),
        pytest.raises(training.TrainingError, match="no checkpoint"),
    ):
        run(Regression(), ended)
    assert (ended / "log.csv").read_bytes() == log


def test_half_a_row_of_the_log_is_dropped(ended, finished):
    with open(ended / "log.csv", "a") as file:
        file.write("7,0.")
    run(Regression(), ended)
    assert rows(ended) == rows(finished[0])


class FullDisk(Regression):
    """From step 6 on, files cannot grow beyond two kilobytes; weights and checkpoints are larger."""

    def __init__(self, improves):
        super().__init__()
        self.improves = improves

    def validate(self):
        resource = pytest.importorskip("resource")
        if self.done == 6:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        score, measured = super().validate()
        return (score if self.improves else -1e9 - self.done), measured


@pytest.mark.parametrize("improves", [True, False], ids=["while weights are written", "while a checkpoint is written"])
def test_a_full_disk_is_named_and_takes_nothing_that_was_good(improves, finished, tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError, match="the disk is full") as caught:
            run(FullDisk(improves), tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(tmp_path / "run")
    left = [path.name for path in (tmp_path / "run").rglob("*") if "part" in path.name or "temp" in path.name]
    assert left == []
    task = Regression()
    task.model.load_weights(tmp_path / "run" / "best.weights.h5")
    run(task, tmp_path / "run")
    assert rows(tmp_path / "run") == rows(finished[0])


def test_initial_weights_follow_from_the_seed_and_the_users_random_numbers_go_on(tmp_path):
    random.seed(5)
    expected = [random.random(), random.random()]
    random.seed(5)
    first = random.random()
    one, two = Regression(), Regression()
    assert [first, random.random()] == expected
    assert np.array_equal(one.model.get_weights()[0], two.model.get_weights()[0])
    with training.seeded(2):
        other = keras.layers.Dense(OUTPUTS)
        other.build((None, INPUTS))
    assert not np.array_equal(other.kernel, one.model.get_weights()[0])
