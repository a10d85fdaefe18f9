"""The flagship's transforms without TensorFlow: OpenVINO, which is there in a tenth of the time, runs them.

The networks of `transforms` are built once more, of OpenVINO's operations and the very same weights, with the gains of
`network` at their ends; tests hold them to the Keras networks. Channels come before rows and columns here. What the
quality decides is an input, a factor for each channel, so that one network serves every quality.

Where the processor is fast at bfloat16, all is computed in it but the linear path of the synthesis, which carries the
picture: in bfloat16 it would be off by two levels here and there.
"""

import functools
import os
import threading

import numpy as np
import openvino
from openvino import opset13 as ops

from cae_compress.flagship.centroids import UNIT
from cae_compress.flagship.coding_order import CHANNELS
from cae_compress.flagship.gains import LINEAR, between
from cae_compress.flagship.integer_passes import PER_STEP
from cae_compress.flagship.levels import levels
from cae_compress.flagship.tiling import PATCH, sum_by_halves

SLOPE = np.float32(0.1)  # of the leaky ReLU below zero
MAX_SIDE = 80  # latents in a row or column: OpenVINO wants to know
LATENTS = [openvino.Dimension(1, MAX_SIDE)] * 2
PIXELS = [openvino.Dimension(PATCH, PATCH * MAX_SIDE)] * 2
AT_A_TIME = 128  # channels for which there is a linear synthesis of its own
LARGE = 2048  # patches from which on they are three times as many: each holds 50 to 75 MB for a tile of 1024x1024
MAX_DEVIATION = 64  # levels, of a patch's mean from what the linear path makes of its latents; 45 in noise at worst


class Network:
    """A network under construction, and then what runs it.

    Args:
        arrays: dict of weights, as `network.to_arrays` names them.
        name: "analysis" or "synthesis", whose layers have numbers; Keras counts them by their depth.
    """

    def __init__(self, arrays, name):
        self.arrays, self.name = arrays, name
        self.inputs, self.factors, self.factors_at = [], [], []

    def input(self, dtype, *shape):
        """An input of a picture, or of its latents."""
        self.inputs.append(ops.parameter(openvino.PartialShape(shape), dtype))
        return self.inputs[-1]

    def times(self, x, factors_at, *shape):
        """x times what factors_at(u) gives for the quality, as float32 of a shape that goes with x."""
        self.factors.append(ops.parameter(shape, np.float32))
        self.factors_at.append(lambda u: factors_at(u).astype(np.float32).reshape(shape))
        return ops.multiply(x, self.factors[-1])

    def at_quality(self, x, layer):
        """`transforms.AtQuality`."""
        scale = self.arrays[f"{self.name}/{layer}/scale"]
        return self.times(x, functools.partial(between, scale), 1, scale.shape[1], 1, 1)

    def conv(self, x, layer, stride=1):
        """A convolution of the network, with "same" padding."""
        kernel, bias = (self.arrays.get(f"{self.name}/{layer}/{part}") for part in ("kernel", "bias"))
        x = convolution(x, kernel, stride)
        return x if bias is None else ops.add(x, ops.constant(bias[None, :, None, None]))

    def residuals(self, x, layers):
        """`transforms.residuals`; each has four numbers of `layers`."""
        for one, two, scale, three in zip(*[iter(layers)] * 4):
            h = self.at_quality(relu(self.conv(relu(self.conv(x, one)), two)), scale)
            x = ops.add(x, self.conv(h, three))
        return x

    def compile(self, outputs, bfloat16):
        """Make it ready; returns a function of (inputs, u) that gives the outputs, overwritten by its next call."""
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # else all processes of a machine compute on the same few cores
        }
        threads = os.environ.get("OMP_NUM_THREADS", "")  # which OpenVINO does not look at
        if threads.isdecimal():
            settings["INFERENCE_NUM_THREADS"] = int(threads)
        model = openvino.Model(outputs, [*self.inputs, *self.factors], self.name)
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        factors_at = self.factors_at

        def run(inputs, u):
            factors = [at(u) for at in factors_at]
            return compiled([*inputs, *factors], share_inputs=True, share_outputs=True).to_tuple()

        return run


