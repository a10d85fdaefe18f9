"""Learned image compression that a class can read, run and trust.

Importing this package loads neither TensorFlow nor matplotlib: each public name is fetched when first used.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "encode": "codec",
    "decode": "codec",
    "encode_to_size": "to_size",
    "truncate": "to_size",
    "codecs": "codec",
    "save": "codec",
    "load": "codec",
    "warm_up": "codec",
    "BitstreamError": "bitstream",
    "CAECodec": "cheng2018.codec",
    "RateCAECodec": "cheng2018.rate_codec",
    "RDCodec": "flagship.codec",
    "Balle2017Codec": "balle2017.codec",
    "Theis2017Codec": "theis2017.codec",
    "Toderici2017Codec": "toderici2017.codec",
    "Metadata": "metadata",
    "metadata_of": "codec",
    "LatentCodec": "latent_codec",
    "read": "pictures",
    "PictureError": "pictures",
    "psnr": "metrics",
    "ssim": "metrics",
    "ms_ssim": "metrics",
    "bd_rate": "metrics",
    "BASELINES": "lab.baselines",
    "load_pictures": "datasets",
    "DownloadError": "datasets",
}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *__all__])
