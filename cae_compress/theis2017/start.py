"""Where training starts: as a block transform that works.

The paper starts from random weights and switches its channels on one after the other over a million steps. The start
below is ours, for some thousands of steps: the convolutions sort 8x8 pixels into channels, the last one takes their
principal components, and the decoder is the transpose. Channels of leaky units are kept positive by a bias, and so
linear at first. The residual blocks start as the identity. All numbers are trained on.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np

STEP, STEP_LMBDA = 40 / 255, 0.013  # the quantization step that fits this lambda, of an orthonormal transform
BIAS = 3.0  # keeps normalized pixels above 0
SMALL = 1e-3  # of the random numbers where the transform has none
PHASES = [(row, column) for row in (0, 1) for column in (0, 1)]


def start_linear(model, pictures, lmbda):
    """Make the networks a linear transform of 8x8 pixels, and its inverse.

    Args:
        model: a `network.Theis2017` of a width of at least 48.
        pictures: uint8 (n, h, w, 3), h and w multiples of 8.
        lmbda: bits a pixel for a squared grey level, which decides the quantization step.
    """
    convs_a, convs_s = (
        [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)] for net in (model.g_a, model.g_s)
    )
    channels = convs_a[-1].filters
    rng = np.random.default_rng(1)
    for layer in (*convs_a[3:-1:2], *convs_s[2:-2:2]):  # the second ones of the residual blocks
        layer.kernel.assign(np.zeros(layer.kernel.shape))
    normalize = model.g_a.layers[1]
    blocks = _phases(_phases(np.asarray(normalize(pictures / np.float32(255)), np.float64)))  # (n, h/4, w/4, 48)
    mean = blocks.mean(axis=(0, 1, 2))
    groups = _phases(blocks - mean).reshape(-1, 4 * 48)
    _, vectors = np.linalg.eigh(groups.T @ groups / len(groups))
    components = vectors[:, ::-1][:, :channels].reshape(4, 48, channels)  # by phase
    unit = STEP * (STEP_LMBDA / lmbda) ** 0.5 * normalize.scale  # quantization step, in normalized levels

    _set(convs_a[0], 2, [np.eye(3, 12, 3 * k) for k in range(4)], BIAS, rng)
    _set(convs_a[1], 2, [np.eye(12, 48, 12 * k) for k in range(4)], 0.0, rng)
    _set(convs_a[-1], 2, components / unit, 0.0, rng)
    offset = np.einsum("pic,i->c", components, mean + BIAS) / unit
    convs_a[-1].bias.assign(-offset)

    by_phase = unit * components.transpose(2, 0, 1)  # (channels, phase, 48)
    _set_sub_pixel(convs_s[0], by_phase, mean, rng)
    _set_sub_pixel(convs_s[-2], np.stack([np.eye(48, 12, -12 * k) for k in range(4)], axis=1), BIAS, rng)
    _set_sub_pixel(convs_s[-1], np.stack([np.eye(12, 3, -3 * k) for k in range(4)], axis=1), -BIAS, rng)
    model.mixtures.start(model.g_a.predict(pictures / np.float32(255), verbose=0).std(axis=(0, 1, 2)))


def _set(layer, first_tap, by_phase, bias, rng):
    """A 5x5 kernel of stride 2 that weighs the pixels of each 2x2; biases of the channels that it fills."""
    kernel = rng.normal(0, SMALL, layer.kernel.shape)
    inputs, outputs = by_phase[0].shape
    kernel[:, :, :inputs, :outputs] = 0
    for (row, column), matrix in zip(PHASES, by_phase):
        kernel[first_tap + row, first_tap + column, :inputs, :outputs] = matrix
    layer.kernel.assign(kernel)
    layer.bias.assign(np.where(np.arange(layer.filters) < outputs, bias, 0))


def _set_sub_pixel(layer, matrix, bias, rng):
    """A 3x3 kernel whose centre makes 2x2 positions: (inputs, phase, outputs)."""
    kernel = rng.normal(0, SMALL, layer.kernel.shape)
    (inputs, _, outputs), filters = matrix.shape, layer.filters // 4
    biases = np.zeros((4, filters))
    biases[:, :outputs] = bias
    for k in range(4):
        columns = slice(k * filters, k * filters + outputs)
        kernel[:, :, :inputs, columns] = 0
        kernel[1, 1, :inputs, columns] = matrix[:, k]
    layer.kernel.assign(kernel)
    layer.bias.assign(biases.ravel())


def _phases(x):
    """(b, h, w, c) -> (b, h/2, w/2, 4c), one phase of the 2x2 after the other."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, h // 2, w // 2, 4 * c)
