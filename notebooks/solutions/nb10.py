"""Solutions to the exercises of notebook 10."""

import numpy as np


def latents_per_pixel(strides, maps):
    side = np.prod(strides)
    return maps / side**2


def loss_with_price(x, x_hat, y, price):
    return 255**2 * np.mean((x - x_hat) ** 2) + price * np.mean(np.log(1 + np.abs(y)))


def quantize(y, centre, step):
    q = np.rint((y - centre) / step)
    return centre + step * q


def table_bits(symbols, counts):
    p = (counts + 1) / np.sum(counts + 1)
    return -np.log2(p[symbols]).sum()
