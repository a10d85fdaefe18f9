"""Makes the golden files anew: only when the format or the weights change on purpose. `python tests/golden/make.py`."""

import json
from pathlib import Path

import numpy as np

from cae_compress import CAECodec, bitstream, datasets
from cae_compress.latents import Latents

FOLDER = Path(__file__).parent


def latents_hash(codec, data):
    """SHA-256 of everything that a file's payload decodes to."""
    import hashlib

    latents = Latents.concatenate(codec.decode_latents(*bitstream.read(data)))
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
    hashes = {}
    for rotation in ("fixed", "block"):
        codec = CAECodec(rotation)
        for (name, picture), bits in zip(pictures.items(), (5, 6.5, 4, 6, 8)):
            data = codec.encode(picture, bits)
            file = FOLDER / f"{name}-{rotation}.cae"
            file.write_bytes(data)
            hashes[file.name] = latents_hash(codec, data)
    (FOLDER / "latents.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
