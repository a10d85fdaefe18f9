"""Fits a `coding.contexts.ContextModel` to training pictures: weights of the predictions, initial probabilities.

Both predictions are linear least squares over all latents of a plane and map, at several step sizes at once; each
sample is divided by its expected magnitude, so that busy and quiet places count alike. Weights of the magnitude are
kept >= 0. Initial probabilities are what adaptive contexts have learned after each training picture, on average.
"""

import numpy as np
from scipy.optimize import nnls

from cae_compress.coding.contexts import (
    AVERAGE_BITS,
    FRACTION_BITS,
    MAGNITUDE_INPUTS,
    MAPS_BEFORE,
    MEAN_INPUTS,
    ContextModel,
)
from cae_compress.progress import progress_bar

MAX_MEAN_WEIGHT = 1.5  # so that what remains of the largest latents can be coded
ROUNDS = 3  # of reweighting by the magnitude predicted so far


def fit(pictures_latents, num_contexts, grid_of, learn):
    """Fit a context model.

    Args:
        pictures_latents: list, one entry a training picture, of dicts from levels to its latents, in whatever form.
        num_contexts: int, of the codec, of which the first are those of `coding.contexts`.
        grid_of: function from such latents to an array (rows, columns, planes, maps) of all q as the coder walks them.
        learn: function of (model, contexts, levels, latents) that codes the latents with contexts as they have become,
            uint16 (num_contexts, 2), and so changes them.

    Returns:
        A `ContextModel`.
    """
    samples = [
        (levels, grid_of(latents).astype(np.float32))
        for picture in pictures_latents
        for levels, latents in picture.items()
    ]
    mean_weights = fit_means(samples)
    samples = [(levels, remainders(grid, mean_weights)) for levels, grid in samples]
    averages = fit_averages(samples)
    magnitude_weights = fit_magnitudes(samples, averages)
    probabilities = ContextModel.untrained(num_contexts).probabilities
    model = ContextModel(mean_weights, magnitude_weights, averages, probabilities)
    return fit_probabilities(model, pictures_latents, learn)


def neighbours(grid):
    """Values at the left, above, above left and above right, zero outside: (rows, columns, ..., 4)."""
    padded = np.pad(grid, ((1, 0), (1, 1), *((0, 0),) * (grid.ndim - 2)))
    return np.stack([padded[1:, :-2], padded[:-1, 1:-1], padded[:-1, :-2], padded[:-1, 2:]], axis=-1)


def fit_means(samples):
    """Weights of the mean: int32 (planes, maps, MEAN_INPUTS)."""
    shape = samples[0][1].shape[2:]
    gram, moment = np.zeros((*shape, MEAN_INPUTS, MEAN_INPUTS)), np.zeros((*shape, MEAN_INPUTS))
    for _, grid in samples:
        inputs = neighbours(grid)
        weight = (np.abs(grid).mean(axis=(0, 1)) + 0.05) ** -2
        gram += np.einsum("ijpmk,ijpml->pmkl", inputs, inputs, optimize=True) * weight[..., None, None]
        moment += np.einsum("ijpmk,ijpm->pmk", inputs, grid, optimize=True) * weight[..., None]
    ridge = 1e-3 * np.trace(gram, axis1=2, axis2=3)[..., None, None] / MEAN_INPUTS + 1e-9
    weights = np.linalg.solve(gram + ridge * np.eye(MEAN_INPUTS), moment[..., None])[..., 0]
    return to_fixed_point(np.clip(weights, -MAX_MEAN_WEIGHT, MAX_MEAN_WEIGHT))


def remainders(grid, mean_weights):
    """|q - mean| as the coder has them: float32 like `grid`."""
    mean = (neighbours(grid) * mean_weights).sum(axis=-1)
    return np.abs(grid - np.floor((mean + 128) / 256)).astype(np.float32)


