"""The usual way of building records, written here to be measured against: loops over pixels and cells, nested lists.

It does what the first version of such a pipeline did for each record: the page read with BeautifulSoup, the picture's
colours reduced by k-means (here seeded), each pixel's nearest colour found on its own, and a window of numbers made for
each token, cell by cell, all of it in Python lists until Arrow takes them.
"""

import io
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bs4 import BeautifulSoup
from jaxtyping import UInt8
from PIL import Image
from skimage.color import rgb2lab

from palettes.palette import load_palette
from palettes.vocabulary import FIRST_COLOUR, LF, TAB
from tests.raw_stores import Creature, page_of

NES = load_palette("nes")
SIDE = 25  # px
COLOURS, ROUNDS = 16, 10  # of k-means
K = 3  # side of a window
CHARACTERS = " \"'()*,-+.0123456789:[];/%!abcdefghijklmnopqrstuvwxyz"
Colour = tuple[int, ...]


def build_by_loops(beasts: list[Creature]) -> None:
    """Make Parquet rows of creatures, one after the other."""
    rows = []
    for beast in beasts:
        text = BeautifulSoup(page_of(beast), "html.parser").get_text().lower()
        image = Image.open(io.BytesIO(beast.picture)).convert("RGB")
        image.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
        grid = [[FIRST_COLOUR + place for place in row] for row in _nearest(_reduced(np.asarray(image)))]
        said = [2 + CHARACTERS.index(sign) for sign in text if sign in CHARACTERS]
        rows.append({"windows": _windows([*_closed(grid)]) + _windows([*_closed([said])]), "text": text})
    pq.write_table(pa.Table.from_pylist(rows), pa.BufferOutputStream())


def _reduced(pixels: UInt8[np.ndarray, "h w 3"]) -> list[list[Colour]]:
    """Return the pixels in at most 16 colours, by k-means."""
    flat = [tuple(map(int, pixel)) for row in pixels for pixel in row]
    centres = random.Random(0).sample(flat, min(COLOURS, len(flat)))  # noqa: S311 - nothing secret
    for _ in range(ROUNDS):
        groups: list[list[Colour]] = [[] for _ in centres]
        for pixel in flat:
            groups[_closest(pixel, centres)].append(pixel)
        centres = [
            tuple(round(sum(channel) / len(group)) for channel in zip(*group, strict=True)) if group else centre
            for group, centre in zip(groups, centres, strict=True)
        ]
    return [[centres[_closest(tuple(map(int, pixel)), centres)] for pixel in row] for row in pixels]


def _closest(pixel: Colour, centres: list[Colour]) -> int:
    away = [sum((a - b) ** 2 for a, b in zip(pixel, centre, strict=True)) for centre in centres]
    return away.index(min(away))


def _nearest(pixels: list[list[Colour]]) -> list[list[int]]:
    lab = rgb2lab(NES.rgb[None] / 255)[0]
    return [
        [int(((rgb2lab(np.array(pixel)[None, None] / 255)[0, 0] - lab) ** 2).sum(axis=1).argmin()) for pixel in row]
        for row in pixels
    ]


def _closed(grid: list[list[int]]) -> list[list[int]]:
    """Return a grid with the separator behind each of its rows."""
    return [[*row, LF if place == len(grid) - 1 else TAB] for place, row in enumerate(grid)]


def _windows(grid: list[list[int]]) -> list[list[list[int]]]:
    windows = []
    for y in range(len(grid)):
        for x in range(len(grid[0])):
            window = [[0] * K for _ in range(K)]
            for i in range(K):
                for j in range(K):
                    if 0 <= y + i - 1 < len(grid) and 0 <= x + j - 1 < len(grid[0]) and (i, j) <= (1, 1):
                        window[i][j] = grid[y + i - 1][x + j - 1]
            windows.append(window)
    return windows
