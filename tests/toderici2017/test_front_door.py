"""The codec with the weights that ship, through everything that a user meets."""

import numpy as np
import pytest
from PIL import Image

import cae_compress
import cae_compress.pillow_plugin  # noqa: F401, registers the format
from cae_compress import BitstreamError, Metadata, bitstream, cli, codec
from cae_compress.exact import constant
from cae_compress.toderici2017.codec import Toderici2017Codec

METADATA = Metadata(b"profile" * 20, b"II*\0\x08\0\0\0\0\0\0\0\0\0", "<x:xmpmeta/>", (300, 72.5))


@pytest.fixture(scope="module")
def files(photograph):
    """The picture through the front door, best and worst quality, with metadata."""
    return [cae_compress.encode(photograph, q, model="toderici2017", metadata=METADATA) for q in (100, 1)]


def test_it_is_a_codec_of_the_front_door(photograph):
    assert "progressive" in cae_compress.codecs()["toderici2017"]
    psnr_db = []
    for quality in (1, 50, 100):
        data = cae_compress.encode(photograph, quality, model="toderici2017")
        header = bitstream.read(data)[0]
        assert header.model == "toderici2017" and header.settings == {1: 1, 50: 4, 100: 8}[quality]
        psnr_db.append(cae_compress.psnr(photograph, cae_compress.decode(data)))
    assert psnr_db == sorted(psnr_db) and psnr_db[0] > 20 and psnr_db[2] > psnr_db[0] + 2


