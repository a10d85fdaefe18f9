"""The weights of the integer context network: which there are, how they are made, and that no sum of theirs overflows.

A trained network's floats become whole numbers once, before they ship; encoder and decoder see those alone. Fixed
point: features as in `integer_passes`, weights with `WEIGHT_BITS` bits of fraction, activations with `ACTIVATION_BITS`,
means and log scales with `OUTPUT_BITS`.
"""

import numpy as np

from cae_compress.flagship.coding_order import GROUPS, passes
from cae_compress.flagship.gains import NUM_LMBDAS
from cae_compress.flagship.integer_passes import (
    ACTIVATION_BITS,
    AROUND,
    MAX_ACTIVATION,
    MAX_SIGNED,
    PER_STEP,
    SIGNED_GROUPS,
    WEIGHT_BITS,
)
from cae_compress.weights import Array, check_arrays

HIDDEN = 64
SIGNED = GROUPS[SIGNED_GROUPS]  # channels whose sign matters to others, not just their magnitude
LIMIT = 2**31  # of the magnitude of int32
MAGNITUDE_UNIT = 16  # feature of a latent of q steps: round(16 log(1 + |q|)), for |q| up to MAX_SIGNED half steps
SIGNED_UNIT = 0.05  # of the feature of the lowest channels besides: q itself, up to the same

MAGNITUDES = np.rint(MAGNITUDE_UNIT * np.log1p(np.arange(MAX_SIGNED + 1) / PER_STEP)).astype(np.int32)

# Those of which whole rows are added up
MATRICES = ("lower_magnitude", "lower_signed", "own_magnitude", "own_signed", "mean", "same", "middle", "out")
OF_PASSES = ("own_magnitude", "own_signed", "mean", "same")  # a set of weights for every pass but the first
ARRAYS = (
    "lower_magnitude", "lower_signed",  # (channels below, 9 * HIDDEN): neighbours and itself in the lower groups
    "own_magnitude", "own_signed",  # (passes - 1, 9, channels, HIDDEN): neighbours in its own
    "mean",  # (passes - 1, 9, lowest channels, channels): their signed values, straight to the mean
    "same",  # (passes - 1, 9, channels): signed values of the same channel, straight to the mean, above the lowest
    "quality",  # (passes, NUM_LMBDAS, HIDDEN): biases of the first layer, a row a lambda
    "middle", "middle_bias",  # (HIDDEN, HIDDEN), (HIDDEN,)
    "out", "out_bias",  # (HIDDEN, 2 * channels), (NUM_LMBDAS, 2 * channels): means, then log scales
)  # fmt: skip


def shapes(k):
    """Shapes of a group's `ARRAYS` that it has: dict."""
    a, b = GROUPS[k : k + 2]
    num_passes, channels = len(list(passes(k))), b - a
    own, lowest = (num_passes - 1, len(AROUND)), min(b, SIGNED)
    sizes = {
        "own_magnitude": (*own, channels, HIDDEN), "mean": (*own, lowest, channels),
        "quality": (num_passes, NUM_LMBDAS, HIDDEN), "middle": (HIDDEN, HIDDEN), "middle_bias": (HIDDEN,),
        "out": (HIDDEN, 2 * channels), "out_bias": (NUM_LMBDAS, 2 * channels),
    }  # fmt: skip
    if a < SIGNED:
        sizes["own_signed"] = (*own, channels, HIDDEN)
    else:
        sizes["same"] = (*own, channels)
    if a:
        sizes |= {"lower_magnitude": (a, len(AROUND) * HIDDEN), "lower_signed": (min(a, SIGNED), len(AROUND) * HIDDEN)}
    return sizes


def check_weights(arrays):
    """Raise ValueError unless these are arrays that `IntegerContext` can use."""
    needed = {f"{k}/{name}": Array(s, np.int32) for k in range(len(GROUPS) - 1) for name, s in shapes(k).items()}
    check_arrays(arrays, needed, "the integer context network")
    if unknown := sorted(arrays.keys() - needed):
        raise ValueError(f"these are not weights of the integer context network: {unknown[0]} has no place there")
    for k in range(len(GROUPS) - 1):
        if max(bounds({name: arrays[f"{k}/{name}"] for name in shapes(k)}).values()) >= LIMIT:
            raise ValueError(f"the weights of group {k} are too large for int32")


