"""Keras layers that Keras itself does not have.

Networks here say their dtype and the order of their axes themselves: what a user has set for Keras (`keras.json`,
`keras.config`, a global dtype policy) decides nothing.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before keras

import keras  # isort: skip
import numpy as np
import tensorflow as tf

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"cae_compress needs Keras on TensorFlow, this process has it on {keras.backend.backend()}: set the environment"
        " variable KERAS_BACKEND=tensorflow before Keras is imported"
    )

PACKAGE = "cae_compress"


@keras.saving.register_keras_serializable(package=PACKAGE)
class UniformNoise(keras.layers.Layer):
    """Adds independent noise drawn from U(-amplitude, amplitude), in training only.

    It stands in for quantization, whose gradient is zero almost everywhere: a network trained
    with the noise learns codes that survive rounding.

    Args:
        amplitude: float >= 0, half the width of the noise, in units of the input.
        seed: int or None. The same seed gives the same sequence of noise.

    Call arguments:
        y: float tensor of any shape.
        training: bool; when False the layer is the identity.
        seed: of `uniform`, what decides the noise; None for the next of the layer's own `seed_generator`.

    Returns:
        A tensor of the shape and dtype of `y`.

    Raises:
        ValueError: `amplitude` is negative.

    Source: Cheng et al., PCS 2018, section II-A (amplitude 2**-10).
    """

    def __init__(self, amplitude=2.0**-10, seed=None, **kwargs):
        super().__init__(**kwargs)
        if amplitude < 0:
            raise ValueError(f"amplitude must be >= 0, got {amplitude}")
        self.amplitude = float(amplitude)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, y, training=False, seed=None):
        if not training:
            return y
        seed = self.seed_generator.next() if seed is None else seed
        return y + uniform(tf.shape(y), seed, -self.amplitude, self.amplitude, y.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "amplitude": self.amplitude, "seed": self.seed}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LargerOf(keras.layers.Layer):
    """The larger of x and slope * x: a leaky ReLU for slopes below 1."""

    def __init__(self, slope, **options):
        super().__init__(**options)
        self.slope = slope

    def call(self, x):
        return tf.maximum(x, self.slope * x)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "slope": self.slope}


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpaceToDepth(keras.layers.Layer):
    """(b, h, w, c) -> (b, h/n, w/n, n*n*c): each n x n becomes channels."""

    def __init__(self, n=2, **options):
        super().__init__(**options)
        self.n = n

    def call(self, x):
        return tf.nn.space_to_depth(x, self.n)

    def compute_output_shape(self, shape):
        b, h, w, c = shape
        return b, h and h // self.n, w and w // self.n, self.n**2 * c


@keras.saving.register_keras_serializable(package=PACKAGE)
class DepthToSpace(SpaceToDepth):
    """(b, h, w, n*n*c) -> (b, n*h, n*w, c), the inverse of `SpaceToDepth`."""

    def call(self, x):
        return tf.nn.depth_to_space(x, self.n)

    def compute_output_shape(self, shape):
        b, h, w, c = shape
        return b, h and self.n * h, w and self.n * w, c // self.n**2


def uniform(shape, seed, low, high, dtype=tf.float32):
    """Random numbers of samples, which do not depend on how a batch is divided among replicas (`distribution`).

    Args:
        shape: int tensor, the first of which is the number of samples.
        seed: whole numbers that decide them, shape (2,); of samples that are a part of a batch shape (4,), the last two
            being the number of the first of them in the batch and the number of samples of the batch.
        low, high: float, where they lie, uniformly.

    Returns:
        A tensor of the shape and dtype that are asked for.
    """
    seed = tf.convert_to_tensor(seed)
    if seed.shape[0] == 2:
        return tf.random.stateless_uniform(shape, seed, low, high, dtype)
    first, size = tf.unstack(tf.cast(seed[2:], tf.int32))
    of_batch = tf.random.stateless_uniform(tf.concat([[size], shape[1:]], 0), seed[:2], low, high, dtype)
    return of_batch[first : first + shape[0]]


def interpolate(table, u):
    """Rows of a table at fractional places, linear in between.

    Args:
        table: float tensor, shape (n, ...).
        u: float tensor, shape (b,), in [0, n - 1].

    Returns:
        A tensor of shape (b, ...).
    """
    place = tf.clip_by_value(tf.cast(tf.floor(u), tf.int32), 0, table.shape[0] - 2)
    fraction = tf.reshape(u - tf.cast(place, u.dtype), [-1] + [1] * (len(table.shape) - 1))
    return (1 - fraction) * tf.gather(table, place) + fraction * tf.gather(table, place + 1)


def round_straight_through(x):
    """Rounds; the gradient passes as if it did not (Theis et al., ICLR 2017, section 2.2)."""
    return x + tf.stop_gradient(tf.round(x) - x)


def logistic_bits(v, mean, log_scale):
    """Information of v, in bits, under a logistic distribution integrated over [v - 1/2, v + 1/2]."""
    distance, scale = tf.abs(v - mean), tf.exp(log_scale)
    p = tf.sigmoid((0.5 - distance) / scale) - tf.sigmoid((-0.5 - distance) / scale)
    return -tf.math.log(tf.maximum(p, 1e-9)) / np.log(2.0).astype(np.float32)
