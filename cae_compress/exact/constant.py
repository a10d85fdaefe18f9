"""Pictures of one colour, which need no network: the file is a header, whatever the model and the quality asked for.

The settings in the header are red + 256 green + 65536 blue; the payload is empty. Decoding is exact.
"""

import numpy as np

from cae_compress import bitstream
from cae_compress.bitstream import BitstreamError
from cae_compress.exact.exact_codec import ExactCodec

MODEL = "constant"


def is_constant(image):
    """Whether a picture, uint8 (h, w, 3), has one colour."""
    first = image[0, 0]
    return bool((image[0] == first).all() and (image == first).all())


class ConstantCodec(ExactCodec):
    """Codes a picture of one colour."""

    model = MODEL
    progressive = True

    def encode(self, image):
        """A picture of one colour, uint8 (h, w, 3) -> bytes of a .cae file."""
        height, width = image.shape[:2]
        settings = int.from_bytes(image[0, 0].tobytes(), "little")
        return bitstream.write(bitstream.Header(MODEL, self.weights_id, width, height, settings), b"")

    def decode_payload(self, header, payload):
        """The picture, uint8 RGB (h, w, 3); raises BitstreamError if the file is not one that `encode` writes."""
        return np.full((header.height, header.width, 3), self.decode_latents(header, payload), np.uint8)

    def decode_latents(self, header, payload):
        """All that the file says: its colour, uint8 (3,); raises BitstreamError."""
        bitstream.check_model(header, MODEL, self.weights_id)
        if header.settings >> 24 or payload:
            raise BitstreamError("damaged: more than one colour in a picture of one colour")
        return np.frombuffer(header.settings.to_bytes(3, "little"), np.uint8)

    def truncate(self, header, payload, max_bytes):
        """The file as it is, which cannot be shorter: (header, payload); raises BitstreamError."""
        self.decode_latents(header, payload)
        return header, payload

    def sections(self, header, payload):
        """Where the bytes of the payload go: nowhere; raises BitstreamError."""
        self.decode_latents(header, payload)
        return {}
