"""What a picture carries is kept or left out by choice, is checked, and never harms the picture."""

import io
import struct
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

import cae_compress
import cae_compress.pillow_plugin  # noqa: F401, registers the format
from cae_compress import BitstreamError, Metadata, bitstream, cli, metadata, pictures

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="caf\xc3\xa9"/></x:xmpmeta>'
HEADER = bitstream.Header("cheng2018", b"1234", 768, 512, 0x01000800)


def exif(orientation=None):
    tags = Image.Exif()
    tags[0x0132] = "2024:05:01 10:00:00"
    if orientation:
        tags[0x0112] = orientation
    return tags


FULL = Metadata(PROFILE, exif(), XMP, (300, 72.009))


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


def repaired(data):
    """With a checksum that is right."""
    end = 27 + data[5]
    return data[:end] + zlib.crc32(data[:end] + data[end + 4 :]).to_bytes(4, "little") + data[end + 4 :]


def test_metadata_come_back_from_a_file_and_without_them_it_is_of_version_1():
    data = bitstream.write(replace(HEADER, metadata=FULL), b"payload")
    header, payload = bitstream.read(data)
    assert header.metadata == FULL and payload == b"payload" and data[4] == 2
    assert bitstream.write(HEADER, b"payload")[4] == 1
    assert len(data) < len(bitstream.write(HEADER, b"payload")) + len(PROFILE) + len(XMP) + 150, "they are packed"


def test_chunks_have_the_documented_layout_byte_by_byte():
    chunks = bitstream.write_chunks(Metadata(exif=b"II*\0", xmp=b"x" * 100, dpi=(300, 72)))
    assert chunks[:13] == b"EXIF\0\x04\0\0\0II*\0"
    packed = zlib.compress(b"x" * 100, 9)
    assert chunks[13:22] == b"XMP \x01" + len(packed).to_bytes(4, "little") and chunks[22 : 22 + len(packed)] == packed
    assert chunks[22 + len(packed) :] == b"DPI \0\x08\0\0\0" + struct.pack("<ff", 300, 72)
    grey = bitstream.write(replace(HEADER, colour=bitstream.GREY), b"abc")
    plain = bitstream.write(HEADER, b"abc")
    assert grey[27] == 1 and grey[4] == 2 and len(grey) == len(plain)
    assert grey[:4] + grey[5:27] + grey[28:36] + grey[40:] == plain[:4] + plain[5:27] + plain[28:36] + plain[40:]


@given(st.integers(0), st.integers(1, 255))
def test_every_changed_byte_is_noticed(place, change):
    data = bytearray(bitstream.write(replace(HEADER, metadata=FULL), b"payload"))
    data[place % len(data)] ^= change
    with pytest.raises(BitstreamError):
        bitstream.read(data)


def test_every_truncation_and_every_byte_too_many_is_noticed():
    data = bitstream.write(replace(HEADER, metadata=Metadata(exif=b"II*\0", dpi=(1, 2))), b"payload")
    for wrong in (*(data[:length] for length in range(len(data))), data + b"\0"):
        with pytest.raises(BitstreamError):
            bitstream.read(wrong)


CHUNK = bitstream.write_chunks(Metadata(exif=b"II*\0"))
XMP_CHUNK = bitstream.write_chunks(Metadata(xmp=b"abc"))


@pytest.mark.parametrize(
    "chunks, reason",
    [
        (CHUNK + CHUNK, "twice"),
        (XMP_CHUNK + CHUNK, "out of order"),
        (b"WHAT" + CHUNK[4:], "not known"),
        (CHUNK[:8], "incomplete"),
        (CHUNK[:-1], "not in the file"),
        (b"EXIF\0\0\0\0\0", "0 bytes"),
        (b"EXIF\x02" + CHUNK[5:], "packing 2"),
        (b"EXIF\x01" + CHUNK[5:], "unpacked"),
        (b"EXIF\x01\x0a\0\0\0" + zlib.compress(b"")[:8] + b"\0\0", "unpacked|end"),
        (b"EXIF\x01" + struct.pack("<I", len(zlib.compress(b"abc")) + 1) + zlib.compress(b"abc") + b"\0", "end"),
        (b"EXIF\x01" + struct.pack("<I", len(zlib.compress(b"abc")) - 1) + zlib.compress(b"abc")[:-1], "end"),
        (b"DPI \0\x04\0\0\0abcd", "two positive numbers"),
        (b"DPI \0\x08\0\0\0" + struct.pack("<ff", 300, float("nan")), "two positive numbers"),
        (b"DPI \0\x08\0\0\0" + struct.pack("<ff", 0, 300), "two positive numbers"),
    ],
)
def test_nonsense_with_a_right_checksum_is_one_clear_error(chunks, reason):
    data = bitstream.write(replace(HEADER, colour=bitstream.GREY), b"payload") + chunks
    with pytest.raises(BitstreamError, match=reason):
        bitstream.read(repaired(data))


