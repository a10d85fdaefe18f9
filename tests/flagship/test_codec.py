import time
import tracemalloc

import numpy as np
import pytest

from cae_compress import BitstreamError, PictureError, RDCodec, bitstream, metrics
from cae_compress.flagship import ablations, tiling
from cae_compress.flagship import codec as flagship_codec
from cae_compress.flagship.latents import RDLatentCoder


@pytest.fixture(scope="module")
def codec():
    return RDCodec()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 16), (16, 33), (200, 7)])
def test_pictures_of_any_size_come_back(codec, photographs, size):
    picture = photographs["coffee"][: size[0], : size[1]]
    decoded = codec.decode(codec.encode(picture, 80))
    assert decoded.shape == picture.shape and decoded.dtype == np.uint8
    assert metrics.psnr(picture, decoded) > 28


def test_decoded_latents_are_those_that_were_encoded(codec, photograph):
    for quality in (1, 33.3, 100):
        place = flagship_codec.place_of_quality(quality)
        coder = RDLatentCoder(codec.context, codec.probabilities, place)
        tile = tiling.tiles(*photograph.shape[:2])[0]
        q = coder.encode(codec.analyse(photograph, tile, place), codec.quantizer(place))
        assert q.any()
        assert np.array_equal(codec.decode_latents(*bitstream.read(codec.encode(photograph, quality))), q)


def test_places_rise_with_quality_and_those_up_to_50_are_what_they_were():
    places = [flagship_codec.place_of_quality(quality) for quality in np.linspace(1, 100, 1000)]
    assert places == sorted(places) and (places[0], places[-1]) == (0, flagship_codec.MAX_PLACE)
    for quality in (1, 7.7, 20, 33.3, 50):
        assert flagship_codec.place_of_quality(quality) == round(7 * 256 * (quality - 1) / 99)


def test_quality_100_is_beyond_43_db(codec, photographs):
    at_100 = [metrics.psnr(picture, codec.decode(codec.encode(picture, 100))) for picture in photographs.values()]
    assert np.mean(at_100) > 43 and min(at_100) > 41.5


def test_files_cost_less_than_the_model_expects(codec, photographs):
    """Adaptive contexts know more than the logistic distribution that selects them."""
    picture = photographs["coffee"]
    for quality in (30, 50, 80):
        data = codec.encode(picture, quality)
        assert 8 * len(data) < ablations.model_bits(codec, data)


def test_higher_quality_is_a_larger_file_and_a_better_picture(codec, photograph):
    files = [codec.encode(photograph, quality) for quality in (1, 20, 40, 60, 80, 100)]
    quality = [metrics.psnr(photograph, codec.decode(data)) for data in files]
    assert files == sorted(files, key=len) and quality == sorted(quality)


def test_choosing_latents_by_rate_and_in_dependence_of_each_other_is_worth_it(codec, photographs, monkeypatch):
    pictures = [photographs["coffee"], photographs["chelsea"]]

    def rates():
        curves = []
        for picture in pictures:
            files = [codec.encode(picture, quality) for quality in (20, 40, 60, 80)]
            psnr = [metrics.psnr(picture, codec.decode(data)) for data in files]
            curves.append(([8 * len(data) / picture[..., 0].size for data in files], psnr))
        return curves

    dependent = rates()
    monkeypatch.setattr(flagship_codec, "DEPENDENT", False)
    chosen = rates()
    monkeypatch.setattr(codec, "quantizer", lambda *_: ablations.nearest)
    rounded = rates()
    assert np.mean([metrics.bd_rate(*a, *b) for a, b in zip(dependent, chosen)]) < -1
    assert np.mean([metrics.bd_rate(*a, *b) for a, b in zip(chosen, rounded)]) < 0


def test_tiles_meet_without_a_seam(codec, photographs, monkeypatch):
    picture = photographs["china"]
    whole = codec.decode(codec.encode(picture, 60))
    monkeypatch.setattr(tiling, "TILE", 16)
    tiled = codec.decode(codec.encode(picture, 60))
    assert metrics.psnr(picture, tiled) > metrics.psnr(picture, whole) - 0.1
    at_seam = [metrics.psnr(picture[:, 254:258], decoded[:, 254:258]) for decoded in (tiled, whole)]
    assert at_seam[0] > at_seam[1] - 0.5


