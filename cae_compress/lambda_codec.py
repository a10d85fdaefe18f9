"""Networks that were trained one a lambda, as one codec: one after the other on its curve.

setting 1 ... n  ──>  network round(setting), its quantization step changed by how far the setting is beyond it
"""

from cae_compress import bitstream
from cae_compress.checks import number


class LambdaCodec:
    """What codecs of several networks share. A codec of its own says what `network` and `encode_with` are.

    Attributes:
        models: tuple of str, what files call the networks, smallest files first.
    """

    models = ()
    max_effort = 0

    beyond = 0  # how far a setting may go beyond the first and the last network

    @property
    def settings(self):
        """Which network; numbers between them are settings too."""
        return tuple(range(1, len(self.models) + 1))

    @property
    def ends(self):
        """The smallest and the largest setting."""
        return 1 - self.beyond, len(self.models) + self.beyond

    def network(self, model):
        """The codec of one of the networks, loaded once in a process."""
        raise NotImplementedError

    def encode_with(self, codec, image, beyond):
        """Code a picture with the codec of a network, at a setting so far beyond the one it was trained for."""
        raise NotImplementedError

    def setting_of_quality(self, quality):
        """Quality 1 to 100 -> a setting from one end to the other; raises ValueError if it is out of range."""
        first, last = self.ends
        return first + (last - first) * (number("quality", quality, 1, 100) - 1) / 99

    def of(self, header):
        """The codec of the network that made a file of this `bitstream.Header`."""
        return self.network(header.model)

    def encode(self, image, setting):
        """Code a picture, uint8 (h, w, 3) or (h, w), at a setting between the `ends`: bytes of a .cae file.

        Raises:
            PictureError: `image` is not such an array.
            ValueError: `setting` is out of range.
        """
        nearest = min(max(round(number("setting", setting, *self.ends)), 1), len(self.models))
        return self.encode_with(self.network(self.models[nearest - 1]), image, setting - nearest)

    def decode(self, data, max_pixels=bitstream.MAX_PIXELS):
        """Bytes of a .cae file of one of the networks -> uint8 RGB picture (h, w, 3).

        Raises:
            BitstreamError: the file is damaged, of another model, or of more than `max_pixels`.
        """
        header, payload = bitstream.read(data, max_pixels)
        if header.model not in self.models:
            raise bitstream.BitstreamError(f"the file was made by model {header.model}, not by {self.models}")
        return self.of(header).decode_payload(header, payload)
