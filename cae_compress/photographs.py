"""Photographs to train on and to validate with, and the random squares that a step of training takes of them."""

import cv2
import numpy as np

from cae_compress import datasets, pictures

HELD_OUT_EVERY = 25  # of the ImageNet samples, one in so many validates
MIN_SCALE, MAX_SCALE = 0.5, 1.3  # photographs are made smaller by chance; above 1, they stay as they are
MAX_SATURATION = 1.4  # and their colours paler or stronger by a factor up to this
VALIDATION_SCALES = (0.62, 1.0)  # in turn
MIN_SIDE = 128  # of a photograph that validates
MULTIPLE = 16  # its sides are cut to multiples of this


def photographs():
    """ImageNet samples: (to train on, to validate), lists of uint8 arrays (h, w, 3), the second `held_out`."""
    paths = datasets.imagenet_samples()
    return [pictures.read(path) for k, path in enumerate(paths) if k % HELD_OUT_EVERY], held_out()


def held_out():
    """The ImageNet samples to validate with, some made smaller: a list of uint8 arrays (h, w, 3)."""
    validation = []
    for path in datasets.imagenet_samples()[::HELD_OUT_EVERY]:
        image = at_scale(pictures.read(path), len(validation))
        height, width = (side // MULTIPLE * MULTIPLE for side in image.shape[:2])
        validation.append(image[:height, :width])
    return [image for image in validation if min(image.shape[:2]) >= MIN_SIDE]


def at_scale(image, k):
    """The k-th photograph of a list, at one of the `VALIDATION_SCALES`: smaller, the traces of JPEG go."""
    scale = VALIDATION_SCALES[k % len(VALIDATION_SCALES)]
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def to_fit_coder(training):
    """Sixty of the photographs to train on, for what a coder learns of latents: a list of uint8 arrays (h, w, 3)."""
    return [at_scale(image, k) for k, image in enumerate(training[:: max(1, len(training) // 60)])]


def random_square(image, crop, rng):
    """A random part of a photograph, its size, orientation and saturation random too: uint8 (crop, crop, 3)."""
    scale = np.clip(rng.uniform(MIN_SCALE, MAX_SCALE), crop / min(image.shape[:2]), 1)
    side = int(crop / scale)
    top, left = (rng.integers(length - side + 1) for length in image.shape[:2])
    square = image[top : top + side, left : left + side][:, :: rng.choice([-1, 1])]
    if rng.integers(2):
        square = square.transpose(1, 0, 2)
    square = cv2.resize(np.ascontiguousarray(square), (crop, crop), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = square.mean(axis=-1, keepdims=True)
    square = grey + MAX_SATURATION ** rng.uniform(-1, 1) * (square - grey)
    return np.clip(np.rint(square), 0, 255).astype(np.uint8)


def random_squares(images, count, crop, rng):
    """`random_square` of photographs drawn by chance: uint8 (count, crop, crop, 3)."""
    return np.stack([random_square(images[rng.integers(len(images))], crop, rng) for _ in range(count)])
