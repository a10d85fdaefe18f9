"""Any two networks as a codec: small linear ones here, which need no training."""

import keras
import numpy as np
import pytest
from keras import layers

import cae_compress
from cae_compress import BitstreamError, bitstream, metrics
from cae_compress import pictures as pictures_module
from cae_compress.coding import grids
from cae_compress.lab import evaluate
from cae_compress.latent_codec import LatentCodec


def linear(stride, maps, channels=3, seed=0):
    """Two networks: blocks of stride x stride pixels to `maps` orthonormal functions of them, and back."""
    rng, n = np.random.default_rng(seed), stride * stride * channels
    functions, _ = np.linalg.qr(np.concatenate([np.ones((n, 1)), rng.normal(size=(n, max(min(maps, n) - 1, 0)))], 1))
    kernel = np.zeros((n, maps))
    kernel[:, : functions.shape[1]] = functions[:, :maps]
    kernel = kernel.reshape(stride, stride, channels, maps)
    g_a = keras.Sequential([keras.Input((None, None, channels)), layers.Conv2D(maps, stride, stride, use_bias=False)])
    g_s = keras.Sequential(
        [keras.Input((None, None, maps)), layers.Conv2DTranspose(channels, stride, stride, use_bias=False)]
    )
    for network in (g_a, g_s):
        network.set_weights([kernel])
    return g_a, g_s


@keras.saving.register_keras_serializable(package="test_latent_codec")
class Doubled(layers.Layer):
    """A layer as a reader may write one."""

    def call(self, x):
        return 2 * x


@pytest.fixture(scope="module")
def pieces(photographs):
    """Training pictures, small so that fitting is quick; none is of the photograph that is coded."""
    return [photographs[name][100:164, 100:196] for name in ("coffee", "astronaut", "china")]


@pytest.fixture(scope="module")
def mine(pieces):
    return LatentCodec.fit(*linear(8, 48), pieces, name="mine")


PICTURES = {
    "odd": (37, 61), "one pixel": (1, 1), "a row": (1, 90), "a column": (75, 1), "whole blocks": (32, 64),
}  # fmt: skip


@pytest.mark.parametrize("entropy_model", ["adaptive", "static"])
@pytest.mark.parametrize("stride, maps, channels", [(4, 1, 3), (4, 17, 1), (8, 48, 3), (16, 320, 3), (16, 1, 1)])
def test_what_was_quantized_is_what_is_decoded(stride, maps, channels, entropy_model, pieces, photograph):
    codec = LatentCodec.fit(*linear(stride, maps, channels), pieces, "any", entropy_model)
    pictures = {name: photograph[:height, :width] for name, (height, width) in PICTURES.items()}
    pictures["constant"] = np.full((20, 30, 3), (255, 0, 7), np.uint8)
    pictures["noise"] = np.random.default_rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    pictures["grey"] = photograph[:40, :50, 0]
    for picture in pictures.values():
        for setting in (codec.settings[0], codec.settings[-1], 200 * codec.settings[0], codec.unit * grids.MIN_STEP):
            data = codec.encode(picture, setting)
            header, payload = bitstream.read(data)
            q = codec.quantize(codec.pair.analyse(pictures_module.as_rgb(picture)), header.settings & (1 << 31) - 1)
            assert np.array_equal(codec.decode_latents(header, payload), q)
            assert codec.decode(data).shape == (*picture.shape[:2], 3)


def test_finer_steps_are_larger_files_and_better_pictures(mine, photograph):
    files = [mine.encode(photograph, setting) for setting in mine.settings]
    psnr = [metrics.psnr(photograph, mine.decode(data)) for data in files]
    assert len(files) >= 4 and files == sorted(files, key=len) and psnr == sorted(psnr)
    assert mine.setting_of_quality(1) == pytest.approx(mine.settings[0])
    assert mine.setting_of_quality(100) == pytest.approx(mine.settings[-1])


