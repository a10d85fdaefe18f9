import numpy as np

from cae_compress.photographs import random_square


def test_random_squares_are_of_one_size_and_differ(photographs):
    rng, image = np.random.default_rng(1), photographs["coffee"]
    squares = [random_square(image, 128, rng) for _ in range(20)]
    assert all(square.shape == (128, 128, 3) and square.dtype == np.uint8 for square in squares)
    assert len({square.tobytes() for square in squares}) == 20
    saturation = [np.ptp(square.astype(float), axis=-1).mean() for square in squares]
    assert max(saturation) > 1.3 * min(saturation)
    whole = random_square(image, min(image.shape[:2]), rng)  # nothing to choose but orientation and colours
    assert abs(whole.mean() - image[:, : len(whole)].mean()) < 20