def test_entropy_coding_saves_bits_in_every_pass_of_photographs(photographs):
    ours = Toderici2017Codec()
    for name in ("coffee", "china"):
        header, payload = bitstream.read(ours.encode(photographs[name], 8))
        nominal = 4 * -(-header.width // 16) * -(-header.height // 16)  # bytes: 32 bits for 16x16 pixels
        sections = ours.sections(header, payload)
        assert all(sections[f"bits of pass {t}"] < 0.97 * nominal for t in range(1, 9))


def test_the_first_pass_of_a_constant_grey_square_comes_near_it(photographs):
    flat = np.full((64, 64, 3), 90, np.uint8)
    ours = Toderici2017Codec()
    assert np.abs(ours.decode(ours.encode(flat, 8)).astype(int) - 90).mean() < 12


def test_truncate_gives_whole_files_that_keep_metadata(files):
    best, worst = files
    assert cae_compress.truncate(best, len(worst)) == worst
    assert cae_compress.truncate(best, len(best)) == best == cae_compress.truncate(bytearray(best), 10**9)
    shorter = cae_compress.truncate(best, (len(best) + len(worst)) // 2)
    header, _ = bitstream.read(shorter)  # the checksum of the whole file holds
    assert 1 < header.settings < 8 and header.metadata == METADATA
    assert cae_compress.metadata_of(shorter) == METADATA
    assert len(worst) < len(shorter) <= (len(best) + len(worst)) // 2


def test_truncate_of_grey_pictures_gives_grey_ones(photograph):
    data = cae_compress.encode(photograph[..., 0], 100, model="toderici2017")
    shorter = cae_compress.truncate(data, len(data) // 2)
    assert cae_compress.decode(shorter, as_stored=True).shape == photograph.shape[:2]


def test_truncate_refuses_what_cannot_be(files, photograph):
    best, worst = files
    with pytest.raises(ValueError, match=f"has {len(worst)} bytes, more than {len(worst) - 1}"):
        cae_compress.truncate(best, len(worst) - 1)
    with pytest.raises(ValueError, match="rdcae cannot be cut, those of toderici2017 can"):
        cae_compress.truncate(cae_compress.encode(photograph), 10**6)
    for max_bytes in (0, 2.5, None, "9"):
        with pytest.raises(ValueError, match="max_bytes"):
            cae_compress.truncate(best, max_bytes)
    damaged = bytearray(best)
    damaged[200] ^= 1
    for wrong in (damaged, b"", best[:40], b"no file"):
        with pytest.raises(BitstreamError):
            cae_compress.truncate(wrong, 10**6)


def test_pictures_of_one_colour_are_as_short_as_can_be():
    data = cae_compress.encode(np.full((90, 80, 3), 7, np.uint8), model="toderici2017")
    assert bitstream.read(data)[0].model == constant.MODEL
    assert cae_compress.truncate(data, len(data)) == data
    with pytest.raises(ValueError, match="more than"):
        cae_compress.truncate(data, len(data) - 1)


def test_a_file_without_its_end_is_a_picture_everywhere(files, photograph, tmp_path, capsys):
    best, _ = files
    without_metadata = cae_compress.encode(photograph, 100, model="toderici2017")
    path = tmp_path / "cut.cae"
    path.write_bytes(best[: len(best) - 800])
    shorter = cae_compress.truncate(without_metadata, len(best) - 800)  # metadata, at the end, went with it
    assert np.array_equal(cae_compress.load(path), cae_compress.decode(shorter))
    assert not cae_compress.metadata_of(path.read_bytes())
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), cae_compress.load(path))
    assert cli.main(["info", str(path)]) == 0 and "incomplete pass" in capsys.readouterr().out
    whole = cae_compress.truncate(path.read_bytes(), 10**9)
    assert bitstream.read(whole)[1] == bitstream.read(shorter)[1]


def test_files_of_other_models_without_their_end_are_refused_as_ever(photograph):
    for model in ("flagship", "cheng2018"):
        with pytest.raises(BitstreamError, match="truncated"):
            cae_compress.decode(cae_compress.encode(photograph[:50, :60], model=model)[:-1])


def test_encoding_to_a_size_is_coding_once_and_cutting(photograph, monkeypatch):
    ours, calls = codec.load_codec("toderici2017"), []
    encode = ours.encode
    monkeypatch.setattr(ours, "encode", lambda *args: calls.append(args) or encode(*args))
    whole = cae_compress.encode(photograph, 100, model="toderici2017")
    data = cae_compress.encode_to_size(photograph, len(whole) * 2 // 3, model="toderici2017", metadata=METADATA)
    assert len(data) <= len(whole) * 2 // 3 and len(calls) == 2
    assert cae_compress.metadata_of(data) == METADATA and 1 < bitstream.read(data)[0].settings < 8
    with pytest.raises(ValueError, match="more than 60"):
        cae_compress.encode_to_size(photograph, 60, model="toderici2017")


def test_the_command_line_cuts_files(files, photograph, tmp_path, capsys):
    best, worst = files
    (tmp_path / "a.cae").write_bytes(best)
    size = len(best) * 2 // 3

    def run(*args):
        return cli.main(["truncate", *map(str, args)])

    assert run(tmp_path / "a.cae", "-o", tmp_path / "b.cae", "--max-bytes", size) == 0
    shorter = (tmp_path / "b.cae").read_bytes()
    assert shorter == cae_compress.truncate(best, size)
    assert f"{len(shorter)} of {len(best)} bytes" in capsys.readouterr().out

    assert run(tmp_path / "a.cae", "--max-bytes", size) == 1, "nothing is overwritten without leave"
    assert (tmp_path / "a.cae").read_bytes() == best and "--force" in capsys.readouterr().err
    assert run(tmp_path / "a.cae", "--max-bytes", size, "--force") == 0
    assert (tmp_path / "a.cae").read_bytes() == shorter
    assert run(tmp_path / "a.cae", "-o", tmp_path / "c.cae", "--max-bytes", 40) == 1
    assert "more than 40" in capsys.readouterr().err and not (tmp_path / "c.cae").exists()
    (tmp_path / "f.cae").write_bytes(cae_compress.encode(photograph))
    assert run(tmp_path / "f.cae", tmp_path / "b.cae", "-o", tmp_path / "out", "--max-bytes", size) == 1
    assert "cannot be cut" in capsys.readouterr().err
    assert (tmp_path / "out" / "b.cae").read_bytes() == shorter and not (tmp_path / "out" / "f.cae").exists()


@pytest.mark.parametrize("args", [(), ("--max-bytes", "0"), ("--max-bytes", "x"), ("--max-bytes", "9", "-o", "a.png")])
def test_a_wrong_command_line_is_told(args, tmp_path):
    (tmp_path / "a.cae").write_bytes(b"")
    try:
        code = cli.main(["truncate", str(tmp_path / "a.cae"), *args])
    except SystemExit as stop:
        code = stop.code
    assert code == 2


def test_a_seam_between_tiles_costs_little(photographs, monkeypatch):
    """Wider than a tile: the error along the seam is not much larger than without one."""
    image = np.hstack([photographs["china"][:160], photographs["coffee"][:160]])[:, :1000]
    ours, near, error = Toderici2017Codec(), slice(768 - 16, 768 + 16), []
    for tile in (768, 1024):
        monkeypatch.setattr("cae_compress.toderici2017.tiles.TILE", tile)
        decoded = ours.decode(ours.encode(image, 8))
        error.append(np.abs(decoded[:, near].astype(int) - image[:, near]).mean())
    assert error[0] != error[1] and error[0] < 1.1 * error[1]


def test_weights_are_those_of_a_training_that_was_recorded():
    from cae_compress import weights

    record, log = weights.record("toderici2017"), weights.training_log("toderici2017")
    assert record["settings"]["steps"] == log["step"].max()
    assert weights.path_of("toderici2017").stat().st_size < 4e6
