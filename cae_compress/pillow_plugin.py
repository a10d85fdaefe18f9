"""Teaches Pillow the .cae format; importing this module is enough.

    import cae_compress.pillow_plugin
    from PIL import Image

    Image.open("photo.png").save("photo.cae", quality=50)  # effort= and model= too, as `codec.encode` takes them
    Image.open("photo.cae").show()

Damaged files raise `BitstreamError`, pictures that cannot be coded `PictureError`.
"""

from PIL import Image, ImageFile

from cae_compress import bitstream, pictures

FORMAT = "CAE"


class CaeImageFile(ImageFile.ImageFile):
    """A .cae file as Pillow sees it: size and mode at once, pixels when they are needed."""

    format = FORMAT
    format_description = "cae_compress learned image"

    def _open(self):
        self._data = self.fp.read()
        header, _ = bitstream.read(self._data)
        self._size, self._mode = (header.width, header.height), "RGB"
        self.info["model"] = header.model

    def load(self):
        if self._data is not None:
            from cae_compress import codec

            self.im = Image.fromarray(codec.decode(self._data)).im
            self._data = None
        return super().load()

    def load_prepare(self):
        """Nothing to prepare: `load` has the pixels."""


def _save(image, file, filename):
    from cae_compress import codec

    options = {name: image.encoderinfo[name] for name in ("quality", "effort", "model") if name in image.encoderinfo}
    file.write(codec.encode(pictures.from_pillow(image), **options))


Image.register_open(FORMAT, CaeImageFile, lambda prefix: prefix[:4] == bitstream.MAGIC)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".cae")
Image.register_mime(FORMAT, "image/x-cae")
