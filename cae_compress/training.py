"""Training, the same for every model: loop, checkpoints, logs, records.

A run lives in a folder of its own: `checkpoints/` to resume from, `log.csv` and `tensorboard/` to watch,
`best.weights.h5` and `record.json` as the result. Starting the same command again resumes where the last checkpoint was
written, whatever ended the run. A run that diverges stops there and then, and keeps what it had before. Several devices
and machines may share each step (`distribution`): the first alone validates and writes.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import contextlib  # isort: skip
import csv
import errno
import json
import random
import re
import shutil
import time
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf

from cae_compress import files, loading
from cae_compress.distribution import ONE
from cae_compress.progress import progress_bar
from cae_compress.provenance import versions

WARMUP_STEPS = 200
AVERAGE_EVERY = 10
BATCHES_AHEAD = 2


class TrainingError(RuntimeError):
    """A run cannot go on: it has diverged, or what it would resume from cannot be read."""


def run(task, folder, progress=True, replicas=ONE):
    """Train, resuming from `folder` if it holds a checkpoint. The same for every model.

    Args:
        task: what is trained, such as `Reconstruction`.
        folder: path of the run.
        progress: show a progress bar.
        replicas: `distribution.Replicas` that share each step.

    Returns:
        The training record, a dict, also written to `folder/record.json`; the task's model holds the best weights. In
        processes that are not the chief's None, and the model holds the last weights.

    Raises:
        ValueError: `folder` holds a run with other settings, or there are more replicas than samples in a batch.
        TrainingError: a loss, a validation or a weight is not a finite number, or no checkpoint can be read.
        RuntimeError: this process was forked from one that uses TensorFlow (`loading`).
        OSError: the disk is full.
    """
    loading.check_not_cut_off()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    task.replicas = replicas
    try:
        return _run(task, folder, progress)
    except Exception as error:
        if files.is_full(error):
            raise full_disk(folder) from error
        raise


def run_command(task, folder, replicas):
    """`run` for a command line: the record is printed, too."""
    record = run(task, folder, replicas=replicas)
    if record:
        print(json.dumps(record, indent=1))
    return record


def _run(task, folder, progress):
    settings, replicas, chief = task.settings, task.replicas, task.replicas.is_chief
    smallest = min(getattr(settings, name, replicas.count) for name in ("batch_size", "final_batch_size"))
    if replicas.count > smallest:
        raise ValueError(f"{replicas.count} devices cannot share a batch of {smallest}; let fewer take part")
    keeper = _Keeper(task, folder) if chief else None
    state = variables_of(task.tracked)
    replicas.follow_chief(state)
    check_settings(folder / "settings.json", settings)
    start = int(task.optimizer.iterations.numpy())

    bar = progress_bar(total=settings.steps, initial=start, show=progress and chief, unit="step", mininterval=2)
    losses, waited, worked = [], 0.0, 0.0
    mark = time.monotonic()
    for k, batch in enumerate(drawn_ahead(task.batches(start)), start + 1):
        came = time.monotonic()
        losses.append(float(task.step(replicas.split(batch))))
        if k > start + 1:  # the first step is compiled
            waited, worked = waited + came - mark, worked + time.monotonic() - came
        if not np.isfinite(losses[-1]):
            culprit = f"the loss is {losses[-1]}" if is_finite(batch) else "the batch has values that are not finite"
            raise diverged(folder, task, k, culprit)
        bar.update()
        if k % settings.validate_every == 0 or k == settings.steps:
            if not is_finite([*task.model.variables, *task.optimizer.variables]):
                raise diverged(folder, task, k, "weights are not finite")
            if chief:
                measured = keeper.validate(k, float(np.mean(losses)))
                bar.set_postfix({name: f"{value:.4g}" for name, value in measured.items()})
            replicas.follow_chief(state)
            losses = []
        mark = time.monotonic()
    bar.close()
    return keeper.finish(waited / (waited + worked) if worked else None) if chief else None


def drawn_ahead(batches):
    """Goes through batches, none of them None, while a thread draws the next ones: a step does not wait for them."""
    batches = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, batches, None) for _ in range(BATCHES_AHEAD))
        while (batch := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, batches, None))
            yield batch


class _Keeper:
    """What the chief does beside training: it resumes, validates, and writes what a run leaves in its folder."""

    def __init__(self, task, folder):
        self.task, self.folder = task, folder
        check_settings(folder / "settings.json", task.settings)
        if not (folder / "settings.json").exists():
            with files.replacing(folder / "settings.json") as partial:
                partial.write_text(json.dumps(asdict(task.settings), indent=1))
        self.seconds, self.best = tf.Variable(0.0, dtype=tf.float64), tf.Variable(-np.inf, dtype=tf.float64)
        checkpoint = tf.train.Checkpoint(**task.tracked, seconds=self.seconds, best=self.best)
        self.manager = tf.train.CheckpointManager(checkpoint, folder / "checkpoints", max_to_keep=2)
        restore(checkpoint, folder / "checkpoints")
        start = int(task.optimizer.iterations.numpy())
        self.log = CsvLog(folder / "log.csv", ("step", "seconds", "learning_rate", *task.columns), start)
        self.board = tf.summary.create_file_writer(str(folder / "tensorboard"))
        self.mark = time.monotonic()

    def validate(self, k, train_loss):
        """After step k: validate, keep the weights if they are the best, log, and write a checkpoint.

        Returns:
            dict of the task's columns, also written to the log.
        """
        task, folder = self.task, self.folder
        score, measured = task.validate()
        if np.isnan(measured).any() or not score > -np.inf:
            raise diverged(folder, task, k, f"the validation gives {dict(zip(task.columns[1:], measured))}")
        self.seconds.assign_add(time.monotonic() - self.mark)
        self.mark = time.monotonic()
        if score > self.best.numpy():
            self.best.assign(score)
            with files.replacing(folder / "best.weights.h5") as partial:
                make_room(partial, task.model)
                task.save(partial)
        row = dict(zip(task.columns, (train_loss, *measured)))
        self.log.append((k, round(float(self.seconds), 1), task.learning_rate, *row.values()))
        with self.board.as_default(step=k):
            for name, value in row.items():
                tf.summary.scalar(name, value)
        self.manager.save(checkpoint_number=k)
        return row

    def finish(self, waiting_share):
        """The record, of the best weights, which the model holds from now on."""
        self.board.close()
        return write_record(self.task, self.folder, float(self.seconds), waiting_share)


def variables_of(tracked):
    """All variables of a dict of models, optimizers, lists of variables and variables."""
    found = []
    for value in tracked.values():
        found += value if isinstance(value, list) else getattr(value, "variables", [value])
    return found


def schedule(k, steps, decay_steps):
    """Factor of the learning rate at step k of `steps`: warm-up, constant, then half a cosine down to 1 %."""
    decayed = max(0.0, 1 - (steps - k) / decay_steps)
    return min(1, (k + 1) / WARMUP_STEPS) * (0.505 + 0.495 * np.cos(np.pi * decayed))


class Averages:
    """Exponential moving averages of a model's trainable variables, which are steadier than the variables are.

    Args:
        model: a Keras model that has all its variables.
        decay: float below 1, for every `AVERAGE_EVERY` steps; less at the start of a run.

    Attributes:
        values: list of `tf.Variable`, to be kept in checkpoints.
    """

    def __init__(self, model, decay):
        self.variables, self.decay = model.trainable_variables, decay
        self.values = [tf.Variable(v) for v in self.variables]

    def update(self, k):
        """To be called after step k."""
        if k % AVERAGE_EVERY == 0:
            self._update(tf.constant(min(self.decay, k / (k + 500)), tf.float32))

    @tf.function
    def _update(self, decay):
        for average, variable in zip(self.values, self.variables):
            average.assign(decay * average + (1 - decay) * variable)

    @contextlib.contextmanager
    def in_use(self):
        """For a while, the model has the averages."""
        own = [variable.numpy() for variable in self.variables]
        for variable, average in zip(self.variables, self.values):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(self.variables, own):
                variable.assign(value)


@contextlib.contextmanager
def seeded(seed):
    """While initial weights are drawn, Python's random numbers, of which Keras makes its seeds, follow from `seed`.

    Afterwards they go on as they would have.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def is_finite(values):
    """Whether all numbers of a structure of tensors, variables and arrays are."""
    return all(np.isfinite(np.asarray(value)).all() for value in tf.nest.flatten(values))


