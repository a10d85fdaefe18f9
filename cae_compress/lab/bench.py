"""How fast the coder is, measured in one run: `cae-compress bench`."""

import subprocess
import sys
import time

import numpy as np

from cae_compress import bitstream, datasets
from cae_compress.cheng2018.codec import LEVELS_MASK, CAECodec
from cae_compress.cheng2018.latents import BLOCK_SIZE, NUM_CONTEXTS, LatentCoder, Latents
from cae_compress.coding import arithmetic
from cae_compress.coding.contexts import ContextModel
from cae_compress.metrics import bits_per_pixel

REPEATS = 5
BARE_DECISIONS = 4_000_000
HALF_BIT = 5.6  # B that gives half a bit a pixel or somewhat more on the photographs below


def report():
    """Measure everything; returns the report as text."""
    lines = ["medians of several runs on one core"]
    lines += [f"{name:44} {value}" for name, value in [*bare_coder(), *constriction(), *contexts_and_coder(), *start()]]
    return "\n".join(lines)


def median_seconds(action):
    """Median time of an action, after one run not counted."""
    times = []
    for _ in range(REPEATS + 1):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:]))


def decisions():
    """Random bits in 64 contexts of different probabilities, and which context each is in."""
    rng = np.random.default_rng(1)
    which = rng.integers(0, 64, BARE_DECISIONS)
    return (rng.random(BARE_DECISIONS) < rng.random(64)[which] ** 3).astype(np.uint8), which


def bare_coder():
    """The arithmetic coder with adaptive probabilities, without binarization or contexts of ours."""
    bits, which = decisions()
    data = arithmetic.encode_bits(bits, arithmetic.new_probabilities(64), which)
    for name, action in {
        "encode": lambda: arithmetic.encode_bits(bits, arithmetic.new_probabilities(64), which),
        "decode": lambda: arithmetic.decode_bits(data, bits.size, arithmetic.new_probabilities(64), which),
    }.items():
        yield f"bare coder, {name}", f"{bits.size / median_seconds(action) / 1e6:7.1f} million adaptive decisions/s"


def constriction():
    """constriction's range coder on the same bits, with the static probability of each context given to it."""
    try:
        import constriction
    except ImportError:
        yield "constriction", "not installed"
        return
    bits, which = decisions()
    p = np.array([bits[which == k].mean() for k in range(64)])[which].clip(1e-6, 1 - 1e-6)
    symbols, model = bits.astype(np.int32), constriction.stream.model.Bernoulli(perfect=False)

    def encode():
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(symbols, model, p)
        return encoder.get_compressed()

    words = encode()
    for name, action in {
        "encode": encode,
        "decode": lambda: constriction.stream.queue.RangeDecoder(words).decode(model, p),
    }.items():
        yield f"constriction, static, {name}", f"{bits.size / median_seconds(action) / 1e6:7.1f} million decisions/s"


def contexts_and_coder():
    """Latents of photographs at about half a bit a pixel, with binarization and contexts, scaled to 768x512."""
    codec, photographs = CAECodec(), datasets.bundled()
    for name in ("rocket", "flower"):
        image = photographs[name]
        header, payload = bitstream.read(codec.encode(image, HALF_BIT))
        tiles = list(codec.decode_latents(header, payload))
        coder = code_all(codec, header.settings & LEVELS_MASK, tiles)
        decisions, rate = int(coder.coder[arithmetic.DECISIONS]), bits_per_pixel(len(payload), image)
        for direction, action in {
            "encode": lambda: code_all(codec, header.settings & LEVELS_MASK, tiles),  # noqa: B023, used at once
            "decode": lambda: list(codec.decode_latents(header, payload)),  # noqa: B023
        }.items():
            seconds = median_seconds(action)
            milliseconds = 1000 * seconds * 768 * 512 / (image.shape[0] * image.shape[1])
            speed = f"{decisions / seconds / 1e6:7.1f} million decisions/s"
            yield (
                f"contexts and coder, {name}, {direction}",
                f"{speed}, {milliseconds:.0f} ms for 768x512, {rate:.2f} bpp",
            )


def code_all(codec, levels, tiles):
    """Encode tiles of `Latents`, all as wide as the picture; returns the `LatentCoder`."""
    coder = LatentCoder(codec.context_model, levels, len(tiles[0].classes) * BLOCK_SIZE)
    for tile in tiles:
        coder.code(tile, left=0)
    return coder


def first_calls():
    """Seconds of the first and of the second use of the coder in this process; prints them, for `start`."""
    model = ContextModel.untrained(NUM_CONTEXTS)
    for _ in range(2):
        begin = time.perf_counter()
        LatentCoder(model, 256, 1).code(Latents.empty(1, own_bases=False), left=0)
        print(time.perf_counter() - begin)


def start():
    """What the first call in a fresh process costs, with compiled code in numba's cache."""
    command = [sys.executable, "-c", "from cae_compress.lab import bench; bench.first_calls()"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    first, second = (float(line) for line in output.split())
    yield "first call in a fresh process", f"{first:7.2f} s, {first - second:.2f} s more than the second"
