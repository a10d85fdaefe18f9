import numpy as np
import pytest
from PIL import Image

import cae_compress
import cae_compress.pillow_plugin  # noqa: F401, teaches Pillow the format
from cae_compress import BitstreamError, bitstream, cli, codec, metrics
from cae_compress.theis2017.codec import MODELS, Theis2017Codec

NAMES = ("theis2017", "theis2017-adaptive")


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_goes_through_the_front_door_at_every_quality(name, photograph):
    files = [cae_compress.encode(photograph, quality, model=name) for quality in (1, 30, 50, 75, 100)]
    psnr = [metrics.psnr(photograph, cae_compress.decode(data)) for data in files]
    assert files == sorted(files, key=len) and psnr == sorted(psnr)
    assert {bitstream.read(data)[0].model for data in files} == set(MODELS)


def test_it_is_listed_with_a_line_of_its_own():
    assert {"theis2017", "theis2017-adaptive"} <= set(cae_compress.codecs())


def test_both_priors_code_the_same_latents_and_read_files_of_each_other(photograph):
    static, adaptive = Theis2017Codec(), Theis2017Codec("adaptive")
    for setting in (0, 0.7, 1, 1.6, 3):
        files = [maker.encode(photograph, setting) for maker in (static, adaptive)]
        assert len(files[1]) < len(files[0]), "neighbours tell something"
        assert np.array_equal(adaptive.decode(files[0]), static.decode(files[1]))


def test_both_networks_serve_settings_of_their_own(photograph):
    ours = Theis2017Codec()
    owners = [bitstream.read(ours.encode(photograph, setting))[0].model for setting in (0, 1, 1.4, 1.6, 2, 3)]
    assert owners == [MODELS[0]] * 3 + [MODELS[1]] * 3


def test_tables_cost_about_what_the_channels_entropies_are(photographs):
    ours = Theis2017Codec()
    for name in ("coffee", "china"):
        header, payload = bitstream.read(ours.encode(photographs[name], 2))
        estimate, _ = ours.of(header).estimate_bpp(header, payload)
        assert 0.95 < 8 * len(payload) / (header.width * header.height) / estimate < 1.5


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (37, 61), (128, 128)])
def test_pictures_of_every_size_come_back_in_it(size, photograph):
    ours = Theis2017Codec()
    picture = photograph[: size[0], : size[1]]
    assert ours.decode(ours.encode(picture, 2)).shape == picture.shape


def test_files_of_other_models_are_refused(photograph):
    with pytest.raises(BitstreamError, match="not by"):
        Theis2017Codec().decode(cae_compress.encode(photograph))


@pytest.mark.parametrize("setting", [-0.1, 3.1, None, "2"])
def test_settings_out_of_range_are_refused(setting, photograph):
    with pytest.raises(ValueError, match="setting"):
        Theis2017Codec().encode(photograph, setting)


def test_the_command_line_and_the_plugin_write_and_read_it(photograph, tmp_path, capsys):
    Image.fromarray(photograph).save(tmp_path / "a.png")
    assert cli.main(["encode", "--model", "theis2017", "-q", "40", str(tmp_path / "a.png")]) == 0
    assert cli.main(["info", str(tmp_path / "a.cae")]) == 0
    assert "static tables" in capsys.readouterr().out
    Image.fromarray(photograph).save(tmp_path / "b.cae", quality=40, model="theis2017")
    assert (tmp_path / "a.cae").read_bytes() == (tmp_path / "b.cae").read_bytes()
    with Image.open(tmp_path / "b.cae") as image:
        assert np.array_equal(np.asarray(image), codec.decode((tmp_path / "a.cae").read_bytes()))