def convolution(x, kernel, stride=1):
    """x (1, c, h, w) with a kernel (n, n, c, outputs), padded as Keras does for "same"."""
    padding = max(len(kernel) - stride, 0)
    before, after = [padding // 2] * 2, [padding - padding // 2] * 2
    kernel = ops.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    return ops.convolution(x, kernel, [stride] * 2, before, after, [1, 1])


def relu(x):
    """Leaky ReLU."""
    return ops.prelu(x, ops.constant(SLOPE))


def space_to_depth(x, n):
    """`transforms.SpaceToDepth`."""
    return ops.space_to_depth(x, "blocks_first", n)


def depth_to_space(x, n):
    """`transforms.DepthToSpace`."""
    return ops.depth_to_space(x, "blocks_first", n)


def product(x, matrix):
    """x (..., n) times a matrix (n, m)."""
    return ops.matmul(x, ops.constant(np.ascontiguousarray(matrix)), False, False)


def reshape(x, *shape):
    """x in another shape, in which 0 stands for a size as it is."""
    return ops.reshape(x, np.array(shape), True)


def channels_first(x):
    """(1, h, w, c) of any type -> float32 (1, c, h, w)."""
    return ops.transpose(ops.convert(x, "f32"), [0, 3, 1, 2])


def analysis(arrays, bfloat16):
    """g_a: function of ([pictures uint8 (1, h, w, 3)], u) -> [y float32 (1, h/16 * w/16, CHANNELS)]."""
    g_a = Network(arrays, "analysis")
    x = channels_first(g_a.input(np.uint8, 1, *PIXELS, 3))
    x = ops.subtract(ops.divide(x, np.float32(255)), np.float32(0.5))
    h = relu(g_a.conv(space_to_depth(x, 2), 0))  # 1/2
    h = g_a.residuals(g_a.conv(h, 1, 2), range(2, 14))  # 1/4
    corrected = ops.add(space_to_depth(x, 4), g_a.at_quality(g_a.conv(h, 35), 37))
    h = g_a.residuals(g_a.conv(h, 14, 2), range(15, 27))  # 1/8
    h = g_a.residuals(g_a.conv(h, 27, 2), [*range(28, 35), 36])  # 1/16
    h = g_a.at_quality(relu(h), 38)
    # The linear path and the branch's last layer, as one matrix product over positions: after a convolution, making
    # channels the last dimension would take as long as half of it. Patches come as a space to depth in two steps has
    # them, the first of which the correction has made already.
    linear = arrays["analysis/39/kernel"].reshape(4, 4, 4, 4, 3, CHANNELS).swapaxes(1, 2).reshape(-1, CHANNELS)
    kernel, bias = np.concatenate([linear, arrays["analysis/40/kernel"][0, 0]]), arrays["analysis/40/bias"]
    columns = reshape(ops.concat([space_to_depth(corrected, 4), h], 1), 0, 0, -1)
    return g_a.compile([ops.add(ops.matmul(columns, ops.constant(kernel), True, False), bias[None, None])], bfloat16)


def step(arrays, u):
    """Quantization step of each channel at a quality, in units of g_s: float32 (CHANNELS,)."""
    return np.exp(between(arrays["log_inverse_gain"], u))


def linear_synthesis(arrays, channels):
    """Dequantization, the linear path of g_s and the first layer of its branch, all in float32.

    Args:
        arrays: dict of weights.
        channels: int, so many from the first on are looked at; in the others all latents have to be zero.

    Returns:
        function of ([q int16, offsets int8 (h, w, channels)], u) -> [x float32 (3, h, 16, w, 16), h float32 (h, w, n)].
    """
    g_s = Network(arrays, "synthesis")
    q, offsets = (ops.convert(g_s.input(dtype, *LATENTS, channels), "f32") for dtype in (np.int16, np.int8))
    y_hat = ops.add(
        g_s.times(q, lambda u: (step(arrays, u) / PER_STEP)[:channels], channels),
        g_s.times(offsets, lambda u: (UNIT * between(arrays["offset_gain"], u) * step(arrays, u))[:channels], channels),
    )
    to_patches = arrays[LINEAR][0, 0, :channels].reshape(-1, PATCH, PATCH, 3).transpose(0, 3, 1, 2)
    x = reshape(product(y_hat, to_patches.reshape(channels, -1)), 0, 0, 3, PATCH, PATCH)
    h = ops.add(product(y_hat, arrays["synthesis/0/kernel"][0, 0, :channels]), arrays["synthesis/0/bias"])
    return g_s.compile([ops.transpose(x, [2, 0, 3, 1, 4]), h], bfloat16=False)


def synthesis(arrays, bfloat16):
    """The branch of g_s: function of ([x float32 (1, 3, 16h, 16w), h float32 (1, h, w, n)], u) -> [float32
    (1, 12, 8h, 8w)], what `levels` adds to x."""
    g_s = Network(arrays, "synthesis")
    x = g_s.input(np.float32, 1, 3, *PIXELS)
    h = channels_first(g_s.input(np.float32, 1, *LATENTS, arrays["synthesis/0/bias"].size))
    h = g_s.residuals(h, range(1, 9))  # 1/16
    h = depth_to_space(g_s.conv(h, 9), 2)
    h = g_s.residuals(h, [*range(10, 21), 22])  # 1/8
    h = depth_to_space(g_s.conv(h, 23), 2)
    h = ops.add(h, g_s.conv(space_to_depth(x, 4), 24))
    h = g_s.residuals(h, range(25, 41))  # 1/4
    h = depth_to_space(relu(g_s.conv(h, 41)), 2)  # 1/2
    return g_s.compile([g_s.conv(relu(g_s.conv(h, 42)), 43)], bfloat16)


class Transforms:
    """What `network.RDCAE` has for coding, of OpenVINO; each half is made ready when it is first needed.

    Once, on a processor with matrix tiles (AMX), the lower part of a narrow picture came back grey, and never again.
    So results are looked over: where the latents and the picture disagree on the mean color of a patch, all is
    computed again in float32, by networks made afresh. Looking takes a millisecond of thirty.

    Args:
        arrays: dict, of `network.to_arrays`.
        bfloat16: bool, whether to compute in bfloat16 what may be.
    """

    def __init__(self, arrays, bfloat16=False):
        self.arrays, self.bfloat16 = arrays, bfloat16
        self.lock = threading.Lock()  # a network computes one thing at a time, with all processors

    @functools.cached_property
    def g_a(self):
        return analysis(self.arrays, self.bfloat16)

    @functools.cached_property
    def g_s(self):
        return synthesis(self.arrays, self.bfloat16)

    @functools.cached_property
    def linear(self):
        """From a number of channels to its `linear_synthesis`."""
        return functools.cache(functools.partial(linear_synthesis, self.arrays))

    @functools.cached_property
    def in_float32(self):
        return Transforms(self.arrays)

    @functools.cached_property
    def means_of_patches(self):
        """The linear path of g_s as means over its patches: float32 (3, CHANNELS)."""
        return np.ascontiguousarray(self.arrays[LINEAR].reshape(CHANNELS, PATCH**2, 3).mean(axis=1).T)

    def agree(self, latents, scales, x):
        """Whether latents (1, h, w, channels), times scales (CHANNELS,), can be of a picture uint8 (1, 16h, 16w, 3)."""
        _, height, width, channels = latents.shape
        sums = x.reshape(height, PATCH, -1).sum(axis=1, dtype=np.uint16)  # 16 * 16 * 255 still fits
        means = sum_by_halves(sums.reshape(height * width, -1), 3) / PATCH**2
        to_means = (scales * self.means_of_patches)[:, :channels].astype(np.float32)
        # not as a matrix product: the threads of BLAS would keep a processor busy for another 25 ms
        expected = np.einsum("nc,kc->nk", latents.reshape(-1, channels).astype(np.float32, copy=False), to_means)
        expected = 255 * (expected + 0.5)
        return bool((np.abs(expected - means) < MAX_DEVIATION).all())  # which nan is not

    def encode_pictures(self, x, u):
        """A picture uint8 (1, h, w, 3), h and w multiples of 16 -> y in quantization steps, float32 (1, h/16, w/16,
        CHANNELS); u: float, the quality's place between the lambdas."""
        y = self._encode(x, u)
        if self.agree(y, step(self.arrays, u), x):
            return y
        return self.in_float32._encode(x, u)

    def decode_pictures(self, q, offsets, u):
        """Latents int16 (1, h, w, CHANNELS) in half steps, their offsets int8 in `centroids.UNIT` -> a picture uint8
        (1, 16h, 16w, 3)."""
        in_use = np.bitwise_or.reduce(q, axis=(0, 1, 2)) | np.bitwise_or.reduce(offsets, axis=(0, 1, 2))
        at_a_time = 3 * AT_A_TIME if q[..., 0].size >= LARGE else AT_A_TIME
        channels = (int(np.flatnonzero(in_use).max(initial=0)) // at_a_time + 1) * at_a_time
        q, offsets = (np.ascontiguousarray(latents[..., :channels]) for latents in (q, offsets))
        x = self._decode(q, offsets, u)
        if self.agree(q, step(self.arrays, u) / PER_STEP, x):
            return x
        return self.in_float32._decode(q, offsets, u)

    def _encode(self, x, u):
        gain = np.exp(between(self.arrays["log_gain"], u)).astype(np.float32)
        with self.lock:
            y = self.g_a([x], u)[0] * gain
        return y.reshape(1, x.shape[1] // PATCH, x.shape[2] // PATCH, CHANNELS)

    def _decode(self, q, offsets, u):
        _, height, width, channels = q.shape
        with self.lock:
            x, h = self.linear(channels)([q[0], offsets[0]], u)
            x = x.reshape(3, PATCH * height, PATCH * width)
            (correction,) = self.g_s([x[None], h[None]], u)[0]
            return levels(x, correction, between(self.arrays["synthesis/44/scale"], u).astype(np.float32))[None]
