"""Solutions to the exercises of notebook 5."""

from fractions import Fraction
from math import ceil

import numpy as np


def information(bits, p_one):
    return -sum(np.log2(p_one if bit else 1 - p_one) for bit in bits)


def narrow(low, width, bit, p_zero):
    cut = width * p_zero
    return (low + cut, width - cut) if bit else (low, cut)


def adapt(p_zero, bit, shift):
    goal = 0 if bit else 1
    return p_zero + (goal - p_zero) / 2**shift


def encode(bits, p_zero):
    low, width = Fraction(0), Fraction(1)
    for bit in bits:
        low, width = narrow(low, width, bit, p_zero)
    for digits in range(1000):
        number = ceil(low * 2**digits)
        if Fraction(number, 2**digits) < low + width:
            return f"{number:0{digits}b}" if digits else ""