def test_a_large_picture_is_coded_in_tiles(codec):
    picture = np.zeros((1100, 40, 3), np.uint8)
    picture[::50] = 200
    assert len(tiling.tiles(1100, 40)) == 2
    assert codec.decode(codec.encode(picture, 30)).shape == picture.shape


def test_grey_pictures_and_constant_ones_are_small(codec, photograph):
    flat = np.full((512, 768, 3), (10, 200, 77), np.uint8)
    data = codec.encode(flat, 50)
    assert len(data) < 1000  # a quarter of the lowest frequencies has no neighbours to be predicted from
    assert metrics.psnr(flat, codec.decode(data)) > 38  # so saturated a colour is not what it was trained on
    grey = codec.encode(photograph[..., 0], 50)
    assert codec.decode(grey).shape == photograph.shape


def test_sections_add_up_to_the_payload(codec, photograph):
    header, payload = bitstream.read(codec.encode(photograph, 50))
    sections = codec.sections(header, payload)
    assert sum(sections.values()) == pytest.approx(len(payload))
    assert sections["latents, group 1"] > 0 and abs(sections["end of stream"]) < 8


def test_wrong_weights_and_impossible_settings_are_refused(codec, photograph):
    header, payload = bitstream.read(codec.encode(photograph, 50))
    for changed in ({"weights": b"1234"}, {"settings": flagship_codec.MAX_PLACE + 1}):
        data = bitstream.write(bitstream.Header(**{**vars(header), **changed}), payload)
        with pytest.raises(BitstreamError):
            codec.decode(data)


def test_wrong_input_is_refused(codec):
    with pytest.raises(PictureError):
        codec.encode(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="1 to 100"):
        codec.encode(np.zeros((4, 4, 3), np.uint8), 0)
    with pytest.raises(FileNotFoundError):
        RDCodec("nothing")


def test_effort_finds_better_latents(codec, photographs):
    picture = photographs["coffee"][100:228, 200:360]

    def curve(effort):
        files = [codec.encode(picture, quality, effort) for quality in (15, 30, 45, 60, 75)]
        psnr = [metrics.psnr(picture, codec.decode(data)) for data in files]
        return [8 * len(data) / picture[..., 0].size for data in files], psnr

    assert metrics.bd_rate(*curve(50), *curve(0)) < -1


def test_effort_works_on_any_size_and_is_repeatable(codec, photographs):
    for size in ((1, 1), (17, 33)):
        picture = photographs["coffee"][: size[0], : size[1]]
        data = codec.encode(picture, 50, effort=3)
        assert codec.decode(data).shape == picture.shape
        assert data == codec.encode(picture, 50, effort=3)


def test_steps_that_bring_nothing_are_not_made(codec, photograph):
    files = {effort: codec.encode(photograph, 50, effort) for effort in (3, 4, 10, 20)}
    assert files[10] == files[4] and files[3] != files[4] != files[20]


@pytest.mark.parametrize("effort", [-1, 1.5, True, "9", 10_001])
def test_impossible_efforts_are_refused(codec, photograph, effort):
    with pytest.raises(ValueError, match="effort"):
        codec.encode(photograph[:32, :32], 50, effort)


def test_decoding_a_tall_picture_holds_the_latents_of_a_few_rows_of_tiles(codec, photographs):
    def memory_beside_the_picture(times):
        picture = np.tile(photographs["coffee"][:256, :64], (times, 1, 1))
        file = bitstream.read(codec.encode(picture, 50))
        tracemalloc.start()
        try:
            decoded = codec.decode_payload(*file)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert metrics.psnr(picture, decoded) > 27
        return peak - picture.nbytes

    assert memory_beside_the_picture(48) < 1.3 * memory_beside_the_picture(16)


def test_no_thread_goes_on_working_after_a_picture(codec, photographs):
    """As those of BLAS would, for 25 ms in which they take a processor from what comes next."""
    picture, afterwards = np.ascontiguousarray(photographs["coffee"][:320, :384]), []
    for _ in range(3):
        data = codec.encode(picture, 50)
        afterwards.append(processor_seconds(0.03))
        codec.decode(data)
        afterwards.append(processor_seconds(0.03))
    assert np.median(afterwards) < 0.01


def processor_seconds(seconds):
    """What all threads of this process take of the processors while it waits for so long."""
    start = time.process_time()
    time.sleep(seconds)
    return time.process_time() - start
