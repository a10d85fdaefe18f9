import numpy as np
import pytest

from cae_compress import weights
from cae_compress.toderici2017 import bits_fit, network
from cae_compress.toderici2017.bits import PASSES
from cae_compress.toderici2017.codec import Toderici2017Codec
from cae_compress.toderici2017.tiles import Tiles


@pytest.fixture(scope="session")
def model():
    """A narrow network with weights drawn so large that its bits and pictures are lively."""
    model, rng = network.Toderici2017(2), np.random.default_rng(1)
    model.set_weights([rng.normal(0, 3 / v[..., 0].size ** 0.5, v.shape) * (v.ndim > 1) for v in model.get_weights()])
    return model


@pytest.fixture(scope="session")
def narrow(model, photographs, tmp_path_factory):
    """A codec of that network, its coder fitted to its bits."""
    path = tmp_path_factory.mktemp("weights") / "narrow.npz"
    tiles = Tiles(model)
    weights_and_probabilities = bits_fit.fit(
        [tiles.encode(image[:160, :200], PASSES) for image in photographs.values()]
    )
    arrays = dict(zip(("bits/weights", "bits/probabilities"), weights_and_probabilities))
    (path.parent / "log.csv").write_text("step\n")
    weights.save(path, {**network.to_arrays(model), **arrays}, {"settings": {"seed": 1}}, path.parent / "log.csv")
    return Toderici2017Codec(str(path))
