import csv

import numpy as np
import pytest

from cae_compress import bitstream, training
from cae_compress.balle2017 import export, train
from cae_compress.balle2017.codec import codec_of_weights

SETTINGS = train.Settings(
    0.0113, channels=16, steps=6, decay_steps=3, batch_size=2, crop=64, validate_every=3, dtype="float32"
)


@pytest.fixture(scope="module")
def data(photographs):
    return list(photographs.values()), [photographs["coffee"][:128, :128]]


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    task = train.task_of("balle2017-start", *data, SETTINGS)
    return folder, training.run(task, folder, progress=False), task


def test_a_run_leaves_a_record_and_a_log(finished):
    folder, record, _ = finished
    with open(folder / "log.csv", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["3", "6"]
    assert record["model"] == "balle2017-start" and np.isfinite(record["validation_loss"])


def test_a_finished_run_resumes_to_the_same_weights(finished, data):
    folder, record, task = finished
    again = train.task_of("balle2017-start", *data, SETTINGS)
    assert training.run(again, folder, progress=False)["validation_loss"] == pytest.approx(record["validation_loss"])
    for a, b in zip(task.model.get_weights(), again.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_another_lambda_goes_on_from_a_run(finished, data):
    settings = train.Settings(
        **{**vars(SETTINGS), "lmbda": 4 * SETTINGS.lmbda, "start": str(finished[0]), "start_lmbda": SETTINGS.lmbda}
    )
    task = train.task_of("balle2017-3", *data, settings)
    (_, _, psnr_db), (_, _, before) = task.means(), finished[2].means()
    assert abs(psnr_db - before) < 3, "the same transform with half the step"
    x = data[1][0][None] / np.float32(255)
    assert np.allclose(task.model.g_a(x), 2 * finished[2].model.g_a(x).numpy(), atol=1e-3)


def test_batches_are_a_function_of_seed_and_step(finished):
    task = finished[2]
    assert task.batch(3).shape == (2, 64, 64, 3)
    assert np.array_equal(task.batch(3), task.batch(3)) and not np.array_equal(task.batch(3), task.batch(2))


def test_an_exported_run_is_a_codec_whose_tables_are_the_densities(finished, data, photographs, tmp_path):
    export.export(finished[2].model, finished[0], data[1], tmp_path / "mine.npz")
    picture = photographs["rocket"][:90, :100]
    sizes = []
    for entropy_model in ("static", "adaptive"):
        codec = codec_of_weights(str(tmp_path / "mine.npz"), entropy_model)
        file = codec.encode(picture, 1.0)
        sizes.append(len(bitstream.read(file)[1]))
        assert codec.decode(file).shape == picture.shape
    y_hat = codec.dequantize(codec.quantize(codec.pair.analyse(picture), 1 / codec.unit), 1 / codec.unit)
    bits = finished[2].model.density(y_hat[:, :, 0][None]).numpy().sum()
    # tables keep magnitude and sign apart, which costs nothing once densities are symmetric, as six steps leave few
    assert bits < 8 * sizes[0] < 1.2 * bits
    assert codec.model == "mine"
