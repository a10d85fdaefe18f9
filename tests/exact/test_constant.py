"""A picture of one colour is a header: at most 100 bytes, exact, whatever the codec, the quality and the colour."""

from dataclasses import replace

import numpy as np
import pytest

import cae_compress
from cae_compress import BitstreamError, bitstream, codec


@pytest.mark.parametrize("model", codec.codecs())
@pytest.mark.parametrize("quality", [1, 50, 100])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (10, 200, 77), (255, 0, 1), (0, 255, 255)])
def test_a_constant_picture_is_at_most_100_bytes_and_exact(model, quality, colour):
    image = np.full((512, 768, 3), colour, np.uint8)
    data = cae_compress.encode(image, quality, model=model)
    assert len(data) <= 100 and np.array_equal(cae_compress.decode(data), image)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (129, 1), (1500, 1100)])
@pytest.mark.parametrize("model", codec.codecs())
def test_so_is_one_of_any_size_and_one_in_grey(size, model):
    for image in (
        np.full(size, 93, np.uint8),
        np.full((*size, 3), 93, np.uint8),
        np.full((*size, 3), (0, 255, 0), np.uint8),
    ):
        data = cae_compress.encode(image, 7, model=model)
        assert len(data) <= 100 and np.array_equal(cae_compress.decode(data, as_stored=True), image)


def test_one_pixel_of_another_colour_is_not_lost():
    image = np.full((40, 50, 3), 93, np.uint8)
    image[39, 49] = 255
    decoded = cae_compress.decode(cae_compress.encode(image, 90)).astype(int)
    assert decoded[39, 49].min() > decoded[:30].max() + 50


def test_quality_effort_and_model_are_checked_all_the_same():
    image = np.zeros((4, 4, 3), np.uint8)
    for wrong in ({"quality": 0}, {"effort": -1}, {"model": "nothing"}):
        with pytest.raises(ValueError):
            cae_compress.encode(image, **wrong)


def test_a_target_size_is_met():
    image = np.full((512, 768, 3), (10, 200, 77), np.uint8)
    assert np.array_equal(cae_compress.decode(cae_compress.encode_to_size(image, 100)), image)


@pytest.mark.parametrize("change, payload", [({"settings": 1 << 24}, b""), ({}, b"\0"), ({"weights": b"1234"}, b"")])
def test_what_the_encoder_does_not_write_is_refused(change, payload):
    header, _ = bitstream.read(cae_compress.encode(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(BitstreamError):
        cae_compress.decode(bitstream.write(replace(header, **change), payload))
