import numpy as np
import pytest

from cae_compress.toderici2017 import tiles
from cae_compress.toderici2017.bits import BITS
from cae_compress.toderici2017.tiles import Tiles


@pytest.mark.parametrize("rows, columns", [(1, 1), (48, 48), (49, 3), (100, 97)])
def test_tiles_cover_every_position_once_and_lie_in_their_surroundings(rows, columns):
    seen = np.zeros((rows, columns), int)
    places = np.arange(rows * columns).reshape(rows, columns)
    for own, around, inside in tiles.tiles(rows, columns):
        seen[own] += 1
        assert np.array_equal(places[around][inside], places[own])
        assert places[around].size <= ((tiles.TILE + 2 * tiles.MARGIN) // 16) ** 2
    assert (seen == 1).all()


def test_compiled_it_gives_what_the_network_gives_operation_by_operation(model, photographs):
    ours, picture = Tiles(model), photographs["coffee"][:96, :128]
    compiled = ours.encode(picture, 4)
    eager = Tiles(model)
    eager.one_pass, eager.decoder = model.one_pass, model.decoder
    assert np.mean(compiled != eager.encode(picture, 4)) < 0.01
    difference = ours.decode(compiled, 96, 128).astype(int) - eager.decode(compiled, 96, 128)
    assert np.abs(difference).max() <= 1


def test_larger_pictures_are_put_together_of_tiles(model, photographs, monkeypatch):
    """Tiles of 64 with a margin of 64: apart from seams, the picture that a single tile gives."""
    picture = photographs["china"][:160, :208]
    whole = Tiles(model)
    bits = whole.encode(picture, 1)
    monkeypatch.setattr(tiles, "TILE", 64)
    monkeypatch.setattr(tiles, "MARGIN", 64)
    ours = Tiles(model)
    assert np.mean(ours.encode(picture, 1) != bits) < 0.01, "one pass looks no farther than the margin"
    difference = ours.decode(bits, 160, 208).astype(int) - whole.decode(bits, 160, 208)
    assert np.abs(difference).max() <= 1
    assert ours.encode(picture, 2).shape == (2, 10, 13, BITS)
