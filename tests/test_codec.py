import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import cae_compress
from cae_compress import BitstreamError, PictureError, bitstream, codec, metrics


def test_a_picture_goes_to_bytes_and_back(photograph):
    decoded = cae_compress.decode(cae_compress.encode(photograph))
    assert decoded.shape == photograph.shape and metrics.psnr(photograph, decoded) > 28


def test_a_picture_goes_to_a_file_and_back(photograph, tmp_path):
    cae_compress.save(tmp_path / "a.cae", photograph, quality=30)
    assert np.array_equal(
        cae_compress.load(tmp_path / "a.cae"), cae_compress.decode(cae_compress.encode(photograph, 30))
    )


def test_a_file_that_cannot_be_written_whole_leaves_the_old_one(photograph, tmp_path, monkeypatch):
    def write(path, data):
        with open(path, "wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device", str(path))

    cae_compress.save(tmp_path / "a.cae", photograph[:40, :40])
    before = (tmp_path / "a.cae").read_bytes()
    monkeypatch.setattr("pathlib.Path.write_bytes", write)
    with pytest.raises(OSError, match="No space left on device: .*a.cae'"):
        cae_compress.save(tmp_path / "a.cae", photograph[:80, :80])
    monkeypatch.undo()
    assert (tmp_path / "a.cae").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_higher_quality_is_a_larger_file_and_a_better_picture(photograph):
    files = [cae_compress.encode(photograph, quality) for quality in (1, 25, 50.5, 75, 100)]
    quality = [metrics.psnr(photograph, cae_compress.decode(data)) for data in files]
    assert files == sorted(files, key=len) and quality == sorted(quality)


@pytest.mark.parametrize("quality", [0, 101, -1, "50", None, True, float("nan")])
def test_quality_out_of_range_is_refused(quality, photograph):
    with pytest.raises(ValueError, match="1 to 100"):
        cae_compress.encode(photograph, quality)


def test_numbers_of_numpy_are_numbers(photograph):
    picture = photograph[:40, :40]
    expected = cae_compress.encode(picture, 50)
    for quality in (np.int64(50), np.float32(50), np.arange(10, 60, 20)[2], np.array(50), np.uint8(50)):
        assert cae_compress.encode(picture, quality) == expected
    assert cae_compress.encode(picture, 50, effort=np.int64(0)) == expected
    sized = cae_compress.encode_to_size(picture, 300)
    assert cae_compress.encode_to_size(picture, np.uint16(300)) == sized
    assert np.array_equal(cae_compress.decode(expected, np.int32(40 * 40)), cae_compress.decode(expected))


@pytest.mark.parametrize("max_bytes", [0, -5, 300.0, "300", None, True, float("inf"), float("nan"), np.float64(300)])
def test_a_target_size_is_a_positive_whole_number(max_bytes, photograph):
    with pytest.raises(ValueError, match="max_bytes must be a whole number from 1"):
        cae_compress.encode_to_size(photograph, max_bytes)


@pytest.mark.parametrize("bpp", [0.1, 0.3, 0.7, 1.3])
def test_a_target_size_is_met_from_below_within_2_percent(bpp, photograph):
    max_bytes = int(bpp * photograph.shape[0] * photograph.shape[1] / 8)
    data = cae_compress.encode_to_size(photograph, max_bytes)
    assert 0.98 * max_bytes <= len(data) <= max_bytes
    assert cae_compress.decode(data).shape == photograph.shape


def test_a_target_beyond_the_model_is_met_as_well_as_can_be(photograph):
    with pytest.raises(ValueError, match="smallest file"):
        cae_compress.encode_to_size(photograph, 50)
    assert len(cae_compress.encode_to_size(photograph, 10**9)) < 10**9


def test_the_block_rotation_decodes_through_the_front_door(photograph, block_codec):
    data = block_codec.encode(photograph, 5)
    assert np.array_equal(cae_compress.decode(data), block_codec.decode(data))


def test_the_cae_trained_for_rate_is_one_codec_of_five_networks(photograph):
    ours = cae_compress.RateCAECodec()
    files = [ours.encode(photograph, setting) for setting in ours.settings]
    assert [bitstream.read(data)[0].model for data in files] == [f"cheng2018-{k}" for k in (1, 2, 3, 4, 5)]
    quality = [metrics.psnr(photograph, ours.decode(data)) for data in files]
    assert files == sorted(files, key=len) and quality == sorted(quality) and quality[0] > 20


