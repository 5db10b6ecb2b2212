"""Plain pictures to sprites, many at once: what pixelize.py and sprites.py do with one, on arrays of all of them.

A sprite costs few instructions, but a call of numpy for each step of each picture costs thousands. So pictures lie side
by side in one array, each in the upper left corner of its place with a free line all around, where 0 is whatever is not
drawn. A picture's bounds and its enlargement are then where a row or column differs from the one before. Letters of the
shapes: n pictures; H rows and W columns, the free lines included; h, w sides of sprites.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8, UInt32

from palettes.palette import Palette
from pipeline.decode import DRAWN
from pipeline.pixelize import TILE, blend
from pipeline.plain_png import PlainPng
from pipeline.quantize import nearest_packed
from pipeline.recipe import PictureRecipe

LARGEST = 254  # px a side of pictures that are drawn together
Sides = Int[np.ndarray, "n"]
Cells = UInt8[np.ndarray, "H n W"]  # 0 where nothing is drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class _Boxes:
    """Where what is drawn of each picture lies, px; and by how much it is enlarged."""

    left: Sides
    top: Sides
    width: Sides
    height: Sides
    factor: Sides


def is_joint(recipe: PictureRecipe) -> bool:
    """Tell whether a recipe's steps are those that are done here: all but dithering, averaging and redrawing."""
    plain = recipe.crop == "drawn" and recipe.resample == "nearest" and recipe.dither == "none"
    return plain and not recipe.outline and not recipe.colours


def sprites_together(
    pictures: Sequence[PlainPng], palette: Palette, recipe: PictureRecipe
) -> list[UInt8[np.ndarray, "_ _"] | None]:
    """Return the sprites of pictures of indices, of at most LARGEST px a side.

    None stands for a picture that wants a look of its own: one that shows nothing, or may have a background.
    """
    sides = np.array([(one.height, one.width) for one in pictures]).T
    cells, colours = _canonical(pictures, sides)
    boxes = _boxes(cells, unscale=recipe.unscale)
    (h, rows), (w, columns) = _sampled(boxes, recipe.max_side)
    n = len(pictures)
    places = ((rows + 1)[:, :, None] * n + np.arange(n)[:, None, None]) * cells.shape[2] + (columns + 1)[:, None]
    np.add(cells.reshape(-1).take(places), np.arange(n)[:, None, None] * colours.shape[1], out=places)
    table = nearest_packed(blend(colours, recipe.background), palette, recipe.distance)
    drawn = table.take(places)  # there as numbers in the tables of all pictures
    inside = (np.arange(rows.shape[1]) < h[:, None])[:, :, None] & (np.arange(columns.shape[1]) < w[:, None])[:, None]
    flat, ends = drawn[inside], (h * w).cumsum()
    plain = _plain(cells, sides, boxes)
    return [
        flat[end - high * wide : end].reshape(high, wide) if one else None
        for end, high, wide, one in zip(ends.tolist(), h.tolist(), w.tolist(), plain.tolist(), strict=True)
    ]


def _plain(cells: Cells, sides: Int[np.ndarray, "2 n"], boxes: _Boxes) -> Bool[np.ndarray, "n"]:
    """Tell which pictures show something and, where they fill their bounds, something transparent: no background."""
    plain = boxes.width > 0
    (high, wide), place = sides, np.arange(len(plain))
    filled = np.minimum.reduce([cells[y, place, x] for y in (1, high) for x in (1, wide)])  # its corners
    for full in np.flatnonzero((filled > 0) & (boxes.height == high) & (boxes.width == wide)).tolist():
        plain[full] = np.count_nonzero(cells[:, full]) < high[full] * wide[full]
    return plain


