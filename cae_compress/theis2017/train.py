"""Training of Theis 2017: two networks, then scales of each. `python -m cae_compress.theis2017.train --help`.

Each network begins as a linear transform (`start`) and is trained as `rate_distortion` says. Then everything is kept
but a scale for each channel, which is tuned for a lambda four times as small and four times as large, with mixtures of
its own: the paper's way to many rates. (The paper has three networks, and ten thousand steps for each set of scales.)
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cae_compress import distribution, training
from cae_compress.photographs import photographs, to_fit_coder
from cae_compress.rate_distortion import RateDistortion, random_batch
from cae_compress.theis2017 import export
from cae_compress.theis2017.network import WIDTH, Theis2017
from cae_compress.theis2017.start import start_linear

NETWORKS = {"theis2017-1": (0.0035, 64), "theis2017-2": (0.0140, 96)}  # lambda, channels
RATES = {"coarse": 1 / 4, "fine": 4}  # factors of lambda that scales are tuned for
VALIDATION_PICTURES = 12


@dataclass(frozen=True)
class Settings:
    """Everything that decides the result of a run.

    Attributes:
        lmbda: bits a pixel that a squared error of one grey level is worth.
        channels: of the latents.
        start: None to start as a linear transform, "random" as the paper does; or the folder of the run whose network
            is kept, to tune scales only.
        start_lmbda: the lambda of that run.
        width: of the layers at a quarter of the resolution.
        steps: number of gradient steps.
        decay_steps: so many of them, the last ones, with a learning rate that falls along a cosine to 1 %.
        learning_rate: Adam's highest rate.
        batch_size, crop: squares a step and their side in pixels, a multiple of 8.
        averaging: decay of the moving average of the weights, for every ten steps.
        validate_every: steps between validations, each of which also writes a checkpoint.
        seed: seed of initial weights, batches and noise.
        dtype: Keras dtype policy of the transforms, "mixed_bfloat16" or "float32".
    """

    lmbda: float
    channels: int
    start: str | None = None
    start_lmbda: float | None = None
    width: int = WIDTH
    steps: int = 7_000
    decay_steps: int = 3_500
    learning_rate: float = 4e-4
    batch_size: int = 8
    crop: int = 128
    averaging: float = 0.98
    validate_every: int = 1_000
    seed: int = 1
    dtype: str = "mixed_bfloat16"


def task_of(name, pictures, validation, settings):
    """What `training.run` runs: a `rate_distortion.RateDistortion` of one network, or of its scales."""
    with training.seeded(settings.seed):
        model = Theis2017(settings.channels, settings.width, settings.dtype)
    if settings.start is None:
        large = [image for image in pictures if min(image.shape[:2]) >= settings.crop]
        sample = [random_batch(large, settings, -k) for k in range(1, 1 + 256 // settings.batch_size)]
        start_linear(model, np.concatenate(sample), settings.lmbda)
    elif settings.start != "random":
        model.load_weights(Path(settings.start) / "best.weights.h5")
        finer = 0.5 * np.log(settings.lmbda / settings.start_lmbda)
        model.log_scale.assign(model.log_scale + finer)
        model.mixtures.log_scales.assign(model.mixtures.log_scales + finer)
        model.tune_scales_only()
    return RateDistortion(name, model, pictures, validation, settings)


def settings_of(name, folder, steps, decay_steps, **options):
    """Name of each run of a network -> its `Settings`, the network first."""
    lmbda, channels = NETWORKS[name]
    runs = {name: Settings(lmbda, channels, steps=steps, decay_steps=decay_steps, **options)}
    for rate, factor in RATES.items():
        runs[f"{name}-{rate}"] = Settings(
            factor * lmbda, channels, f"{folder}/{name}", lmbda, learning_rate=5e-3, validate_every=max(1, steps // 20),
            steps=max(1, steps // 20), decay_steps=max(1, steps // 30), **options
        )  # fmt: skip
    return runs


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m cae_compress.theis2017.train", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="*", help=f"which of {', '.join(NETWORKS)} (default: both, one after the other)")
    parser.add_argument("--folder", default="runs", help="where the runs live (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=Settings.steps, help="of each network (default: %(default)s)")
    parser.add_argument("--decay-steps", type=int, default=Settings.decay_steps, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=Settings.seed, help="seed of everything (default: %(default)s)")
    distribution.add_option(parser)
    parser.add_argument("--export", metavar="FOLDER", help="where to write the trained weights for use in a codec")
    args = parser.parse_args(argv)
    if unknown := set(args.model) - set(NETWORKS):
        parser.error(f"there is no model {', '.join(sorted(unknown))}")
    pictures, validation = photographs()
    validation = validation[:VALIDATION_PICTURES]
    with distribution.replicas(args.strategy) as replicas:
        for name in args.model or NETWORKS:
            models = {}
            for run, settings in settings_of(name, args.folder, args.steps, args.decay_steps, seed=args.seed).items():
                task = task_of(run, pictures, validation, settings)
                record = training.run_command(task, f"{args.folder}/{run}", replicas)
                models[run] = task.model
            if record and args.export:
                fitted_to = to_fit_coder(pictures)
                runs = [f"{name}-fine", name, f"{name}-coarse"]
                folders = [f"{args.folder}/{run}" for run in runs]
                export.export([models[run] for run in runs], folders, fitted_to, f"{args.export}/{name}.npz")


if __name__ == "__main__":
    main()
