import numpy as np
import pytest
import tensorflow as tf

from cae_compress import bitstream, training
from cae_compress.cheng2018 import export, rate_train
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.cheng2018.network import CODE_CHANNELS
from cae_compress.cheng2018.rate_network import CausalContext, RateCAE

SETTINGS = rate_train.Settings.of(
    0.0144, steps=30, batch_size=4, crop=32, picture_size=48, validate_every=15, validation_pictures=8
)


@pytest.fixture(scope="module")
def finished(crops, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    task = rate_train.RateDistortion(crops, crops[:8], SETTINGS)
    return task, folder, training.run(task, folder, progress=False)


def test_training_lowers_the_loss(finished, crops):
    start, _ = rate_train.RateDistortion(crops, crops[:8], SETTINGS).validate()
    task, _, record = finished
    assert -record["validation_loss"] > start
    assert record["validation_psnr_db"] > 24 and 0 < record["validation_bpp"] < 8


def test_noise_is_as_wide_as_the_quantization_step():
    coarse, fine = rate_train.Settings.of(0.0009), rate_train.Settings.of(0.0036)
    assert coarse.noise_amplitude == pytest.approx(2 * fine.noise_amplitude)


def test_an_exported_network_codes_at_the_step_it_was_trained_for(finished, crops, photographs, tmp_path):
    task, folder, _ = finished
    step = 2 * SETTINGS.noise_amplitude
    path = tmp_path / "mine.npz"
    export.export(task.model, folder, crops, [photographs["coffee"][:150, :280]], path, step)
    codec = CAECodec(model=str(path))
    assert codec.scale / 2 ** (codec.bits - 1) == pytest.approx(step, rel=1e-2)
    picture = photographs["rocket"][:100, :140]
    data = codec.encode(picture)
    assert data == codec.encode(picture, codec.bits) and codec.decode(data).shape == picture.shape
    assert bitstream.read(data)[0].model == "mine"


def test_the_rate_of_a_latent_depends_on_what_is_coded_before_alone():
    context, rng = CausalContext(CODE_CHANNELS), np.random.default_rng(1)
    context.build(None)
    context.kernel.assign(rng.normal(0, 0.1, context.kernel.shape))
    q = rng.integers(-3, 4, (1, 5, 5, CODE_CHANNELS)).astype(np.float32)
    changed = q.copy()
    changed[0, 2, 3:] += 2
    changed[0, 3:] += 2
    before, after = (context(tf.constant(x)).numpy() for x in (q, changed))
    assert np.array_equal(before[0, :2], after[0, :2]) and np.array_equal(before[0, 2, :3], after[0, 2, :3])
    assert not np.array_equal(before[0, 3:], after[0, 3:])


def test_rate_is_counted_for_three_planes():
    model = RateCAE(0.05, seed=1)
    x = np.random.default_rng(2).random((3, 32, 32, 1)).astype(np.float32)
    bpp, mse = model.rate_distortion(x)
    y = model.g_a(x)
    bits = model.context(tf.round(y / 0.1)).numpy()
    assert float(bpp) == pytest.approx(bits.sum() / 32**2, rel=1e-5) and mse > 0
