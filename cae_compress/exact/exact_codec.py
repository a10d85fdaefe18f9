"""What codecs without a network have in common; their files are read through the front door like any other's."""

from cae_compress.file_codec import FileCodec


class ExactCodec(FileCodec):
    """A codec whose pictures come back sample by sample.

    It has no weights, so that its files can be read whatever weights are installed.
    """

    weights_sha256, weights_id = None, bytes(4)
