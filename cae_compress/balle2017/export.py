"""Turns a trained network into weights that its codec loads: transforms, tables of its densities, contexts."""

import json
from pathlib import Path

import numpy as np
from scipy.special import expit

from cae_compress import weights
from cae_compress.balle2017.network import from_arrays
from cae_compress.coding import grids
from cae_compress.coding.binarization import MAX_PREFIX, MAX_UNARY
from cae_compress.latent_codec.fit import fit_arrays
from cae_compress.latent_codec.network_pair import weights_of

STEPS = (2.0, 1.0, 0.5)  # between two networks it is 0.7 to 1.4
CERTAINTY = 1e6  # counts that the densities are worth: no decision is less likely than about one in this


def export(model, folder, photographs, path):
    """Write the weights file of a trained network.

    Args:
        model: a `network.Balle2017`.
        folder: the run's folder, as `training.run` left it.
        photographs: list of uint8 arrays (h, w, 3), to whose latents the contexts are fitted.
        path: file to write, ending in .npz; the record and the log go beside it.
    """
    record, log = json.loads((Path(folder) / "record.json").read_text()), Path(folder) / "log.csv"
    if start := record["settings"]["start"]:
        record["settings"]["start"] = Path(start).name
        record["went_on_from"] = json.loads((Path(start) / "record.json").read_text())
    networks = {name: weights.trimmed(values) for name, values in weights_of(model).items()}
    arrays = fit_arrays(*from_arrays(networks), photographs, STEPS, lambda *at: tables(model.density, *at))
    weights.save(path, {**networks, **arrays}, record, log)


def tables(density, step, centre):
    """Static tables of densities: uint16 (1, channels, SLOTS).

    Args:
        density: a `network.Density`.
        step: float, of the quantizer.
        centre: float32 (1, channels), what 0 stands for.
    """
    centre = centre[0][:, None]

    def tails(n):
        """Probabilities (channels, len(n)) of an integer below -n, and of one above n."""
        distance = (np.asarray(n) + 0.5) * step
        return [
            expit(sign * np.asarray(density.logits(np.float32(centre - sign * distance)[:, None])[:, 0], np.float64))
            for sign in (1, -1)
        ]

    above = sum(tails(np.arange(MAX_UNARY + 1)))
    longer = sum(tails(MAX_UNARY - 1 + 2.0 ** np.arange(MAX_PREFIX + 1)))
    negative = tails([0])[0][:, 0]
    return grids.tables_of(CERTAINTY, *(CERTAINTY * counts[None] for counts in (above, longer, negative)))