def _canonical(pictures: Sequence[PlainPng], sides: Int[np.ndarray, "2 n"]) -> tuple[Cells, UInt32[np.ndarray, "n C"]]:
    """Return pictures such that cells differ exactly where colours do, and the colours that their cells stand for."""
    cells = _laid_out(pictures)
    used = cells.max(axis=0).max(axis=1).astype(np.int64)
    counts = np.array([len(one.entries) // 3 for one in pictures])
    colours = _palettes(pictures, max(int(counts.max()), int(used.max()) + 1) + 1)  # one more, for those that move up
    for place in _odd(colours, used, counts).tolist():
        kept, number = np.unique(colours[place, :-1], return_inverse=True)  # 0 comes first: what is transparent
        first = int(kept[0] > 0)  # where nothing is, cells still leave 0 to what surrounds the picture
        inner = cells[1 : sides[0, place] + 1, place, 1 : sides[1, place] + 1]
        inner[...] = (number + first).astype(np.uint8)[inner]
        colours[place, first : first + len(kept)] = kept
    return cells, colours


def _laid_out(pictures: Sequence[PlainPng]) -> Cells:
    """Return the cells of pictures, 0 around each."""
    high, wide, line, first, size = np.array(
        [(one.height, one.width, one.line, one.first, len(one.raw)) for one in pictures]
    ).T
    rows, columns = int(high.max()) + 2, (int(wide.max()) + 9) // 8 * 8  # words of eight are looked at together
    flat = b"".join([b"\0", *[one.raw for one in pictures], bytes(2 * columns)])
    blank = len(flat) - columns  # from here on all is 0
    row = np.arange(-1, rows - 1)[:, None]
    places = np.where((row >= 0) & (row < high), size.cumsum() - size + first + row * line, blank)
    # each run of W bytes as one element: to gather whole rows takes a few instructions a row
    runs = np.ndarray(blank + 1, f"V{columns}", flat, strides=(1,))
    cells = runs[places].view(np.uint8).reshape(rows, len(pictures), columns)
    column = np.arange(columns)
    cells *= ((column > 0) & (column <= wide[:, None])).view(np.uint8)
    return cells


def _palettes(pictures: Sequence[PlainPng], count: int) -> UInt32[np.ndarray, "n C"]:
    """Return packed colours as decode.py does, so many a picture."""
    rgba = np.empty((len(pictures), count, 4), dtype=np.uint8)
    entries = b"".join([one.entries.ljust(3 * count, b"\0") for one in pictures])
    alphas = b"".join([one.alphas[:count].ljust(count, b"\xff") for one in pictures])
    rgba[..., :3] = np.frombuffer(entries, dtype=np.uint8).reshape(-1, count, 3)
    rgba[..., 3] = np.frombuffer(alphas, dtype=np.uint8).reshape(-1, count)
    packed = rgba.view("<u4")[..., 0]
    return packed * (packed >= DRAWN)


def _odd(colours: UInt32[np.ndarray, "n C"], used: Sides, counts: Sides) -> Int[np.ndarray, "few"]:
    """Return the pictures where not index 0 alone is transparent, or where two indices have one colour."""
    number = np.arange(colours.shape[1], dtype=np.uint32)
    told = np.where(number < counts[:, None], colours, number + 1)  # no colour: all of these are transparent
    told.sort(axis=1)
    hidden = (colours == 0).sum(axis=1)
    return np.flatnonzero(
        (hidden != 1) | (colours[:, 0] > 0) | (used >= counts) | (told[:, 1:] == told[:, :-1]).any(axis=1)
    )


def _boxes(cells: Cells, *, unscale: bool) -> _Boxes:
    """Return the bounds and the enlargement of what is drawn: no width and height where nothing is."""
    line, changes = cells.reshape(-1), np.zeros(cells.shape, dtype=np.bool_)
    np.not_equal(line[1:], line[:-1], out=changes.reshape(-1)[:-1])  # from one row to the next all is 0
    across = np.logical_or.reduce(changes, axis=0)
    np.not_equal(cells[1:], cells[:-1], out=changes[:-1])
    words = changes[:-1].view(np.uint64)
    down = words[..., 0].copy()
    for word in range(1, words.shape[2]):
        down |= words[..., word]
    (left, width, one), (top, height, other) = _span(across), _span(down.T > 0)
    factor = np.gcd(one, other) if unscale else np.ones_like(one)
    factor[np.maximum(width, height) < TILE * factor] = 1
    return _Boxes(left=left, top=top, width=width, height=height, factor=factor)


def _span(changes: Bool[np.ndarray, "n C"]) -> tuple[Sides, Sides, Sides]:
    """Return the first place of a change, how far the last one lies from it, and what divides all distances from it."""
    first = changes.argmax(axis=1)
    far = np.arange(changes.shape[1], dtype=np.uint8) - first.astype(np.uint8)[:, None]
    far *= changes
    return first, far.max(axis=1).astype(np.int64), np.gcd.reduce(far, axis=1).astype(np.int64)


def _sampled(
    boxes: _Boxes, max_side: int
) -> tuple[tuple[Sides, Int[np.ndarray, "n h"]], tuple[Sides, Int[np.ndarray, "n w"]]]:
    """Return height and which rows are shown in the sprites; and width and columns."""
    factor = np.maximum(boxes.factor, 1)
    high, wide = np.maximum(boxes.height // factor, 1), np.maximum(boxes.width // factor, 1)
    scale = np.minimum(1.0, max_side / np.maximum(wide, high))
    return (
        _centres(boxes.top, factor, high, np.maximum(1, np.rint(high * scale)).astype(np.int64)),
        _centres(boxes.left, factor, wide, np.maximum(1, np.rint(wide * scale)).astype(np.int64)),
    )


def _centres(start: Sides, factor: Sides, length: Sides, count: Sides) -> tuple[Sides, Int[np.ndarray, "n c"]]:
    """Return `count` and the pixels under the centres of so many cells, summed up one by one as in pixelize.py."""
    step = length / count
    corner = np.where(factor == 1, start, 0)  # an enlargement is undone before
    sums = np.repeat(step[:, None], int(count.max()), axis=1)
    sums[:, 0] = corner + step * 0.5
    shown = np.add.accumulate(sums, axis=1).astype(np.int64) - corner[:, None]
    return count, start[:, None] + np.minimum(shown, length[:, None] - 1) * factor[:, None]
