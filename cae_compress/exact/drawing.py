"""Drawings, screenshots and pages of text, which are smaller coded exactly than by a network made for photographs.

The payload is a stream of `guesses`; the settings in the header are 0. Photographs would be several times as large like
this: a look at some of a picture's rows says which it is.
"""

import numpy as np

from cae_compress import bitstream
from cae_compress.bitstream import BitstreamError
from cae_compress.exact.exact_codec import ExactCodec
from cae_compress.progress import progress_bar

MODEL = "drawing"
REPEATED = 0.7  # share of pixels that are guessed from those next to them; of 1000 photographs, 15 have more
FEW_COLOURS = 64  # in the pixels looked at; then it is a drawing, whatever repeats
LOOKED_AT = 1 << 13  # pixels, about, in rows from all over the picture
LEAST_ROWS = 24
WORTH = 1.6  # times the bytes of a file that is not exact: what many would pay for being exact, or `encode` does
FULL = 10  # bits a pixel: files with more may be larger than exact ones, which of photographs have 8 to 18
LONG = 1 << 22  # pixels from which on progress is shown


def is_drawing(image):
    """Whether a picture, uint8 (h, w, 3), looks like a drawing, in about `LOOKED_AT` of its pixels."""
    height, width = image.shape[:2]
    step = max(1, min(height * width // LOOKED_AT, height // LEAST_ROWS))
    below = image[1::step].astype(np.int16)
    above = image[: height - 1 : step].astype(np.int16)
    if not below[:, 1:].size:
        return False
    x, w, n, nw = below[:, 1:], below[:, :-1], above[:, 1:], above[:, :-1]
    repeated = [(x == guess).all(axis=-1) for guess in (w, n, np.clip(w + n - nw, 0, 255))]
    if np.any(repeated, axis=0).mean() >= REPEATED:
        return True
    return len(np.unique(packed(below))) <= FEW_COLOURS


def may_be_smaller(image, num_bytes):
    """Whether a file of so many bytes, of a picture (h, w, 3), is so large that an exact one may be smaller."""
    return 8 * num_bytes > FULL * image.shape[0] * image.shape[1]


class DrawingCodec(ExactCodec):
    """Codes a picture pixel by pixel."""

    model = MODEL

    def encode(self, image):
        """A picture, uint8 (h, w, 3) -> bytes of a .cae file."""
        from cae_compress.exact.guesses import PixelCoder  # which loads numba

        height, width = image.shape[:2]
        coder = PixelCoder(width)
        for row in rows_of(image, width):
            coder.code(packed(row))
        return bitstream.write(bitstream.Header(MODEL, self.weights_id, width, height, 0), coder.finish())

    def decode_payload(self, header, payload):
        """The picture, uint8 RGB (h, w, 3); raises BitstreamError if the file is not one that `encode` writes."""
        from cae_compress.exact.guesses import PixelCoder

        bitstream.check_model(header, MODEL, self.weights_id)
        if header.settings:
            raise BitstreamError(f"impossible settings: {header.settings:#010x}")
        image, coder = np.empty((header.height, header.width, 3), np.uint8), PixelCoder(header.width, payload)
        row = np.empty(header.width, np.int32)
        for pixels in rows_of(image, header.width):
            coder.code(row)
            for channel, shift in enumerate((16, 8, 0)):
                pixels[:, channel] = (row >> shift) & 255
        if coder.bytes_read() < len(payload):
            raise BitstreamError("damaged: more bytes than the picture takes")
        return image

    def decode_latents(self, header, payload):
        """All that the file says: `decode_payload`."""
        return self.decode_payload(header, payload)

    def sections(self, header, payload):
        """Where the bytes of the payload go: into pixels; raises BitstreamError."""
        self.decode_payload(header, payload)
        return {"pixels": len(payload)}


def packed(pixels):
    """uint8 (..., 3) -> int32 (...) of red << 16 | green << 8 | blue."""
    red, green, blue = np.moveaxis(pixels.astype(np.int32), -1, 0)
    return red << 16 | green << 8 | blue


def rows_of(image, width):
    """The rows of a picture, with a progress bar where that takes seconds."""
    return progress_bar(image, show=len(image) * width >= LONG, desc="drawing", unit="row", leave=False)
