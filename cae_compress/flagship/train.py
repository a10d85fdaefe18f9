"""Training of the flagship for rate and distortion. `python -m cae_compress.flagship.train --help`.

Every step takes random squares of photographs, each at a random place between the lambdas. Weights are averaged over
the last steps (an exponential moving average), and it is the averaged network that is validated and kept. The last part
of a run uses larger squares and a falling learning rate.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from cae_compress import distribution, training, weights
from cae_compress.flagship import export, transforms
from cae_compress.flagship.codec import take
from cae_compress.flagship.distortion import DISTORTIONS
from cae_compress.flagship.gains import NUM_LMBDAS, lmbda_of
from cae_compress.flagship.integer_weights import from_integers
from cae_compress.flagship.network import RDCAE, assign_arrays
from cae_compress.flagship.tiling import cut
from cae_compress.photographs import photographs, random_squares, to_fit_coder

PATCH = transforms.PATCH
VALIDATION_PLACES = (0.5, 2.5, 4.5, 6.5, 8.5)
BASES = {"dct": transforms.dct_basis, "pca": transforms.pca_basis}


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run.

    Attributes:
        start: what the linear path starts as, "dct" or "pca"; or weights to train on from, as `weights.load` has them.
        tune: what shall be good at few bits, "psnr" or "ms-ssim" (`distortion`).
        steps: number of gradient steps.
        decay_steps: so many of them, the last ones, with a learning rate that falls along a cosine to 1 %.
        learning_rate: Adam's highest rate.
        batch_size, crop: squares a step and their side in pixels, a multiple of 16.
        final_batch_size, final_crop: the same during the decay.
        averaging: decay of the moving average of the weights, for every ten steps.
        validate_every: steps between validations, each of which also writes a checkpoint.
        seed: seed of initial weights, batches and noise.
        dtype: Keras dtype policy of the convolutional branches, or None for float32.
    """

    start: str = "dct"
    tune: str = "psnr"
    steps: int = 45_000
    decay_steps: int = 9_000
    learning_rate: float = 1e-3
    batch_size: int = 4
    crop: int = 192
    final_batch_size: int = 3
    final_crop: int = 256
    averaging: float = 0.99
    validate_every: int = 1_500
    seed: int = 1
    dtype: str | None = "mixed_bfloat16"


