"""Training of the paper's CAE for rate and distortion. `python -m cae_compress.cheng2018.rate_train --help`.

    loss = mean squared error + rate / (lambda * 255**2)

A network is trained for every lambda. The rate is that of `rate_network`, which says what the paper has and what had
to be chosen. The paper's noise of 2**-10 becomes that of a quantizer: U(-step/2, step/2), with a step that fits lambda.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cae_compress import datasets, distribution, training
from cae_compress.cheng2018 import export, train
from cae_compress.cheng2018.network import as_planes
from cae_compress.cheng2018.rate_codec import RATE_MODELS
from cae_compress.cheng2018.rate_network import RateCAE

LMBDAS = dict(zip(RATE_MODELS, (0.0009, 0.0036, 0.0144, 0.0576, 0.2304)))  # bits a pixel for a squared grey level
STEP, STEP_LMBDA = 40 / 255, 0.013  # the step that fits this lambda; others go with the square root of lambda


@dataclass(frozen=True)
class Settings(train.Settings):
    """Those of `train.Settings`, and a lambda.

    Attributes:
        lmbda: bits a pixel that a squared error of one grey level is worth.
    """

    start: str = "dct"
    steps: int = 12_000
    learning_rate: float = 5e-4
    lmbda: float = 0.0144

    @classmethod
    def of(cls, lmbda, **options):
        """Settings with the noise that fits a lambda."""
        return cls(lmbda=lmbda, noise_amplitude=STEP / 2 * (STEP_LMBDA / lmbda) ** 0.5, **options)


class RateDistortion(train.Reconstruction):
    """What `training.run` needs to know: the network and the data of `train.Reconstruction`, another loss."""

    columns = ("train_loss", "validation_loss", "validation_bpp", "validation_psnr_db")
    network = RateCAE

    def loss(self, x, seed):
        """Rate and distortion of planes, a scalar; the seed decides the noise."""
        bpp, mse = self.model.rate_distortion(x, training=True, seed=seed)
        return mse + bpp / (self.settings.lmbda * 255**2)

    def validate(self):
        """(score to maximise, columns of the log after the first), of the rounded code."""
        return self._measure(self.validation[: self.settings.validation_pictures])

    def results(self):
        """What the record says of the best weights, which the model holds."""
        _, measured = self._measure(self.validation)
        return {"validation_pictures": len(self.validation), **dict(zip(self.columns[1:], measured))}

    def _measure(self, pictures):
        parts = [pictures[k : k + 8] for k in range(0, len(pictures), 8)]
        measured = [self._rate_distortion(as_planes(part)) for part in parts]
        bpp, mse = np.average(measured, axis=0, weights=[len(part) for part in parts])
        loss = float(mse + bpp / (self.settings.lmbda * 255**2))
        return -loss, (loss, float(bpp), float(10 * np.log10(1 / mse)))

    @tf.function
    def _rate_distortion(self, x):
        return self.model.rate_distortion(x)


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m cae_compress.cheng2018.rate_train", description=__doc__.splitlines()[0]
    )
    parser.add_argument("model", nargs="*", help=f"which of {', '.join(LMBDAS)} (default: all, one after the other)")
    parser.add_argument("--folder", default="runs", help="where the runs live (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="gradient steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything (default: %(default)s)")
    distribution.add_option(parser)
    parser.add_argument("--export", metavar="FOLDER", help="where to write the trained weights for use in a codec")
    args = parser.parse_args(argv)
    if unknown := set(args.model) - set(LMBDAS):
        parser.error(f"there is no model {', '.join(sorted(unknown))}")
    pictures = datasets.load_imagenette("train", Settings.picture_size)
    validation = datasets.load_imagenette("val", Settings.picture_size)
    with distribution.replicas(args.strategy) as replicas:
        for name in args.model or LMBDAS:
            task = RateDistortion(pictures, validation, Settings.of(LMBDAS[name], steps=args.steps, seed=args.seed))
            task.name = name
            folder = f"{args.folder}/{name}"
            record = training.run_command(task, folder, replicas)
            if record and args.export:
                path, step = f"{args.export}/{name}.npz", 2 * task.settings.noise_amplitude
                export.export(task.model, folder, pictures, export.context_photographs(), path, step)


if __name__ == "__main__":
    main()
