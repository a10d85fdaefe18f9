"""Training of a network for one lambda, the same for every model that has such a loss.

    loss = bits per pixel + lambda * mean squared error in grey levels

Every step takes random squares of photographs. Weights are averaged over the last steps, and it is the averaged network
that is validated, with rounded latents, and kept (`training`).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from cae_compress import distribution, training
from cae_compress.photographs import random_squares


class RateDistortion:
    """What `training.run` needs to know: a network, its loss, its data.

    Args:
        name: of the network, which the record says.
        model: a Keras model, all variables made, with a method rate_distortion(x, training, seed) -> (bpp, mse), each
            float32 (b,), of pictures x, uint8 (b, h, w, 3); the seed, of `layers.uniform`, decides the noise.
        pictures: list of uint8 arrays (h, w, 3), to train on.
        validation: list of uint8 arrays (h, w, 3), sides multiples of what the network needs, that choose the best
            weights.
        settings: a dataclass with lmbda, steps, decay_steps, learning_rate, batch_size, crop, averaging,
            validate_every and seed.
    """

    columns = ("train_loss", "validation_loss", "validation_bpp", "validation_psnr_db")
    replicas = distribution.ONE

    def __init__(self, name, model, pictures, validation, settings):
        self.name, self.model, self.settings, self.validation = name, model, settings, validation
        self.pictures = [image for image in pictures if min(image.shape[:2]) >= settings.crop]
        self.optimizer = keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0)
        self.optimizer.build(model.trainable_variables)
        self.averages = training.Averages(model, settings.averaging)
        self.tracked = {"model": model, "optimizer": self.optimizer, "averages": self.averages.values}
        self._step, self._measure = tf.function(self._step), tf.function(self._measure, reduce_retracing=True)

    @property
    def learning_rate(self):
        """At the present step (`training.schedule`)."""
        k, settings = int(self.optimizer.iterations.numpy()), self.settings
        return settings.learning_rate * training.schedule(k, settings.steps, settings.decay_steps)

    def batch(self, k):
        """Batch k, a function of (seed, k) alone: pictures uint8 (b, crop, crop, 3)."""
        return random_batch(self.pictures, self.settings, k)

    def batches(self, start):
        """Batches from a step on."""
        return (self.batch(k) for k in range(start, self.settings.steps))

    def step(self, batch):
        """One gradient step, whose noise is a function of (seed, number of the step); returns the loss."""
        self.optimizer.learning_rate.assign(self.learning_rate)
        k = int(self.optimizer.iterations.numpy())
        loss = self._step(batch, tf.constant([self.settings.seed, k], tf.int64))
        self.averages.update(k + 1)
        return loss

    def _step(self, x, seed):
        def loss(x, seed):
            bpp, mse = self.model.rate_distortion(x, training=True, seed=seed)
            return tf.reduce_mean(bpp + self.settings.lmbda * mse)

        return self.replicas.descend(loss, x, seed, self.model, self.optimizer)

    def validate(self):
        """Mean loss, rate and PSNR of the averaged network: (score, columns of the log after the first)."""
        with self.averages.in_use():
            loss, bpp, psnr_db = self.means()
        return -loss, (loss, bpp, psnr_db)

    def means(self):
        """Mean loss, bits a pixel and PSNR of the model as it is, over the validation pictures."""
        bpp, mse = np.array([self._measure(tf.constant(image[None])) for image in self.validation])[..., 0].T
        psnr_db = 10 * np.log10(255**2 / mse)
        return float(np.mean(bpp + self.settings.lmbda * mse)), float(bpp.mean()), float(psnr_db.mean())

    def _measure(self, x):
        return self.model.rate_distortion(x, training=False)

    def save(self, path):
        """Write the averaged weights."""
        with self.averages.in_use():
            self.model.save_weights(path)

    def results(self):
        """What the record says of the best weights, which the model holds."""
        loss, bpp, psnr_db = self.means()
        return {
            "validation_pictures": len(self.validation),
            "validation_loss": loss, "validation_bpp": bpp, "validation_psnr_db": psnr_db,
        }  # fmt: skip


def random_batch(pictures, settings, k):
    """Batch k of random squares, a function of (settings.seed, k) alone: uint8 (b, crop, crop, 3)."""
    rng = np.random.default_rng([settings.seed, abs(k), int(k < 0)])
    return random_squares(pictures, settings.batch_size, settings.crop, rng)
