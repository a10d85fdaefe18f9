"""What each idea in the flagship's coding is worth, on held-out photographs.

`python -m cae_compress.flagship.ablations --help`.

Every variant codes the same pictures with the same networks; a row of the table is one variant, with its BD-rate
against the codec as it ships (negative: fewer bits for the same PSNR). Kodak plays no part in it.
"""

import argparse
from unittest import mock

import numpy as np
import pandas as pd

from cae_compress import bitstream, metrics
from cae_compress.coding import arithmetic
from cae_compress.coding.arithmetic import ONE
from cae_compress.coding.compiled import compiled_afresh, inlined
from cae_compress.flagship import codec as flagship_codec
from cae_compress.flagship import latents, trellis
from cae_compress.flagship.codec import RDCodec
from cae_compress.flagship.integer_context import GROUPS
from cae_compress.flagship.integer_passes import PER_STEP
from cae_compress.flagship.latents import bucket_of
from cae_compress.progress import progress_bar

QUALITIES = (15, 35, 55, 75, 95)
patched = mock.patch.object  # for a while, something is otherwise


def curves(codec, pictures, num_bits):
    """(bpp, psnr_db) of each picture at all qualities: float (pictures, 2, qualities)."""
    result = []
    for picture in progress_bar(pictures, unit="picture", leave=False):
        files = [codec.encode(picture, quality) for quality in QUALITIES]
        bpp = [num_bits(data) / (picture.shape[0] * picture.shape[1]) for data in files]
        result.append((bpp, [metrics.psnr(picture, codec.decode(data)) for data in files]))
    return np.array(result)


def model_bits(codec, data):
    """What the latents of a file would cost under the logistic distributions alone, header included: an estimate."""
    header, payload = bitstream.read(data)
    bits, q = 8.0 * header.num_bytes, codec.decode_latents(header, payload)

    def code_pass(k, at, mean, log_scale):
        nonlocal bits
        values = q[at][..., GROUPS[k] : GROUPS[k + 1]]
        bits += trellis.information(
            values.reshape(mean.shape).astype(np.int32), mean, bucket_of(log_scale), flagship_codec.DEPENDENT
        )
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


def without_adaptation(codec, picture):
    """`latents.code_values` with probabilities that stay as they start, compiled by coding a picture once."""
    code_values = compiled_afresh(latents.code_values)
    with patched(arithmetic, "adapt", stay), patched(latents, "code_values", code_values):
        codec.decode(codec.encode(picture))
    return code_values


def ablations(codec, pictures):
    """The table: variant, BD-rate in percent against the codec as it ships.

    Args:
        codec: an `RDCodec`.
        pictures: list of uint8 arrays (h, w, 3), no larger than a tile, that nothing was trained on.
    """

    def size(data):
        return 8 * len(data)

    shipped = curves(codec, pictures, size)
    variants = {"as shipped": shipped}
    for weight in (1.5, 3.0, 6.0, 12.0):
        with patched(flagship_codec, "DISTORTION_WEIGHT", weight):
            variants[f"latents chosen with distortion weight {weight:g}"] = curves(codec, pictures, size)
    with patched(flagship_codec, "DEPENDENT", False):
        for weight in (3.0, 6.0):
            with patched(flagship_codec, "DISTORTION_WEIGHT", weight):
                name = f"latents that don't depend on each other, distortion weight {weight:g}"
                variants[name] = curves(codec, pictures, size)
        with patched(codec, "quantizer", lambda *_: nearest):
            variants["latents rounded to the nearest whole step"] = curves(codec, pictures, size)
    with patched(latents, "leave_out", lambda *_: False):
        variants["latents coded that are all but certain"] = curves(codec, pictures, size)
    with patched(latents, "code_values", without_adaptation(codec, pictures[0])):
        variants["contexts that do not adapt"] = curves(codec, pictures, size)
    with patched(codec, "probabilities", np.full_like(codec.probabilities, ONE // 2)):
        variants["contexts start at one half"] = curves(codec, pictures, size)
    variants["the model's own bits instead of files (estimate)"] = curves(
        codec, pictures, lambda data: model_bits(codec, data)
    )
    return pd.DataFrame(
        {
            "variant": name,
            "bd_rate_percent": np.mean([metrics.bd_rate(*a, *b) for a, b in zip(measured, shipped)]),
            "pictures": len(pictures),
            "weights": codec.weights_sha256,
        }
        for name, measured in variants.items()
    )


def main(argv=None):
    from cae_compress.photographs import photographs

    parser = argparse.ArgumentParser(
        prog="python -m cae_compress.flagship.ablations", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", default="data/ablations.csv", help="table to write (default: %(default)s)")
    args = parser.parse_args(argv)
    table = ablations(RDCodec(), photographs()[1])
    table.to_csv(args.out, index=False, float_format="%.4g")
    print(table.drop(columns="weights").to_string(index=False))


if __name__ == "__main__":
    main()
