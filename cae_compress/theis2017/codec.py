"""Theis 2017 as a codec: two networks, each for several rates, each a `latent_codec.LatentCodec`.

    image ─> f ─> y     ─> round(y * scale) ─> q ─> a table for each channel, arithmetic coder ─┐
                                                                                       .cae bytes
    image <─ g <─ y_hat <─ q / scale        <─ q <─ the same, integers only <───────────────────┘

The scales of the channels were tuned for three rates a network; between those they are interpolated, as in the paper.
Tables are what was counted in photographs at each rate, smoothed, as in the paper; contexts that adapt are the
alternative. Which network codes a picture follows from the setting alone (the paper tries all, and keeps the best).

    setting 0 ... 3  ──>  network 1 (up to 1.5) or 2; one setting further, a lambda four times as large

Source: Theis, Shi, Cunningham, Huszar, ICLR 2017, sections 2.4, 3 and 4.
"""

from cae_compress import loading
from cae_compress.lambda_codec import LambdaCodec
from cae_compress.latent_codec import LatentCodec

MODELS = ("theis2017-1", "theis2017-2")  # smallest files first


class Theis2017Codec(LambdaCodec):
    """The network and the scales that fit the rate, latents coded by static tables or by adaptive contexts.

    Args:
        entropy_model: "static", the paper's histograms, or "adaptive".
    """

    models = MODELS
    beyond = 1
    settings = (0, 0.5, 1, 1.5, 2, 2.5, 3)

    def __init__(self, entropy_model="static"):
        self.entropy_model = entropy_model
        self.name = "Theis 2017" if entropy_model == "static" else "Theis 2017, adaptive contexts"

    def network(self, model):
        """The `LatentCodec` of one of the networks."""
        return network_codec(model, self.entropy_model)

    def encode_with(self, codec, image, beyond):
        """Code a picture with one of the networks, with the scales of a setting so far beyond its own."""
        return codec.encode(image, 2.0**-beyond)


@loading.once
def network_codec(model, entropy_model):
    """The `LatentCodec` of one of the networks, loaded once in a process."""
    return codec_of_weights(model, entropy_model)


def codec_of_weights(name, entropy_model="static"):
    """The `LatentCodec` of shipped weights, or of an .npz file written by `export`; raises FileNotFoundError."""

    def networks(arrays):
        from cae_compress.theis2017 import network

        return network.from_arrays(arrays)

    return LatentCodec.of_weights(name, networks, entropy_model)