def test_a_chunk_that_unpacks_to_very_much_is_refused_before_it_does():
    bomb = zlib.compress(bytes(1 << 28), 9)
    chunk = b"ICCP\x01" + len(bomb).to_bytes(4, "little") + bomb
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(BitstreamError, match="more than 16777216 bytes"):
        bitstream.read_chunks(chunk)
    assert tracemalloc.get_traced_memory()[1] < 4 * metadata.MAX_BYTES
    tracemalloc.stop()


@pytest.mark.parametrize(
    "wrong",
    [
        {"dpi": (0, 300)}, {"dpi": (float("inf"), 1)}, {"dpi": 300}, {"dpi": (1, 2, 3)}, {"dpi": (None, 72)},
        {"dpi": ("a", 1)},
        {"xmp": b"x" * (metadata.MAX_BYTES + 1)}, {"xmp": 7}, {"exif": 5}, {"icc_profile": 5}, {"icc_profile": "sRGB"},
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_kept_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Metadata(**wrong)


def test_encode_keeps_metadata_and_the_picture_is_the_same(picture):
    plain, full = cae_compress.encode(picture), cae_compress.encode(picture, metadata=FULL)
    assert cae_compress.metadata_of(full) == FULL and not cae_compress.metadata_of(plain)
    assert np.array_equal(cae_compress.decode(plain), cae_compress.decode(full))
    assert bitstream.read(plain)[1] == bitstream.read(full)[1]
    smaller = cae_compress.encode_to_size(picture, len(full), metadata=FULL)
    assert len(smaller) <= len(full) and cae_compress.metadata_of(smaller) == FULL


# Pillow plugin


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
def test_what_a_picture_file_carries_goes_through_a_cae_file_into_another(kind, picture, tmp_path):
    Image.fromarray(picture).save(
        tmp_path / "a",
        kind,
        icc_profile=PROFILE,
        exif=exif(),
        dpi=(300, 300),
        **({"xmp": XMP} if kind == "JPEG" else {}),
    )
    Image.open(tmp_path / "a").save(tmp_path / "a.cae")
    back = Image.open(tmp_path / "a.cae")
    assert back.info["icc_profile"] == PROFILE and back.getexif()[0x0132] == "2024:05:01 10:00:00"
    assert kind != "JPEG" or b"caf\xc3\xa9" in back.info["xmp"]
    assert kind in ("WEBP", "AVIF") or back.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    for other in ("PNG", "JPEG", "WEBP", "AVIF"):
        file = io.BytesIO()
        back.save(file, other, **{k: back.info[k] for k in ("icc_profile", "exif")})
        assert Image.open(file).getexif()[0x0132] == "2024:05:01 10:00:00"


def test_arguments_of_save_stand_before_what_the_picture_carries(picture):
    image, file = Image.fromarray(picture), io.BytesIO()
    image.info |= {"icc_profile": PROFILE, "dpi": (72, 72), "exif": exif().tobytes(), "xmp": XMP}
    image.save(file, "CAE", icc_profile=b"other", dpi=(100, 100), exif=b"", xmp=None)
    info = Image.open(file).info
    assert info["icc_profile"] == b"other" and info["dpi"] == (100, 100) and "exif" not in info and "xmp" not in info
    with pytest.raises(ValueError, match="dpi"):
        image.save(io.BytesIO(), "CAE", dpi=(-1, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_orientation_is_applied_exactly_once(orientation, kind, tmp_path):
    y, x = np.mgrid[:32, :48]
    picture = np.stack([5 * x, 7 * y, 0 * x], -1).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a", kind, exif=exif(orientation), quality=95)
    from PIL import ImageOps

    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a")).convert("RGB")).astype(int)
    Image.open(tmp_path / "a").save(tmp_path / "a.cae", quality=90)
    back = Image.open(tmp_path / "a.cae")
    assert back.getexif().get(0x0112, 1) == 1 and back.getexif()[0x0132] == "2024:05:01 10:00:00"
    assert np.abs(np.asarray(back) - upright).mean() < 6
    assert np.array_equal(np.asarray(ImageOps.exif_transpose(back)), np.asarray(back))
    assert np.array_equal(pictures.read(tmp_path / "a"), upright)


def test_orientation_of_exif_that_is_given_and_of_xmp_is_applied_too(picture):
    for options in ({"exif": exif(6)}, {"exif": exif(6).tobytes()}):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "CAE", **options)
        assert Image.open(file).size == (9, 7) and Image.open(file).getexif().get(0x0112, 1) == 1
    image, file = Image.fromarray(picture), io.BytesIO()
    image.info["xmp"] = XMP
    image.save(file, "CAE")
    assert Image.open(file).size == (9, 7) and Image.open(file).getexif().get(0x0112, 1) == 1
    assert b'tiff:Orientation="1" dc:title' in Image.open(file).info["xmp"]


def test_the_callers_image_is_left_as_it_was(picture):
    image = Image.fromarray(picture)
    image.info["exif"] = exif(6).tobytes()
    before = dict(image.info)
    image.save(io.BytesIO(), "CAE", exif=exif(3))
    assert image.info == before and image.getexif()[0x0112] == 6 and image.size == (7, 9)


# Files whose metadata are broken or very long


def test_a_png_with_a_very_long_text_keeps_its_colour_profile(picture, tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * (2**20 + 1), zip=True)
    Image.fromarray(picture).save(tmp_path / "a.png", pnginfo=text, icc_profile=PROFILE, dpi=(300, 300))
    with pytest.warns(UserWarning, match="a.png: metadata.*left out"):
        read = pictures.open_picture(tmp_path / "a.png")
    assert np.array_equal(read.pixels, picture)
    assert read.metadata.icc_profile == PROFILE and read.metadata.dpi == pytest.approx((300, 300), abs=0.01)


def test_a_png_with_a_very_long_profile_is_read_without(picture, tmp_path):
    profile = np.random.default_rng(0).bytes(2**20 + 1)
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=profile)
    with pytest.warns(UserWarning, match="a.png: metadata.*left out"):
        assert np.array_equal(pictures.read(tmp_path / "a.png"), picture)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


BROKEN_CHUNKS = {
    "gAMA": chunk(b"gAMA", b"\0"), "cHRM": chunk(b"cHRM", bytes(7)), "pHYs": chunk(b"pHYs", b"\0\0"),
    "iCCP": chunk(b"iCCP", b""), "tIME": chunk(b"tIME", b"")[:-1] + b"\0", "zTXt": chunk(b"zTXt", b"k\0\1"),
    "tEXt": chunk(b"tEXt", b"key\0value")[:-1] + b"\0", "iTXt": b"".join(
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(2**20))) for _ in range(70)
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN_CHUNKS)
@pytest.mark.parametrize("after", [False, True])
def test_damaged_metadata_of_a_png_harm_neither_its_picture_nor_the_rest(kind, after, picture, tmp_path):
    plain = io.BytesIO()
    profile = None if kind == "iCCP" else PROFILE
    Image.fromarray(picture).save(plain, "PNG", icc_profile=profile, exif=exif())
    data, place = plain.getvalue(), -12 if after else 33  # before IEND, or after IHDR
    (tmp_path / "a.png").write_bytes(data[:place] + BROKEN_CHUNKS[kind] + data[place:])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        read = pictures.open_picture(tmp_path / "a.png")
    assert np.array_equal(read.pixels, picture)
    assert read.metadata.icc_profile == profile and read.metadata.exif == exif().tobytes().removeprefix(b"Exif\0\0")
    if not after:  # what stands at the end Pillow may leave out by itself
        assert [str(w.message) for w in told] == [
            f"{tmp_path / 'a.png'}: metadata that cannot be read is left out: {kind}"
        ]


def test_a_picture_that_is_damaged_is_not_read_for_want_of_its_metadata(picture, tmp_path):
    plain = io.BytesIO()
    Image.fromarray(picture).save(plain, "PNG")
    data = plain.getvalue()
    for damaged in (data[:60] + b"!" + data[61:], data[:33] + chunk(b"tRNS", b"\0") + data[33:], data[:-40]):
        (tmp_path / "a.png").write_bytes(damaged[:33] + BROKEN_CHUNKS["gAMA"] + damaged[33:])
        with pytest.raises(pictures.PictureError, match="a.png: .*damaged"):
            pictures.read(tmp_path / "a.png")


def test_metadata_longer_than_may_be_are_left_out_with_a_warning(picture, tmp_path):
    long = b"<x:xmpmeta/>" + b" " * metadata.MAX_BYTES
    Image.fromarray(picture).save(tmp_path / "a.webp", lossless=True, xmp=long, icc_profile=PROFILE)
    with pytest.warns(UserWarning, match="a.webp: xmp cannot be read and is left out: .*more than"):
        read = pictures.open_picture(tmp_path / "a.webp")
    assert np.array_equal(read.pixels, picture) and read.metadata == Metadata(icc_profile=PROFILE)


def test_a_colour_profile_that_cannot_be_unpacked_is_told_of(picture, tmp_path):
    plain = io.BytesIO()
    Image.fromarray(picture).save(plain, "PNG")
    data = plain.getvalue()
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"iCCP", b"name\0\0not packed") + data[33:])
    with pytest.warns(UserWarning, match="a.png: the colour profile cannot be read and is left out"):
        assert np.array_equal(pictures.read(tmp_path / "a.png"), picture)


