import numpy as np
import pytest

from cae_compress import BitstreamError, bitstream, psnr
from cae_compress.lab import evaluate
from cae_compress.toderici2017 import segments
from cae_compress.toderici2017.bits import BITS, PASSES

SIZES = [(1, 1), (1, 40), (33, 1), (16, 16), (17, 31), (50, 70)]


@pytest.fixture(scope="module")
def small(narrow, photographs):
    """Files of a small picture, by number of passes."""
    picture = photographs["coffee"][100:120, 200:223]
    return {passes: narrow.encode(picture, passes) for passes in narrow.settings}


def read(codec, data):
    return bitstream.read(data, may_be_cut=(codec.model,))


@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_every_size_come_back_in_it_with_the_encoders_bits(size, narrow, photographs):
    picture = photographs["china"][: size[0], : size[1]]
    data = narrow.encode(picture, 3)
    bits = narrow.decode_latents(*bitstream.read(data))
    assert bits.shape == (3, -(-size[0] // 16), -(-size[1] // 16), BITS) and bits.dtype == np.int8
    assert np.array_equal(bits, narrow.tiles.encode(picture, 3))
    assert narrow.decode(data).shape == picture.shape


def test_a_picture_is_the_one_whose_residual_the_encoder_has_left(narrow, model, photographs):
    """Decoder and encoder agree on what there is: 255 * (x - 1/2 - r), rounded."""
    picture = photographs["coffee"][:48, :64]
    [*_, r] = model.residuals(picture[None], 5).numpy()
    expected = 255 * np.clip(picture / 255 - r[0], 0, 1)
    assert np.abs(narrow.tiles.decode(narrow.tiles.encode(picture, 5), 48, 64) - expected).mean() < 2


def test_every_picture_is_the_start_of_the_next_better_one(narrow, small):
    for passes in narrow.settings[:-1]:
        shorter, longer = (bitstream.read(small[n])[1] for n in (passes, passes + 1))
        assert longer[: len(shorter)] == shorter
    assert len({narrow.decode(data).tobytes() for data in small.values()}) == PASSES


def test_a_cut_file_is_the_one_of_fewer_passes(narrow, small):
    header, payload = bitstream.read(small[PASSES])
    for passes in narrow.settings:
        assert bitstream.write(*narrow.cut(header, payload, passes)) == small[passes]


def test_cut_anywhere_a_file_gives_the_picture_of_the_complete_passes_or_an_error(narrow, small):
    data = small[PASSES]
    start = bitstream.read(data)[0].num_bytes
    streams = segments.read(*bitstream.read(data), PASSES)
    ends = start + np.cumsum([segments.SIZE + len(stream) for stream in streams])
    pictures = {passes: narrow.decode(file) for passes, file in small.items()}
    assert ends[-1] == len(data)
    for length in range(len(data)):
        complete = int(np.searchsorted(ends, length, side="right"))
        if complete:
            assert np.array_equal(narrow.decode(data[:length]), pictures[complete]), length
            whole = bitstream.write(*narrow.cut(*read(narrow, data[:length]), PASSES))
            assert whole == small[complete]
        else:
            with pytest.raises(BitstreamError):
                narrow.decode(data[:length])


def test_a_damaged_pass_is_refused_though_the_file_is_cut(narrow, small):
    """Every byte of the segments; what is decoded in spite of it must be of passes before the damage."""
    data = small[3][:-1]
    start = bitstream.read(small[3])[0].num_bytes
    streams = segments.read(*bitstream.read(small[3]), 3)
    ends = start + np.cumsum([segments.SIZE + len(stream) for stream in streams])
    for place in range(start, len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x40
        complete = int(np.searchsorted(ends, place, side="right"))
        try:
            picture = narrow.decode(bytes(damaged))
        except BitstreamError:
            continue
        assert complete and np.array_equal(picture, narrow.decode(small[complete])), place


@pytest.mark.parametrize("field", ["model", "weights", "width", "height"])
def test_a_cut_file_is_refused_when_its_header_is_another(field, narrow, small):
    header, payload = bitstream.read(small[2])
    changed = {"model": "toderici", "weights": b"abcd", "width": header.width + 1, "height": header.height - 1}
    data = bitstream.write(bitstream.Header(**{**vars(header), field: changed[field]}), payload)
    with pytest.raises(BitstreamError):
        narrow.decode(data[:-1])


def test_a_whole_file_with_a_wrong_checksum_is_refused_though_its_segments_are_sound(narrow, small):
    data = bytearray(small[4])
    data[bitstream.read(small[4])[0].num_bytes - 12] ^= 1  # the settings
    with pytest.raises(BitstreamError, match="checksum"):
        narrow.decode(bytes(data))


@pytest.mark.parametrize("passes", [0, PASSES + 1, 1 << 31])
def test_impossible_numbers_of_passes_are_refused(passes, narrow, small):
    header, payload = bitstream.read(small[PASSES])
    with pytest.raises(BitstreamError, match="impossible settings"):
        narrow.decode(bitstream.write(bitstream.Header(**{**vars(header), "settings": passes}), payload))


@pytest.mark.parametrize("change, message", [(1, "pass 5 is incomplete"), (-1, "after the last pass")])
def test_a_file_that_is_not_cut_must_have_the_passes_that_it_says(change, message, narrow, small):
    header, payload = bitstream.read(small[4])
    with pytest.raises(BitstreamError, match=message):
        narrow.decode(bitstream.write(bitstream.Header(**{**vars(header), "settings": 4 + change}), payload))


def test_it_truncates_to_the_most_passes_that_fit(narrow, small):
    header, payload = bitstream.read(small[PASSES])
    sizes = [len(bitstream.read(small[n])[1]) for n in narrow.settings]
    for room in {0, *sizes, *(size - 1 for size in sizes), *(size + 1 for size in sizes)}:
        fits = max([n for n, size in zip(narrow.settings, sizes) if size <= room], default=1)
        assert bitstream.write(*narrow.truncate(header, payload, room)) == small[fits]


def test_sections_are_the_payload_also_of_a_file_that_is_cut(narrow, small):
    for data in (small[3], small[3][:-2]):
        header, payload = read(narrow, data)
        sections = narrow.sections(header, payload)
        assert sum(sections.values()) == len(payload)
        assert ("incomplete pass" in sections) == header.cut and ("bits of pass 3" in sections) != header.cut


def test_the_estimate_is_the_entropy_of_channels(narrow, photographs):
    picture = photographs["coffee"][:96, :96]
    data = narrow.encode(picture, 2)
    share = (narrow.decode_latents(*bitstream.read(data)) > 0).mean(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nan_to_num(share * np.log2(share)) - np.nan_to_num((1 - share) * np.log2(1 - share))
    estimate, with_side = narrow.estimate_bpp(*bitstream.read(data))
    assert estimate == with_side == pytest.approx(entropy.sum() * 36 / 96**2)


@pytest.mark.parametrize("setting", [0, 9, 2.5, None, "2", True])
def test_settings_out_of_range_are_refused(setting, narrow, photograph):
    with pytest.raises(ValueError, match="setting"):
        narrow.encode(photograph, setting)


def test_a_table_codes_once_and_has_the_files_that_encoding_makes(narrow, photographs, monkeypatch):
    picture, calls, encode = photographs["coffee"][:40, :50], [], narrow.encode
    expected = [len(encode(picture, passes)) for passes in (1, 4, 7)]
    monkeypatch.setattr(narrow, "encode", lambda *args: calls.append(args) or encode(*args))
    rows = list(evaluate.evaluate_codec(narrow, {"coffee": picture}, (1, 4, 7)))
    assert [row["num_bytes"] for row in rows] == expected and len(calls) == 1
    assert rows[2]["psnr_db"] == psnr(picture, narrow.decode(encode(picture, 7)))


def test_quality_is_passes(narrow):
    assert [narrow.setting_of_quality(q) for q in (1, 8, 9, 50, 100)] == [1, 1, 2, 4, 8]
    with pytest.raises(ValueError):
        narrow.setting_of_quality(0)
