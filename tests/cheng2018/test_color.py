import numpy as np
import pytest
from PIL import Image

from cae_compress.cheng2018 import color


def test_the_round_trip_of_all_kinds_of_pixels_is_exact():
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    rgb[0, :8] = [[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    assert np.array_equal(color.ycbcr_to_rgb(color.rgb_to_ycbcr(rgb)), rgb)


def test_planes_come_in_the_order_y_cb_cr():
    red, blue = np.zeros((2, 1, 1, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    y, cb, cr = color.rgb_to_ycbcr(red)[0, 0]
    assert y == pytest.approx(0.299, abs=1e-3) and cr > 0.9 and cb < 0.5
    y, cb, cr = color.rgb_to_ycbcr(blue)[0, 0]
    assert y == pytest.approx(0.114, abs=1e-3) and cb > 0.9 and cr < 0.5


def test_planes_agree_with_jpegs_as_pillow_converts_them(photograph):
    expected = np.asarray(Image.fromarray(photograph).convert("YCbCr"))
    assert np.abs(color.rgb_to_ycbcr(photograph) * 255 - expected).max() < 1.01


def test_grey_pixels_have_neutral_chroma():
    grey = np.full((2, 2, 3), 77, np.uint8)
    assert np.allclose(color.rgb_to_ycbcr(grey)[..., 1:], 0.5, atol=1e-6)


def test_planes_out_of_range_are_clipped_not_wrapped():
    planes = np.full((1, 1, 3), 0.5, np.float32)
    planes[..., 0] = 1.7
    assert (color.ycbcr_to_rgb(planes) == 255).all()


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_other_shapes_and_dtypes_are_refused(bad):
    with pytest.raises(ValueError, match="uint8"):
        color.rgb_to_ycbcr(bad)


def test_a_single_plane_is_refused_on_the_way_back():
    with pytest.raises(ValueError, match="shape"):
        color.ycbcr_to_rgb(np.zeros((4, 4)))
