"""Training, the same for every model: loop, checkpoints, logs, records.

A run lives in a folder of its own: `checkpoints/` to resume from, `log.csv` and `tensorboard/` to watch,
`best.weights.h5` and `record.json` as the result. Starting the same command again resumes where the last checkpoint was
written, whatever ended the run.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import csv  # isort: skip
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from cae_compress.provenance import versions


def run(task, folder, progress=True):
    """Train, resuming from `folder` if it holds a checkpoint. The same for every model.

    Args:
        task: what is trained, such as `Reconstruction`.
        folder: path of the run.
        progress: show a progress bar.

    Returns:
        The training record, a dict, also written to `folder/record.json`; the task's model holds the best weights.

    Raises:
        ValueError: `folder` holds a run with other settings.
    """
    folder, settings = Path(folder), task.settings
    folder.mkdir(parents=True, exist_ok=True)
    check_settings(folder / "settings.json", settings)
    seconds, best = tf.Variable(0.0, dtype=tf.float64), tf.Variable(-np.inf, dtype=tf.float64)
    checkpoint = tf.train.Checkpoint(**task.tracked, seconds=seconds, best=best)
    manager = tf.train.CheckpointManager(checkpoint, folder / "checkpoints", max_to_keep=2)
    checkpoint.restore(manager.latest_checkpoint)
    start = int(task.optimizer.iterations.numpy())

    log = CsvLog(folder / "log.csv", ("step", "seconds", "learning_rate", *task.columns), start)
    board = tf.summary.create_file_writer(str(folder / "tensorboard"))
    bar = tqdm(total=settings.steps, initial=start, disable=not progress, unit="step", mininterval=2)
    losses, mark = [], time.monotonic()
    for k, batch in enumerate(task.batches(start), start + 1):
        losses.append(task.step(batch))
        bar.update()
        if k % settings.validate_every and k < settings.steps:
            continue
        train_loss, losses = float(np.mean(losses)), []
        score, measured = task.validate()
        seconds.assign_add(time.monotonic() - mark)
        mark = time.monotonic()
        if score > best.numpy():
            best.assign(score)
            save_atomically(task, folder / "best.weights.h5")
        log.append((k, round(float(seconds), 1), task.learning_rate, train_loss, *measured))
        with board.as_default(step=k):
            for name, value in zip(task.columns, (train_loss, *measured)):
                tf.summary.scalar(name, value)
        manager.save(checkpoint_number=k)
        bar.set_postfix({name: f"{value:.4g}" for name, value in zip(task.columns, (train_loss, *measured))})
    bar.close()
    board.close()
    return write_record(task, folder, float(seconds))


def check_settings(path, settings):
    """Refuse to continue a run under settings other than those it began with."""
    text = json.dumps(asdict(settings), indent=1)
    if path.exists() and json.loads(path.read_text()) != asdict(settings):
        raise ValueError(f"{path.parent} holds a run with other settings; choose another folder or delete it")
    path.write_text(text)


class CsvLog:
    """A CSV file of one row a validation; rows after `start`, left by a run that died, are dropped."""

    def __init__(self, path, columns, start):
        self.path = path
        rows = []
        if path.exists():
            with open(path, newline="") as file:
                rows = [row for row in list(csv.reader(file))[1:] if row and int(row[0]) <= start]
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])

    def append(self, row):
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerow(row)


def save_atomically(task, path):
    """Write weights so that a kill at any moment leaves either the old file or the new one."""
    partial = path.with_name("partial.weights.h5")
    task.save(partial)
    partial.replace(path)


def write_record(task, folder, seconds):
    """Measure the best weights and write how they came to be."""
    task.model.load_weights(folder / "best.weights.h5")
    record = {
        "model": task.name,
        "settings": asdict(task.settings),
        "training_seconds": round(seconds),
        **task.results(),
        "parameters": task.model.count_params(),
        "versions": versions(),
    }
    (folder / "record.json").write_text(json.dumps(record, indent=1))
    return record