def to_integers(groups):
    """Weights of a trained `context_network.ContextNetwork`, which counts in steps, as whole numbers.

    Args:
        groups: list of dicts from name to float array, one a group of channels.

    Returns:
        dict of int32 arrays for `IntegerContext`, named by index of the group and one of `ARRAYS`.

    Raises:
        ValueError: a sum could leave the range of int32.
    """
    arrays = {}
    for k, weights in enumerate(groups):
        parts = _first_layer(weights, k) | {name: weights[name] for name in ("middle", "out")}
        parts |= {name: weights[name] * 2**ACTIVATION_BITS for name in ("middle_bias", "out_bias")}
        for name in ("out", "out_bias"):
            parts[name] = parts[name] * _in_half_steps(parts[name].shape[1])
        parts |= {name: _taps(weights[name], k) for name in ("mean", "same") if name in weights}
        whole = {name: np.rint(values * 2.0**WEIGHT_BITS) for name, values in parts.items()}
        if max(bounds(whole).values()) >= LIMIT:
            raise ValueError(f"the weights of group {k} are too large for int32")
        arrays |= {f"{k}/{name}": values.astype(np.int32) for name, values in whole.items()}
    return arrays


def bounds(parts):
    """The largest magnitude that any sum of each layer of a group can have: dict.

    Args:
        parts: dict of the group's `ARRAYS`.
    """
    size = {name: np.abs(values).astype(np.float64) for name, values in parts.items()}
    first = size["quality"].max(axis=1)  # (passes, HIDDEN)
    for kind, largest in (("magnitude", MAGNITUDES[-1]), ("signed", MAX_SIGNED)):
        if f"own_{kind}" in parts:
            first[1:] += size[f"own_{kind}"].sum(axis=(1, 2)) * largest
        if f"lower_{kind}" in parts:
            first += size[f"lower_{kind}"].reshape(-1, HIDDEN).sum(axis=0) * largest
    same = size["same"].sum(axis=1) if "same" in parts else 0
    return {
        "first": first.max(),
        "middle": (size["middle"].sum(axis=0) * MAX_ACTIVATION + size["middle_bias"]).max(),
        "last": (size["out"].sum(axis=0) * 2 * MAX_ACTIVATION + size["out_bias"].max(axis=0)).max(),
        "mean": ((size["mean"].sum(axis=(1, 2)) + same) * MAX_SIGNED).max(),
    }


def from_integers(arrays):
    """The inverse of `to_integers`, to train on: list of dicts from name to float array, one a group of channels."""
    groups = []
    for k, a in enumerate(GROUPS[:-1]):
        parts = {name: arrays[f"{k}/{name}"] / np.float32(2**WEIGHT_BITS) for name in ARRAYS if f"{k}/{name}" in arrays}
        own = [parts["own_magnitude"] * MAGNITUDE_UNIT]
        if a < SIGNED:
            own.append(parts["own_signed"] * PER_STEP / SIGNED_UNIT)
        weights = {name: parts[name] for name in ("quality", "middle", "out")}
        weights |= {name: parts[name] / 2**ACTIVATION_BITS for name in ("middle_bias", "out_bias")}
        for name in ("out", "out_bias"):
            weights[name] = weights[name] / _in_half_steps(weights[name].shape[1])
        weights |= {name: _kernels(parts[name]) for name in ("mean", "same") if name in parts}
        weights["own"] = _kernels(np.concatenate(own, axis=2))
        if a:
            signed = parts["lower_signed"] * PER_STEP / SIGNED_UNIT
            taps = np.concatenate([parts["lower_magnitude"] * MAGNITUDE_UNIT, signed])
            weights["lower"] = taps.reshape(len(taps), 3, 3, HIDDEN).transpose(1, 2, 0, 3)
        groups.append(weights)
    return groups


def _in_half_steps(num_outputs):
    """What turns outputs, means and then log scales, from steps into half steps: the means are doubled."""
    return np.repeat(np.float32([PER_STEP, 1]), num_outputs // 2)


def _taps(kernels, k):
    """Kernels (passes - 1, 3, 3, ...) of a group as (passes - 1, 9, ...), zero where a pass sees nothing."""
    seen = np.array([[place in neighbours for place in AROUND] for *_, neighbours in passes(k)][1:])
    taps = kernels.reshape(len(kernels), len(AROUND), *kernels.shape[3:])
    return taps * seen.reshape(*seen.shape, *[1] * (taps.ndim - 2))


def _kernels(taps):
    """The inverse of `_taps`."""
    return taps.reshape(len(taps), 3, 3, *taps.shape[2:])


def _first_layer(weights, k):
    """Weights of the first layer for whole-number features, not yet scaled: dict."""
    a, b = GROUPS[k : k + 2]
    taps = _taps(weights["own"], k)
    parts = {"own_magnitude": taps[:, :, : b - a] / MAGNITUDE_UNIT, "quality": weights["quality"]}
    if a < SIGNED:
        parts["own_signed"] = taps[:, :, b - a :] * SIGNED_UNIT / PER_STEP
    if a:
        taps = weights["lower"].transpose(2, 0, 1, 3)  # (features, 3, 3, HIDDEN)
        taps = taps.reshape(len(taps), -1)
        parts["lower_magnitude"], parts["lower_signed"] = taps[:a] / MAGNITUDE_UNIT, taps[a:] * SIGNED_UNIT / PER_STEP
    return parts
