import numpy as np

from cae_compress import RDCodec
from cae_compress.flagship import ablations
from cae_compress.flagship import codec as flagship_codec


def test_every_idea_is_measured_and_everything_is_put_back(photograph):
    codec, weight = RDCodec(), flagship_codec.DISTORTION_WEIGHT
    probabilities = codec.probabilities.copy()
    table = ablations.ablations(codec, [photograph]).set_index("variant")["bd_rate_percent"]
    assert table["as shipped"] == 0
    assert table["contexts start at one half"] > 1
    assert table["latents chosen with distortion weight 1.5"] != table["latents chosen with distortion weight 6"]
    assert table["latents that don't depend on each other, distortion weight 6"] > 1
    assert table["contexts that do not adapt"] not in (0, table["contexts start at one half"])
    assert weight == flagship_codec.DISTORTION_WEIGHT and np.array_equal(codec.probabilities, probabilities)
