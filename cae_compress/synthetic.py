"""Pictures that codecs for photographs were not made for, drawn here: always the same, to the last sample."""

import cv2
import numpy as np

HEIGHT, WIDTH = 256, 384
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK, PAPER = (20, 20, 60), (255, 255, 255)
BLUE, ORANGE, GREEN, GREY, LIGHT = (31, 90, 160), (230, 120, 20), (50, 140, 60), (120, 120, 120), (232, 236, 242)
TEXT = '''"""Pictures: Kodak, Imagenette, ImageNet samples, and photographs bundled with installed packages.

A set is looked for under `$CAE_COMPRESS_DATA`, then under the project's `data/`; failing that it is downloaded
from its public home into `data/`. The bundled photographs need no network.
"""

import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import requests
from tqdm.auto import tqdm

from cae_compress import pictures
'''  # a page to draw: the tables were measured on just this


def pictures():
    """All of them: dict from name to uint8 RGB (256, 384, 3)."""
    return {draw.__name__: draw() for draw in (text, gradient, noise, slide, chart, screen, facade)}


def blank(colour=PAPER):
    """A sheet of one colour."""
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def write(image, words, x, y, size, colour=INK, weight=1):
    """Draw a line of text from the left end of its baseline on; x and y in pixels."""
    cv2.putText(image, words, (x, y), FONT, size, colour, weight, cv2.LINE_AA)


def text():
    """A page of program text."""
    image = blank()
    for k, line in enumerate(TEXT.splitlines()):
        write(image, line, 4, 14 + 15 * k, 0.38)
    return image


def gradient():
    """Colours that change from corner to corner."""
    rows, columns = np.mgrid[0 : 1 : 1j * HEIGHT, 0 : 1 : 1j * WIDTH]
    return np.stack([255 * rows, 255 * columns, 255 * (1 - rows)], axis=-1).round().astype(np.uint8)


def noise():
    """Samples by chance, all levels alike likely."""
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def slide():
    """A slide of a talk: a bar with a title, points, boxes with arrows between them."""
    image = blank()
    cv2.rectangle(image, (0, 0), (WIDTH - 1, 39), BLUE, cv2.FILLED)
    write(image, "Learned image compression", 12, 27, 0.7, PAPER, 2)
    for k, point in enumerate(("an autoencoder instead of a DCT", "rotation and a quantizer", "an arithmetic coder")):
        cv2.circle(image, (22, 70 + 26 * k), 3, ORANGE, cv2.FILLED, cv2.LINE_AA)
        write(image, point, 34, 75 + 26 * k, 0.5)
    for k, (name, colour) in enumerate((("analyse", BLUE), ("rotate", GREEN), ("code", ORANGE))):
        left = 20 + 122 * k
        cv2.rectangle(image, (left, 160), (left + 90, 210), colour, cv2.FILLED)
        write(image, name, left + 12, 190, 0.5, PAPER)
        if k:
            cv2.arrowedLine(image, (left - 30, 185), (left - 4, 185), INK, 2, cv2.LINE_AA, tipLength=0.3)
    write(image, "7", 362, 246, 0.4, GREY)
    return image


def chart():
    """Three curves with a grid, axes and a legend."""
    image = blank()
    for k in range(6):
        cv2.line(image, (40, 20 + 40 * k), (370, 20 + 40 * k), LIGHT, 1)
        cv2.line(image, (40 + 66 * k, 20), (40 + 66 * k, 220), LIGHT, 1)
        write(image, str(40 - 2 * k), 14, 24 + 40 * k, 0.35)
        write(image, f"{0.4 * k:.1f}", 32 + 66 * k, 236, 0.35)
    x = np.linspace(0.02, 1, 60)
    for k, (name, colour) in enumerate((("ours", INK), ("theirs", BLUE), ("older", ORANGE))):
        y = 215 - (190 - 32 * k) * x**0.45
        points = np.stack([40 + 330 * x, y], axis=-1).round().astype(np.int32)
        cv2.polylines(image, [points], False, colour, 2, cv2.LINE_AA)
        cv2.line(image, (270, 160 + 18 * k), (296, 160 + 18 * k), colour, 2, cv2.LINE_AA)
        write(image, name, 304, 164 + 18 * k, 0.4)
    cv2.rectangle(image, (40, 20), (370, 220), INK, 1)
    write(image, "bits per pixel", 160, 251, 0.4)
    return image


def screen():
    """A window of a program: a bar of buttons, a list with a chosen line, a dark pane with text."""
    image = blank(LIGHT)
    cv2.rectangle(image, (0, 0), (WIDTH - 1, 23), (58, 62, 70), cv2.FILLED)
    for k, colour in enumerate(((226, 88, 80), (230, 180, 60), (90, 180, 90))):
        cv2.circle(image, (14 + 18 * k, 12), 5, colour, cv2.FILLED, cv2.LINE_AA)
    write(image, "photographs - 24 files", 120, 16, 0.4, PAPER)
    for k in range(9):
        top = 34 + 24 * k
        if k == 3:
            cv2.rectangle(image, (0, top - 4), (139, top + 17), BLUE, cv2.FILLED)
        cv2.rectangle(image, (8, top), (22, top + 12), ORANGE if k % 3 else GREEN, cv2.FILLED)
        write(image, f"kodim{k + 1:02}.png", 30, top + 11, 0.38, PAPER if k == 3 else INK)
    cv2.rectangle(image, (140, 24), (WIDTH - 1, HEIGHT - 1), (30, 32, 38), cv2.FILLED)
    for k, line in enumerate(TEXT.splitlines()[8:]):
        write(image, line, 150, 44 + 20 * k, 0.36, (170, 210, 170) if k % 2 else (220, 220, 220))
    return image


def facade():
    """A grey front with hard diagonal stripes and rows of windows."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    image = np.where((rows + columns) // 6 % 2, 96, 176).astype(np.uint8)
    image[np.abs(rows - columns // 2 - 20) < 9] = 60
    for top in range(24, HEIGHT - 40, 56):
        for left in range(20, WIDTH - 40, 60):
            image[top : top + 34, left : left + 26] = 40
            image[top + 3 : top + 31, left + 3 : left + 23] = np.arange(28)[:, None] * 4 + 90
    return np.dstack([image] * 3)