def test_it_is_saved_and_loaded_without_a_difference(mine, photograph, tmp_path):
    mine.save(tmp_path / "mine.npz")
    again = LatentCodec.load(tmp_path / "mine.npz")
    data = mine.encode(photograph, mine.settings[2])
    assert again.encode(photograph, mine.settings[2]) == data
    assert np.array_equal(again.decode(data), mine.decode(data)) and again.settings == mine.settings
    assert again.name == "mine" and again.weights_sha256 == mine.weights_sha256


def test_both_entropy_models_read_files_of_each_other(mine, photograph, tmp_path):
    mine.save(tmp_path / "mine.npz")
    static = LatentCodec.load(tmp_path / "mine.npz", entropy_model="static")
    files = [codec.encode(photograph, mine.settings[1]) for codec in (mine, static)]
    assert len(files[0]) != len(files[1])
    assert np.array_equal(static.decode(files[0]), mine.decode(files[1]))


def test_what_makes_no_difference_to_the_pixels_of_a_tile_makes_none_to_the_picture(mine, monkeypatch, photograph):
    from cae_compress.latent_codec import network_pair

    whole = mine.encode(photograph, mine.settings[3])
    monkeypatch.setattr(network_pair, "TILE", 64)
    monkeypatch.setattr(network_pair, "MARGIN", 16)
    assert mine.encode(photograph, mine.settings[3]) == whole
    assert mine.decode(whole).shape == photograph.shape


def test_files_of_others_are_refused(mine, pieces, photograph):
    other = LatentCodec.fit(*linear(8, 48, seed=1), pieces, name="mine")
    with pytest.raises(BitstreamError, match="made by model mine"):
        other.decode(mine.encode(photograph, mine.settings[0]))
    with pytest.raises(BitstreamError, match="made by model"):
        mine.decode(cae_compress.encode(photograph))
    with pytest.raises(BitstreamError, match="mine, which is not here"):
        cae_compress.decode(mine.encode(photograph, mine.settings[0]))


def test_impossible_settings_are_refused(mine):
    for settings in (0, 63, 1 << 31):
        header = bitstream.Header("mine", mine.weights_id, 8, 8, settings)
        with pytest.raises(BitstreamError, match="impossible settings"):
            mine.decode(bitstream.write(header, b""))


@pytest.mark.parametrize("setting", [0, -1, float("nan"), float("inf"), 1e9, "1", None, True])
def test_a_step_out_of_range_is_refused(setting, mine, photograph):
    with pytest.raises(ValueError, match="setting must be a number"):
        mine.encode(photograph, setting)


def test_it_goes_into_the_table_beside_the_others(mine, photographs):
    table = evaluate.evaluate({"flower": photographs["flower"][:200, :300]}, [mine], every=3, progress=False)
    assert list(table["codec"].unique()) == ["mine"] and len(table) == len(mine.settings[::3])
    assert (table["estimate_bpp"] > 0).all() and table["weights"].nunique() == 1 and table["seed"].isna().all()


def test_the_sections_of_a_file_add_up(mine, photograph):
    header, payload = bitstream.read(mine.encode(photograph, mine.settings[1]))
    sections = mine.sections(header, payload)
    assert sum(sections.values()) == pytest.approx(len(payload)) and sections["latents, adaptive contexts"] > 0


def test_a_layer_of_ones_own_comes_back_if_it_is_registered(pieces, photograph, tmp_path):
    g_a, g_s = linear(8, 8)
    codec = LatentCodec.fit(
        keras.Sequential([keras.Input((None, None, 3)), *g_a.layers, Doubled()]), g_s, pieces, "doubled"
    )
    codec.save(tmp_path / "doubled.npz")
    data = codec.encode(photograph, codec.settings[0])
    assert np.array_equal(LatentCodec.load(tmp_path / "doubled.npz").decode(data), codec.decode(data))


