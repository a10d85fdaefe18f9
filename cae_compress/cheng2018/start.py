"""Another start of the network than random weights, which is ours: as a transform that works.

It makes training shorter, and says nothing about training: with it the network is a good one before its first step.
"""

import numpy as np
import scipy.fft
from keras import layers

from cae_compress.cheng2018.network import CODE_CHANNELS


def start_as_dct(model):
    """Set the weights of a `CAE` so that it begins as the linear 8x8 DCT that keeps 32 of 64 coefficients.

    Each stride-2 convolution sorts 2x2 pixels into channels, the last one weighs all 64 by the DCT, and the
    transposed convolutions do the opposite; a few channels suffice for that, with PReLU slope 1. The remaining
    channels keep their random weights but nothing listens to them yet. Training goes on from a classical
    transform instead of rediscovering one.
    """
    dct = _dct_kernels()  # (8, 8, 32)
    phases = [(row, column) for row in (0, 1) for column in (0, 1)]

    analysis_maps = [_identity(1), _sort_phases(1), _identity(4), _sort_phases(4), _identity(16)]
    last = np.zeros((3, 3, 16, CODE_CHANNELS), np.float32)
    for k, (r1, c1) in enumerate(phases):  # channel 4k + m holds the pixel of phase k in its 2x2, m in its 4x4
        for m, (r0, c0) in enumerate(phases):
            for r2, c2 in phases:
                last[r2, c2, 4 * k + m] = dct[4 * r2 + 2 * r1 + r0, 4 * c2 + 2 * c1 + c0]
    analysis_maps.append(last)
    _set_kernels(model.g_a, analysis_maps)

    mirrored = [_identity(CODE_CHANNELS), last, _identity(16), _sort_phases(4), _identity(4), _sort_phases(1)]
    _set_kernels(model.g_s, [*mirrored, _identity(1)])


def _dct_kernels():
    """The 32 orthonormal 8x8 DCT functions of lowest frequency, shape (8, 8, 32)."""
    basis = scipy.fft.idct(np.eye(8), axis=0, norm="ortho")  # basis[:, u] is the function of frequency u
    frequencies = sorted(((u, v) for u in range(8) for v in range(8)), key=lambda f: f[0] ** 2 + f[1] ** 2)
    return np.stack([np.outer(basis[:, u], basis[:, v]) for u, v in frequencies[:CODE_CHANNELS]], axis=-1)


def _identity(channels):
    """Kernel (3, 3, channels, channels) that copies its input."""
    kernel = np.zeros((3, 3, channels, channels), np.float32)
    kernel[1, 1] = np.eye(channels)
    return kernel


def _sort_phases(channels):
    """Kernel (3, 3, channels, 4 * channels): with stride 2, pixel (r, c) of each 2x2 goes to channel group 2r + c."""
    kernel = np.zeros((3, 3, channels, 4 * channels), np.float32)
    for k in range(4):
        kernel[k // 2, k % 2, :, k * channels : (k + 1) * channels] = np.eye(channels)
    return kernel


def _set_kernels(network, maps):
    """Write `maps` into the first channels of each convolution and make those channels linear."""
    convolutions = [layer for layer in network.layers if isinstance(layer, (layers.Conv2D, layers.Conv2DTranspose))]
    slopes = [layer for layer in network.layers if isinstance(layer, layers.PReLU)]
    for convolution, values in zip(convolutions, maps):
        kernel = convolution.kernel.numpy()
        # (3, 3, in, out) for a convolution, (3, 3, out, in) for a transposed one: the mirror needs no transposing
        if isinstance(convolution, layers.Conv2DTranspose):
            kernel[:, :, : values.shape[2]] = 0
        else:
            kernel[..., : values.shape[3]] = 0
        kernel[:, :, : values.shape[2], : values.shape[3]] = values
        convolution.kernel.assign(kernel)
    outputs = [m.shape[2] if isinstance(c, layers.Conv2DTranspose) else m.shape[3] for c, m in zip(convolutions, maps)]
    for slope, used in zip(slopes, outputs):
        alpha = slope.alpha.numpy()
        alpha[..., :used] = 1
        slope.alpha.assign(alpha)
