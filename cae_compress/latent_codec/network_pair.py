"""Any analysis and synthesis network of Keras, as a codec needs them: checked, and run over pictures of every size.

    picture ─> colour planes in [0, 1] ─> pad ─> g_a, tile by tile ─> y (rows, columns, planes, maps)
    picture <─ colour planes in [0, 1] <─ cut <─ g_s, tile by tile <─ y_hat

Networks that take three channels see RGB, planes is 1; networks that take one see Y, Cr and Cb of ITU-R BT.601 one
after the other, planes is 3. Tiles are 1024x1024 pixels with 128 of their surroundings, so memory does not grow with
the picture; a network whose outputs depend on pixels farther away shows faint seams in pictures larger than that.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before keras

import functools  # isort: skip
import json  # isort: skip

import cv2
import keras
import numpy as np
import tensorflow as tf

TILE, MARGIN = 1024, 128  # pixels
PROBE = 256  # pixels across that a network is tried with
MAX_STRIDE = 64
MAX_MAPS = 4095
FAR_OUT = 8.0  # levels are from 0 to 1; a synthesis that goes farther means 0 to 255


class NetworkPair:
    """Two networks and what was found out about them.

    Args:
        g_a: Keras model, (b, h, w, c) -> (b, h / stride, w / stride, maps), c being 3 or 1, levels from 0 to 1.
        g_s: Keras model, the way back.

    Attributes:
        planes: 1 where the networks take RGB, 3 where they take one plane at a time.
        stride: pixels across that a position of latents stands for, a power of two.
        maps: channels of the latents.

    Raises:
        ValueError: they are not such networks; says what to change.
    """

    def __init__(self, g_a, g_s):
        self.g_a, self.g_s = g_a, g_s
        channels = _channels(g_a)
        x = np.random.default_rng(1).random((1, PROBE, 2 * PROBE, channels), np.float32)
        y = _call(g_a, x, "g_a")
        self.planes, self.maps = (1 if channels == 3 else 3), y.shape[-1]
        self.stride = _stride(x.shape, y.shape)
        x_hat = _call(g_s, y, "g_s")
        if x_hat.shape != x.shape:
            raise ValueError(
                f"g_s makes {x_hat.shape[1:]} of the {y.shape[1:]} that g_a makes of {x.shape[1:]}; the two must have"
                " the same strides, and g_s as many channels at its end as g_a takes"
            )
        self._encode = tf.function(
            functools.partial(_run, g_a), input_signature=[tf.TensorSpec((None, None, None, channels))]
        )
        self._decode = tf.function(
            functools.partial(_run, g_s), input_signature=[tf.TensorSpec((None, None, None, self.maps))]
        )

    def analyse(self, image):
        """A picture, uint8 RGB (h, w, 3) -> y, float32 (rows, columns, planes, maps); ValueError if not finite."""
        height, width = image.shape[:2]
        y = np.empty((*self.grid(height, width), self.planes, self.maps), np.float32)
        for tile in self.tiles(height, width):
            (rows, top), (columns, left) = (self._around(s, n) for s, n in zip(tile, y.shape))
            # what is missing to whole positions repeats the last row and column
            rows, columns = (np.minimum(self._pixels(s), n - 1) for s, n in ((rows, height), (columns, width)))
            part = self._encode(self._to_planes(image[rows[:, None], columns])).numpy().transpose(1, 2, 0, 3)
            y[tile] = part[top:, left:][: y[tile].shape[0], : y[tile].shape[1]]
        if not np.isfinite(y).all():
            raise ValueError("g_a gives latents that are not finite numbers; its weights have diverged")
        return y

    def synthesise(self, y_hat, height, width):
        """y_hat, float32 (rows, columns, planes, maps) -> a picture, uint8 RGB (height, width, 3)."""
        image = np.empty((height, width, 3), np.uint8)
        for tile in self.tiles(height, width):
            (rows, top), (columns, left) = (self._around(s, n) for s, n in zip(tile, y_hat.shape))
            planes = self._decode(np.ascontiguousarray(y_hat[rows, columns].transpose(2, 0, 1, 3))).numpy()
            place = tuple(slice(self.stride * s.start, self.stride * s.stop) for s in tile)
            cut = planes[:, self.stride * top :, self.stride * left :]
            image[place] = self._to_picture(cut[:, : image[place].shape[0], : image[place].shape[1]])
        return image

    def check_levels(self, y):
        """Raise ValueError if, of a picture's y as `analyse` gives it, g_s makes levels far beyond 0 to 1."""
        largest = np.abs(self._decode(y.transpose(2, 0, 1, 3)).numpy()).max()
        if not largest <= FAR_OUT:
            raise ValueError(
                f"g_s gives levels up to {largest:.0f}; both networks must work on levels from 0 to 1: begin g_a with"
                " Rescaling(255) and end g_s with Rescaling(1 / 255)"
            )

    def grid(self, height, width):
        """How many rows and columns of latents a picture of so many pixels has."""
        return grid(height, width, self.stride)

    def tiles(self, height, width):
        """Slices (rows, columns) of latents that cut a picture of so many pixels into tiles, row by row."""
        (rows, columns), side = self.grid(height, width), TILE // self.stride
        return [
            np.s_[top : min(top + side, rows), left : min(left + side, columns)]
            for top in range(0, rows, side)
            for left in range(0, columns, side)
        ]

    def _around(self, part, size):
        """A slice of latents with its margin, and where in that it begins."""
        margin = MARGIN // self.stride
        start = max(part.start - margin, 0)
        return slice(start, min(part.stop + margin, size)), part.start - start

    def _pixels(self, part):
        return np.arange(self.stride * part.start, self.stride * part.stop)

    def _to_planes(self, rgb):
        x = rgb.astype(np.float32) / 255
        return x[None] if self.planes == 1 else cv2.cvtColor(x, cv2.COLOR_RGB2YCrCb).transpose(2, 0, 1)[..., None]

    def _to_picture(self, planes):
        x = planes[0]
        if self.planes == 3:
            x = cv2.cvtColor(np.ascontiguousarray(planes[..., 0].transpose(1, 2, 0)), cv2.COLOR_YCrCb2RGB)
        return np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8)


