"""Turns a trained network into weights that the codec loads: network, and what the coder expects of its bits."""

import json
from pathlib import Path

from cae_compress import weights
from cae_compress.toderici2017 import bits_fit
from cae_compress.toderici2017.bits import PASSES
from cae_compress.toderici2017.network import from_arrays, to_arrays
from cae_compress.toderici2017.tiles import Tiles


def export(model, folder, photographs, path):
    """Write the weights file of a trained network.

    Args:
        model: a `network.Toderici2017`.
        folder: the run's folder, as `training.run` left it.
        photographs: list of uint8 arrays (h, w, 3), to whose bits the coder is fitted.
        path: file to write, ending in .npz; the record and the log go beside it.
    """
    record, log = json.loads((Path(folder) / "record.json").read_text()), Path(folder) / "log.csv"
    arrays = {name: weights.trimmed(values) for name, values in to_arrays(model).items()}
    tiles = Tiles(from_arrays(arrays))  # as they will be loaded
    expected, probabilities = bits_fit.fit([tiles.encode(image, PASSES) for image in photographs])
    weights.save(path, {**arrays, "bits/weights": expected, "bits/probabilities": probabilities}, record, log)
