"""Exercises of notebook 6: rate and distortion."""

import numpy as np

from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_X = _RNG.random((2, 16, 16))
_X_HAT = np.clip(_X + _RNG.normal(0, 0.03, _X.shape), 0, 1)
_R, _D = np.linspace(6, 0.5, 40), np.geomspace(1, 300, 40)


def best_setting(rates, distortions, lmbda):
    """Which setting has the least R + lambda D."""
    return int(np.argmin(rates + lmbda * distortions))


def rate_distortion_loss(bits_per_pixel, x, x_hat, lmbda):
    """R + lambda D of planes in [0, 1], D in squared grey levels."""
    return float(bits_per_pixel + lmbda * 255**2 * np.mean((x - x_hat) ** 2))


def round_through(y):
    """Round, with the gradient of the identity."""
    from cae_compress.layers import round_straight_through

    return round_straight_through(y)


def _value_and_gradient(function, y):
    """What comes out for a tensor, and the gradient of its sum: 0 where there is none."""
    from cae_compress import tensorflow_quietly  # noqa: F401

    import tensorflow as tf  # isort: skip

    y = tf.constant(y, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(y)
        out = function(y)
        total = tf.reduce_sum(out)
    gradient = tape.gradient(total, y)
    return np.stack([out.numpy(), np.zeros(y.shape) if gradient is None else gradient.numpy()])


def _tf(work):
    def function(y):
        import tensorflow as tf

        return work(tf, y)

    return function


def laplace_mass(v, scale):
    """Probability of a Laplacian of mean 0 between v - 1/2 and v + 1/2."""

    def cdf(t):
        return np.where(t < 0, 0.5 * np.exp(np.minimum(t, 0) / scale), 1 - 0.5 * np.exp(-np.maximum(t, 0) / scale))

    return cdf(v + 0.5) - cdf(v - 0.5)


def _one_sided(v, scale):
    return 0.5 * np.exp(-(v - 0.5) / scale) - 0.5 * np.exp(-(v + 0.5) / scale)


def _density(v, scale):
    return np.exp(-np.abs(v) / scale) / (2 * scale)


EXERCISES = (
    Exercise(
        "6.1",
        "best_setting",
        4,
        "easy",
        best_setting,
        {"a low price of errors": (_R, _D, 0.003), "a middle one": (_R, _D, 0.03), "a high one": (_R, _D, 1.0)},
        {
            "λ weighs the distortion, not the rate.": lambda r, d, lmbda: int(np.argmin(lmbda * r + d)),
            "The loss is to be small: look for its minimum.": lambda r, d, lmbda: int(np.argmax(r + lmbda * d)),
            "Asked is which one, its index, not the loss there.": lambda r, d, lmbda: float((r + lmbda * d).min()),
        },
        "`np.argmin` of R + λ D.",
    ),
    Exercise(
        "6.2",
        "rate_distortion_loss",
        6,
        "easy",
        rate_distortion_loss,
        {"a low λ": (0.31, _X, _X_HAT, 0.0009), "a high λ": (1.2, _X, _X_HAT, 0.2304)},
        {
            "Planes are in [0, 1], λ is of grey levels: multiply the squared error by 255².": lambda r, x, h, lmbda: (
                r + lmbda * np.mean((x - h) ** 2)
            ),
            "255², for errors are squared.": lambda r, x, h, lmbda: r + lmbda * 255 * np.mean((x - h) ** 2),
            "λ weighs the distortion, not the rate.": lambda r, x, h, lmbda: lmbda * r + 255**2 * np.mean((x - h) ** 2),
            "The mean over samples, not the sum, whatever the size of a picture.": lambda r, x, h, lmbda: (
                r + lmbda * 255**2 * np.sum((x - h) ** 2)
            ),
        },
        "R + λ · 255² · mean squared error.",
    ),
    Exercise(
        "6.3",
        "round_through",
        10,
        "hard",
        round_through,
        {
            "a few numbers": (np.array([-1.7, -0.2, 0.4, 2.6], np.float32),),
            "whole ones": (np.array([3.0], np.float32),),
        },
        {
            "The value is right, but no gradient passes: `tf.round` has none.": _tf(lambda tf, y: tf.round(y)),
            "A gradient passes, but nothing is rounded.": _tf(lambda tf, y: y + 0.0),
            "You add y twice: what is added to y must be the difference, round(y) - y.": _tf(
                lambda tf, y: y + tf.stop_gradient(tf.round(y))
            ),
        },
        "y plus something that makes it round(y), and that `tf.stop_gradient` hides from the backward pass.",
        run=_value_and_gradient,
    ),
    Exercise(
        "6.4",
        "laplace_mass",
        12,
        "medium",
        laplace_mass,
        {
            "whole numbers, scale 1": (np.arange(-3.0, 4.0), 1.0),
            "fractions, scale 0.3": (np.array([-1.2, 0.0, 0.5, 2.2]), 0.3),
        },
        {
            "That is the density at v; asked is the probability of the whole cell.": _density,
            "Left of 0 the cumulative distribution is another formula.": _one_sided,
            "The cell reaches half a step each way, not a whole one.": lambda v, s: (
                laplace_mass((v + 0.5), s) + laplace_mass((v - 0.5), s)
            ),
        },
        "The cumulative distribution is ½ exp(t / b) for t < 0 and 1 - ½ exp(-t / b) above; take it at both ends.",
    ),
)