@pytest.mark.parametrize(
    "broken", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x99" * 40]
)
def test_broken_exif_does_not_harm_the_picture(broken, picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=broken)
    Image.fromarray(picture).save(tmp_path / "a.webp", exif=broken, lossless=True)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pictures.read(tmp_path / "a.jpg").shape == picture.shape
        assert np.array_equal(pictures.read(tmp_path / "a.webp"), picture)


def test_a_broken_raw_profile_is_left_out_with_a_warning(picture, tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n 8\n45786966zz00\n")
    Image.fromarray(picture).save(tmp_path / "a.png", pnginfo=text)
    with pytest.warns(UserWarning, match="a.png: EXIF cannot be read"):
        assert np.array_equal(pictures.read(tmp_path / "a.png"), picture)


# The command line


def test_the_command_line_keeps_metadata_or_strips_them(picture, tmp_path, capsys):
    Image.fromarray(picture).save(tmp_path / "a.jpg", icc_profile=PROFILE, exif=exif(6), xmp=XMP, dpi=(300, 300))
    assert cli.main(["encode", str(tmp_path / "a.jpg")]) == 0
    for ending in ("png", "jpg", "tif", "webp", "avif", "bmp"):
        assert cli.main(["decode", str(tmp_path / "a.cae"), "-o", str(tmp_path / f"out.{ending}")]) == 0
        told, back = capsys.readouterr().out, Image.open(tmp_path / f"out.{ending}")
        assert back.size == (9, 7)
        if ending == "bmp":
            assert "icc_profile, exif, xmp left out" in told
            continue
        assert back.info["icc_profile"] == PROFILE and back.getexif()[0x0132] == "2024:05:01 10:00:00"
        assert back.getexif().get(0x0112, 1) == 1 and b"caf\xc3\xa9" in back.info["xmp"]
        if ending in ("png", "jpg", "tif"):
            assert back.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        else:
            assert "dpi left out" in told
    assert cli.main(["info", str(tmp_path / "a.cae")]) == 0 and "metadata" in capsys.readouterr().out
    assert cli.main(["decode", str(tmp_path / "a.cae"), "-o", str(tmp_path / "bare.png"), "--strip"]) == 0
    assert not {"icc_profile", "exif", "xmp", "dpi"} & set(Image.open(tmp_path / "bare.png").info)
    assert cli.main(["encode", str(tmp_path / "a.jpg"), "--strip", "-o", str(tmp_path / "b.cae")]) == 0
    header, _ = bitstream.read((tmp_path / "b.cae").read_bytes())
    assert not header.metadata and (header.width, header.height) == (9, 7)
    assert (tmp_path / "b.cae").read_bytes()[4] == 1


def test_colours_that_a_png_describes_without_a_profile_are_told_of(picture, tmp_path):
    def png(*chunks):
        plain = io.BytesIO()
        Image.fromarray(picture).save(plain, "PNG")
        extra = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
        (tmp_path / "a.png").write_bytes(plain.getvalue()[:33] + extra + plain.getvalue()[33:])  # after IHDR
        return pictures.open_picture(tmp_path / "a.png")

    gamma, linear = (b"gAMA", struct.pack(">I", 45455)), (b"gAMA", struct.pack(">I", 100_000))
    srgb = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    primaries = (b"cHRM", struct.pack(">8I", *srgb))
    p3 = (b"cHRM", struct.pack(">8I", *srgb[:2], 68000, 32000, 26500, 69000, *srgb[6:]))
    for chunks in ((gamma,), (gamma, primaries), ((b"sRGB", b"\0"), gamma), (linear, (b"sRGB", b"\0"))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            png(*chunks)
    for chunks in ((linear,), (gamma, p3)):
        with pytest.warns(match="a.png: gamma or primaries"):
            assert np.array_equal(png(*chunks).pixels, picture)
