"""Teaches Pillow the .cae format; importing this module is enough.

    import cae_compress.pillow_plugin
    from PIL import Image

    Image.open("photo.png").save("photo.cae", quality=50)  # effort=, model=, tune= too, as `codec.encode` takes them
    Image.open("photo.cae").show()

What a picture carries is kept: `icc_profile=`, `exif=`, `xmp=` and `dpi=`, by default those of `Image.info`, come back
in `Image.info`; give `b""` (for dpi, None) to leave one out. EXIF orientation is applied when saving, so that pictures
are upright. Grey pictures (modes 1, L, LA) come back in mode L, all others in RGB. Drawings are coded without loss
where that takes few bytes more, or fewer.

Damaged files raise `BitstreamError`. `PictureError` is for what would lose something: more than 8 bits a sample, CMYK,
LAB, transparency, `save_all=True`. `cae_compress.read` converts such files on request; `Image.fromarray` makes an image
of what it reads. Files larger than Pillow's own limit, `Image.MAX_IMAGE_PIXELS`, are refused as Pillow refuses any.
Pillow empties a file that it is about to replace, whatever the format, and after an error it stays empty;
`cae_compress.save` keeps what was there.
"""

import io

from PIL import Image, ImageFile

from cae_compress import bitstream, pictures
from cae_compress.metadata import Metadata

FORMAT = "CAE"
MODES = {bitstream.RGB: "RGB", bitstream.GREY: "L", bitstream.EQUAL_RGB: "RGB"}


class CaeImageFile(ImageFile.ImageFile):
    """A .cae file as Pillow sees it: size and mode at once, pixels when they are needed."""

    format = FORMAT
    format_description = "cae_compress learned image"

    def _open(self):
        from cae_compress import codec

        self._data = self.fp.read()
        header, _ = codec.read(self._data, max_pixels())
        self._size, self._mode = (header.width, header.height), MODES[header.colour]
        self.info.update(header.metadata.info(), model=header.model)

    def load(self):
        if self._data is not None:
            from cae_compress import codec

            pixels = codec.decode(self._data, max_pixels(), as_stored=True)
            if self._exclusive_fp and self.fp:  # `verify` leaves none
                self.fp.close()
            self.fp, self._data = io.BytesIO(pixels), None
            self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]
        return super().load()


def max_pixels():
    """Pillow refuses pictures of more than twice its limit, and of any size if there is none."""
    return 2**62 if Image.MAX_IMAGE_PIXELS is None else max(2 * Image.MAX_IMAGE_PIXELS, bitstream.MAX_PIXELS)


def _save(image, file, filename):
    from cae_compress import codec

    def given(*names):
        return {name: image.encoderinfo[name] for name in names if name in image.encoderinfo}

    metadata = given("icc_profile", "exif", "xmp", "dpi")
    Metadata(**metadata)  # raises what is wrong with them
    picture = pictures.picture_of(image, metadata)
    file.write(codec.encode(picture.pixels, metadata=picture.metadata, **given("quality", "effort", "model", "tune")))


def _save_all(image, file, filename):
    raise pictures.PictureError("a .cae file holds one picture; save the frames one by one, without save_all")


Image.register_open(FORMAT, CaeImageFile, lambda prefix: prefix[:4] == bitstream.MAGIC)
Image.register_save(FORMAT, _save)
Image.register_save_all(FORMAT, _save_all)
Image.register_extension(FORMAT, ".cae")
Image.register_mime(FORMAT, "image/x-cae")