def fit_averages(samples):
    """Average magnitudes relative to the quantizer's range, from the finest steps: int64 (planes, maps)."""
    finest = max(levels for levels, _ in samples)
    parts = [remainder.reshape(-1, *remainder.shape[2:]) for levels, remainder in samples if levels == finest]
    average = np.concatenate(parts).mean(axis=0)
    return np.rint(average * 2.0 ** (AVERAGE_BITS + FRACTION_BITS) / finest).astype(np.int64)


def magnitude_inputs(remainder, averages_in_steps):
    """Inputs of the magnitude's prediction in the order of `contexts.code_row`: (rows, columns, planes, maps, n)."""
    planes, maps = remainder.shape[2:]
    before = [np.pad(remainder, ((0, 0),) * 3 + ((k, 0),))[..., :maps] for k in range(1, MAPS_BEFORE + 1)]
    planes = [np.pad(remainder, ((0, 0), (0, 0), (k, 0), (0, 0)))[:, :, :planes] for k in (1, 2)]
    around = neighbours(remainder.sum(axis=-1))
    activity = np.broadcast_to((around[..., 0] + around[..., 1])[..., None], remainder.shape)
    average = np.broadcast_to(averages_in_steps.astype(np.float32), remainder.shape)
    return np.concatenate([neighbours(remainder), np.stack([*before, *planes, activity, average], axis=-1)], axis=-1)


def fit_magnitudes(samples, averages):
    """Weights of the magnitude: int32 (planes, maps, MAGNITUDE_INPUTS)."""
    planes, maps = averages.shape
    weights = np.zeros((planes, maps, MAGNITUDE_INPUTS))
    weights[..., -1] = 1  # to begin with, expect the average
    for _ in range(ROUNDS):
        gram = np.zeros((planes, maps, MAGNITUDE_INPUTS, MAGNITUDE_INPUTS))
        moment = np.zeros((planes, maps, MAGNITUDE_INPUTS))
        for levels, remainder in progress_bar(samples, desc="context weights", unit="picture", leave=False):
            inputs = magnitude_inputs(remainder, ((averages * levels) >> AVERAGE_BITS) / np.float32(2**FRACTION_BITS))
            expected = np.einsum("ijpmk,pmk->ijpm", inputs, weights)
            weighted = inputs / (expected + 0.03)[..., None] ** 2
            gram += np.einsum("ijpmk,ijpml->pmkl", weighted, inputs, optimize=True)
            moment += np.einsum("ijpmk,ijpm->pmk", weighted, remainder, optimize=True)
        ridge = 1e-6 * np.trace(gram, axis1=2, axis2=3)[..., None, None] + 1e-9
        root = np.linalg.cholesky(gram + ridge * np.eye(MAGNITUDE_INPUTS))
        target = np.linalg.solve(root, moment[..., None])[..., 0]
        weights = np.array([[nnls(root[p, m].T, target[p, m])[0] for m in range(maps)] for p in range(planes)])
    return to_fixed_point(weights)


def fit_probabilities(model, pictures_latents, learn):
    """The model with its initial probabilities: the mean over pictures of what the contexts had learned after each."""
    learned, total, count = model.new_contexts(), np.zeros(len(model.probabilities)), 0
    for picture in progress_bar(pictures_latents * 2, desc="initial probabilities", unit="picture", leave=False):
        for levels, latents in picture.items():
            learn(model, learned, levels, latents)  # contexts go on from the picture before
            if count >= len(pictures_latents):  # the first time round they only settle
                total += learned.mean(axis=1)
        count += 1
    probabilities = np.rint(total / (len(pictures_latents) * len(pictures_latents[0]))).astype(np.uint16)
    return ContextModel(**{**vars(model), "probabilities": probabilities})


def to_fixed_point(weights):
    """Real weights -> int32 with 8 bits of fraction."""
    return np.rint(weights * 2.0**FRACTION_BITS).astype(np.int32)
