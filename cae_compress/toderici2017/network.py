"""The paper's network: a picture coded in passes, each the bits of what the passes before have left over.

    r_0 = x / 255 - 1/2
    r_(t-1) * gain ─> encoder ─> tanh ─> +1 or -1 ─> bits of pass t, 32 for each 16x16 pixels ─> file
    r_t = r_(t-1) - decoder(bits) / gain                          loss = mean of |r_t| over pixels and passes

    encoder: conv 3x3 /2, then three ConvLSTM, 3x3 /2 each
    decoder: conv 1x1, then four ConvLSTM, 3x3, each followed by depth to space 2, then conv 1x1, tanh / 2

One network for all rates: encoder and decoder are the same in every pass and remember, in the states of their LSTM
cells, what they were shown before. The picture is the sum of what all passes decode.

Of the paper: LSTM cells, layers, kernels and strides, the stochastic binarizer, 1/8 bit a pixel a pass, the loss, the
additive reconstruction with a gain on the residual. Chosen here: `WIDTH` is a quarter of the paper's channels, a
sixteenth of its work; 8 passes of its 16; the gains are constants that grow as residuals shrink, where the paper has a
small network predict them; forget gates begin open (+1).

Sources: Toderici, Vincent, Johnston, Hwang, Minnen, Shor, Covell, CVPR 2017 (arXiv 1608.05148), sections 2 and 3;
kernels and widths as in github.com/1zb/pytorch-image-comp-rnn.
"""

from cae_compress import tensorflow_quietly  # noqa: F401, before tensorflow

import keras  # isort: skip
import tensorflow as tf
from keras import layers

from cae_compress.layers import uniform
from cae_compress.toderici2017.bits import BITS, PATCH

PADDED = {"padding": "same", "data_format": "channels_last"}  # of all convolutions
WIDTH = 16  # channels of the encoder's first layer; all others are multiples of it
GAINS = (1.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5)  # of the residual, by pass


class ConvLSTM(layers.Layer):
    """A long short-term memory cell whose products are convolutions.

        i, f, o, g = input conv(x) + hidden conv(h)
        c = sigmoid(f + 1) * c + sigmoid(i) * tanh(g),  h = sigmoid(o) * tanh(c)

    Args:
        channels: int, of h and c.
        hidden_kernel: int, side of the hidden convolution.
        strides: int, of the input convolution, 3x3.

    Call arguments:
        x: float tensor (b, h, w, c).
        state: pair of tensors (h, c), each (b, h / strides, w / strides, channels); None for zeros.

    Returns:
        (h, state): what it gives, and its state for the next pass.
    """

    def __init__(self, channels, hidden_kernel=1, strides=1, **options):
        super().__init__(**options)
        self.from_input = layers.Conv2D(4 * channels, 3, strides, **PADDED, dtype=self.dtype_policy)
        self.from_hidden = layers.Conv2D(4 * channels, hidden_kernel, **PADDED, use_bias=False, dtype=self.dtype_policy)
        self.channels = channels

    def build(self, shape):
        self.from_input.build(shape)
        self.from_hidden.build((*shape[:-1], self.channels))

    def call(self, x, state=None):
        gates = self.from_input(x)
        if state is not None:
            gates += self.from_hidden(state[0])
        i, f, o, g = tf.split(gates, 4, axis=-1)
        c = tf.sigmoid(i) * tf.tanh(g)
        if state is not None:
            c += tf.sigmoid(f + 1) * state[1]
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, (h, c)


class Encoder(layers.Layer):
    """Residual (b, h, w, 3), times its gain, and states -> expected bits (b, h/16, w/16, 32) in (-1, 1), states."""

    def __init__(self, width=WIDTH, **options):
        super().__init__(**options)
        shared = {"dtype": self.dtype_policy}
        self.first = layers.Conv2D(width, 3, 2, **PADDED, **shared)
        self.cells = [ConvLSTM(width * n, strides=2, **shared) for n in (4, 8, 8)]
        self.last = layers.Conv2D(BITS, 1, **PADDED, dtype="float32")
        self.width = width

    def build(self, shape=None):
        for layer, fan_in in zip((self.first, *self.cells, self.last), (3, *(self.width * n for n in (1, 4, 8, 8)))):
            layer.build((None, None, None, fan_in))

    def call(self, r, states=None):
        x, after = self.first(r), []
        for cell, state in zip(self.cells, states or (None,) * 3):
            x, state = cell(x, state)
            after.append(state)
        return tf.tanh(self.last(x)), tuple(after)


