"""Fits a `contexts.ContextModel` to training pictures: weights of the predictions, initial probabilities.

Both predictions are linear least squares over all latents of a plane and map, at several step sizes at once; each
sample is divided by its expected magnitude, so that busy and quiet places count alike. Weights of the magnitude are
kept >= 0. Initial probabilities are what adaptive contexts have learned after each training picture, on average.
"""

import numpy as np
from scipy.optimize import nnls

from cae_compress.cheng2018.contexts import (
    AVERAGE_BITS,
    FRACTION_BITS,
    MAGNITUDE_INPUTS,
    MAPS_BEFORE,
    MEAN_INPUTS,
    ContextModel,
)
from cae_compress.cheng2018.latents import BLOCK_SIZE, MAPS, NUM_CONTEXTS, PLANES, LatentCoder
from cae_compress.progress import progress_bar

ROUNDS = 3  # of reweighting by the magnitude predicted so far


def fit(pictures_latents):
    """Fit a context model.

    Args:
        pictures_latents: list, one entry a training picture no wider than a tile, of dicts from levels to the list
            of `Latents` of its tiles, top to bottom.

    Returns:
        A `ContextModel`.
    """
    samples = [(levels, grid_of(tiles)) for picture in pictures_latents for levels, tiles in picture.items()]
    mean_weights = fit_means(samples)
    samples = [(levels, remainders(grid, mean_weights)) for levels, grid in samples]
    averages = fit_averages(samples)
    magnitude_weights = fit_magnitudes(samples, averages)
    probabilities = ContextModel.untrained(NUM_CONTEXTS).probabilities
    return fit_probabilities(ContextModel(mean_weights, magnitude_weights, averages, probabilities), pictures_latents)


def grid_of(tiles):
    """Tiles of `Latents` -> float32 array (rows, columns, planes, maps) of their q, as the coder walks them."""
    rows = [tile.q.transpose(2, 0, 3, 1, 4).reshape(tile.q.shape[2], -1, PLANES, MAPS) for tile in tiles]
    return np.concatenate(rows).astype(np.float32)


def neighbours(grid):
    """Values at the left, above, above left and above right, zero outside: (rows, columns, ..., 4)."""
    padded = np.pad(grid, ((1, 0), (1, 1), *((0, 0),) * (grid.ndim - 2)))
    return np.stack([padded[1:, :-2], padded[:-1, 1:-1], padded[:-1, :-2], padded[:-1, 2:]], axis=-1)


def fit_means(samples):
    """Weights of the mean: int32 (planes, maps, MEAN_INPUTS)."""
    gram, moment = np.zeros((PLANES, MAPS, MEAN_INPUTS, MEAN_INPUTS)), np.zeros((PLANES, MAPS, MEAN_INPUTS))
    for _, grid in samples:
        inputs = neighbours(grid)
        weight = (np.abs(grid).mean(axis=(0, 1)) + 0.05) ** -2
        gram += np.einsum("ijpmk,ijpml->pmkl", inputs, inputs, optimize=True) * weight[..., None, None]
        moment += np.einsum("ijpmk,ijpm->pmk", inputs, grid, optimize=True) * weight[..., None]
    ridge = 1e-3 * np.trace(gram, axis1=2, axis2=3)[..., None, None] / MEAN_INPUTS + 1e-9
    return to_fixed_point(np.linalg.solve(gram + ridge * np.eye(MEAN_INPUTS), moment[..., None])[..., 0])


def remainders(grid, mean_weights):
    """|q - mean| as the coder has them: float32 like `grid`."""
    mean = (neighbours(grid) * mean_weights).sum(axis=-1)
    return np.abs(grid - np.floor((mean + 128) / 256)).astype(np.float32)


def fit_averages(samples):
    """Average magnitudes relative to the quantizer's range, from the finest steps: int64 (planes, maps)."""
    finest = max(levels for levels, _ in samples)
    parts = [remainder.reshape(-1, PLANES, MAPS) for levels, remainder in samples if levels == finest]
    average = np.concatenate(parts).mean(axis=0)
    return np.rint(average * 2.0 ** (AVERAGE_BITS + FRACTION_BITS) / finest).astype(np.int64)


def magnitude_inputs(remainder, averages_in_steps):
    """Inputs of the magnitude's prediction in the order of `contexts.code_row`: (rows, columns, planes, maps, n)."""
    before = [np.pad(remainder, ((0, 0),) * 3 + ((k, 0),))[..., :MAPS] for k in range(1, MAPS_BEFORE + 1)]
    planes = [np.pad(remainder, ((0, 0), (0, 0), (k, 0), (0, 0)))[:, :, :PLANES] for k in (1, 2)]
    around = neighbours(remainder.sum(axis=-1))
    activity = np.broadcast_to((around[..., 0] + around[..., 1])[..., None], remainder.shape)
    average = np.broadcast_to(averages_in_steps.astype(np.float32), remainder.shape)
    return np.concatenate([neighbours(remainder), np.stack([*before, *planes, activity, average], axis=-1)], axis=-1)


def fit_magnitudes(samples, averages):
    """Weights of the magnitude: int32 (planes, maps, MAGNITUDE_INPUTS)."""
    weights = np.zeros((PLANES, MAPS, MAGNITUDE_INPUTS))
    weights[..., -1] = 1  # to begin with, expect the average
    for _ in range(ROUNDS):
        gram = np.zeros((PLANES, MAPS, MAGNITUDE_INPUTS, MAGNITUDE_INPUTS))
        moment = np.zeros((PLANES, MAPS, MAGNITUDE_INPUTS))
        for levels, remainder in progress_bar(samples, desc="context weights", unit="picture", leave=False):
            inputs = magnitude_inputs(remainder, ((averages * levels) >> AVERAGE_BITS) / np.float32(2**FRACTION_BITS))
            expected = np.einsum("ijpmk,pmk->ijpm", inputs, weights)
            weighted = inputs / (expected + 0.03)[..., None] ** 2
            gram += np.einsum("ijpmk,ijpml->pmkl", weighted, inputs, optimize=True)
            moment += np.einsum("ijpmk,ijpm->pmk", weighted, remainder, optimize=True)
        ridge = 1e-6 * np.trace(gram, axis1=2, axis2=3)[..., None, None] + 1e-9
        root = np.linalg.cholesky(gram + ridge * np.eye(MAGNITUDE_INPUTS))
        target = np.linalg.solve(root, moment[..., None])[..., 0]
        weights = np.array([[nnls(root[p, m].T, target[p, m])[0] for m in range(MAPS)] for p in range(PLANES)])
    return to_fixed_point(weights)


def fit_probabilities(model, pictures_latents):
    """The model with its initial probabilities: the mean over pictures of what the contexts had learned after each."""
    learned, total, count = model.new_contexts(), np.zeros(NUM_CONTEXTS), 0
    for picture in progress_bar(pictures_latents * 2, desc="initial probabilities", unit="picture", leave=False):
        for levels, tiles in picture.items():
            coder = LatentCoder(model, levels, len(tiles[0].classes) * BLOCK_SIZE)
            coder.contexts = learned  # go on from the picture before
            for tile in tiles:
                coder.code(tile, left=0)
            if count >= len(pictures_latents):  # the first time round they only settle
                total += learned.mean(axis=1)
        count += 1
    probabilities = np.rint(total / (len(pictures_latents) * len(pictures_latents[0]))).astype(np.uint16)
    return ContextModel(**{**vars(model), "probabilities": probabilities})


def to_fixed_point(weights):
    """Real weights -> int32 with 8 bits of fraction."""
    return np.rint(weights * 2.0**FRACTION_BITS).astype(np.int32)
