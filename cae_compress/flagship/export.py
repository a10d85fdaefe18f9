"""Turns a trained flagship into weights that its codec loads: transforms, integer context network, probabilities."""

import json
import tempfile
from pathlib import Path

import numpy as np

from cae_compress import weights
from cae_compress.coding import arithmetic
from cae_compress.flagship import integer_weights, latents
from cae_compress.flagship.codec import MAX_PLACE, TUNES, RDCodec
from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.gains import PLACE_BITS
from cae_compress.flagship.network import to_arrays
from cae_compress.flagship.tiling import PATCH, tiles
from cae_compress.progress import progress_bar

PLACES = range(0, MAX_PLACE + 1, 1 << PLACE_BITS)  # qualities that the initial probabilities are fitted to
KERNEL_BITS, LINEAR_BITS = 6, 8  # of the root mean square of a kernel, those of the linear path finer
ROUNDS = 2  # the first settles the probabilities, the second is averaged


def export(model, folder, photographs, path):
    """Write the weights file of a trained network.

    Args:
        model: a `network.RDCAE`.
        folder: the run's folder, as `training.run` left it.
        photographs: list of uint8 arrays (h, w, 3), to whose latents the initial probabilities are fitted.
        path: file to write, ending in .npz; the record and the log go beside it.
    """
    record, log = json.loads((Path(folder) / "record.json").read_text()), Path(folder) / "log.csv"
    groups = [{name: variable.numpy() for name, variable in group.items()} for group in model.context.groups]
    context = {f"context/{name}": values for name, values in integer_weights.to_integers(groups).items()}
    arrays = {**{name: trimmed(values) for name, values in to_arrays(model).items()}, **context}
    arrays["tune"] = np.uint8(TUNES.index(record["settings"]["tune"]))
    probabilities = np.full(latents.NUM_CONTEXTS, arithmetic.ONE // 2, np.uint16)
    with tempfile.TemporaryDirectory() as unfinished:
        first = Path(unfinished) / Path(path).name
        weights.save(first, {**arrays, "probabilities": probabilities}, record, log)
        probabilities = fit_probabilities(RDCodec(str(first)), photographs)
    weights.save(path, {**arrays, "probabilities": probabilities}, record, log)


def trimmed(values):
    """A kernel as multiples of a power of two, which compress better; whatever is no kernel stays as it is."""
    if values.ndim < 4 or not values.any():
        return values
    bits = LINEAR_BITS if values.size == CHANNELS * 3 * PATCH**2 else KERNEL_BITS
    step = 2.0 ** np.rint(np.log2(np.sqrt(np.mean(np.square(values)))) - bits)
    return (np.rint(values / step) * step).astype(np.float32)


def fit_probabilities(codec, photographs):
    """Initial probabilities of all contexts: the mean over pictures of what they had learned after each."""
    learned = np.repeat(codec.probabilities[:, None], 2, axis=1)
    for _ in range(ROUNDS):
        total = np.zeros(len(learned))
        for image in progress_bar(photographs, desc="initial probabilities", unit="picture", leave=False):
            for place in PLACES:
                coder = latents.RDLatentCoder(codec.context, codec.probabilities, place)
                coder.contexts = learned  # go on from the picture before
                for tile in tiles(*image.shape[:2]):
                    coder.encode(codec.analyse(image, tile, place), codec.quantizer(place))
                total += learned.mean(axis=1)
    return np.rint(total / (len(photographs) * len(PLACES))).astype(np.uint16)
