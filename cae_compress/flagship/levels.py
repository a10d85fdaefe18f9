"""The last step of g_s: what its two paths make of the latents, added up and rounded to levels of 8 bits."""

import numpy as np

from cae_compress.coding.compiled import compiled, inlined


@inlined
def level(value):
    """-0.5 to 0.5 -> 0 to 255, rounded; what is beyond comes to the next of them."""
    scaled = (value + np.float32(0.5)) * np.float32(255)
    return np.uint8(np.int32(np.rint(min(max(np.float32(0), scaled), np.float32(255)))))


@compiled
def levels(linear, branch, factors):
    """Pixels of both paths.

    Args:
        linear: float32 (3, h, w), centred RGB.
        branch: float32 (12, h/2, w/2), what is added to it, by a depth to space: a pixel is of four next to each other.
        factors: float32 (12,), of the branch's channels (`transforms.AtQuality`).

    Returns:
        uint8 (h, w, 3).
    """
    _, height, width = linear.shape
    pixels = np.empty((height, width, 3), np.uint8)
    for i in range(height):
        # written out, so that compilers do it for many pixels in one instruction: a fifth of the time
        k, y = 6 * (i % 2), i // 2
        s, t, u, v, w, x = factors[k], factors[k + 1], factors[k + 2], factors[k + 3], factors[k + 4], factors[k + 5]
        a, b, c = branch[k, y], branch[k + 1, y], branch[k + 2, y]
        d, e, f = branch[k + 3, y], branch[k + 4, y], branch[k + 5, y]
        red, green, blue, row = linear[0, i], linear[1, i], linear[2, i], pixels[i].reshape(-1)
        for j in range(width // 2):
            row[6 * j] = level(red[2 * j] + s * a[j])
            row[6 * j + 1] = level(green[2 * j] + t * b[j])
            row[6 * j + 2] = level(blue[2 * j] + u * c[j])
            row[6 * j + 3] = level(red[2 * j + 1] + v * d[j])
            row[6 * j + 4] = level(green[2 * j + 1] + w * e[j])
            row[6 * j + 5] = level(blue[2 * j + 1] + x * f[j])
    return pixels
