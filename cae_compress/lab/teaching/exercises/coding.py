"""Exercises of notebook 5: arithmetic coding."""

from fractions import Fraction

import numpy as np

from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_TOSSES = [int(bit) for bit in _RNG.random(40) < 0.2]


def information(bits, p_one):
    """Bits that an ideal coder needs for tosses of a coin that shows 1 with that probability."""
    bits = np.asarray(bits)
    return float(-np.log2(np.where(bits == 1, p_one, 1 - p_one)).sum())


def _information(p, finish=lambda p: -np.log2(p).sum()):
    return lambda bits, p_one: float(finish(p(np.asarray(bits), p_one)))


def _right(bits, p_one):
    return np.where(bits == 1, p_one, 1 - p_one)


def narrow(low, width, bit, p_zero):
    """The part of an interval that belongs to a bit, 0 below 1: (low, width)."""
    cut = width * p_zero
    return (low + cut, width - cut) if bit else (low, cut)


def adapt(p_zero, bit, shift):
    """The new estimate of the probability of 0 after a bit, moved by 1 / 2**shift of the distance."""
    return p_zero + ((bit == 0) - p_zero) / 2**shift


def encode(bits, p_zero):
    """A message as the shortest string of "0" and "1" whose number 0.xxx lies in the message's interval."""
    low, width = Fraction(0), Fraction(1)
    for bit in bits:
        cut = width * Fraction(p_zero)
        low, width = (low + cut, width - cut) if bit else (low, cut)
    count = 0
    while True:
        number = -(-low * 2**count // 1)  # rounded up
        if Fraction(number, 2**count) < low + width:
            return format(number, f"0{count}b") if count else ""
        count += 1


def _decoded(function, bits, p_zero):
    """What a decoder makes of a code, and whether the code is short: 1 if no more than 2 bits over the information."""
    code = function(bits, p_zero)
    if not isinstance(code, str) or set(code) - {"0", "1"}:
        raise TypeError("a code is a string of 0 and 1")
    number = Fraction(int(code, 2), 2 ** len(code)) if code else Fraction(0)
    low, width, out = Fraction(0), Fraction(1), []
    for _ in bits:
        cut = width * Fraction(p_zero)
        out.append(int(number >= low + cut))
        low, width = (low + cut, width - cut) if out[-1] else (low, cut)
    limit = information(bits, 1 - float(p_zero)) + 2
    return [int(len(code) <= limit), *out]


def _coder(swapped=False, rounded_down=False, extra=0):
    def encode(bits, p_zero):
        low, width = Fraction(0), Fraction(1)
        for bit in bits:
            cut = width * Fraction(p_zero)
            keep_upper = bit != swapped
            low, width = (low + cut, width - cut) if keep_upper else (low, cut)
        count = extra
        while width * 2**count < 1:
            count += 1
        number = low * 2**count // 1 if rounded_down else -(-low * 2**count // 1)
        return format(int(number), f"0{count}b")

    return encode


EXERCISES = (
    Exercise(
        "5.1",
        "information",
        5,
        "easy",
        information,
        {
            "four tosses of a fair coin": ([0, 1, 1, 0], 0.5),
            "40 tosses of a coin with p(1) = 0.2": (_TOSSES, 0.2),
            "a surprise": ([1], 0.01),
        },
        {
            "A 0 has the probability 1 - p(1), not p(1).": _information(lambda b, p: np.full(b.shape, p)),
            "You took p(1) for 0 and 1 - p(1) for 1.": _information(lambda b, p: _right(1 - b, p)),
            "That is the mean; a message costs the sum.": _information(_right, lambda p: -np.log2(p).mean()),
            "That is in nats: take the logarithm of base 2.": _information(_right, lambda p: -np.log(p).sum()),
        },
        "Each toss costs -log2 of the probability of what it showed; add them up.",
    ),
    Exercise(
        "5.2",
        "narrow",
        6,
        "easy",
        narrow,
        {"a 0 with p(0) = 3/4": (0.0, 1.0, 0, 0.75), "a 1 with p(0) = 3/4": (0.2, 0.4, 1, 0.75)},
        {
            "The lower part belongs to 0, the upper to 1; yours are swapped.": lambda low, w, b, p: narrow(
                low, w, 1 - b, p
            ),
            "Asked is the width of the new interval, not its upper end.": lambda low, w, b, p: (
                lambda n: (n[0], n[0] + n[1])
            )(narrow(low, w, b, p)),
            "The cut is at p(0) of the interval's width, not of 1.": lambda low, w, b, p: (
                (low + p, w - p) if b else (low, p)
            ),
        },
        "The cut is `width * p_zero` above `low`. A 0 keeps what is below, a 1 what is above.",
    ),
    Exercise(
        "5.3",
        "adapt",
        5,
        "easy",
        adapt,
        {"a 0 seen": (0.5, 0, 5), "a 1 seen": (0.5, 1, 5), "a 1 seen, slowly": (0.9, 1, 8)},
        {
            "Wrong direction: after a 0 the probability of 0 grows.": lambda p, b, s: adapt(p, 1 - b, s),
            "The step is 1 / 2**shift of the distance, not the same however near you are.": lambda p, b, s: (
                p + (1 if b == 0 else -1) / 2**s
            ),
            "2**shift, not shift.": lambda p, b, s: p + ((b == 0) - p) / s,
        },
        "The goal is 1 after a 0 and 0 after a 1. Go 1 / 2**shift of the way from p_zero to it.",
    ),
    Exercise(
        "5.4",
        "encode",
        25,
        "hard",
        encode,
        {
            "0 0 0 1 with p(0) = 3/4": ([0, 0, 0, 1], Fraction(3, 4)),
            "40 tosses with p(0) = 4/5": (_TOSSES, Fraction(4, 5)),
            "sixteen ones with p(0) = 1/2": ([1] * 16, Fraction(1, 2)),
        },
        {
            "It decodes to the opposite: 0 owns the lower part of the interval.": _coder(swapped=True),
            "Cut off after so many digits the number falls below the interval: round up.": _coder(rounded_down=True),
            "It decodes, but is longer than it need be: no more digits than it takes to hit the interval.": _coder(
                extra=64
            ),
        },
        "Narrow the interval with `Fraction` for every bit. Then try 0, 1, 2, ... digits: the smallest number of "
        "so many digits that is not below `low` is low * 2**digits rounded up; is it inside?",
        run=_decoded,
    ),
)
