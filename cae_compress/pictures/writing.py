"""Pictures out: pixels and what goes with them into PNG, JPEG, WebP, AVIF and whatever else Pillow writes."""

from pathlib import Path

from PIL import Image, PngImagePlugin

from cae_compress.checks import whole_number
from cae_compress.metadata import NOTHING

ALL = ("icc_profile", "exif", "xmp", "dpi")
HOLDS = {  # what Pillow's writers take; the others take nothing
    "PNG": ALL, "JPEG": ALL, "TIFF": ALL, "WEBP": ALL[:3], "AVIF": ALL[:3], "BMP": ("dpi",),
}  # fmt: skip
BEST = {  # of formats that lose something: best quality, and what goes with any quality
    "JPEG": ({"quality": 100}, {"subsampling": 0}),
    "MPO": ({"quality": 100}, {"subsampling": 0}),  # which is JPEG, as is what PDF holds
    "PDF": ({"quality": 100}, {"subsampling": 0}),
    "WEBP": ({"lossless": True}, {}),
    "AVIF": ({"quality": 100}, {"subsampling": "4:4:4"}),
}
LIMITED = {  # others that lose something, whatever they are asked for
    "GIF": "to 256 colours at most", "ICO": "to the sizes of icons", "ICNS": "to the sizes of icons",
}  # fmt: skip
RGB_ONLY = ("QOI",)
XMP_TAG = 700  # of TIFF files
JPEG_LIMIT = 65_000  # bytes of EXIF, and of XMP, that fit into a JPEG file


def write(path, pixels, metadata=NOTHING, quality=None):
    """Write a picture in the format of the file's name.

    Args:
        path: file to write.
        pixels: uint8 array, shape (h, w, 3) or (h, w).
        metadata: `Metadata` to go with it.
        quality: of formats that lose something, 1 to 100 as Pillow counts it; None for the best.

    Returns:
        list of str: what the reader should know, as that the picture was coded a second time.

    Raises:
        ValueError: the format or the quality is not known.
    """
    kind = format_of(path)
    options, left_out = save_options(metadata, kind)
    notes = [f"{', '.join(left_out)} left out, which {kind} cannot hold"] if left_out else []
    if kind in BEST:
        best, always = BEST[kind]
        chosen = best if quality is None else {"quality": whole_number("output quality", quality, 1, 100)}
        options |= chosen | always
        if "lossless" not in chosen:
            notes.append(f"coded a second time, with loss: {kind} quality {chosen['quality']}")
    elif quality is not None:
        notes.append(f"{kind} has no quality to choose")
    image = Image.fromarray(pixels)
    if kind in LIMITED and (kind != "GIF" or image.mode == "RGB"):
        notes.append(f"brought {LIMITED[kind]}, with loss")
    (image.convert("RGB") if kind in RGB_ONLY else image).save(path, kind, **options)
    return notes


def format_of(path):
    """Pillow's name of the format of a file by its ending; raises ValueError."""
    ending = Path(path).suffix.lower()
    kind = Image.registered_extensions().get(ending)
    if kind is None or kind not in Image.SAVE:
        raise ValueError(f"pictures cannot be written in a format of the ending {ending!r}")
    return kind


def save_options(metadata, kind):
    """What of `Metadata` a format of Pillow holds: (arguments of `Image.save`, names of what is left out)."""
    there = metadata.info()
    held = {name: value for name, value in there.items() if name in HOLDS.get(kind, ())}
    if kind == "JPEG":
        held = {k: value for k, value in held.items() if k not in ("exif", "xmp") or len(value) <= JPEG_LIMIT}
    left_out = [name for name in there if name not in held]
    if kind == "PNG" and "xmp" in held:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", held.pop("xmp").decode("utf-8", "replace"))
        held["pnginfo"] = text
    if kind == "TIFF" and "xmp" in held:
        tags = Image.Exif()
        tags.load(held.get("exif", b""))
        tags[XMP_TAG] = held.pop("xmp")
        held["exif"] = tags
    return held, left_out
