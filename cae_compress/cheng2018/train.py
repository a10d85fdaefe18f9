"""Training of the paper's CAE for reconstruction, as the replication trained it: loss and data.

`python -m cae_compress.cheng2018.train --help`. Noise on the code stands in for quantization; the loss is the mean
squared error of planes. `training` has the loop, which is the same for every model.

Source: Cheng et al., PCS 2018, section II-A.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from cae_compress import datasets, distribution, training
from cae_compress.cheng2018 import color, export
from cae_compress.cheng2018.network import CAE, as_planes
from cae_compress.cheng2018.start import start_as_dct
from cae_compress.metrics import psnr, ssim

MAX_WARMUP_STEPS = 500


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run.

    Attributes:
        start: "random" from random weights, as the replication, or "dct", as a DCT (`start.start_as_dct`).
        steps: number of gradient steps.
        batch_size: planes a step.
        crop: side in pixels of the random square cut from each training picture.
        picture_size: side in pixels that training pictures are resized to.
        learning_rate: Adam's highest rate; a warm-up, then a cosine down to 1 % of it.
        noise_amplitude: half width of the uniform noise on the code.
        validate_every: steps between validations, each of which also writes a checkpoint.
        validation_pictures: pictures that choose the best weights.
        seed: seed of initial weights, batches and noise.
        mixed_precision: None (on where TensorFlow sees a GPU), True or False.
    """

    start: str = "random"
    steps: int = 24_000
    batch_size: int = 16
    crop: int = 64
    picture_size: int = 128
    learning_rate: float = 1e-3
    noise_amplitude: float = 2.0**-10
    validate_every: int = 1_500
    validation_pictures: int = 200
    seed: int = 1
    mixed_precision: bool | None = None


def batches(planes, settings, start=0):
    """The training input: batch k is a function of (seed, k) alone, so a resumed run sees what it would have seen.

    Args:
        planes: float32 array, shape (n, h, w, 1), in [0, 1].
        settings: a `Settings`.
        start: int, the first step.

    Returns:
        A `tf.data.Dataset` of float32 batches, shape (batch_size, crop, crop, 1).
    """
    n = len(planes)
    planes = tf.constant(planes)

    def sample(i):
        epoch, place = i // n, i % n
        seed = tf.constant(settings.seed, tf.int64)
        k = tf.random.experimental.index_shuffle(place, [seed, epoch], n - 1)
        seed = [seed, i]
        x = tf.image.stateless_random_crop(tf.gather(planes, k), (settings.crop, settings.crop, 1), seed)
        return tf.image.stateless_random_flip_left_right(x, seed)

    samples = tf.data.Dataset.range(start * settings.batch_size, settings.steps * settings.batch_size)
    samples = samples.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return samples.batch(settings.batch_size, drop_remainder=True).prefetch(4)


def validate(model, pictures, metric=psnr, batch_size=8):
    """Mean over pictures of a metric of the autoencoder without quantization.

    Args:
        model: a `CAE`.
        pictures: uint8 array, shape (n, h, w, 3).
        metric: `metrics.psnr` (dB) or `metrics.ssim`, computed on RGB.
        batch_size: pictures at a time.
    """
    values = []
    for k in range(0, len(pictures), batch_size):
        rgb = pictures[k : k + batch_size]
        x_hat = model(as_planes(rgb), training=False).numpy()[..., 0]
        for original, planes in zip(rgb, x_hat.reshape(len(rgb), 3, *rgb.shape[1:3])):
            values.append(metric(original, color.ycbcr_to_rgb(planes.transpose(1, 2, 0))))
    return float(np.mean(values))


class Reconstruction:
    """What `training.run` needs to know to train a `CAE` for reconstruction alone: model, loss, data.

    Args:
        pictures: uint8 array, shape (n, h, w, 3), training pictures.
        validation: uint8 array, shape (m, h, w, 3), pictures that choose the best weights.
        settings: a `Settings`.
    """

    name = "cheng2018"
    columns = ("train_mse", "validation_psnr_db")
    network = CAE
    replicas = distribution.ONE

    def __init__(self, pictures, validation, settings=Settings()):
        self.pictures, self.validation, self.settings = pictures, validation, settings
        mixed = settings.mixed_precision
        if mixed is None:
            mixed = bool(tf.config.list_physical_devices("GPU"))
        with training.seeded(settings.seed):
            dtype = "mixed_float16" if mixed else "float32"
            self.model = self.network(settings.noise_amplitude, seed=settings.seed, dtype=dtype)
        if settings.start == "dct":
            start_as_dct(self.model)
        warmup = min(MAX_WARMUP_STEPS, settings.steps // 10)
        schedule = keras.optimizers.schedules.CosineDecay(
            np.float32(0), settings.steps - warmup, 0.01, warmup_target=settings.learning_rate, warmup_steps=warmup
        )
        self.optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0)
        if mixed:
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(self.model.trainable_variables)
        # Keras does not hand the state of a seed generator to TensorFlow's checkpoints by itself
        noise = self.model.noise.seed_generator.state
        self.tracked = {"model": self.model, "optimizer": self.optimizer, "noise": noise}

    @property
    def learning_rate(self):
        return float(self.optimizer.learning_rate)

    def batches(self, start):
        """Batches from a step on."""
        return batches(as_planes(self.pictures), self.settings, start)

    @tf.function
    def step(self, x):
        """One gradient step; returns the loss."""
        seed = self.model.noise.seed_generator.next()
        return self.replicas.descend(self.loss, x, seed, self.model, self.optimizer)

    def loss(self, x, seed):
        """Mean squared error of planes, a scalar; the seed decides the noise."""
        x_hat = self.model(x, training=True, seed=seed)
        return tf.reduce_mean(tf.square(tf.cast(x_hat, tf.float32) - x))

    def validate(self):
        """(score to maximise, columns of the log after the first)."""
        psnr_db = validate(self.model, self.validation[: self.settings.validation_pictures])
        return psnr_db, (psnr_db,)

    def save(self, path):
        """Write the weights."""
        self.model.save_weights(path)

    def results(self):
        """What the record says of the best weights, which the model holds."""
        return {
            "validation_pictures": len(self.validation),
            "validation_psnr_db": validate(self.model, self.validation),
            "validation_ssim": validate(self.model, self.validation, ssim),
        }


def train(pictures, validation, folder, settings=Settings(), progress=True):
    """Train a `CAE` for reconstruction; arguments of `Reconstruction` and `training.run`."""
    return training.run(Reconstruction(pictures, validation, settings), folder, progress)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.cheng2018.train", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="runs/cheng2018", help="where the run lives (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="gradient steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything (default: %(default)s)")
    parser.add_argument("--start", choices=("dct", "random"), default=Settings.start, help="initial weights")
    parser.add_argument(
        "--learning-rate", type=float, default=Settings.learning_rate, help="Adam's highest rate (default: %(default)s)"
    )
    distribution.add_option(parser)
    parser.add_argument("--export", metavar="FILE.npz", help="write the trained weights for use in a codec")
    args = parser.parse_args(argv)
    settings = Settings(steps=args.steps, seed=args.seed, start=args.start, learning_rate=args.learning_rate)
    train_pictures = datasets.load_imagenette("train", settings.picture_size)
    validation = datasets.load_imagenette("val", settings.picture_size)
    with distribution.replicas(args.strategy) as replicas:
        task = Reconstruction(train_pictures, validation, settings)
        record = training.run_command(task, args.folder, replicas)
        if record and args.export:
            export.export(task.model, args.folder, train_pictures, export.context_photographs(), args.export)


if __name__ == "__main__":
    main()
