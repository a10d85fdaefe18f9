"""Training of Balle 2017, one network a lambda. `python -m cae_compress.balle2017.train --help`.

One run begins with a linear transform (`start`); the networks of all lambdas go on from its weights, each trained as
`rate_distortion` says.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cae_compress import distribution, training
from cae_compress.balle2017 import export
from cae_compress.balle2017.network import CHANNELS, Balle2017
from cae_compress.balle2017.start import start_from, start_linear
from cae_compress.photographs import photographs, to_fit_coder
from cae_compress.rate_distortion import RateDistortion, random_batch

LMBDAS = {"balle2017-1": 0.0018, "balle2017-2": 0.0072, "balle2017-3": 0.0288}
START = "balle2017-start"  # the run that all others go on from
START_LMBDA = 0.0113
VALIDATION_PICTURES = 12


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run.

    Attributes:
        lmbda: bits a pixel that a squared error of one grey level is worth.
        start: folder of the run to go on from; None to start as a linear transform, "random" as the paper does.
        start_lmbda: the lambda of that run.
        channels: filters of every layer.
        steps: number of gradient steps.
        decay_steps: so many of them, the last ones, with a learning rate that falls along a cosine to 1 %.
        learning_rate: Adam's highest rate.
        batch_size, crop: squares a step and their side in pixels, a multiple of 16.
        averaging: decay of the moving average of the weights, for every ten steps.
        validate_every: steps between validations, each of which also writes a checkpoint.
        seed: seed of initial weights, batches and noise.
        dtype: Keras dtype policy of the transforms, "mixed_bfloat16" or "float32".
    """

    lmbda: float = 0.0113
    start: str | None = None
    start_lmbda: float | None = None
    channels: int = CHANNELS
    steps: int = 12_000
    decay_steps: int = 6_000
    learning_rate: float = 5e-4
    batch_size: int = 8
    crop: int = 128
    averaging: float = 0.98
    validate_every: int = 1_000
    seed: int = 1
    dtype: str = "mixed_bfloat16"


def task_of(name, pictures, validation, settings):
    """What `training.run` runs: a `rate_distortion.RateDistortion` of one network, started as the settings say."""
    with training.seeded(settings.seed):
        model = Balle2017(settings.channels, settings.dtype)
    if settings.start is None:
        large = [image for image in pictures if min(image.shape[:2]) >= settings.crop]
        sample = [random_batch(large, settings, -k) for k in range(1, 1 + 256 // settings.batch_size)]
        start_linear(model, np.concatenate(sample), settings.lmbda)
    elif settings.start != "random":
        model.load_weights(Path(settings.start) / "best.weights.h5")
        start_from(model, model.get_weights(), (settings.lmbda / settings.start_lmbda) ** 0.5)
    return RateDistortion(name, model, pictures, validation, settings)


def settings_of(name, folder, **options):
    """The `Settings` of one of the networks, whose run and the one it goes on from live in `folder`."""
    if name == START:
        return Settings(START_LMBDA, steps=6_000, decay_steps=1, learning_rate=8e-4, **options)
    return Settings(LMBDAS[name], f"{folder}/{START}", START_LMBDA, **options)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.balle2017.train", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="*", help=f"which of {', '.join(LMBDAS)} (default: all, one after the other)")
    parser.add_argument("--folder", default="runs", help="where the runs live (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="of each network (default: %(default)s)")
    parser.add_argument("--decay-steps", type=int, default=Settings.decay_steps, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything (default: %(default)s)")
    distribution.add_option(parser)
    parser.add_argument("--export", metavar="FOLDER", help="where to write the trained weights for use in a codec")
    args = parser.parse_args(argv)
    if unknown := set(args.model) - set(LMBDAS):
        parser.error(f"there is no model {', '.join(sorted(unknown))}")
    pictures, validation = photographs()
    validation = validation[:VALIDATION_PICTURES]
    with distribution.replicas(args.strategy) as replicas:
        for name in (START, *(args.model or LMBDAS)):  # the first is over at once if it is there
            options = {} if name == START else {"steps": args.steps, "decay_steps": args.decay_steps}
            task = task_of(name, pictures, validation, settings_of(name, args.folder, seed=args.seed, **options))
            record = training.run_command(task, f"{args.folder}/{name}", replicas)
            if record and args.export and name != START:
                fitted_to = to_fit_coder(pictures)
                export.export(task.model, f"{args.folder}/{name}", fitted_to, f"{args.export}/{name}.npz")


if __name__ == "__main__":
    main()
