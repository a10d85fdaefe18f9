"""Several devices and several processes come to the weights that one would have come to."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import cae_compress
from cae_compress import distribution, training
from cae_compress.cheng2018 import train
from cae_compress.layers import uniform

PROGRAM = """
import sys
import tensorflow as tf
model, strategy, folder = sys.argv[1:]
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # it takes longer than twenty steps
if strategy == "mirrored":  # logical devices stand in for GPUs; with four, parts of six samples differ
    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 4)
import numpy as np
from cae_compress import datasets, distribution, training
with distribution.replicas(strategy) as replicas:
    assert replicas.count == {"none": 1, "mirrored": 4, "multiworker": 2}[strategy]
    pictures = [picture[:96, :96] for picture in datasets.bundled().values()]
    if model == "cheng2018":
        from cae_compress.cheng2018.train import Reconstruction, Settings
        settings = Settings(steps=20, batch_size=6, crop=32, picture_size=96, validate_every=10, validation_pictures=2)
        task = Reconstruction(np.stack(pictures), np.stack(pictures[:2]), settings)
    else:
        from cae_compress.flagship.train import RateDistortion, Settings
        from cae_compress.flagship.training_ablations import LinearOnly
        settings = Settings(steps=20, decay_steps=10, batch_size=4, final_batch_size=4, crop=32, final_crop=32,
                            validate_every=10, dtype=None)
        RateDistortion.network = LinearOnly  # branches, to which parts of a batch are nothing, take a minute to trace
        task = RateDistortion(pictures, [pictures[0][:32, :32]], settings)
    record = training.run(task, folder, progress=False, replicas=replicas)
    assert bool(record) == replicas.is_chief
"""


def started(model, strategy, folder, processes=1):
    """Processes that train together, the chief first."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{s.getsockname()[1]}" for s in (one, two)]
    running = []
    for k in range(processes):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": k}}
        environment = {**os.environ, **({"TF_CONFIG": json.dumps(task)} if processes > 1 else {})}
        environment["PYTHONPATH"] = str(Path(cae_compress.__file__).parent.parent)
        command = [sys.executable, "-c", PROGRAM, model, strategy, str(folder)]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    return running


def trained(model, strategy, folder, processes=1):
    """The folder of a run after its end, in which nothing failed."""
    running = started(model, strategy, folder, processes)
    for process in running:
        _, said = process.communicate(timeout=400)
        assert process.returncode == 0, said
    return folder


def state(folder, step=20):
    """All numbers of a checkpoint: dict from name to array."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / f"ckpt-{step}"))
    names = [name for name in reader.get_variable_to_shape_map() if "VARIABLE_VALUE" in name]
    return {name: reader.get_tensor(name) for name in names if not name.startswith("seconds")}


def assert_same(one, other):
    """But for the order of sums, whose rounding Adam makes larger where gradients are small."""
    one, other = state(one), state(other)
    assert one.keys() == other.keys() and len(one) > 20
    for name, values in one.items():
        if values.dtype.kind == "f":
            assert np.linalg.norm(values - other[name]) <= 0.01 * np.linalg.norm(other[name]), name
        else:
            assert np.array_equal(values, other[name]), name


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Function from a model to the folder of its run in one process on one device."""
    folders = {}

    def run(model):
        if model not in folders:
            folders[model] = trained(model, "none", tmp_path_factory.mktemp("alone") / model)
        return folders[model]

    return run


def test_four_devices_come_to_the_weights_of_one(alone, tmp_path):
    assert_same(trained("cheng2018", "mirrored", tmp_path / "run"), alone("cheng2018"))


@pytest.mark.parametrize("model", ["cheng2018", "flagship"])
def test_two_processes_come_to_the_weights_of_one(model, alone, tmp_path):
    assert_same(trained(model, "multiworker", tmp_path / "run", processes=2), alone(model))


def test_one_of_two_processes_killed_the_same_command_goes_on_to_the_same_weights(alone, tmp_path):
    folder = tmp_path / "run"
    chief, other = started("cheng2018", "multiworker", folder, processes=2)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not (folder / "checkpoints" / "checkpoint").exists():
        time.sleep(0.01)
    other.send_signal(signal.SIGKILL)
    other.communicate()
    _, said = chief.communicate(timeout=300)
    assert chief.returncode != 0 and "another process of this training has ended" in said
    assert not (folder / "checkpoints" / "ckpt-20.index").exists(), "it was to be killed half-way"
    assert_same(trained("cheng2018", "multiworker", folder, processes=2), alone("cheng2018"))


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16])
def test_noise_of_a_part_is_that_part_of_the_noise_of_the_batch(dtype):
    whole = uniform((6, 3, 2), (1, 5), -2.0, 3.0, dtype).numpy()
    part = uniform((2, 3, 2), tf.constant([1, 5, 3, 6], tf.int64), -2.0, 3.0, dtype).numpy()
    assert np.array_equal(part, whole[3:5]) and not np.array_equal(part, whole[:2])
    assert whole.min() < -1 and 2 < whole.max() <= 3


def test_more_devices_than_samples_are_refused_before_anything_is_written(crops, tmp_path):
    replicas = distribution.Replicas()
    replicas.count = 5
    settings = train.Settings(steps=2, batch_size=4, crop=32, picture_size=48)
    with pytest.raises(ValueError, match="5 devices cannot share a batch of 4"):
        training.run(train.Reconstruction(crops, crops[:2], settings), tmp_path / "run", replicas=replicas)
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("text", [None, "", "{}", "no JSON", '{"cluster": {"worker": ["a"]}, "task": {"index": 0}}'])
def test_without_a_sound_tf_config_an_example_of_one_is_shown(text):
    with pytest.raises(ValueError, match=re.escape(distribution.EXAMPLE)):
        distribution.workers_of(text)


def test_the_command_line_says_so_before_it_reads_pictures(monkeypatch, capsys):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(SystemExit):
        train.main(["--strategy", "multiworker"])
    assert "TF_CONFIG must name all machines" in capsys.readouterr().err
