"""What codecs of one set of weights have in common: whose files they read, and how reading begins."""

from cae_compress import bitstream


class FileCodec:
    """A codec of one set of weights.

    Subclasses have `model`, its name in files, `weights_sha256` in hexadecimal, and `decode_payload(header, payload)`.
    """

    max_effort = 0  # the most that `encode` takes; 0 where it has no such argument
    progressive = False  # whether a file without its end is a picture too; then there are `cut` and `truncate`

    def of(self, header):
        """The codec that reads a file of this `bitstream.Header`, which is this one."""
        return self

    def setting_text(self, header):
        """At what setting a file of this `bitstream.Header` was made, in words; nothing where there are no settings."""
        return ""

    def decode(self, data, max_pixels=bitstream.MAX_PIXELS):
        """Bytes of a .cae file of this model -> uint8 RGB picture (h, w, 3).

        Raises:
            BitstreamError: the file is damaged, of another model, or of more than `max_pixels`.
        """
        return self.decode_payload(*bitstream.read(data, max_pixels, (self.model,) if self.progressive else ()))

    @property
    def weights_id(self):
        """What a file's header says of the weights: the first four bytes of their SHA-256."""
        return bytes.fromhex(self.weights_sha256)[:4]
