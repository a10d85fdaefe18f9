import numpy as np
import pytest
from hypothesis import settings

from cae_compress import datasets

settings.register_profile("untimed", deadline=None)  # the first call of a compiled function takes seconds
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def photographs():
    """The bundled photographs, by name."""
    return datasets.bundled()


@pytest.fixture(scope="session")
def photograph(photographs):
    """One photograph, small enough to be quick: 200x300."""
    return np.ascontiguousarray(photographs["chelsea"][:200, :300])


@pytest.fixture(scope="session")
def crops(photographs):
    """Squares to train on for a moment: uint8 (18, 48, 48, 3)."""
    return np.stack([image[k : k + 48, k : k + 48] for image in photographs.values() for k in (0, 90, 180)])


@pytest.fixture(scope="session")
def fixed_codec():
    from cae_compress.cheng2018.codec import CAECodec

    return CAECodec("fixed")


@pytest.fixture(scope="session")
def block_codec():
    from cae_compress.cheng2018.codec import CAECodec

    return CAECodec("block")