def wrong_networks():
    """Pairs that cannot become a codec, and a part of what the error says to do."""
    x, good_a, good_s = keras.Input((None, None, 3)), *linear(8, 16)
    flat = keras.Sequential([keras.Input((64, 64, 3)), layers.Flatten(), layers.Dense(10)])
    valid = keras.Sequential([x, layers.Conv2D(8, 5, 2), layers.Conv2D(8, 5, 2)])
    three = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(8, 3, 3, padding="same")])
    oblong = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(8, 3, (2, 4), padding="same")])
    bent = keras.Sequential([keras.Input((None, None, 16)), *good_s.layers, layers.Conv2D(4, 1)])
    loud = keras.Sequential([keras.Input((None, None, 16)), *good_s.layers, layers.Rescaling(255.0)])
    lost = linear(8, 16)[0]
    lost.set_weights([np.full_like(w, np.nan) for w in lost.get_weights()])
    silent = linear(8, 16)[0]
    silent.set_weights([np.zeros_like(w) for w in silent.get_weights()])
    code = keras.Sequential([keras.Input((None, None, 16)), *good_s.layers, layers.Lambda(lambda x: x)])
    return {
        "one size": (flat, good_s, "keras.Input"), "valid padding": (valid, good_s, "padding='same'"),
        "stride of three": (three, good_s, "power of two"), "oblong": (oblong, good_s, "power of two"),
        "four channels": (good_a, bent, "as many channels"), "other stride": (good_a, linear(4, 16)[1], "strides"),
        "other maps": (good_a, linear(8, 5)[1], "g_s fails"), "levels to 255": (good_a, loud, "Rescaling"),
        "not finite": (lost, good_s, "not finite"), "always the same": (silent, good_s, "train the networks"),
        "a function": (lambda x: x, good_s, "Keras model"), "Lambda": (good_a, code, "register_keras_serializable"),
        "two channels": (linear(8, 16, 2)[0], good_s, "channels last"),
    }  # fmt: skip


@pytest.mark.parametrize("what", wrong_networks())
def test_networks_that_are_not_what_it_needs_get_an_error_that_says_what_to_change(what, pieces):
    g_a, g_s, advice = wrong_networks()[what]
    with pytest.raises(ValueError, match=advice):
        LatentCodec.fit(g_a, g_s, pieces, "wrong")


def test_other_wrong_arguments_are_refused(pieces, tmp_path):
    networks = linear(8, 16)
    for name in ("", "é", "x" * 256, "a\nb", None):
        with pytest.raises(ValueError, match="name must be"):
            LatentCodec.fit(*networks, pieces, name)
    with pytest.raises(ValueError, match="no training pictures"):
        LatentCodec.fit(*networks, [], "mine")
    with pytest.raises(cae_compress.PictureError):
        LatentCodec.fit(*networks, [np.zeros((8, 8, 3))], "mine")
    for settings in ([], [0], [-1.0], [1e9]):
        with pytest.raises(ValueError, match="settings must be steps"):
            LatentCodec.fit(*networks, pieces, "mine", settings=settings)
    with pytest.raises(ValueError, match="entropy_model must be"):
        LatentCodec.fit(*networks, pieces, "mine", entropy_model="huffman")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match="not a codec"):
        LatentCodec.load(tmp_path / "broken.npz")
    with pytest.raises(FileNotFoundError):
        LatentCodec.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("name", ["tables", "contexts/mean_weights", "contexts/probabilities", "centre"])
def test_a_saved_codec_with_arrays_of_another_shape_is_refused(name, mine, tmp_path):
    mine.save(tmp_path / "mine.npz")
    arrays = dict(np.load(tmp_path / "mine.npz"))
    np.savez_compressed(tmp_path / "mine.npz", **{**arrays, name: arrays[name][..., :-1]})
    with pytest.raises(ValueError, match="not a codec"):
        LatentCodec.load(tmp_path / "mine.npz")
