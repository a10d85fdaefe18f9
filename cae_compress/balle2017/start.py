"""Where training starts: as a block transform that works, or as the network of another lambda.

The paper starts from random weights and takes about a million steps. Within some ten thousand, random weights do not
catch up with JPEG; the start below, which is ours, is ahead of it after a thousand. The networks stay what they are:
nothing is fixed, all numbers are trained on.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import scipy.fft

from cae_compress.balle2017.network import GDN

STEP, STEP_LMBDA = 40 / 255, 0.013  # the quantization step that fits this lambda, of an orthonormal transform
GAMMA = 0.002  # of the normalizations, small enough for them to be nearly linear
MIN_SPREAD = 0.15  # of a channel's density, in quantization steps
FIRST, SECOND = 4, 2  # strides
TAP = {9: 2, 5: 1}  # where "same" padding puts the pixel of the same place, in kernels of stride 4 and 2


def start_linear(model, pictures, lmbda):
    """Make the networks a linear transform of 16x16 pixels, and nearly its inverse.

    The first convolution is a DCT of 4x4 pixels on the three principal colours, of which the strongest channels / 4
    are kept; the second sorts their 2x2 phases into channels; the third takes the principal components of 2x2 of
    those. The synthesis is the transpose.

    Args:
        model: a `network.Balle2017`.
        pictures: uint8 (n, h, w, 3), h and w multiples of 16.
        lmbda: bits a pixel for a squared grey level, which decides the quantization step.
    """
    convs_a = [layer for layer in model.g_a.layers if isinstance(layer, keras.layers.Conv2D)]
    convs_s = [layer for layer in model.g_s.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    channels = convs_a[-1].filters
    for layer in (*model.g_a.layers, *model.g_s.layers):
        if isinstance(layer, GDN):
            layer.gamma_root.assign(np.sqrt(GAMMA) * np.eye(channels) + 2.0**-18)
    scale = (lmbda / STEP_LMBDA) ** 0.5 / STEP
    x = (pictures / 255.0 - 0.5).astype(np.float32)
    blocks = _phases(x, FIRST)  # (n, h/4, w/4, 48)
    first = dct_of_colours(blocks.reshape(-1, 16, 3), channels // FIRST)  # (48, channels / 4)
    by_phase = _phases(blocks @ first, SECOND)  # (n, h/8, w/8, channels)
    groups = _phases(by_phase, SECOND).reshape(-1, SECOND**2 * channels)
    _, vectors = np.linalg.eigh(groups.T.astype(np.float64) @ groups / len(groups))
    third = vectors[:, ::-1][:, :channels]
    second = np.eye(channels).reshape(SECOND**2, channels // FIRST, channels)

    kernels = [
        _centred(first.reshape(4, 4, 3, -1), 9),  # only channels / 4 outputs; the others stay at 0
        _centred(second.reshape(2, 2, channels // FIRST, channels), 5),
        _centred(third.reshape(2, 2, channels, channels), 5),
    ]
    for layer, kernel, factor in zip(convs_a, kernels, (scale, 1, 1)):
        layer.kernel.assign(_fill(factor * kernel, layer.kernel.shape))
    for layer, kernel, factor in zip(convs_s, kernels[::-1], (1, 1, 1 / scale)):
        layer.kernel.assign(_fill(factor * kernel, layer.kernel.shape))
    spread = model.g_a.predict(x, verbose=0).std(axis=(0, 1, 2))
    model.density.rescale(np.maximum(0.55 * spread, MIN_SPREAD) / 10)


def start_from(model, arrays, factor):
    """Go on from the weights of another lambda, latents wider by a factor.

    Args:
        model: a `network.Balle2017`.
        arrays: list of arrays, as its `get_weights` gives them.
        factor: the root of the new lambda over the old one.
    """
    model.set_weights(arrays)
    last, first = model.g_a.layers[-1], model.g_s.layers[0]
    last.kernel.assign(last.kernel * factor)
    first.kernel.assign(first.kernel / factor)
    model.density.rescale(np.full(last.filters, factor))


def dct_of_colours(blocks, count):
    """The strongest functions of a 4x4 DCT of the principal colours: float64 (48, count), orthonormal columns.

    Args:
        blocks: float (n, 16, 3), pixels of 4x4 row by row.
    """
    basis = np.kron(*[scipy.fft.idct(np.eye(4), axis=0, norm="ortho")] * 2)  # (pixel, frequency)
    coefficients = np.einsum("npc,pf->nfc", blocks, basis)
    without_mean = coefficients[:, 1:].reshape(-1, 3)
    _, colours = np.linalg.eigh(without_mean.T @ without_mean)
    variances = np.square(coefficients @ colours).mean(axis=0)  # (16, 3)
    frequency, colour = np.unravel_index(np.argsort(-variances, axis=None, kind="stable")[:count], variances.shape)
    return np.einsum("pk,ck->pck", basis[:, frequency], colours[:, colour]).reshape(48, count)


def _phases(x, n):
    """(b, h, w, c) -> (b, h/n, w/n, n*n*c)."""
    b, h, w, c = x.shape
    return x.reshape(b, h // n, n, w // n, n, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // n, w // n, -1)


def _centred(kernel, size):
    """A kernel as wide as its stride, put where it belongs in one of `size`, zeros around."""
    padded = np.zeros((size, size, *kernel.shape[2:]))
    padded[TAP[size] :, TAP[size] :][: len(kernel), : len(kernel)] = kernel
    return padded


def _fill(kernel, shape):
    """Small random numbers where the kernel has no channels, so that they can learn; the kernel elsewhere."""
    filled = np.random.default_rng(1).normal(0, 1e-3, shape)
    filled[tuple(slice(n) for n in kernel.shape)] = kernel
    return filled
