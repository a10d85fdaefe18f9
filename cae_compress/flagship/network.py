"""The flagship: a convolutional autoencoder trained for rate and distortion, one network for every quality.

    x ──> g_a ──> y ──> * gain(u) ──> round ──> q ──> + offset ──> * inverse gain(u) ──> y_hat ──> g_s ──> x_hat
                                                └──> context network ──> mean, scale of each q ──> bits, offset

One vector of gains for each of eleven lambdas sets the quantization steps. A quality is a place u between the lambdas,
0 to 10; gains are interpolated, so quality is continuous. The offset leads from q towards where the latent probably was
before rounding (`centroids`), by a learned part of the way.

    loss = bits per pixel + lambda(u) * distortion (`distortion`: the squared error, or what MS-SSIM sees)

While training, the rate is that of latents with uniform noise, and the distortion that of rounded latents, whose
gradient passes straight through. The errors of rounding are made smaller where the codec's dependent quantization
(`trellis`), too slow for training, makes smaller ones.

Sources: Cheng et al., PCS 2018, section II-B (rate-distortion loss); Balle, Laparra, Simoncelli, ICLR 2017 (uniform
noise for the rate); Theis et al., ICLR 2017 (straight-through rounding); Cui et al., CVPR 2021 (gain vectors for
continuous rates).
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import numpy as np
import tensorflow as tf

from cae_compress.flagship.centroids import BUCKETS, BUCKETS_PER_UNIT, MAX_DISTANCE, TABLE, UNIT
from cae_compress.flagship.context_network import ContextNetwork
from cae_compress.flagship.distortion import squared_error
from cae_compress.flagship.gains import LMBDAS, NUM_LMBDAS
from cae_compress.flagship.integer_passes import MIN_LOG_SCALE, OUTPUT_BITS, PER_STEP
from cae_compress.flagship.transforms import CHANNELS, analysis, start_as, synthesis
from cae_compress.flagship.trellis import DEPENDENT_FROM
from cae_compress.layers import interpolate, logistic_bits, round_straight_through, uniform

DEPENDENT_LOG_SCALE = MIN_LOG_SCALE + DEPENDENT_FROM / BUCKETS_PER_UNIT
DEPENDENT_ERROR = 0.73  # measured on held-out photographs: root mean square of the trellis' errors over rounding's
START_STEP = 40.0  # quantization step before training at START_LMBDA, in grey levels of an orthonormal transform
START_LMBDA = 0.013


class RDCAE(keras.Model):
    """The whole network: transforms `g_a` and `g_s`, gains, and the context network `context`.

    Args:
        dtype: Keras dtype policy of the convolutional branches, "mixed_bfloat16" to train faster where the processor
            has it, or None for float32; everything else is float32.
    """

    def __init__(self, dtype=None, **options):
        super().__init__(dtype="float32", **options)
        self.g_a, self.g_s = self.transforms(dtype or "float32")
        self.context = ContextNetwork(dtype="float32")
        self.context.build(None)
        self.log_gain = self.add_weight(name="log_gain", shape=(NUM_LMBDAS, CHANNELS))
        self.log_inverse_gain = self.add_weight(name="log_inverse_gain", shape=(NUM_LMBDAS, CHANNELS))
        self.offset_gain = self.add_weight(name="offset_gain", shape=(NUM_LMBDAS, CHANNELS), initializer="zeros")
        self.built = True  # all variables exist

    @staticmethod
    def transforms(dtype):
        """The two networks, g_a and g_s."""
        return analysis(dtype), synthesis(dtype)

    def start(self, basis, pictures):
        """Set everything so that the codec is a classical one.

        Args:
            basis: float32 (16, 16, 3, CHANNELS), orthonormal, from `transforms.pca_basis` or `dct_basis`.
            pictures: uint8 (n, h, w, 3), from whose statistics the rate model starts.
        """
        start_as(self.g_a, self.g_s, basis)
        log_gain = np.log(255 / START_STEP) + 0.5 * np.log(LMBDAS / START_LMBDA)
        self.log_gain.assign(np.broadcast_to(log_gain[:, None], self.log_gain.shape))
        self.log_inverse_gain.assign(-self.log_gain)
        y = self.g_a([centred(pictures), tf.zeros(len(pictures))]).numpy().reshape(-1, CHANNELS)
        self.context.start_at_statistics(y * np.exp(log_gain)[:, None, None])

    def rate_distortion(self, x, u, training=False, seed=(0, 0), distortion=squared_error):
        """Rate and distortion of pictures, the means by which the network is trained and chosen.

        Args:
            x: uint8 (b, h, w, 3), h and w multiples of 16.
            u: float32 (b,), places between the lambdas, 0 to 10.
            training: use noise in the rate; otherwise what is coded.
            seed: two whole numbers that decide the noise, or four (`layers.uniform`).
            distortion: function of (x, x_hat), one of `distortion`.

        Returns:
            (bpp, distortion): float32 (b,) each, the first the model's own estimate in bits a pixel.
        """
        x = centred(x)
        y = self.g_a([x, u]) * tf.exp(interpolate(self.log_gain, u))[:, None, None]
        q = round_straight_through(y)
        of_rate, of_distortion = self.proxies(y, q, seed) if training else (q, q)
        mean, log_scale = self.expect(q, u)
        bits = logistic_bits(of_rate, mean, log_scale)
        dependent = is_dependent(log_scale)
        of_distortion = y + tf.where(dependent, DEPENDENT_ERROR, 1.0) * tf.stop_gradient(of_distortion - y)
        offsets = tf.where(dependent, 0.0, centroid_offsets(q, mean, log_scale))
        x_hat = self.reconstruct(of_distortion, offsets, u)
        num_pixels = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], tf.float32)
        return tf.reduce_sum(bits, [1, 2, 3]) / num_pixels, distortion(x, x_hat)

    def reconstruct(self, q, offsets, u):
        """Pictures x_hat (b, 16h, 16w, 3), centred RGB, of latents in quantization steps and their offsets."""
        q_hat = q + interpolate(self.offset_gain, u)[:, None, None] * offsets
        return self.g_s([q_hat * tf.exp(interpolate(self.log_inverse_gain, u))[:, None, None], u])

    def proxies(self, y, q, seed):
        """What stands in for the rounded q while training: (in the rate, in the distortion)."""
        return y + uniform(tf.shape(y), seed, -0.5, 0.5), q

    def expect(self, q, u):
        """Mean and log scale of every q."""
        return self.context(q, u)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8), tf.TensorSpec((), tf.float32)])
    def encode_pictures(self, x, u):
        """Pictures uint8 (b, h, w, 3) -> y in quantization steps, float32 (b, h/16, w/16, CHANNELS)."""
        return self.g_a([centred(x), u[None]]) * tf.exp(interpolate(self.log_gain, u[None]))

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None, CHANNELS), tf.int16),
            tf.TensorSpec((None, None, None, CHANNELS), tf.int8),
            tf.TensorSpec((), tf.float32),
        ]
    )
    def decode_pictures(self, q, offsets, u):
        """Latents int16 (b, h, w, CHANNELS) in half steps, their offsets -> pictures uint8 (b, 16h, 16w, 3).

        Offsets are int8 in `centroids.UNIT`.
        """
        x_hat = self.reconstruct(tf.cast(q, tf.float32) / PER_STEP, UNIT * tf.cast(offsets, tf.float32), u[None])
        return tf.cast(tf.round(tf.clip_by_value((x_hat + 0.5) * 255, 0, 255)), tf.uint8)


def is_dependent(log_scale):
    """Whether latents of which such a scale was expected are quantized by the trellis, whose cells have no offsets."""
    return tf.stop_gradient(log_scale) >= DEPENDENT_LOG_SCALE


def centroid_offsets(q, mean, log_scale):
    """`centroids.TABLE` for latents and what was expected of them, in quantization steps; without a gradient."""
    distance = tf.cast(tf.round((mean - q) * 2**OUTPUT_BITS), tf.int32)
    distance = tf.clip_by_value(distance, -MAX_DISTANCE, MAX_DISTANCE) + MAX_DISTANCE
    bucket = tf.clip_by_value(tf.cast((log_scale - MIN_LOG_SCALE) * BUCKETS_PER_UNIT, tf.int32), 0, BUCKETS - 1)
    return UNIT * tf.gather(TABLE.astype(np.float32).ravel(), bucket * TABLE.shape[1] + distance)


def centred(pictures):
    """uint8 levels 0 to 255 -> float32, -0.5 to 0.5."""
    return tf.cast(pictures, tf.float32) / 255 - 0.5


def to_arrays(model):
    """The trained variables of the transforms and gains: dict from "analysis/0/kernel" and so on to arrays."""
    return {name: variable.numpy() for name, variable in _variables(model)}


def from_arrays(arrays, dtype=None):
    """An `RDCAE` with the variables of `to_arrays`; its context network, which coding does not use, is untrained.

    Args:
        arrays: dict, as `to_arrays` makes it.
        dtype: of `RDCAE`.

    Raises:
        ValueError: a name or a shape is not the model's.
    """
    model = RDCAE(dtype)
    assign_arrays(model, arrays)
    return model


def assign_arrays(model, arrays):
    """Set the variables of `to_arrays`; raises like `from_arrays`."""
    for name, variable in _variables(model):
        if name not in arrays or arrays[name].shape != variable.shape:
            raise ValueError(f"these are not weights of rdcae: {name} is missing or of another shape")
        variable.assign(arrays[name])


def _variables(model):
    named = []
    for network in (model.g_a, model.g_s):
        weighted = [layer for layer in network.layers if layer.weights]
        named += [(f"{network.name}/{k}/{v.name}", v) for k, layer in enumerate(weighted) for v in layer.weights]
    return named + [(name, getattr(model, name)) for name in ("log_gain", "log_inverse_gain", "offset_gain")]