class Decoder(layers.Layer):
    """Bits (b, h, w, 32), +1 or -1, and states -> residual (b, 16h, 16w, 3) in (-1/2, 1/2), states."""

    def __init__(self, width=WIDTH, **options):
        super().__init__(**options)
        shared = {"dtype": self.dtype_policy}
        self.first = layers.Conv2D(8 * width, 1, **PADDED, **shared)
        self.cells = [ConvLSTM(width * n, kernel, **shared) for n, kernel in ((8, 1), (8, 1), (4, 3), (2, 3))]
        self.last = layers.Conv2D(3, 1, **PADDED, dtype="float32")
        self.width = width

    def build(self, shape=None):
        fan_ins = (BITS, *(self.width * n // 2 for n in (16, 4, 4, 2, 1)))
        for layer, fan_in in zip((self.first, *self.cells, self.last), fan_ins):
            layer.build((None, None, None, fan_in))

    def call(self, bits, states=None):
        x, after = self.first(bits), []
        for cell, state in zip(self.cells, states or (None,) * 4):
            x, state = cell(x, state)
            x = tf.nn.depth_to_space(x, 2)
            after.append(state)
        return tf.tanh(self.last(x)) / 2, tuple(after)


def binarize(p, u=None):
    """Bits of what they should be on average; the gradient passes as if they were that average.

    Args:
        p: float32 tensor in [-1, 1].
        u: float32 tensor of its shape, uniform in [0, 1): +1 with probability (1 + p) / 2. None for the sign.

    Returns:
        float32 tensor of -1 and 1.

    Source: Toderici et al., ICLR 2016, section 3.2.
    """
    threshold = 0.0 if u is None else 2 * u - 1
    return p + tf.stop_gradient(tf.where(p > threshold, 1.0, -1.0) - p)


class Toderici2017(keras.Model):
    """The whole network.

    Args:
        width: int, channels of the encoder's first layer.
        dtype: Keras dtype policy of the cells, "mixed_bfloat16" where that is faster; None for float32.
    """

    def __init__(self, width=WIDTH, dtype=None, **options):
        super().__init__(**options)
        self.encoder, self.decoder = Encoder(width, dtype=dtype or "float32"), Decoder(width, dtype=dtype or "float32")
        self.encoder.build()
        self.decoder.build()
        self.built = True  # all variables exist

    def one_pass(self, r, gain, states=(None, None), u=None):
        """A pass, as encoder and decoder together go through it.

        Args:
            r: float32 (b, h, w, 3), what is left over, h and w multiples of 16.
            gain: float, one of `GAINS`.
            states: of encoder and decoder, as the pass before has left them.
            u: of `binarize`.

        Returns:
            (bits, r, states): bits float32 (b, h/16, w/16, BITS), and what is left over now.
        """
        p, encoder_states = self.encoder(gain * r, states[0])
        bits = binarize(p, u)
        change, decoder_states = self.decoder(bits, states[1])
        return bits, r - change / gain, (encoder_states, decoder_states)

    def residuals(self, x, passes, seed=None):
        """What each pass leaves over, in float32 (passes, b, h, w, 3).

        Args:
            x: uint8 (b, h, w, 3), h and w multiples of 16.
            passes: int, 1 to 8.
            seed: int64 (2,) or (4,), of `layers.uniform`, that decides the bits of a stochastic binarizer; None for
                signs, as in a file.
        """
        r, states, u, left_over = tf.cast(x, tf.float32) / 255 - 0.5, (None, None), None, []
        for t in range(passes):
            if seed is not None:
                shape = tf.concat([tf.shape(r)[:1], tf.shape(r)[1:3] // PATCH, [BITS]], 0)
                u = uniform(shape, seed + tf.constant([0, t << 40, 0, 0][: seed.shape[0]], tf.int64), 0, 1)
            _, r, states = self.one_pass(r, GAINS[t], states, u)
            left_over.append(r)
        return tf.stack(left_over)


def to_arrays(model):
    """The variables of a network: dict from "network/000" and so on to arrays."""
    return {f"network/{k:03}": values for k, values in enumerate(model.get_weights())}


def from_arrays(arrays):
    """The `Toderici2017` with the variables of `to_arrays`; there may be other arrays beside these.

    Raises:
        ValueError: they are not such variables.
    """
    values = [arrays[name] for name in sorted(arrays) if name.startswith("network/")]
    if not values:
        raise ValueError("these are not weights of toderici2017")
    model = Toderici2017(values[0].shape[-1])
    model.set_weights(values)
    return model
