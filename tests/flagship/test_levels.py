"""The last step of the synthesis: both paths added up, rounded, and kept within 0 to 255."""

import numpy as np

from cae_compress.flagship.levels import levels


def test_they_are_the_rounded_sum_of_both_paths():
    rng = np.random.default_rng(0)
    linear = rng.uniform(-0.7, 0.7, (3, 16, 32)).astype(np.float32)
    branch = rng.normal(0, 0.1, (12, 8, 16)).astype(np.float32)
    factors = rng.uniform(0.5, 2, 12).astype(np.float32)
    scaled = branch * factors[:, None, None]
    moved = scaled.reshape(2, 2, 3, 8, 16).transpose(2, 3, 0, 4, 1).reshape(linear.shape)  # down, right, colour
    expected = np.clip(np.rint((linear + moved + 0.5) * 255), 0, 255).transpose(1, 2, 0)
    pixels = levels(linear, branch, factors)
    assert pixels.dtype == np.uint8 and expected.min() == 0 and expected.max() == 255
    assert np.array_equal(pixels, expected)


def test_what_is_no_number_is_a_level_all_the_same():
    linear = np.full((3, 16, 16), np.nan, np.float32)
    assert not levels(linear, np.zeros((12, 8, 8), np.float32), np.ones(12, np.float32)).any()
