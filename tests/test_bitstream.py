import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cae_compress import BitstreamError, Metadata, bitstream
from cae_compress.metadata import NOTHING

HEADER = bitstream.Header("cheng2018", b"\x01\x02\x03\x04", 768, 512, 0x01000800)


def test_a_file_comes_apart_as_it_was_put_together():
    data = bitstream.write(HEADER, b"payload")
    assert bitstream.read(data) == (HEADER, b"payload")
    assert HEADER.num_bytes == len(data) - len(b"payload")


def test_the_layout_is_the_documented_one_byte_by_byte():
    data = bitstream.write(HEADER, b"\xaa\xbb")
    assert data[:6] == b"\x89CAE\x01\x09"
    assert data[6:15] == b"cheng2018"
    assert data[15:19] == b"\x01\x02\x03\x04"
    assert data[19:23] == (768).to_bytes(4, "little") and data[23:27] == (512).to_bytes(4, "little")
    assert data[27] == 0 and data[28:32] == (0x01000800).to_bytes(4, "little")
    assert data[32:36] == (2).to_bytes(4, "little")
    assert data[36:40] == zlib.crc32(data[:36] + data[40:]).to_bytes(4, "little")
    assert data[40:] == b"\xaa\xbb"


@given(st.integers(0, 46), st.integers(1, 255))
def test_every_changed_byte_is_noticed(place, change):
    data = bytearray(bitstream.write(HEADER, b"payload"))
    data[place] ^= change
    with pytest.raises(BitstreamError):
        bitstream.read(data)


@pytest.mark.parametrize("length", range(0, 47))
def test_every_truncation_is_noticed(length):
    with pytest.raises(BitstreamError):
        bitstream.read(bitstream.write(HEADER, b"payload")[:length])


CARRIED = Metadata(b"profile" * 20, b"II*\0\x08\0\0\0\0\0\0\0\0\0", dpi=(300, 72.5))


@pytest.mark.parametrize("colour", [bitstream.RGB, bitstream.GREY])
def test_a_file_of_a_progressive_model_may_lack_its_end_also_within_its_metadata(colour):
    header = replace(HEADER, colour=colour, metadata=CARRIED)
    data = bitstream.write(header, b"payload")
    start = HEADER.num_bytes + len(b"payload")
    borders = start + np.cumsum([0, *map(len, chunks_of(CARRIED))])
    assert borders[-1] == len(data)
    for length in range(HEADER.num_bytes, len(data)):
        if length in borders and not (length == start and colour == bitstream.RGB):
            with pytest.raises(BitstreamError, match="damaged"):
                bitstream.read(data[:length], may_be_cut=(HEADER.model,))
            continue
        found, payload = bitstream.read(data[:length], may_be_cut=(HEADER.model,))
        assert found == replace(header, metadata=NOTHING, cut=True), length
        assert payload == data[HEADER.num_bytes : length][: len(b"payload")]
        with pytest.raises(BitstreamError):
            bitstream.read(data[:length], may_be_cut=("another",))
    assert bitstream.read(data, may_be_cut=(HEADER.model,)) == (header, b"payload")


def chunks_of(metadata):
    """The chunk of each kind."""
    return [
        bitstream.write_chunks(replace(NOTHING, **{name: value})) for name, value in vars(metadata).items() if value
    ]


def test_a_progressive_file_whose_metadata_are_damaged_is_refused():
    data = bytearray(bitstream.write(replace(HEADER, metadata=CARRIED), b"payload"))
    data[-3] ^= 1
    with pytest.raises(BitstreamError, match="checksum"):
        bitstream.read(data, may_be_cut=(HEADER.model,))


def test_bytes_after_the_end_are_noticed():
    with pytest.raises(BitstreamError, match="too long"):
        bitstream.read(bitstream.write(HEADER, b"payload") + b"\0")


def test_a_file_of_a_later_version_says_so():
    data = bytearray(bitstream.write(HEADER, b""))
    data[4] = 3
    with pytest.raises(BitstreamError, match="version 3"):
        bitstream.read(data)


@pytest.mark.parametrize("width, height", [(0, 5), (5, 0), (2**31, 1)])
def test_impossible_sizes_are_refused(width, height):
    header = bitstream.Header("cheng2018", b"1234", width, height, 0)
    with pytest.raises(BitstreamError, match="impossible size"):
        bitstream.read(bitstream.write(header, b""))


def test_too_many_pixels_are_refused_unless_the_limit_is_raised():
    header = bitstream.Header("cheng2018", b"1234", 2**15, 2**14, 0)
    data = bitstream.write(header, b"")
    with pytest.raises(BitstreamError, match="raise max_pixels"):
        bitstream.read(data)
    assert bitstream.read(data, max_pixels=2**29)[0] == header


@pytest.mark.parametrize("data", [b"", b"CAE", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_other_files_are_not_taken_for_ours(data):
    with pytest.raises(BitstreamError, match="not a .cae file"):
        bitstream.read(data)


def test_a_name_that_is_not_text_is_refused():
    data = bytearray(bitstream.write(HEADER, b""))
    data[6] = 0xFF
    data[36:40] = zlib.crc32(data[:36]).to_bytes(4, "little")
    with pytest.raises(BitstreamError, match="ASCII"):
        bitstream.read(data)


@pytest.mark.parametrize("width, height", [(1, 2**28), (2**28, 1), (2, 2**27), (1, 2**23), (10, 2**23)])
def test_a_picture_so_narrow_that_it_costs_far_more_than_its_pixels_is_refused(width, height):
    data = bitstream.write(bitstream.Header("cheng2018", b"1234", width, height, 0), b"")
    with pytest.raises(BitstreamError, match="raise max_pixels"):
        bitstream.read(data)
    assert bitstream.read(data, max_pixels=2**36)


@pytest.mark.parametrize("width, height", [(1, 2**14), (2**14, 2**14), (1, 1), (768, 512), (129, 2**20)])
def test_pictures_of_usual_sizes_are_not(width, height):
    data = bitstream.write(bitstream.Header("cheng2018", b"1234", width, height, 0), b"")
    assert bitstream.read(data)
    assert width * height > 10**6 or bitstream.read(data, max_pixels=width * height)


@pytest.mark.parametrize("version, colour", [(1, 1), (1, 2), (2, 3), (2, 255)])
def test_an_unknown_colour_is_refused(version, colour):
    data = bytearray(bitstream.write(HEADER, b""))
    data[4], data[27] = version, colour
    data[36:40] = zlib.crc32(data[:36]).to_bytes(4, "little")
    with pytest.raises(BitstreamError, match=f"colour {colour}"):
        bitstream.read(data)


@pytest.mark.parametrize("data", [5, 10**12, "file.cae", None, [137, 67, 65, 69]])
def test_what_is_not_bytes_is_not_taken_for_a_number_of_zeros(data):
    with pytest.raises(TypeError, match="bytes-like"):
        bitstream.read(data)