class RateDistortion:
    """What `training.run` needs to know: the flagship, its loss, its data.

    Args:
        photographs: list of uint8 arrays (h, w, 3), to train on.
        validation: list of uint8 arrays (h, w, 3), sides multiples of 16, that choose the best weights.
        settings: a `Settings`.
    """

    name = "rdcae"
    network = RDCAE
    replicas = distribution.ONE

    def __init__(self, photographs, validation, settings=Settings()):
        self.settings, self.validation = settings, validation
        self.distortion = DISTORTIONS[settings.tune]
        self.columns = ("train_loss", "validation_loss", "validation_bpp", self.distortion.column)
        self.photographs = {
            crop: [image for image in photographs if min(image.shape[:2]) >= crop]
            for crop in (settings.crop, settings.final_crop)
        }
        with training.seeded(settings.seed):
            self.model = self.network(settings.dtype)
        if settings.start in BASES:
            sample = np.concatenate([self.batch(-k)[0] for k in range(1, 401)])
            self.model.start(BASES[settings.start](patches(sample)), sample[:72])
        else:
            arrays, _ = weights.load(settings.start)
            assign_arrays(self.model, arrays)
            self.model.context.assign(from_integers(take(arrays, "context")))
        self.optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
        self.optimizer.build(self.model.trainable_variables)
        self.averages = training.Averages(self.model, settings.averaging)
        self.tracked = {"model": self.model, "optimizer": self.optimizer, "averages": self.averages.values}
        self._step = tf.function(self._step)  # one graph a shape, or rounding would depend on which shape came first
        self._measure = tf.function(self._measure, reduce_retracing=True)

    @property
    def learning_rate(self):
        """At the present step (`training.schedule`)."""
        k, settings = int(self.optimizer.iterations.numpy()), self.settings
        return settings.learning_rate * training.schedule(k, settings.steps, settings.decay_steps)

    def batch(self, k):
        """Batch k, a function of (seed, k) alone: pictures uint8 (b, crop, crop, 3) and places float32 (b,)."""
        settings, rng = self.settings, np.random.default_rng([self.settings.seed, abs(k), int(k < 0)])
        final = k >= settings.steps - settings.decay_steps
        size, crop = (settings.final_batch_size, settings.final_crop) if final else (settings.batch_size, settings.crop)
        x = random_squares(self.photographs[crop], size, crop, rng)
        places = (rng.permutation(size) + rng.random(size)) / size * (NUM_LMBDAS - 1)  # spread over all rates
        return x, places.astype(np.float32)

    def batches(self, start):
        """Batches from a step on."""
        return (self.batch(k) for k in range(start, self.settings.steps))

    def loss(self, x, u, training, seed=(0, 0)):
        """(b,) losses: bits per pixel + lambda * distortion, over sqrt(lambda) so that all rates count alike."""
        lmbda = lmbda_of(u)
        bpp, distortion = self.model.rate_distortion(x, u, training, seed, self.distortion.error)
        return 0.1 * (bpp + lmbda * distortion) / tf.sqrt(lmbda), bpp, distortion

    def step(self, batch):
        """One gradient step, whose noise is a function of (seed, number of the step); returns the loss."""
        self.optimizer.learning_rate.assign(self.learning_rate)
        k = int(self.optimizer.iterations.numpy())
        loss = self._step(batch, tf.constant([self.settings.seed, k], tf.int64))
        self.averages.update(k + 1)
        return loss

    def _step(self, batch, seed):
        def loss(batch, seed):
            return tf.reduce_mean(self.loss(*batch, training=True, seed=seed)[0])

        return self.replicas.descend(loss, batch, seed, self.model, self.optimizer)

    def validate(self):
        """Mean loss, rate and quality of the averaged network: (score, columns of the log after the first)."""
        with self.averages.in_use():
            loss, bpp, quality_db = self._mean_loss()
        return -loss, (loss, bpp, quality_db)

    def curves(self):
        """Loss, bits a pixel and quality in dB of the model as it is: float array (validation pictures, places, 3)."""
        rows = [
            [float(value[0]) for value in self._measure(tf.constant(image[None]), tf.constant([u], tf.float32))]
            for image in self.validation
            for u in VALIDATION_PLACES
        ]
        loss, bpp, distortion = np.array(rows).T
        quality_db = 10 * np.log10(self.distortion.largest / distortion)
        return np.stack([loss, bpp, quality_db], axis=-1).reshape(-1, len(VALIDATION_PLACES), 3)

    def _mean_loss(self):
        return self.curves().mean(axis=(0, 1)).tolist()

    def _measure(self, x, u):
        return self.loss(x, u, training=False)

    def save(self, path):
        """Write the averaged weights."""
        with self.averages.in_use():
            self.model.save_weights(path)

    def results(self):
        """What the record says of the best weights, which the model holds."""
        return {"validation_pictures": len(self.validation), **dict(zip(self.columns[1:], self._mean_loss()))}


def patches(crops):
    """uint8 (n, h, w, 3) -> all their 16x16 patches, centred float32 (m, 16, 16, 3)."""
    return cut(crops).reshape(-1, PATCH, PATCH, 3).astype(np.float32) / 255 - 0.5


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.flagship.train", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default="runs/rdcae", help="where the run lives (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="gradient steps (default: %(default)s)")
    parser.add_argument("--decay-steps", type=int, default=Settings.decay_steps, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything (default: %(default)s)")
    parser.add_argument(
        "--start", default=Settings.start, help="dct or pca, or weights to train on from (default: %(default)s)"
    )
    parser.add_argument("--tune", choices=DISTORTIONS, default=Settings.tune, help="(default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=Settings.learning_rate, help="(default: %(default)s)")
    distribution.add_option(parser)
    parser.add_argument("--export", metavar="FILE.npz", help="write the trained weights for use in a codec")
    args = parser.parse_args(argv)
    settings = Settings(args.start, args.tune, args.steps, args.decay_steps, args.learning_rate, seed=args.seed)
    pictures, validation = photographs()
    with distribution.replicas(args.strategy) as replicas:
        task = RateDistortion(pictures, validation, settings)
        record = training.run_command(task, args.folder, replicas)
        if record and args.export:
            export.export(task.model, args.folder, to_fit_coder(pictures), args.export)


if __name__ == "__main__":
    main()
