"""What a user has set for Keras, and what TensorFlow lacks on some machines, changes nothing."""

import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cae_compress import layers

CODE = """
import hashlib, sys, tempfile
import keras, numpy as np, tensorflow as tf
keras.config.set_dtype_policy({policy!r})
from cae_compress import codec, datasets, training
from cae_compress.cheng2018 import train
from cae_compress.flagship import network
image = np.ascontiguousarray(datasets.bundled()["coffee"][100:164, 100:180])
for model in ("flagship", "cheng2018", "cheng2018-rate", "balle2017", "toderici2017"):
    data = codec.encode(image, 60, model=model)
    print(model, hashlib.sha256(data).hexdigest(), hashlib.sha256(codec.decode(data)).hexdigest())
print("effort", len(codec.encode(image, 60, effort=1)) > 0)
settings = train.Settings(steps=2, batch_size=4, crop=32, picture_size=64, validate_every=2, validation_pictures=1)
record = train.train(image[None, :, :64], image[None, :, :64], tempfile.mkdtemp(), settings, progress=False)
print("cheng2018", record["validation_psnr_db"])
model = network.from_arrays(codec.load_codec("flagship")._network_arrays, "mixed_bfloat16")
with tf.GradientTape() as tape:
    bpp, mse = model.rate_distortion(image[None], tf.constant([3.5]), training=True, seed=(1, 2))
    loss = tf.reduce_mean(bpp + 0.01 * mse)
optimizer = keras.optimizers.Adam(1e-4, global_clipnorm=1.0)
optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
print("flagship", float(loss), {{v.dtype for v in model.trainable_variables}}, {{v.dtype for v in model.g_a.outputs}})
print(keras.config.dtype_policy().name, keras.config.floatx(), keras.config.image_data_format(), file=sys.stderr)
"""


def outcome(policy="float32", **environment):
    code = CODE.format(policy=policy)
    answer = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines(), answer.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def expected():
    return outcome()[0]


@pytest.mark.parametrize("floatx, policy", [("float64", "mixed_float16"), ("float16", "mixed_bfloat16")])
def test_what_a_user_has_set_for_keras_neither_breaks_nor_changes_coding_and_training(
    floatx, policy, expected, tmp_path
):
    settings = {"floatx": floatx, "image_data_format": "channels_first", "epsilon": 1e-7, "backend": "tensorflow"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    lines, left = outcome(policy, KERAS_HOME=str(tmp_path))
    assert lines == expected
    assert left == f"{policy} {floatx} channels_first"


def test_without_onednn_effort_and_training_work_too(expected):
    lines, _ = outcome(TF_ENABLE_ONEDNN_OPTS="0")
    names, values = zip(*(line.split(maxsplit=1) for line in lines))
    assert names == tuple(line.split()[0] for line in expected) and values[-3] == "True"
    loss, same = float(values[-1].split()[0]), float(expected[-1].split()[1])
    assert loss == pytest.approx(same, rel=0.02)


def test_another_backend_of_keras_is_one_clear_error(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    with pytest.raises(ImportError, match="KERAS_BACKEND=tensorflow"):
        importlib.reload(layers)


@pytest.mark.parametrize("height, width", [(1, 1), (4, 4), (7, 10), (13, 8)])
@pytest.mark.parametrize("spacing", [1, 2, 4])
def test_convolutions_of_places_apart_are_tensorflows_dilated_ones(height, width, spacing):
    import tensorflow as tf

    from cae_compress.flagship.context_network import convolved

    rng = np.random.default_rng(1)
    x, kernel = rng.normal(size=(2, height, width, 5)), rng.normal(size=(3, 3, 5, 6))
    expected = tf.nn.conv2d(x.astype(np.float32), kernel.astype(np.float32), 1, "SAME", dilations=spacing)
    assert np.allclose(convolved(x.astype(np.float32), kernel.astype(np.float32), spacing), expected, atol=1e-4)
