import csv
from dataclasses import replace

import numpy as np
import pytest

from cae_compress import training
from cae_compress.theis2017 import export, train
from cae_compress.theis2017.codec import codec_of_weights

SETTINGS = train.Settings(
    0.0113, 16, width=48, steps=12, decay_steps=6, batch_size=2, crop=48, validate_every=6, dtype="float32"
)


@pytest.fixture(scope="module")
def data(photographs):
    return list(photographs.values()), [photographs["coffee"][:128, :128]]


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A network and its scales: dict from run to (folder, task)."""
    folder, runs = tmp_path_factory.mktemp("run"), {}
    for name, factor in {"mine": None, "mine-coarse": 0.25, "mine-fine": 4}.items():
        settings = SETTINGS
        if factor:
            start = {"start": str(folder / "mine"), "start_lmbda": SETTINGS.lmbda}
            settings = replace(SETTINGS, lmbda=factor * SETTINGS.lmbda, **start)
        task = train.task_of(name, *data, settings)
        training.run(task, folder / name, progress=False)
        runs[name] = folder / name, task
    return runs


def test_a_run_leaves_a_log_and_resumes_to_the_same_weights(finished, data):
    folder, task = finished["mine"]
    with open(folder / "log.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["6", "12"]
    again = train.task_of("mine", *data, SETTINGS)
    training.run(again, folder, progress=False)
    for a, b in zip(task.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_scales_are_tuned_and_the_network_is_kept(finished, crops):
    network, coarse, fine = (finished[name][1].model for name in ("mine", "mine-coarse", "mine-fine"))
    x = crops[:1] / np.float32(255)
    assert np.array_equal(network.g_a(x), coarse.g_a(x)) and np.array_equal(network.g_a(x), fine.g_a(x))
    assert (network.log_scale.numpy() == 0).all()
    assert np.allclose(coarse.log_scale, -np.log(2), atol=0.1) and np.allclose(fine.log_scale, np.log(2), atol=0.1)
    task, before = finished["mine-fine"][1], fine.log_scale.numpy()
    task.step(task.batch(0))
    assert (fine.log_scale.numpy() != before).any() and np.array_equal(network.g_a(x), fine.g_a(x))
    fine.log_scale.assign(before)


def test_an_exported_run_is_a_codec_whose_steps_are_the_scales(finished, data, photographs, tmp_path):
    runs = ("mine-fine", "mine", "mine-coarse")
    models, folders = [finished[run][1].model for run in runs], [finished[run][0] for run in runs]
    export.export(models, folders, data[1], tmp_path / "mine.npz")
    codec = codec_of_weights(str(tmp_path / "mine.npz"))
    for step, model in zip(export.STEPS, models):
        steps = codec.steps_at(step / codec.unit)
        assert np.allclose(steps[0], np.exp(-model.log_scale.numpy()), rtol=1e-2)
    between = codec.steps_at(2**0.5 / codec.unit)
    assert (codec.steps_at(1 / codec.unit) < between).all() and (between < codec.steps_at(2 / codec.unit)).all()
    picture = photographs["rocket"][:90, :100]
    files = [codec.encode(picture, step) for step in (2.0, 1.4, 1.0, 0.7, 0.5)]
    assert files == sorted(files, key=len)
    assert all(codec.decode(file).shape == picture.shape for file in files)


def test_networks_and_scales_have_runs_of_their_own():
    runs = train.settings_of("theis2017-2", "runs", 100, 50, seed=3)
    assert list(runs) == ["theis2017-2", "theis2017-2-coarse", "theis2017-2-fine"]
    assert runs["theis2017-2-fine"].lmbda == 16 * runs["theis2017-2-coarse"].lmbda
    assert runs["theis2017-2-fine"].start == "runs/theis2017-2" and runs["theis2017-2"].start is None
