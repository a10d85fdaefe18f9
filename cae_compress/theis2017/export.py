"""Turns a trained network and its scales into weights that the codec loads."""

import json
from pathlib import Path

import numpy as np

from cae_compress import weights
from cae_compress.latent_codec.fit import fit_arrays
from cae_compress.latent_codec.network_pair import weights_of
from cae_compress.theis2017.network import from_arrays

STEPS = (0.5, 1.0, 2.0)  # of the codec, for the scales tuned for a larger lambda, the network's own, a smaller one


def export(models, folders, photographs, path):
    """Write the weights file of a network.

    Args:
        models: three `network.Theis2017`, finest first: the network is that of all, the scales are each one's own.
        folders: folders of their runs, as `training.run` left them.
        photographs: list of uint8 arrays (h, w, 3), in whose latents tables are counted.
        path: file to write, ending in .npz; the record and the log of the network go beside it.
    """
    records = [json.loads((Path(folder) / "record.json").read_text()) for folder in folders]
    fine, record, coarse = records
    for tuned in (fine, coarse):
        tuned["settings"]["start"] = Path(tuned["settings"]["start"]).name
    record["training_seconds"] += fine["training_seconds"] + coarse["training_seconds"]
    record["scales"] = {tuned["model"]: tuned["settings"] | _results(tuned) for tuned in (fine, coarse)}
    networks = {name: weights.trimmed(values) for name, values in weights_of(models[1]).items()}
    factors = [np.exp(-model.log_scale.numpy()) / step for model, step in zip(models, STEPS)]
    arrays = fit_arrays(*from_arrays(networks), photographs, STEPS, factors=np.float32(factors)[:, None])
    weights.save(path, {**networks, **arrays}, record, Path(folders[1]) / "log.csv")


def _results(record):
    return {name: value for name, value in record.items() if name.startswith("validation_")}
