"""Training on several devices and machines, with the weights that one device would have come to.

    batch k ──> parts, one a replica ──> gradients of each part's loss ──> their sum, by share of samples ──> one step

A replica is a device that computes gradients: a GPU of this machine (`mirrored`), or of any machine that `TF_CONFIG`
names (`multiworker`). Every process draws the whole of batch k, which is a function of (seed, k) alone, and gives its
replicas their parts; noise is drawn for the whole batch likewise (`layers.uniform`). So how a batch is divided changes
nothing but the order of sums.

The strategies of `tf.distribute` run the replicas and sum over them. Weights, optimizer and averages are ordinary
variables, once in a process: every process takes the same step, and its GPUs read the weights of the first. (Variables
made under a strategy would be summed over by Keras' optimizers after clipping, which gives other weights.)

Source: https://www.tensorflow.org/guide/distributed_training
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
import contextlib
import functools
import json
import os
import sys
import warnings
from typing import NamedTuple

import tensorflow as tf

STRATEGIES = {
    "none": "one device",
    "mirrored": "all GPUs of this machine",
    "multiworker": "all machines that TF_CONFIG names",
}
EXAMPLE = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
PEER_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError)


class Part(NamedTuple):
    """What a replica gets of a batch.

    Attributes:
        batch: tensors, or a structure of them, as the batch has them, but fewer samples.
        place: int64 (2,), the number of its first sample in the batch, and the number of samples of the whole batch.
    """

    batch: object
    place: tf.Tensor


class Replicas:
    """Those who share the work of a step; made by `replicas`.

    Args:
        strategy: a `tf.distribute.Strategy`; None for one replica, on the device that TensorFlow chooses.

    Attributes:
        count: int, replicas of all processes together.
        is_chief: bool, whether this process is the one that validates and writes.
        has_peers: bool, whether there are other processes.
    """

    def __init__(self, strategy=None):
        self._strategy = strategy
        self.count, self.is_chief, self.has_peers = 1, True, False
        if strategy is not None:
            self.count = strategy.num_replicas_in_sync
            self.has_peers = self.count > len(strategy.extended.worker_devices)
            self.is_chief = bool(strategy.extended.should_checkpoint)
            self._of_chief = tf.function(self._sum_of_chief, reduce_retracing=True)

    def split(self, batch):
        """A batch, arrays with samples along their first axis, as `descend` takes it; the parts differ by one sample
        at most. Each replica must get one."""
        if self._strategy is None:
            return batch
        size = len(tf.nest.flatten(batch)[0])

        def part(context):
            first, end = (size * (context.replica_id_in_sync_group + k) // self.count for k in (0, 1))
            mine = tf.nest.map_structure(lambda values: tf.convert_to_tensor(values[first:end]), batch)
            return Part(mine, tf.constant([first, size], tf.int64))

        return self._strategy.experimental_distribute_values_from_function(part)

    def descend(self, loss, batch, seed, model, optimizer):
        """One step of an optimizer down the gradient of a loss, to be called within a `tf.function`.

        Args:
            loss: function of (batch, seed) that gives the mean over the samples of a batch, float32 ().
            batch: from `split`.
            seed: int64 (2,), handed to the loss, with the replica's place in the batch (`layers.uniform`); or None.
            model: a Keras model, whose trainable variables change.
            optimizer: a Keras optimizer that was built for them.

        Returns:
            The mean loss over the whole batch, float32 ().
        """
        variables = model.trainable_variables

        def gradients(batch, seed, share=None):
            with tf.GradientTape() as tape:
                mean = loss(batch, seed)
                mean = mean if share is None else share * mean
                scaled = optimizer.scale_loss(mean)
            return mean, tape.gradient(scaled, variables)

        def of_replica(part):
            first, size = tf.unstack(part.place)
            count = tf.shape(tf.nest.flatten(part.batch)[0])[0]
            placed = None if seed is None else tf.concat([seed, part.place], 0)
            mean, found = gradients(part.batch, placed, tf.cast(count, tf.float32) / tf.cast(size, tf.float32))
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, [mean, *found])

        if self._strategy is None:
            mean, found = gradients(batch, seed)
        else:
            mean, *found = self._first(self._strategy.run(of_replica, (batch,)))
        optimizer.apply_gradients(zip(found, variables))
        return mean

    def follow_chief(self, variables):
        """Give variables, a list, the values that they have in the chief's process; all must call it together.

        Machines round sums differently: this is how they begin as one, and stay so.
        """
        if not self.has_peers:
            return

        for dtype in sorted({str(variable.dtype) for variable in variables}):
            alike = [tf.convert_to_tensor(variable) for variable in variables if str(variable.dtype) == dtype]
            flat = self._of_chief(tf.concat([tf.reshape(value, [-1]) for value in alike], 0))
            parts = iter(tf.split(flat, [value.shape.num_elements() for value in alike]))
            for variable in variables:
                if str(variable.dtype) == dtype:
                    variable.assign(tf.reshape(next(parts), variable.shape))

    def _sum_of_chief(self, values):
        """What `values`, a tensor, are in the chief's process: all others add zeros to them."""

        def summed():
            context = tf.distribute.get_replica_context()
            counts = self.is_chief and tf.equal(context.replica_id_in_sync_group, 0)
            return [context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(counts, values, tf.zeros_like(values)))]

        return self._first(self._strategy.run(summed))[0]

    def _first(self, values):
        """Of what every replica of this process has, as all have the same, that of the first."""
        return [self._strategy.experimental_local_results(value)[0] for value in values]