def test_a_file_of_an_unknown_model_is_refused():
    data = bitstream.write(bitstream.Header("tomorrow", b"1234", 8, 8, 0), b"")
    with pytest.raises(BitstreamError, match="model tomorrow, which is not here"):
        cae_compress.decode(data)


def test_a_file_that_declares_too_much_is_refused_until_the_limit_is_raised(photograph):
    data = cae_compress.encode(photograph)
    with pytest.raises(BitstreamError, match="limit"):
        cae_compress.decode(data, max_pixels=100)
    assert cae_compress.decode(data, max_pixels=photograph.size).shape == photograph.shape


@pytest.mark.parametrize("limit", [None, "9", float("nan"), True])
def test_a_limit_that_is_no_number_is_refused_and_limits_nothing(limit, photograph):
    data = cae_compress.encode(photograph)
    with pytest.raises(ValueError, match="max_pixels must be a number"):
        cae_compress.decode(data, max_pixels=limit)


def test_metadata_of_another_kind_are_refused(photograph):
    for wrong in ({"dpi": (72, 72)}, 5, b"exif"):
        with pytest.raises(ValueError, match="metadata must be a cae_compress.Metadata"):
            cae_compress.encode(photograph, metadata=wrong)


def test_missing_and_wrong_input_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        cae_compress.load(tmp_path / "nothing.cae")
    with pytest.raises(PictureError):
        cae_compress.encode(np.zeros((4, 4, 3)))


def test_bytes_like_objects_are_decoded(photograph):
    data = cae_compress.encode(photograph, 5)
    assert np.array_equal(cae_compress.decode(bytearray(data)), cae_compress.decode(memoryview(data)))


def test_a_codec_is_loaded_once():
    assert codec.load_codec() is codec.load_codec("flagship")
    assert codec.load_codec("cheng2018") is codec.load_codec("cheng2018") is not codec.load_codec("cheng2018-block")


def test_codecs_are_known_by_name_with_a_line_on_each():
    assert list(cae_compress.codecs())[0] == codec.DEFAULT_MODEL == "flagship"
    assert {"cheng2018", "cheng2018-block", "cheng2018-rate"} <= set(cae_compress.codecs())
    assert all(0 < len(text) < 120 and "\n" not in text for text in cae_compress.codecs().values())
    with pytest.raises(ValueError, match="no model 'jpeg'; there are flagship, cheng2018"):
        cae_compress.encode(np.zeros((4, 4, 3), np.uint8), model="jpeg")


@pytest.mark.parametrize("model", cae_compress.codecs())
def test_every_codec_takes_qualities_from_1_to_100_and_decodes_through_the_front_door(model, photograph):
    qualities = (1, 12.5, 25, 37.5, 50, 62.5, 75, 87.5, 100)
    files = [cae_compress.encode(photograph, quality, model=model) for quality in qualities]
    assert files == sorted(files, key=len) and len(files[-1]) > 3 * len(files[0])
    decoded = [cae_compress.decode(data) for data in files]
    psnr = [metrics.psnr(photograph, picture) for picture in decoded]
    assert psnr == sorted(psnr) and psnr[-1] > psnr[0] + 3
    for quality in (0, 100.5):
        with pytest.raises(ValueError, match="1 to 100"):
            cae_compress.encode(photograph, quality, model=model)


@pytest.mark.parametrize("model", sorted(set(cae_compress.codecs()) - {"flagship"}))
def test_only_the_flagship_makes_an_effort(model):
    with pytest.raises(ValueError, match="effort"):
        cae_compress.encode(np.zeros((4, 4, 3), np.uint8), effort=1, model=model)


@pytest.mark.parametrize("model, within", [("cheng2018", 0.98), ("cheng2018-rate", 0.9)])  # five networks leave gaps
def test_a_target_size_is_met_by_other_codecs_too(model, within, photograph):
    data = cae_compress.encode_to_size(photograph, 9000, model=model)
    assert within * 9000 <= len(data) <= 9000 and bitstream.read(data)[0].model.startswith("cheng2018")