def diverged(folder, task, k, culprit):
    """The error that ends a run at step k."""
    steps = steps_of_checkpoints(folder / "checkpoints")
    kept = f"the checkpoint of step {steps[0]} and the best weights before it" if steps else "no weights yet"
    return TrainingError(
        f"step {k}: {culprit}; stopped, and {folder} keeps {kept}. The same settings would end the same way: in a new"
        f" folder, try a smaller learning rate (it was {task.learning_rate:.3g}), other initial weights or another seed"
    )


def steps_of_checkpoints(folder):
    """Steps of all checkpoints in a folder, whole or damaged, newest first."""
    found = (re.fullmatch(r"ckpt-(\d+)\.(index|data-.*)", path.name) for path in folder.glob("ckpt-*"))
    return sorted({int(match[1]) for match in found if match}, reverse=True)


def restore(checkpoint, folder):
    """Set everything tracked from the newest checkpoint that can be read; without any in the folder, leave it.

    Raises:
        TrainingError: there are checkpoints, and none can be read.
    """
    steps = steps_of_checkpoints(folder)
    for step in steps:
        try:
            checkpoint.restore(str(folder / f"ckpt-{step}")).assert_existing_objects_matched()
            return
        except Exception as error:  # whatever TensorFlow finds wrong with it
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(f"the checkpoint of step {step} in {folder} cannot be read ({reason})", stacklevel=3)
    if steps:
        raise TrainingError(f"no checkpoint in {folder} can be read; delete the run's folder to begin again")


