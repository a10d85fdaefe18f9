"""Exercises of notebook 4: rate."""

import numpy as np

from cae_compress.coding import entropy as library
from cae_compress.lab.teaching.exercise import Exercise

_RNG = np.random.default_rng(1)
_Q = np.rint(_RNG.laplace(0, 1.5, 3000)).astype(int)
_PLANES = np.stack([np.rint(_RNG.laplace(0, s, (2, 4, 4, 8))) for s in (3, 0.4, 0.8)], axis=1).astype(int)


def entropy(q):
    """Zero-order entropy, bits a symbol."""
    return library.zero_order_entropy(q)


def _of_frequencies(finish):
    return lambda q: float(finish(np.unique(q, return_counts=True)[1] / np.size(q)))


def estimate_bpp(q, num_pixels):
    """The replication's estimate for codes (blocks, planes, h, w, maps)."""
    return library.estimate_bpp(q, num_pixels)[0]


def side_information_bpp(bits):
    """Bases and ranges of the three planes of a block, a pixel."""
    return 3 * (32 * 32 + 1) * bits / 128**2


def conditional_entropy(symbols, context):
    """Entropy of symbols whose context is known, bits a symbol."""
    groups = [symbols[context == c] for c in np.unique(context)]
    return sum(entropy(group) * group.size for group in groups) / symbols.size


def _joint(symbols, context):
    return entropy(symbols * 1000 + context)


def _unweighted(symbols, context):
    return float(np.mean([entropy(symbols[context == c]) for c in np.unique(context)]))


_CONTEXT = (_RNG.random(2000) < 0.2).astype(int)
_SYMBOLS = (_RNG.random(2000) < np.where(_CONTEXT, 0.5, 0.03)).astype(int)

EXERCISES = (
    Exercise(
        "4.1",
        "entropy",
        8,
        "easy",
        entropy,
        {
            "a fair coin": (np.array([0, 1] * 50),),
            "3,000 integers, some negative": (_Q,),
            "one value only": (np.zeros(7, int),),
        },
        {
            "That is in nats: take the logarithm of base 2.": _of_frequencies(lambda p: -(p * np.log(p)).sum()),
            "Logarithms of probabilities are negative, bits are not: the minus is missing.": _of_frequencies(
                lambda p: (p * np.log2(p)).sum()
            ),
            "Weigh the information of each value by how often it comes.": _of_frequencies(lambda p: -np.log2(p).mean()),
            "That is for all symbols together; asked are bits a symbol.": lambda q: entropy(q) * q.size,
        },
        "`np.unique(q, return_counts=True)` counts, also negative numbers; then -Σ p log2 p.",
    ),
    Exercise(
        "4.2",
        "estimate_bpp",
        10,
        "medium",
        estimate_bpp,
        {"two blocks of three planes": (_PLANES, 2048), "fewer pixels, for there is padding": (_PLANES, 1500)},
        {
            "One histogram for all planes mixes what is different: take each plane's own.": lambda q, n: (
                entropy(q) * q.size / n
            ),
            "Entropy is for one integer: multiply by how many a plane has.": lambda q, n: (
                sum(entropy(q[:, p]) for p in range(3)) / n
            ),
            "Add the three planes up; a pixel needs all of them.": lambda q, n: estimate_bpp(q, n) / 3,
        },
        "For each plane, `q[:, p]`: its entropy times its size. Sum, and divide by the pixels.",
    ),
    Exercise(
        "4.3",
        "side_information_bpp",
        5,
        "easy",
        side_information_bpp,
        {"16 bits a number": (16,), "8 bits a number": (8,)},
        {
            "Y, Cb and Cr have a basis each.": lambda b: (32 * 32 + 1) * b / 128**2,
            "The range is a number too: 32 · 32 + 1.": lambda b: 3 * 32 * 32 * b / 128**2,
            "Those are bytes.": lambda b: 3 * (32 * 32 + 1) * b / 8 / 128**2,
        },
        "Three planes, each with a matrix of 32x32 and one range, over the 128x128 pixels of a block.",
    ),
    Exercise(
        "4.4",
        "conditional_entropy",
        12,
        "hard",
        conditional_entropy,
        {
            "2,000 flags in two contexts": (_SYMBOLS, _CONTEXT),
            "a context that tells all": (_CONTEXT, _CONTEXT),
            "a context that tells nothing": (_SYMBOLS, np.zeros(2000, int)),
        },
        {
            "Contexts that come often count more: weigh by their size.": _unweighted,
            "That is the entropy of symbol and context together; the decoder knows the context already.": _joint,
            "The context is not used.": lambda s, c: entropy(s),
        },
        "Split the symbols by context, take the entropy of each part, and average by how many symbols it has.",
    ),
)
