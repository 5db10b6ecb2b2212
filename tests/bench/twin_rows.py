"""The rows about twins. References are written here: the usual ways of doing the same work."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from jaxtyping import UInt8

from palettes.palette import load_palette
from pipeline.likeness import GRID, alike, fingerprints
from pipeline.looking import one_by_one
from pipeline.pixelize import pixelize
from pipeline.quantize import quantize
from pipeline.sample.load import sample_folder
from pipeline.twins import twin_pairs
from tests.bench.rows import Row, in_turn

LOOKS = 1500  # pairs that the usual way compares in one run: all would take minutes


def rows() -> Iterator[Row]:
    """Yield the rows one after the other."""
    sprites = _bestiary()
    yield fingerprint_row(sprites[:40])
    yield search_row(sprites)


def fingerprint_row(sprites: list[UInt8[np.ndarray, "_ _"]]) -> Row:
    """Fingerprints: against counting edges and numbering colours pixel by pixel."""
    usual, ours = in_turn(
        lambda: [_by_pixel(sprite) for sprite in sprites], lambda: fingerprints(sprites), len(sprites)
    )
    return Row(name="fingerprints", unit="sprites/s", reference="a loop per pixel", usual=usual, ours=ours, target=2)


def search_row(sprites: list[UInt8[np.ndarray, "_ _"]]) -> Row:
    """All twins of the bestiary, fingerprints included: against looking at every pair."""
    n = len(sprites)
    dice = np.random.default_rng(0)
    sample = dice.integers(n, size=(LOOKS, 2)).tolist()

    def usual_way() -> object:
        return [alike(sprites[i], sprites[j]) for i, j in sample]

    def our_way() -> object:
        return twin_pairs(fingerprints(sprites), one_by_one(sprites.__getitem__))

    usual, ours = in_turn(usual_way, our_way, 1, runs=3)
    return Row(
        name="twins of the bestiary", unit="pairs/s", reference="every pair looked at", usual=usual * LOOKS,
        ours=ours * n * (n - 1) / 2, target=10, note=f"{n} sprites; the ratio grows with their number",
    )  # fmt: skip


def _bestiary() -> list[UInt8[np.ndarray, "_ _"]]:
    palette = load_palette("nes")
    paths = islice(sorted((sample_folder() / "images").glob("*.png")), 600)
    return [quantize(np.ascontiguousarray(pixelize(path.read_bytes())), palette) for path in paths]


def _by_pixel(sprite: UInt8[np.ndarray, "h w"]) -> object:
    h, w = sprite.shape
    pixels = sprite.tolist()
    cells = [[0] * GRID for _ in range(GRID)]
    numbers: dict[int, int] = {}
    for y in range(h):
        for x in range(w):
            numbers.setdefault(pixels[y][x], len(numbers))
            here = pixels[y][x]
            across = x + 1 < w and here != pixels[y][x + 1]
            down = y + 1 < h and here != pixels[y + 1][x]
            cells[y * GRID // h][x * GRID // w] += across + down
    return cells, [numbers[value] for row in pixels for value in row]
