"""What each idea in the flagship's coding is worth, on held-out photographs.

`python -m cae_compress.flagship.ablations --help`.

Every variant codes the same pictures with the same networks; a row of the table is one variant, with its BD-rate
against the codec as it ships (negative: fewer bits for the same PSNR). Kodak plays no part in it.
"""

import argparse
import contextlib
import functools
import importlib
import threading
from unittest import mock

import numpy as np
import pandas as pd

from cae_compress import bitstream, metrics, workers
from cae_compress.coding import arithmetic, binarization
from cae_compress.coding.arithmetic import ONE
from cae_compress.coding.compiled import compiled_afresh, inlined
from cae_compress.flagship import codec as flagship_codec
from cae_compress.flagship import latents, trellis
from cae_compress.flagship.codec import RDCodec
from cae_compress.flagship.coding_order import GROUPS
from cae_compress.flagship.integer_passes import PER_STEP
from cae_compress.flagship.latents import bucket_of
from cae_compress.photographs import held_out

QUALITIES = (15, 35, 55, 75, 95)
SHIPPED, ESTIMATE = "as shipped", "the model's own bits instead of files (estimate)"
patched = mock.patch.object  # for a while, something is otherwise
one_at_a_time = threading.Lock()  # that holds for all threads of a process


def size(data):
    """Bits of a file."""
    return 8 * len(data)


def curve(codec, picture, num_bits):
    """(bpp, psnr_db) of a picture at all qualities: float (2, qualities)."""
    files = [codec.encode(picture, quality) for quality in QUALITIES]
    bpp = [num_bits(data) / (picture.shape[0] * picture.shape[1]) for data in files]
    return np.array([bpp, [metrics.psnr(picture, codec.decode(data)) for data in files]])


def model_bits(codec, data):
    """What the latents of a file would cost under the logistic distributions alone, header included: an estimate."""
    header, payload = bitstream.read(data)
    bits, q = 8.0 * header.num_bytes, codec.decode_latents(header, payload)

    def code_pass(k, at, mean, log_scale):
        nonlocal bits
        values = q[at][..., GROUPS[k] : GROUPS[k + 1]].reshape(mean.shape).astype(np.int32)
        bits += trellis.information(values, mean, bucket_of(log_scale), flagship_codec.DEPENDENT)
        return values

    codec.context.code(*q.shape[:2], header.settings, np.diff(GROUPS), code_pass)
    return bits


def nearest(y, mean, bucket, channels):
    """Plain rounding to whole steps, as `RDLatentCoder.encode` wants a quantizer: int32 like `y`, in half steps."""
    largest = trellis.MAX_LATENT / PER_STEP
    return PER_STEP * np.rint(np.clip(y, -largest, largest)).astype(np.int32)


@inlined
def stay(contexts, k, bit):
    """`arithmetic.adapt` without adaptation."""


@functools.cache
def without_adaptation(codec):
    """`latents.code_values` with probabilities that stay as they start.

    It is compiled by coding a picture once, and so is all that stands between it and the probabilities.
    """
    code_bit, code_remainder = compiled_afresh(arithmetic.code_bit), compiled_afresh(binarization.code_remainder)
    code_values = compiled_afresh(latents.code_values)
    with (
        patched(arithmetic, "adapt", stay),
        patched(binarization, "code_bit", code_bit),
        patched(latents, "code_bit", code_bit),
        patched(latents, "code_remainder", code_remainder),
        patched(latents, "code_values", code_values),
    ):
        codec.decode(codec.encode(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)))
    return code_values


def variants(codec):
    """What is otherwise in each variant: dict from its name to a list of patches."""

    def weight(value):
        return patched(flagship_codec, "DISTORTION_WEIGHT", value)

    independent = patched(flagship_codec, "DEPENDENT", False)
    not_adapting = functools.partial(without_adaptation, codec)  # compiled when it is needed
    return {
        SHIPPED: [],
        **{f"latents chosen with distortion weight {value:g}": [weight(value)] for value in (1.5, 3.0, 6.0, 12.0)},
        **{
            f"latents that don't depend on each other, distortion weight {value:g}": [independent, weight(value)]
            for value in (3.0, 6.0)
        },
        "latents rounded to the nearest whole step": [independent, patched(codec, "quantizer", lambda *_: nearest)],
        "latents coded that are all but certain": [patched(latents, "leave_out", lambda *_: False)],
        "contexts that do not adapt": [patched(latents, "code_values", new_callable=not_adapting)],
        "contexts start at one half": [patched(codec, "probabilities", np.full_like(codec.probabilities, ONE // 2))],
        ESTIMATE: [],
    }


def measure(codec, picture, variant):
    """`curve` of a picture, uint8 (h, w, 3), in one of the `variants`."""
    num_bits = functools.partial(model_bits, codec) if variant == ESTIMATE else size
    with one_at_a_time, contextlib.ExitStack() as stack:
        for change in variants(codec)[variant]:
            stack.enter_context(change)
        return curve(codec, picture, num_bits)


def ablations(codec, pictures):
    """The table: variant, BD-rate in percent against the codec as it ships.

    Args:
        codec: an `RDCodec`.
        pictures: list of uint8 arrays (h, w, 3), no larger than a tile, that nothing was trained on.
    """
    return table_of(lambda task: measure(codec, pictures[task[1]], task[0]), codec, len(pictures))


def ablations_of_photographs(jobs=None, dask=None):
    """`ablations` of the codec that ships, on held-out photographs; `jobs` and `dask` as `workers.run` takes them."""
    codec, pictures = shipped()
    return table_of(measure_by_name, codec, len(pictures), jobs=jobs, dask=dask)


def measure_by_name(task):
    """`measure` of (variant, number of a held-out photograph)."""
    variant, k = task
    codec, pictures = shipped()
    return measure(codec, pictures[k], variant)


@functools.cache
def shipped():
    """The codec that ships and the held-out photographs, loaded once in a process."""
    return RDCodec(), held_out()


def table_of(function, codec, num_pictures, **where):
    """The table, given a function of (variant, number of a picture); `where` is for `workers.run`."""
    tasks = [(variant, k) for variant in variants(codec) for k in range(num_pictures)]
    curves = dict(zip(tasks, workers.results(function, tasks, "curve", **where)))

    def bd_rate(variant, k):
        return metrics.bd_rate(*curves[variant, k], *curves[SHIPPED, k])

    return pd.DataFrame(
        {
            "variant": variant,
            "bd_rate_percent": np.mean([bd_rate(variant, k) for k in range(num_pictures)]),
            "pictures": num_pictures,
            "weights": codec.weights_sha256,
        }
        for variant in variants(codec)
    )


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m cae_compress.flagship.ablations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", default="data/ablations.csv", help="table to write (default: %(default)s)")
    workers.add_options(parser)
    args = parser.parse_args(argv)
    with workers.errors_told(parser):
        table = ablations_of_photographs(args.jobs, args.dask)
    table.to_csv(args.out, index=False, float_format="%.4g")
    print(table.drop(columns="weights").to_string(index=False))


if __name__ == "__main__":  # by its name, under which other processes find its functions
    importlib.import_module(__spec__.name).main()
