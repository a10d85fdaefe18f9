"""Training of Toderici 2017. `python -m cae_compress.toderici2017.train --help`.

    loss = mean over passes and pixels of |what is left over|

Every step takes random squares of photographs. The first half of the steps ends after four passes, which costs half as
much. Bits are drawn by chance, as in the paper, for most of the training; for the rest they are the signs that a file
holds, which the paper does not say. Weights are averaged over the last steps, and the averaged network is validated,
with signs and all passes, and kept.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from cae_compress import distribution, training
from cae_compress.photographs import photographs, to_fit_coder
from cae_compress.rate_distortion import random_batch
from cae_compress.toderici2017 import export
from cae_compress.toderici2017.bits import PASSES
from cae_compress.toderici2017.network import WIDTH, Toderici2017

NAME = "toderici2017"
VALIDATION_PICTURES = 6


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run.

    Attributes:
        width: channels of the encoder's first layer.
        passes: of the second part of the steps.
        first_passes, first_steps: so many steps at first, and of how many passes.
        stochastic_steps: so many steps with bits drawn by chance; signs afterwards.
        steps: number of gradient steps.
        decay_steps: so many of them, the last ones, with a learning rate that falls along a cosine to 1 %.
        learning_rate: Adam's highest rate.
        batch_size, crop: squares a step and their side in pixels, a multiple of 16.
        averaging: decay of the moving average of the weights, for every ten steps.
        validate_every: steps between validations, each of which also writes a checkpoint.
        seed: seed of initial weights, batches and bits.
        dtype: Keras dtype policy of the cells, or None for float32.
    """

    width: int = WIDTH
    passes: int = PASSES
    first_passes: int = PASSES // 2
    first_steps: int = 3_500
    stochastic_steps: int = 5_000
    steps: int = 7_000
    decay_steps: int = 3_000
    learning_rate: float = 1e-3
    batch_size: int = 4
    crop: int = 64
    averaging: float = 0.98
    validate_every: int = 500
    seed: int = 1
    dtype: str | None = None


class Passes:
    """What `training.run` needs to know: the network, its loss, its data.

    Args:
        pictures: list of uint8 arrays (h, w, 3), to train on.
        validation: list of uint8 arrays (h, w, 3), sides multiples of 16, that choose the best weights.
        settings: `Settings`.
    """

    name = NAME
    replicas = distribution.ONE

    def __init__(self, pictures, validation, settings):
        self.settings, self.validation = settings, validation
        self.pictures = [image for image in pictures if min(image.shape[:2]) >= settings.crop]
        with training.seeded(settings.seed):
            self.model = Toderici2017(settings.width, settings.dtype)
        self.columns = "train_loss", "validation_loss", *(f"psnr_db_{t + 1}" for t in range(settings.passes))
        self.optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
        self.optimizer.build(self.model.trainable_variables)
        self.averages = training.Averages(self.model, settings.averaging)
        self.tracked = {"model": self.model, "optimizer": self.optimizer, "averages": self.averages.values}
        self._step, self._measure = tf.function(self._step), tf.function(self._measure, reduce_retracing=True)

    @property
    def learning_rate(self):
        """At the present step (`training.schedule`)."""
        k, settings = int(self.optimizer.iterations.numpy()), self.settings
        return settings.learning_rate * training.schedule(k, settings.steps, settings.decay_steps)

    def batches(self, start):
        """Batches from a step on, each a function of (seed, its number) alone: uint8 (b, crop, crop, 3)."""
        return (random_batch(self.pictures, self.settings, k) for k in range(start, self.settings.steps))

    def step(self, batch):
        """One gradient step, whose bits are a function of (seed, number of the step); returns the loss."""
        self.optimizer.learning_rate.assign(self.learning_rate)
        k, settings = int(self.optimizer.iterations.numpy()), self.settings
        passes = settings.first_passes if k < settings.first_steps else settings.passes
        seed = tf.constant([settings.seed, k], tf.int64) if k < settings.stochastic_steps else None
        loss = self._step(batch, passes, seed)
        self.averages.update(k + 1)
        return loss

    def _step(self, x, passes, seed):
        def loss(x, seed):
            return tf.reduce_mean(tf.abs(self.model.residuals(x, passes, seed)))

        return self.replicas.descend(loss, x, seed, self.model, self.optimizer)

    def validate(self):
        """Mean loss and PSNR by pass of the averaged network: (score, columns of the log after the first)."""
        with self.averages.in_use():
            loss, psnr_db = self.means()
        return -loss, (loss, *psnr_db)

    def means(self):
        """Mean loss, and a list of PSNR by pass, of the model as it is, over the validation pictures."""
        measured = [[float(v) for v in self._measure(tf.constant(image[None]))] for image in self.validation]
        loss, *psnr_db = np.mean(measured, axis=0)
        return float(loss), [float(v) for v in psnr_db]

    def _measure(self, x):
        r = self.model.residuals(x, self.settings.passes)
        rgb = tf.clip_by_value(tf.cast(x, tf.float32) / 255 - r, 0, 1)
        mse = tf.reduce_mean(tf.square(rgb - tf.cast(x, tf.float32) / 255), [1, 2, 3, 4])
        return [tf.reduce_mean(tf.abs(r)), *tf.unstack(-10 * tf.math.log(mse) / tf.math.log(10.0))]

    def save(self, path):
        """Write the averaged weights."""
        with self.averages.in_use():
            self.model.save_weights(path)

    def results(self):
        """What the record says of the best weights, which the model holds."""
        loss, psnr_db = self.means()
        return {
            "validation_pictures": len(self.validation),
            "validation_loss": loss,
            "validation_psnr_db_by_pass": psnr_db,
        }


def settings_of(steps, seed):
    """`Settings` of a run of so many steps, divided as the default ones are."""
    parts = ("first_steps", "stochastic_steps", "decay_steps")
    return Settings(
        steps=steps, seed=seed, **{name: max(1, steps * getattr(Settings, name) // Settings.steps) for name in parts}
    )


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m cae_compress.toderici2017.train", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--folder", default=f"runs/{NAME}", help="where the run lives (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything (default: %(default)s)")
    distribution.add_option(parser)
    parser.add_argument("--export", metavar="FILE", help="where to write the trained weights for use in the codec")
    args = parser.parse_args(argv)
    pictures, validation = photographs()
    with distribution.replicas(args.strategy) as replicas:
        task = Passes(pictures, validation[:VALIDATION_PICTURES], settings_of(args.steps, args.seed))
        record = training.run_command(task, args.folder, replicas)
        if record and args.export:
            export.export(task.model, args.folder, to_fit_coder(pictures), args.export)


if __name__ == "__main__":
    main()
