"""Solutions to the exercises of notebook 6."""

import numpy as np
import tensorflow as tf


def best_setting(rates, distortions, lmbda):
    return np.argmin(rates + lmbda * distortions)


def rate_distortion_loss(bits_per_pixel, x, x_hat, lmbda):
    return bits_per_pixel + lmbda * 255**2 * np.mean((x - x_hat) ** 2)


def round_through(y):
    return y + tf.stop_gradient(tf.round(y) - y)


def laplace_mass(v, scale):
    def cdf(t):
        return np.where(t < 0, np.exp(-np.abs(t) / scale) / 2, 1 - np.exp(-np.abs(t) / scale) / 2)

    return cdf(v + 0.5) - cdf(v - 0.5)