ONE = Replicas()


@contextlib.contextmanager
def replicas(name):
    """The `Replicas` of a strategy, for a `with` statement, at whose end all processes wait for one another.

    Args:
        name: one of `STRATEGIES`. For "multiworker", before TensorFlow computes anything.

    Raises:
        ValueError: `TF_CONFIG` is missing or not what is needed.
        RuntimeError: another process has ended.
    """
    if name == "none":
        yield ONE
        return
    made = _replicas_of(name)
    try:
        yield made
        made.follow_chief([tf.Variable(0.0)])
    except PEER_LOST as error:
        raise RuntimeError(
            "another process of this training has ended or cannot be reached; see what it says, then start the command"
            " again on all machines: it goes on from the last checkpoint"
        ) from error


@functools.cache  # numbers that TensorFlow gives to sums begin anew with a second strategy, and clash
def _replicas_of(name):
    return Replicas(_mirrored() if name == "mirrored" else _multiworker())


def _mirrored():
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if not devices:
        devices = [device.name for device in tf.config.list_logical_devices("CPU")]
        warnings.warn("TensorFlow sees no GPU here; mirrored training uses the processor", stacklevel=5)
    return tf.distribute.MirroredStrategy(devices)


def _multiworker():
    workers = workers_of(os.environ.get("TF_CONFIG"))
    print(f"waiting until all of {', '.join(workers)} have started", file=sys.stderr)
    return tf.distribute.MultiWorkerMirroredStrategy()


def workers_of(tf_config):
    """Addresses of all processes, "HOST:PORT", the chief's first.

    Args:
        tf_config: str, the text of the environment variable `TF_CONFIG`, or None where it is not set.

    Raises:
        ValueError: it does not say who takes part and which of them this process is.
    """
    try:
        config = json.loads(tf_config or "null")
        workers, task = [*config["cluster"].get("chief", []), *config["cluster"]["worker"]], config["task"]
        config["cluster"][task["type"]][int(task["index"])]
        if set(config["cluster"]) <= {"chief", "worker"} and all(":" in worker for worker in workers):
            return workers
    except (ValueError, TypeError, LookupError, AttributeError):
        pass
    found = "it is not set" if tf_config is None else f"it is {tf_config!r}"
    raise ValueError(f"TF_CONFIG must name all machines and which of them this is, such as {EXAMPLE}; {found}")


def add_option(parser):
    """Give an `argparse.ArgumentParser` the option `--strategy`."""

    def checked(name):
        if name == "multiworker":
            try:
                workers_of(os.environ.get("TF_CONFIG"))
            except ValueError as error:
                raise argparse.ArgumentTypeError(str(error)) from error
        return name

    described = ", ".join(f"{name} ({who})" for name, who in STRATEGIES.items())
    parser.add_argument(
        "--strategy", choices=STRATEGIES, type=checked, default="none", help=f"who shares each step: {described}"
    )