def test_decoding_takes_a_file_apart_once(photograph, monkeypatch):
    data, calls, read = cae_compress.encode(photograph, 5), [], bitstream.read
    monkeypatch.setattr(bitstream, "read", lambda *args: calls.append(1) or read(*args))
    cae_compress.decode(data)
    assert len(calls) == 1


MEMORY = """
import resource, sys
import numpy as np
import cae_compress
small = np.zeros((256, 256, 3), np.uint8)
small[::3, ::5] = 99
cae_compress.decode(cae_compress.encode(small))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
side = int(sys.argv[1])
row = np.random.default_rng(0).integers(0, 256, (1, side, 3)).astype(np.uint8)
image = np.repeat(np.repeat(row[:, : side // 8], 8, axis=1), side, axis=0)
data = cae_compress.encode(image, 20)
decoded = cae_compress.decode(data, max_pixels=side * side)
assert decoded.shape == image.shape
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_memory_beyond_the_pictures_themselves_does_not_grow_with_their_height():
    answer = subprocess.run([sys.executable, "-c", MEMORY, "2048"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    pictures_mib = 2 * 2048 * 2048 * 3 / 2**20  # the original and the decoded one
    assert float(answer.stdout) < pictures_mib + 250


@pytest.mark.parametrize("model", codec.codecs())
def test_grey_comes_back_grey_and_pays_for_no_other_plane(model, photograph):
    grey = photograph[:140, :150, 1]
    data, in_colour = (cae_compress.encode(image, 40, model=model) for image in (grey, photograph[:140, :150]))
    decoded = cae_compress.decode(data)
    assert decoded.shape == (140, 150, 3) and np.ptp(decoded, axis=-1).max() == 0
    stored = cae_compress.decode(data, as_stored=True)
    assert np.array_equal(stored, decoded[..., 0]) and stored.flags.c_contiguous
    assert metrics.psnr(photograph[:140, :150, 1], stored) > 20 and len(data) < len(in_colour)
    in_three = cae_compress.encode(np.dstack([grey] * 3), 40, model=model)
    assert np.array_equal(cae_compress.decode(in_three, as_stored=True), decoded), "RGB comes back as RGB, and grey"
    assert len(in_three) == len(data)


def test_grey_is_nearer_to_the_original_than_what_the_network_makes_of_it(photograph):
    grey = photograph[..., 1]
    data = cae_compress.encode(grey, 60)
    as_rgb = codec.load_codec().decode(data)
    assert np.ptp(as_rgb, axis=-1).max() > 0
    assert metrics.psnr(np.dstack([grey] * 3), cae_compress.decode(data)) > metrics.psnr(np.dstack([grey] * 3), as_rgb)


def test_colour_pictures_are_files_of_version_1_as_they_were(photograph):
    assert cae_compress.encode(photograph, 40) == codec.load_codec().encode(photograph, 40)
    assert cae_compress.encode(photograph, 40)[4] == 1


def test_a_pillow_image_is_encoded_upright_with_what_it_carries(photograph):
    image = Image.fromarray(photograph)
    tags = Image.Exif()
    tags[0x0112], tags[0x0132] = 6, "2024:05:01 10:00:00"
    image.info |= {"exif": tags.tobytes(), "dpi": (300, 300)}
    data = cae_compress.encode(image, 40)
    assert np.array_equal(
        cae_compress.decode(data), cae_compress.decode(cae_compress.encode(np.rot90(photograph, -1), 40))
    )
    assert cae_compress.metadata_of(data).dpi == (300, 300) and b"2024:05:01" in cae_compress.metadata_of(data).exif
    bare = cae_compress.encode(image, 40, metadata=cae_compress.Metadata())
    assert not cae_compress.metadata_of(bare) and len(bare) < len(data)


def test_a_bomb_is_refused_before_anything_is_allocated():
    model = codec.load_codec()
    for size in ((1, 2**28), (2**27, 2)):
        data = bitstream.write(bitstream.Header(model.model, model.weights_id, *size, 896), b"")
        assert len(data) < 40
        with pytest.raises(BitstreamError, match="narrow"):
            cae_compress.decode(data)
