"""The CAE trained for rate and distortion as one codec: a network for every lambda, one after the other on its curve.

    setting 1 ... 5  ──>  network round(setting), its quantization step halved for every whole setting beyond it

From one lambda to the next, four times as large, the step that fits it halves; so B grows by one a network, and between
two networks the nearer one is used with a step that is a little finer or coarser than it was trained for.
"""

from cae_compress import bitstream, loading
from cae_compress.checks import number
from cae_compress.cheng2018.codec import CAECodec

RATE_MODELS = tuple(f"cheng2018-{k}" for k in range(1, 6))  # smallest files first


class RateCAECodec:
    """`CAECodec` with the network that fits the rate."""

    name = "CAE, trained for rate"
    settings = tuple(range(1, len(RATE_MODELS) + 1))  # which network; numbers between them are settings too
    max_effort = 0

    @staticmethod
    def setting_of_quality(quality):
        """Quality 1 to 100 -> setting 1 to 5; raises ValueError if it is out of range."""
        return 1 + (len(RATE_MODELS) - 1) * (number("quality", quality, 1, 100) - 1) / 99

    def of(self, header):
        """The `CAECodec` of the network that made a file of this `bitstream.Header`."""
        return network_codec(header.model)

    def encode(self, image, setting):
        """Code a picture, uint8 (h, w, 3) or (h, w), at a setting from 1 to 5: bytes of a .cae file.

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `setting` is out of range.
        """
        nearest = round(number("setting", setting, 1, len(RATE_MODELS)))
        codec = network_codec(RATE_MODELS[nearest - 1])
        return codec.encode(image, codec.bits + setting - nearest)

    def decode(self, data, max_pixels=bitstream.MAX_PIXELS):
        """Bytes of a .cae file of one of the networks -> uint8 RGB picture (h, w, 3); raises like `CAECodec.decode`."""
        header, payload = bitstream.read(data, max_pixels)
        if header.model not in RATE_MODELS:
            raise bitstream.BitstreamError(f"the file was made by model {header.model}, not by {RATE_MODELS}")
        return self.of(header).decode_payload(header, payload)


@loading.once
def network_codec(model):
    """The `CAECodec` of one of the networks, loaded once in a process."""
    return CAECodec(model=model)