def make_room(path, model):
    """Write a file as large as the model's weights will be, so that a full disk shows here.

    HDF5, which Keras writes them with, would take the process down some time after it.
    """
    num_bytes = sum(variable.numpy().nbytes + 4096 for variable in model.variables)  # with what HDF5 says of each
    path.write_bytes(bytes(num_bytes + 16384))


def full_disk(folder):
    """The error that ends a run on a full disk; what is there of an unfinished checkpoint is removed."""
    for path in (folder / "checkpoints").glob("ckpt-*_temp*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return OSError(
        errno.ENOSPC, "the disk is full; what the run had written is kept, and it can be resumed", str(folder)
    )


def check_settings(path, settings):
    """Refuse to continue a run under settings other than those it began with."""
    if path.exists() and json.loads(path.read_text()) != asdict(settings):
        raise ValueError(f"{path.parent} holds a run with other settings; choose another folder or delete it")


class CsvLog:
    """A CSV file of one row a validation; rows after `start`, left by a run that died, are dropped."""

    def __init__(self, path, columns, start):
        self.path = path
        rows = []
        if path.exists():
            with open(path, newline="") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(columns) and row[0].isdigit()]
        with files.replacing(path) as partial, open(partial, "w", newline="") as file:
            csv.writer(file).writerows([columns, *(row for row in rows if int(row[0]) <= start)])

    def append(self, row):
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerow(row)


def write_record(task, folder, seconds, waiting_share):
    """Measure the best weights and write how they came to be.

    Args:
        task, folder: of `run`.
        seconds: float, that all steps and validations have taken.
        waiting_share: float, of the time of this process' steps that was spent on waiting for batches; None if it has
            taken fewer than two.
    """
    try:
        task.model.load_weights(folder / "best.weights.h5")
    except Exception as error:
        raise TrainingError(f"{folder / 'best.weights.h5'} cannot be read: {error}") from error
    record = {
        "model": task.name,
        "settings": asdict(task.settings),
        "training_seconds": round(seconds),
        "waiting_share": waiting_share and round(waiting_share, 4),
        **task.results(),
        "parameters": task.model.count_params(),
        "versions": versions(),
    }
    with files.replacing(folder / "record.json") as partial:
        partial.write_text(json.dumps(record, indent=1))
    return record
