"""The CAE trained for rate and distortion as one codec: a network for every lambda, one after the other on its curve.

    setting 1 ... 5  ──>  network round(setting), its quantization step halved for every whole setting beyond it

From one lambda to the next, four times as large, the step that fits it halves; so B grows by one a network, and between
two networks the nearer one is used with a step that is a little finer or coarser than it was trained for.
"""

from cae_compress import loading
from cae_compress.cheng2018.codec import CAECodec
from cae_compress.lambda_codec import LambdaCodec

RATE_MODELS = tuple(f"cheng2018-{k}" for k in range(1, 6))  # smallest files first


class RateCAECodec(LambdaCodec):
    """`CAECodec` with the network that fits the rate."""

    name = "CAE, trained for rate"
    models = RATE_MODELS

    def network(self, model):
        """The `CAECodec` of one of the networks."""
        return network_codec(model)

    def encode_with(self, codec, image, beyond):
        """Code a picture with one of the networks, B being so much above what it was trained for."""
        return codec.encode(image, codec.bits + beyond)


@loading.once
def network_codec(model):
    """The `CAECodec` of one of the networks, loaded once in a process."""
    return CAECodec(model=model)