def grid(height, width, stride):
    """How many rows and columns of latents a picture of so many pixels has."""
    return -(-height // stride), -(-width // stride)


def to_arrays(g_a, g_s):
    """Two networks without any code: dict of their architecture, as JSON in a uint8 array, and their weights."""
    arrays = {}
    for name, network in (("g_a", g_a), ("g_s", g_s)):
        try:
            text = json.dumps(keras.saving.serialize_keras_object(network))
            keras.saving.deserialize_keras_object(json.loads(text), safe_mode=True)
        except Exception as error:
            raise ValueError(
                f"{name} cannot be written down without its code ({_first_line(error)}); replace Lambda layers and"
                " functions by small layers of your own, with @keras.saving.register_keras_serializable() before them"
            ) from error
        arrays[f"{name}/architecture"] = np.frombuffer(text.encode(), np.uint8)
        arrays |= {f"{name}/{k:03}": values for k, values in enumerate(network.get_weights())}
    return arrays


def from_arrays(arrays):
    """The two networks of `to_arrays`.

    Raises:
        ValueError: layers of yours are not registered in this process, or the arrays do not fit the architecture.
    """
    networks = []
    for name in ("g_a", "g_s"):
        try:
            text = bytes(arrays[f"{name}/architecture"]).decode()
            network = keras.saving.deserialize_keras_object(json.loads(text), safe_mode=True)
            count = sum(key.startswith(f"{name}/") for key in arrays) - 1
            network.set_weights([arrays[f"{name}/{k:03}"] for k in range(count)])
        except Exception as error:
            raise ValueError(
                f"{name} cannot be built from the file ({_first_line(error)}); first import what defines its layers,"
                " with @keras.saving.register_keras_serializable() before each"
            ) from error
        networks.append(network)
    return networks


def weights_of(model):
    """Variables of a model's `g_a` and `g_s`, whose architecture is code: dict from "g_a/000" and so on to arrays."""
    networks = {"g_a": model.g_a, "g_s": model.g_s}
    return {f"{name}/{k:03}": v for name, net in networks.items() for k, v in enumerate(net.get_weights())}


def with_weights(g_a, g_s, arrays):
    """The networks (g_a, g_s) with the variables of `weights_of`; there may be other arrays beside these."""
    for name, network in (("g_a/", g_a), ("g_s/", g_s)):
        network.set_weights([arrays[key] for key in sorted(arrays) if key.startswith(name)])
    return g_a, g_s


def _channels(g_a):
    if not isinstance(g_a, keras.Model) or len(getattr(g_a, "inputs", None) or ()) != 1:
        raise ValueError(
            "g_a must be a Keras model of one input, keras.Sequential([keras.Input((None, None, 3)), ...]) or"
            " keras.Model(x, y), and so must g_s"
        )
    shape = g_a.inputs[0].shape
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise ValueError(
            f"g_a takes {tuple(shape)}; it must take keras.Input((None, None, 3)) for RGB, or keras.Input((None, None,"
            " 1)) for one plane at a time, channels last"
        )
    if any(side is not None for side in shape[:3]):
        raise ValueError(
            f"g_a takes pictures of one size only, {tuple(shape)}; make its input keras.Input((None, None,"
            f" {shape[-1]})) to take every size"
        )
    return shape[-1]


def _call(network, x, name):
    try:
        y = np.asarray(network(x, training=False))
    except Exception as error:
        raise ValueError(f"{name} fails on an input of shape {x.shape}: {_first_line(error)}") from error
    if y.ndim != 4 or not 0 < y.shape[-1] <= MAX_MAPS:
        raise ValueError(
            f"{name} gives shape {y.shape}; it must give (b, h, w, c), channels last, c at most {MAX_MAPS}: no Flatten,"
            " no Dense over the whole picture"
        )
    if not np.isfinite(y).all():
        raise ValueError(f"{name} gives numbers that are not finite; its weights have diverged")
    return y


def _stride(x_shape, y_shape):
    (height, width), (rows, columns) = x_shape[1:3], y_shape[1:3]
    stride = height // rows if rows else 0
    powers = [2**k for k in range(MAX_STRIDE.bit_length())]
    if stride not in powers or (rows * stride, columns * stride) != (height, width):
        raise ValueError(
            f"g_a makes {rows}x{columns} positions of {height}x{width} pixels; both sides must become smaller by the"
            f" same power of two, at most {MAX_STRIDE}: use padding='same' and strides of 2 or 4"
        )
    return stride


def _run(network, x):
    return tf.cast(network(x, training=False), tf.float32)


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]
