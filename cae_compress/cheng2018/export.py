"""Turns a finished training run into weights that a codec loads: network, PCA basis and range, context model."""

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np

from cae_compress import datasets, pictures, weights
from cae_compress.cheng2018 import blocks, color, pca, quantizer
from cae_compress.cheng2018.codec import BLOCK_SIZE, CAECodec, tiles
from cae_compress.cheng2018.latents import NUM_CONTEXTS, LatentCoder
from cae_compress.cheng2018.network import as_planes, to_arrays
from cae_compress.coding import context_fit
from cae_compress.coding.contexts import ContextModel

CONTEXT_BITS = (3, 4, 5, 6, 7, 8, 10)  # step sizes that the context model is fitted to


def export(model, folder, training_pictures, photographs, path, step=None):
    """Turn a finished run into weights that a codec loads: network, PCA basis and range, context model.

    Args:
        model: a trained `network.CAE`.
        folder: the run's folder, as `training.run` left it.
        training_pictures: uint8 array, shape (n, h, w, 3); basis, mean and range are fitted to their codes.
        photographs: list of uint8 arrays (h, w, 3), larger than a block; the context model is fitted to their latents.
        path: file to write, ending in .npz; the record and the log go beside it.
        step: float, the quantization step that the network was trained for, or None if for none.
    """
    folder = Path(folder)
    record = json.loads((folder / "record.json").read_text())
    codes = np.concatenate(
        [model.encode_planes(as_planes(training_pictures[k : k + 16])) for k in range(0, len(training_pictures), 16)]
    )
    basis, mean = pca.fit(codes)
    scale = np.abs(pca.rotate(codes, basis, mean)).max()
    arrays = {**to_arrays(model), "pca/basis": basis, "pca/mean": mean, "pca/scale": scale}
    if step is not None:
        arrays["bits"] = 1 + np.log2(scale / step)
    context_model = ContextModel.untrained(NUM_CONTEXTS)
    with tempfile.TemporaryDirectory() as unfinished:
        first = Path(unfinished) / Path(path).name
        weights.save(first, {**arrays, **context_model.to_arrays()}, record, folder / "log.csv")
        codec = CAECodec(model=str(first))
    pictures_latents = [latents_by_levels(codec, image) for image in photographs]
    context_model = context_fit.fit(pictures_latents, NUM_CONTEXTS, grid_of, learn)
    weights.save(path, {**arrays, **context_model.to_arrays()}, record, folder / "log.csv")


def latents_by_levels(codec, image):
    """The `Latents` of a picture's tiles at all step sizes that contexts are fitted to: dict from levels to list."""
    parts = [blocks.split(color.rgb_to_ycbcr(image[tile]), BLOCK_SIZE) for tile in tiles(*image.shape[:2])]
    codes = [codec.analyse(x) for x in parts]
    return {
        levels: [codec.quantize(y, x, levels) for y, x in zip(codes, parts)]
        for levels in (quantizer.levels_of(bits) for bits in CONTEXT_BITS)
    }


def grid_of(tiles):
    """Tiles of `Latents` -> array (rows, columns, planes, maps) of their q, as the coder walks them."""
    return np.concatenate([rows_of(tile.q) for tile in tiles])


def rows_of(q):
    """q of a row of blocks, (blocks, planes, h, w, maps) -> (h, blocks * w, planes, maps)."""
    blocks_across, planes, height, width, maps = q.shape
    return q.transpose(2, 0, 3, 1, 4).reshape(height, blocks_across * width, planes, maps)


def learn(model, contexts, levels, tiles):
    """Code the tiles of a picture no wider than one, with contexts as they have become; they change."""
    coder = LatentCoder(model, levels, len(tiles[0].classes) * BLOCK_SIZE)
    coder.contexts = contexts
    for tile in tiles:
        coder.code(tile, left=0)


def context_photographs(count=80, scale=0.62):
    """Photographs to fit contexts to: ImageNet samples, made smaller so that the traces of JPEG go."""
    paths = datasets.imagenet_samples()
    chosen = (pictures.read(path) for path in paths[:: len(paths) // count])
    return [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for image in chosen]
