"""What `latent_codec` learns of two networks' latents on training pictures: centres, tables, contexts, steps."""

import numpy as np

from cae_compress import pictures
from cae_compress.coding import context_fit, contexts, entropy, grids
from cae_compress.coding.grids import GridCoder, quantize
from cae_compress.latent_codec.network_pair import NetworkPair

LOWEST_BPP, HIGHEST_BPP = 0.1, 3.0  # of the settings that are chosen
LATENTS_TO_FIT = 100_000  # at most so many of a picture
PICTURES_TO_RATE = 8


def fit_arrays(g_a, g_s, training_pictures, settings=None, tables_at=None, factors=None):
    """All that a `latent_codec.LatentCodec` needs beside its networks.

    Args:
        g_a, g_s, training_pictures, settings: of `LatentCodec.fit`.
        tables_at: function of a step and the centres, float32 (planes, maps), that gives static tables, uint16 (planes,
            maps, SLOTS); by default they are counted.
        factors: float32 (n, planes, maps), steps of the maps over the codec's, one entry for every octave of the
            settings, the finest first; by default all maps have the same.

    Returns:
        dict of arrays.

    Raises:
        ValueError, PictureError: as `LatentCodec.fit`.
    """
    pair = NetworkPair(g_a, g_s)
    images = [pictures.as_rgb(image) for image in training_pictures]
    if not images:
        raise ValueError("there are no training pictures; give some, not those to be compared on")
    latents = [_cut(pair.analyse(image)) for image in images]
    pair.check_levels(latents[0])
    flat = np.concatenate([y.reshape(-1, *y.shape[2:]) for y in latents])
    centre = np.median(flat, axis=0).astype(np.float32)
    spread = np.sqrt(np.mean(np.square(flat - centre, dtype=np.float64)))
    if not spread > 0:
        raise ValueError("g_a gives the same latents for all of every picture: train the networks first")
    exponent = int(np.rint(np.log2(spread)))
    if settings is None:
        some = latents[:PICTURES_TO_RATE]
        settings = choose_steps(some, centre, 2.0**exponent, pair.stride**2 * sum(y[..., 0, 0].size for y in some))
    settings = sorted((float(step) for step in settings), reverse=True)
    if not settings or not settings[-1] > 0:
        raise ValueError(f"settings must be steps greater than 0, got {settings}")

    steps = 2.0 ** np.arange(np.floor(np.log2(settings[-1])), np.ceil(np.log2(settings[0])) + 1)  # whole octaves
    in_units = [int(step * 2.0 ** (grids.STEP_BITS - exponent)) for step in steps]
    if in_units[0] < grids.MIN_STEP or in_units[-1] > grids.MAX_STEP:
        raise ValueError(f"settings must be steps near the spread of the latents, which is {spread:.3g}")
    of_maps = steps if factors is None else steps[:, None, None] * factors
    by_step = [[quantize(y, centre, step) for y in latents] for step in of_maps]
    if tables_at is None:
        tables = [grids.count_tables(q) for q in by_step]
    else:
        tables = [tables_at(step, centre) for step in steps]
    by_picture = [{grids.LEVELS // u: q[k] for u, q in zip(in_units, by_step)} for k in range(len(latents))]
    model = context_fit.fit(by_picture, contexts.NUM_CONTEXTS, lambda q: q, _learn)
    return {
        "stride_and_exponent": np.array([pair.stride, exponent]), "centre": centre, "settings": np.array(settings),
        "tables": np.stack(tables), "table_steps": np.array(in_units),
        **({} if factors is None else {"factors": np.float32(factors)}),
        **model.to_arrays(),
    }  # fmt: skip


def choose_steps(latents, centre, unit, pixels):
    """Steps half an octave apart, largest first, for about `LOWEST_BPP` to `HIGHEST_BPP` by zero-order entropy.

    Networks that cannot reach such rates get steps of 2 to 1/32 of `unit`, the spread of the latents.
    """
    chosen = []
    for step in unit * 2.0 ** (np.arange(12, -20, -1) / 2):
        q = np.concatenate([quantize(y, centre, step).reshape(-1, centre.size) for y in latents])
        bpp, _ = entropy.estimate_bpp(q.T[None], pixels)
        if bpp > HIGHEST_BPP:
            break
        if bpp >= LOWEST_BPP:
            chosen.append(step)
    return chosen if len(chosen) >= 4 else unit * 2.0 ** np.arange(1, -6, -1)


def _cut(y):
    """The upper left of latents, where there are more than needed."""
    side = max(1, int(np.sqrt(LATENTS_TO_FIT / (y.shape[2] * y.shape[3]))))
    return y[:side, :side]


def _learn(model, learned, levels, q):
    """Code latents with contexts as they have become; they change."""
    coder = GridCoder(grids.LEVELS // levels, model=model)
    coder.contexts = learned
    coder.code(q.copy())
