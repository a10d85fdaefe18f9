"""What each idea in the flagship's training is worth: `python -m cae_compress.flagship.training_ablations`.

Every variant trains for the same few steps from the same start on the same batches; a row of the table is one variant,
with its BD-rate against the full network on held-out photographs, in the network's own bits. So short a training says
which ideas matter, not how good the codec becomes. Kodak plays no part in it.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import argparse  # isort: skip
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from cae_compress import distribution, metrics
from cae_compress.flagship.network import RDCAE
from cae_compress.flagship.tiling import PATCH
from cae_compress.flagship.train import RateDistortion, Settings
from cae_compress.layers import DepthToSpace
from cae_compress.photographs import photographs
from cae_compress.training import run


class LinearOnly(RDCAE):
    """Without the convolutional branches: one orthogonal-like transform of patches, trained."""

    @staticmethod
    def transforms(dtype):
        g_a, g_s = RDCAE.transforms(dtype)
        (x, _), (y_hat, _) = g_a.inputs, g_s.inputs
        y, patches = g_a.get_layer("linear")(x), g_s.get_layer("linear")(y_hat)
        x_hat = DepthToSpace(PATCH, dtype="float32")(patches)
        return keras.Model(g_a.inputs, y, name="analysis"), keras.Model(g_s.inputs, x_hat, name="synthesis")


class NoContext(RDCAE):
    """Each latent expected from its channel and the quality alone."""

    def expect(self, q, u):
        return self.context(tf.zeros_like(q), u)


class NoiseInBoth(RDCAE):
    """Uniform noise in rate and distortion."""

    def proxies(self, y, q, seed):
        noisy, _ = super().proxies(y, q, seed)
        return noisy, noisy


class RoundingInBoth(RDCAE):
    """Rounding, its gradient passed straight through, in rate and distortion."""

    def proxies(self, y, q, seed):
        return q, q


VARIANTS = {
    "full": RDCAE,
    "linear path only": LinearOnly,
    "no context": NoContext,
    "noise in rate and distortion": NoiseInBoth,
    "rounding in rate and distortion": RoundingInBoth,
}


def train_variant(name, folder, settings, data, replicas=distribution.ONE):
    """Train one of `VARIANTS`, resuming in its folder: the finished task."""

    class Task(RateDistortion):
        network = VARIANTS[name]

    task = Task(*data, settings)
    run(task, folder, replicas=replicas)
    return task


def table(results):
    """Rows of the table from dict of name to (task, curves)."""
    _, reference = results["full"]
    for name, (task, curves) in results.items():
        rates = [
            metrics.bd_rate(curve[:, 1], curve[:, 2], full[:, 1], full[:, 2]) for curve, full in zip(curves, reference)
        ]
        yield {
            "variant": name,
            "bd_rate_percent": np.mean(rates),
            "loss": curves[..., 0].mean(),
            "steps": task.settings.steps,
            "pictures": len(curves),
        }


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m cae_compress.flagship.training_ablations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--folder", default="runs/ablations", help="where the runs live (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1_500, help="gradient steps of each (default: %(default)s)")
    distribution.add_option(parser)
    parser.add_argument("--out", default="data/training_ablations.csv", help="table to write (default: %(default)s)")
    args = parser.parse_args(argv)
    settings = Settings(steps=args.steps, decay_steps=args.steps // 2, validate_every=args.steps // 2)
    data, results = photographs(), {}
    with distribution.replicas(args.strategy) as replicas:
        for name in VARIANTS:
            task = train_variant(name, Path(args.folder) / name.replace(" ", "_"), settings, data, replicas)
            if replicas.is_chief:
                results[name] = task, task.curves()
        if replicas.is_chief:
            rows = pd.DataFrame(table(results))
            rows.to_csv(args.out, index=False, float_format="%.5g")
            print(rows.to_string(index=False))


if __name__ == "__main__":
    main()
