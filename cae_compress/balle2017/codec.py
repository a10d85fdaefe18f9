"""Balle 2017 as a codec: a network for every lambda, each a `latent_codec.LatentCodec`.

    image ─> g_a ─> y     ─> round ─> q ─> a table for each channel, arithmetic coder ─┐
                                                                              .cae bytes
    image <─ g_s <─ y_hat <───────────── q <─ the same, integers only <────────────────┘

The tables are the densities that were learned, integrated over each step and made whole numbers once, at export. As an
alternative, contexts that adapt to what was decoded before code the same latents. Between two networks, where the paper
has nothing, the nearer one is used with a step a little finer or coarser than the 1 it was trained for: from one lambda
to the next, four times as large, the step that fits it halves.

Source: Balle, Laparra, Simoncelli, ICLR 2017, sections 2 and 4.
"""

from cae_compress import loading
from cae_compress.lambda_codec import LambdaCodec
from cae_compress.latent_codec import LatentCodec

MODELS = tuple(f"balle2017-{k}" for k in range(1, 4))  # smallest files first


class Balle2017Codec(LambdaCodec):
    """The network that fits the rate, its latents coded by static tables or by adaptive contexts.

    Args:
        entropy_model: "static", the paper's factorized prior, or "adaptive".
    """

    models = MODELS

    def __init__(self, entropy_model="static"):
        self.entropy_model = entropy_model
        self.name = "Ballé 2017" if entropy_model == "static" else "Ballé 2017, adaptive contexts"

    def network(self, model):
        """The `LatentCodec` of one of the networks."""
        return network_codec(model, self.entropy_model)

    def encode_with(self, codec, image, beyond):
        """Code a picture with one of the networks, with a step for a setting so far beyond its own."""
        return codec.encode(image, 2.0**-beyond)


@loading.once
def network_codec(model, entropy_model):
    """The `LatentCodec` of one of the networks, loaded once in a process."""
    return codec_of_weights(model, entropy_model)


def codec_of_weights(name, entropy_model="static"):
    """The `LatentCodec` of shipped weights, or of an .npz file written by `export`; raises FileNotFoundError."""

    def networks(arrays):
        from cae_compress.balle2017 import network

        return network.from_arrays(arrays)

    return LatentCodec.of_weights(name, networks, entropy_model)
