"""Toderici 2017 as a codec: progressive, the setting is the number of passes.

    image ─> encoder and decoder, pass by pass ─> bits ─> predictions, arithmetic coder ─> a segment a pass ─┐
                                                                                                      .cae bytes
    image <─ decoder, pass by pass             <─ bits <─ the same, integers only      <─ segments <─────────┘

A file of n passes begins with the file of n - 1: `cut` and `truncate` make the one of the other without coding anything
again, and a file whose end is missing decodes to the picture of the passes that are complete. Every pass needs all
passes before it, for coding and for decoding.

The paper's rate is nominal, 1/8 bit a pixel a pass, or what its entropy coder makes of that; here it is the size of a
file.

Source: Toderici et al., CVPR 2017.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cae_compress import bitstream, loading, pictures, weights
from cae_compress.bitstream import BitstreamError
from cae_compress.checks import number, whole_number
from cae_compress.coding import entropy
from cae_compress.file_codec import FileCodec
from cae_compress.toderici2017 import segments
from cae_compress.toderici2017.bits import BITS, BUCKETS, INPUTS, PASSES, PATCH, BitCoder

NEEDED = {
    "bits/weights": weights.Array((PASSES, BITS, INPUTS), np.int16),
    "bits/probabilities": weights.Array((PASSES, BUCKETS), np.uint16, 1),
}


class Toderici2017Codec(FileCodec):
    """One network, a file for each number of passes.

    Args:
        model: shipped weights, or path of an .npz file written by `export`.

    Raises:
        FileNotFoundError, ValueError: there are no such weights.
    """

    name = "Toderici 2017"
    progressive = True
    settings = tuple(range(1, PASSES + 1))

    def __init__(self, model="toderici2017"):
        self.weights_name, self.model = model, Path(model).stem
        self._arrays, self.weights_sha256 = weights.load(model)
        weights.check_arrays(self._arrays, NEEDED, "toderici2017")

    @loading.network
    def tiles(self):
        """The network, a `tiles.Tiles`, loaded with TensorFlow when first needed."""
        from cae_compress.toderici2017 import network
        from cae_compress.toderici2017.tiles import Tiles

        return Tiles(network.from_arrays(self._arrays))

    def setting_of_quality(self, quality):
        """Quality 1 to 100 -> passes, 1 to 8; raises ValueError if it is out of range."""
        return 1 + round((PASSES - 1) * (number("quality", quality, 1, 100) - 1) / 99)

    def encode(self, image, setting):
        """Code a picture.

        Args:
            image: uint8 array of any size, shape (h, w, 3) for RGB or (h, w) for grey.
            setting: int, number of passes, 1 to 8.

        Returns:
            bytes of a .cae file (`bitstream`), its payload as `segments` says.

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `setting` is out of range.
        """
        image, passes = pictures.as_rgb(image), whole_number("setting", setting, 1, PASSES)
        bits = self.tiles.encode(image, passes)
        header = bitstream.Header(self.model, self.weights_id, image.shape[1], image.shape[0], passes)
        coder = self._coder(*bits.shape[1:3])
        return bitstream.write(header, segments.write(header, [coder.encode(of_pass) for of_pass in bits]))

    def decode_payload(self, header, payload):
        """`decode` for a file that `bitstream.read` has taken apart."""
        return self.tiles.decode(self.decode_latents(header, payload), header.height, header.width)

    def decode_latents(self, header, payload):
        """The bits of a file, decoded in integers alone: int8 (passes, rows, columns, BITS), -1 or 1.

        Raises:
            BitstreamError: the file is of another model, or not what an encoder writes.
        """
        streams = self._streams(header, payload)
        coder = self._coder(-(-header.height // PATCH), -(-header.width // PATCH))
        return np.stack([coder.decode(stream) for stream in streams])

    def cut(self, header, payload, passes):
        """A file of fewer passes, as `encode` would have made it: (header, payload).

        Args:
            header, payload: of the file.
            passes: int, at least 1; as many as there are if there are fewer.

        Raises:
            BitstreamError: the file is damaged, or of another model.
        """
        streams = self._streams(header, payload)[:passes]
        header = replace(header, settings=len(streams), cut=False)
        return header, segments.write(header, streams)

    def truncate(self, header, payload, max_bytes):
        """`cut` to the most passes that make a payload of at most `max_bytes`, or to one."""
        ends = np.cumsum([segments.SIZE + len(stream) for stream in self._streams(header, payload)])
        return self.cut(header, payload, max(1, int(np.searchsorted(ends, max_bytes, side="right"))))

    def setting_text(self, header):
        """How many were coded, as in "8 passes"; a file without its end has fewer."""
        return f"{header.settings} passes"

    def sections(self, header, payload):
        """Where the bytes of a payload go: dict from section to bytes; raises BitstreamError."""
        streams = self._streams(header, payload)
        sections = {f"bits of pass {t}": len(stream) for t, stream in enumerate(streams, 1)}
        sections["lengths and checks"] = segments.SIZE * len(streams)
        left = len(payload) - sum(sections.values())
        return {**sections, "incomplete pass": left} if left else sections

    def estimate_bpp(self, header, payload):
        """Zero-order entropy of each channel of each pass, in bits a pixel; twice, as there is no side information."""
        bits = self.decode_latents(header, payload)
        by_channel = bits.transpose(0, 3, 1, 2).reshape(1, -1, *bits.shape[1:3])
        estimate, _ = entropy.estimate_bpp(by_channel, header.width * header.height)
        return estimate, estimate

    def _streams(self, header, payload):
        """The streams of a file's complete passes."""
        bitstream.check_model(header, self.model, self.weights_id)
        if not 1 <= header.settings <= PASSES:
            raise BitstreamError(f"impossible settings: {header.settings} passes")
        return segments.read(header, payload, header.settings)

    def _coder(self, rows, columns):
        return BitCoder(self._arrays["bits/weights"], self._arrays["bits/probabilities"], rows, columns)
