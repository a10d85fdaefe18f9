"""Makes the golden files of today's encoders: only when they change on purpose. `python tests/golden/make.py`.

Files of earlier encoders stay for ever: `*-rdcae.cae` were written when TensorFlow compiled the flagship's analysis
wrongly.
"""

import json
from pathlib import Path

import numpy as np

from cae_compress import CAECodec, RDCodec, bitstream, codec, datasets
from cae_compress.cheng2018.latents import Latents
from cae_compress.cheng2018.rate_codec import RateCAECodec

FOLDER = Path(__file__).parent


def latents_hash(data):
    """SHA-256 of everything that a file's payload decodes to."""
    import hashlib

    header, payload = bitstream.read(data)
    latents = codec.codec_of(header).decode_latents(header, payload)
    if isinstance(latents, np.ndarray):  # the flagship's
        parts = (latents,)
    else:
        latents = Latents.concatenate(latents)
        parts = (latents.q, latents.classes, latents.colours, latents.ranges, latents.bases)
    return hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts if p is not None)).hexdigest()


def main():
    photographs = datasets.bundled()
    pictures = {
        "photograph": photographs["coffee"][150:350, 200:340],
        "grey": photographs["astronaut"][:130, :60, 0],
        "line": photographs["china"][:1, :300],
        "flat": np.full((512, 768, 3), (10, 200, 77), np.uint8),
        "noise": np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8),
    }
    hashes = json.loads((FOLDER / "latents.json").read_text())  # files of earlier encoders stay, and must decode
    makers = {
        "fixed": (CAECodec("fixed", "cheng2018-dct"), (5, 6.5, 4, 6, 8)),
        "block": (CAECodec("block", "cheng2018-dct"), (5, 6.5, 4, 6, 8)),
        "random": (CAECodec("fixed"), (5, 6.5, 4, 6, 8)),
        "rate": (RateCAECodec(), (1, 2, 3, 4, 5)),
        "flagship": (RDCodec(), (50, 70.5, 30, 1, 100)),
    }
    for kind, (maker, settings) in makers.items():
        for (name, picture), setting in zip(pictures.items(), settings):
            data = maker.encode(picture, setting)
            file = FOLDER / f"{name}-{kind}.cae"
            file.write_bytes(data)
            hashes[file.name] = latents_hash(data)
    (FOLDER / "latents.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
