"""Makes the golden files of today's encoders: only when they change on purpose. `python tests/golden/make.py`.

Files of earlier encoders stay as long as their weights: those in `earlier/` were made with weights of the flagship
that are no longer here, and must be refused. `*-front` are what comes out of the front door: version 2 of the
container, pictures of one colour, and drawings; all others are what a codec writes itself.
"""

import json
from pathlib import Path

import numpy as np

from cae_compress import (
    Balle2017Codec,
    CAECodec,
    Metadata,
    RDCodec,
    Theis2017Codec,
    Toderici2017Codec,
    bitstream,
    codec,
    datasets,
    synthetic,
)
from cae_compress.cheng2018.latents import Latents
from cae_compress.cheng2018.rate_codec import RateCAECodec

FOLDER = Path(__file__).parent


def latents_hash(data):
    """SHA-256 of everything that a file's payload decodes to."""
    import hashlib

    header, payload = bitstream.read(data)
    latents = codec.codec_of(header).decode_latents(header, payload)
    if isinstance(latents, np.ndarray):  # all but cheng2018's
        parts = (latents,)
    else:
        latents = Latents.concatenate(latents)
        parts = (latents.q, latents.classes, latents.colours, latents.ranges, latents.bases)
    return hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts if p is not None)).hexdigest()


def files_of_front_door(photographs):
    """Files of the front door: dict from name to bytes."""
    grey = photographs["astronaut"][:130, :60, 0]
    metadata = Metadata(bytes(range(256)) * 2, b"II*\0\x08\0\0\0\0\0\0\0\0\0", "<x:xmpmeta/>" * 9, (300, 72.009))
    return {
        "grey-front.cae": codec.encode(grey, 50),
        "grey-cheng2018-front.cae": codec.encode(grey, 50, model="cheng2018"),
        "equal-front.cae": codec.encode(np.dstack([grey] * 3), 20),
        "metadata-front.cae": codec.encode(photographs["coffee"][150:250, 200:340], 50, metadata=metadata),
        "flat-front.cae": codec.encode(np.full((512, 768, 3), (10, 200, 77), np.uint8)),
        "drawing-front.cae": codec.encode(synthetic.facade(), 90),
        "drawing-grey-front.cae": codec.encode(synthetic.text()[:100, :150, 0], 90, metadata=metadata),
        "flat-grey-front.cae": codec.encode(np.full((5, 7), 93, np.uint8), metadata=metadata),
    }


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
        "none": (CAECodec("none", "cheng2018-dct"), (5, 6.5, 4, 6, 8)),
        "rate": (RateCAECodec(), (1, 2, 3, 4, 5)),
        "theis2017": (Theis2017Codec(), (2, 1.5, 0, 2.7, 3)),
        "theis2017-adaptive": (Theis2017Codec("adaptive"), (2, 1.5, 0, 2.7, 3)),
        "balle2017": (Balle2017Codec(), (2, 1.5, 1, 2.7, 3)),
        "balle2017-adaptive": (Balle2017Codec("adaptive"), (2, 1.5, 1, 2.7, 3)),
        "toderici2017": (Toderici2017Codec(), (4, 8, 2, 1, 7)),
        "flagship": (RDCodec(), (50, 70.5, 30, 1, 100)),
        "flagship-ms-ssim": (RDCodec("rdcae-ms-ssim"), (50, 70.5, 30, 1, 100)),
    }
    for kind, (maker, settings) in makers.items():
        for (name, picture), setting in zip(pictures.items(), settings):
            data = maker.encode(picture, setting)
            file = FOLDER / f"{name}-{kind}.cae"
            file.write_bytes(data)
            hashes[file.name] = latents_hash(data)
    for name, data in files_of_front_door(photographs).items():
        (FOLDER / name).write_bytes(data)
        hashes[name] = latents_hash(data)
    (FOLDER / "latents.json").write_text(json.dumps(hashes, indent=1) + "\n")


if __name__ == "__main__":
    main()
