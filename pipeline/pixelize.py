"""A picture's bytes to a small RGB array, by named steps: crop, unscale, shrink, reduce, flatten.

Each step is a pure function of pixels and recipe, so that any of them can be called, looked at and timed alone. No step
but area shrinking and k-means makes a colour that was not drawn. Shrinking comes before flattening: what is half
transparent is blended in the sprite, once.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Int, UInt8, UInt32
from PIL import Image

from pipeline.adaptive import reduce_to
from pipeline.decode import DRAWN, FORMATS, MAX_BYTES, MAX_PIXELS, OPAQUE, PictureError, Pixels, decode
from pipeline.outline import redraw_lines
from pipeline.recipe import MAX_SIDE, PictureRecipe

__all__ = [
    "BACKGROUND", "FORMATS", "MAX_BYTES", "MAX_PIXELS", "MAX_SIDE", "STEPS", "PictureError",
    "blend", "crop", "drawing", "drawn", "enlargement", "flatten", "pixelize", "reduce", "shrink", "unscale",
]  # fmt: skip

PLAIN = PictureRecipe()
BACKGROUND = PLAIN.background  # what transparency becomes: the NES palette's white
TILE = 8  # px: no sprite is drawn smaller than a console's tile, so nothing is undone to less
_ALL_OR_NOTHING = b"\x00\xff"  # alphas that need no blending

Step = Callable[[Pixels, PictureRecipe], Pixels]


def pixelize(body: bytes, recipe: PictureRecipe = PLAIN) -> UInt8[np.ndarray, "h w 3"]:
    """Return the sprite that the recipe makes of a picture file, at most `max_side` px a side, aspect ratio kept.

    Raises PictureError for bytes that are no picture, are damaged, are too large or show nothing.
    """
    return flatten(drawing(body, recipe), recipe)


def drawing(body: bytes, recipe: PictureRecipe = PLAIN) -> Pixels:
    """Return the small pixels that the recipe makes of a picture file, transparency and all; errors as pixelize."""
    return drawn(decode(body), recipe)


def drawn(pixels: Pixels, recipe: PictureRecipe) -> Pixels:
    """Return the small pixels that the recipe makes of a picture's pixels; PictureError when they show nothing."""
    for _, step in STEPS:
        pixels = step(pixels, recipe)
    return pixels


def crop(pixels: Pixels, recipe: PictureRecipe) -> Pixels:
    """Keep what is not wholly transparent; of a picture opaque everywhere, what its background's colour surrounds.

    A background is the one colour of the whole border. A picture of nothing but that colour stays whole.
    """
    height, width = pixels.cells.shape
    left, top, w, h = _bounds(_shown(pixels))
    if not w:
        raise PictureError(f"the picture of {width}×{height} px is transparent everywhere.")
    if recipe.crop == "none":
        return pixels
    if (w, h) == (width, height):
        left, top, w, h = _inside_background(pixels)
    if (w, h) == (width, height):
        return pixels
    return Pixels(pixels.cells[top : top + h, left : left + w], pixels.colours, corner=(left, top))


def _shown(pixels: Pixels) -> np.ndarray:
    """Return what is not 0 exactly where pixels are not wholly transparent."""
    if pixels.colours is None:
        return pixels.cells >= DRAWN
    alphas = pixels.colours.tobytes()[3::4]
    if alphas[0] == 0 and alphas.find(0, 1) < 0:
        return pixels.cells  # as is usual: index 0 is what is transparent, and no other
    return cv2.LUT(pixels.cells, (pixels.colours >= DRAWN).view(np.uint8))


def _bounds(shown: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is true; all 0 when nothing is."""
    left, top, width, height = cv2.boundingRect(shown.view(np.uint8))
    return left, top, width, height


def _inside_background(pixels: Pixels) -> tuple[int, int, int, int]:
    height, width = pixels.cells.shape
    whole = (0, 0, width, height)
    packed = pixels.packed()
    if packed.min() < OPAQUE:
        return whole
    left, top, w, h = _bounds(packed != packed[0, 0])
    framed = min(left, top, width - left - w, height - top - h) > 0  # the border has one colour
    return (left, top, w, h) if framed else whole


def unscale(pixels: Pixels, recipe: PictureRecipe) -> Pixels:
    """Undo an exact enlargement by a whole number, such as a sprite of 64 px blown up to 256."""
    factor = enlargement(pixels) if recipe.unscale else 1
    return pixels if factor == 1 else Pixels(pixels.cells[::factor, ::factor], pixels.colours)


def enlargement(pixels: Pixels) -> int:
    """Return the largest f such that the pixels are f×f blocks of one colour each; 1 where that says nothing.

    Colour changes only at multiples of f, counted from where the drawing begins: so the greatest common divisor of
    these places and of the sides is f. A result of less than 8 px comes from large plain shapes, not from an enlarged
    sprite: such a picture stays as it is, like one whose blocks are blurred, or cut at the edge.
    """
    cells = pixels.cells
    height, width = cells.shape
    common = math.gcd(height, width)
    if common > 1:  # most pictures that are not enlarged show it in one row
        common = _period(cells[height // 2].tolist(), pixels.colours, common)
    if common > 1 and not _in_blocks(cells, common):
        packed = pixels.packed()
        seen = np.where(packed < DRAWN, 0, packed)
        common = math.gcd(common, *_changes(seen), *_changes(seen.T))
    return common if max(height, width) >= TILE * common else 1


def _period(line: list[int], colours: UInt32[np.ndarray, "256"] | None, common: int) -> int:
    """Return the greatest common divisor of `common` and the places in a line where the colour changes."""
    last = line[0]
    for place, cell in enumerate(line):
        if cell == last:
            continue
        if place % common:
            a, b = (cell, last) if colours is None else (int(colours[cell]), int(colours[last]))
            if a != b and max(a, b) >= DRAWN:  # to the eye, all that is wholly transparent is equal
                common = math.gcd(common, place)
                if common == 1:
                    break
        last = cell
    return common


def _changes(packed: UInt32[np.ndarray, "h w"]) -> list[int]:
    """Return the rows that differ from the row above."""
    rows: list[int] = ((packed[1:] != packed[:-1]).any(axis=1).nonzero()[0] + 1).tolist()
    return rows


def _in_blocks(cells: np.ndarray, factor: int) -> bool:
    """Tell whether each block of factor×factor cells holds one value; equal colours can have more than one."""
    lines = cells[::factor]
    first = lines.tobytes()  # bytes compare faster than small arrays
    for n in range(1, factor):
        if cells[n::factor].tobytes() != first:
            return False
    first = lines[:, ::factor].tobytes()
    for n in range(1, factor):  # noqa: SIM110 - a loop is faster than a generator
        if lines[:, n::factor].tobytes() != first:
            return False
    return True


def shrink(pixels: Pixels, recipe: PictureRecipe) -> Pixels:
    """Bring the longer side down to `max_side`: by nearest, dark lines redrawn where asked, or by area."""
    height, width = pixels.cells.shape
    scale = min(1.0, recipe.max_side / max(width, height))
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    if (w, h) == (width, height):
        return pixels
    if recipe.resample == "area":
        small = _by_area(pixels, w, h)
    else:
        left, top = pixels.corner
        rows, columns = _centres(top, height, h), _centres(left, width, w)
        small = Pixels(pixels.cells.take(rows, axis=0).take(columns, axis=1), pixels.colours)
    return Pixels(redraw_lines(pixels.packed(), small.packed())) if recipe.outline else small


@lru_cache(maxsize=1 << 12)
def _centres(start: int, length: int, count: int) -> Int[np.ndarray, "count"]:
    """Return which of `length` pixels lie under the centres of `count` cells.

    Centres are summed up one by one from `start`, the crop's place in the file, as Pillow does: rounding included.
    """
    step = length / count
    centres = np.full(count, step)
    centres[0] = start + step * 0.5
    return np.add.accumulate(centres).astype(np.intp) - start


def _by_area(pixels: Pixels, width: int, height: int) -> Pixels:
    """Average in sRGB, weighted by alpha, so that what is transparent lends no colour."""
    image = Image.fromarray(pixels.rgba()).resize((width, height), Image.Resampling.BOX)
    return Pixels(np.asarray(image).view("<u4")[..., 0])


def reduce(pixels: Pixels, recipe: PictureRecipe) -> Pixels:
    """Reduce the sprite's drawn colours to at most `colours`, by k-means; 0 leaves them."""
    if not recipe.colours:
        return pixels
    rgba = pixels.rgba().copy()
    drawn = rgba[..., 3] > 0
    rgba[drawn, :3] = reduce_to(rgba[drawn, :3], recipe.colours, recipe.seed)
    return Pixels(rgba.view("<u4")[..., 0])


def flatten(pixels: Pixels, recipe: PictureRecipe) -> UInt8[np.ndarray, "h w 3"]:
    """Return red, green and blue of the pixels on the recipe's background."""
    if pixels.colours is None:
        flat = blend(pixels.cells, recipe.background)
    else:
        flat = blend(pixels.colours, recipe.background).take(pixels.cells)
    return cv2.cvtColor(flat.view(np.uint8).reshape(*flat.shape, 4), cv2.COLOR_RGBA2RGB)


def blend(packed: UInt32[np.ndarray, "*shape"], background: tuple[int, int, int]) -> UInt32[np.ndarray, "*shape"]:
    """Blend packed colours with the background by their alpha, rounding to nearest; alpha says nothing any more."""
    red, green, blue = background
    flat = packed.copy()
    flat[packed < DRAWN] = red | green << 8 | blue << 16
    if not packed.tobytes()[3::4].translate(None, _ALL_OR_NOTHING):
        return flat
    partly = (packed >= DRAWN) & (packed < OPAQUE)
    rgba = packed[partly].view(np.uint8).reshape(-1, 4).astype(np.uint16)
    total = rgba[:, :3] * rgba[:, 3:] + np.array(background, dtype=np.uint16) * (255 - rgba[:, 3:]) + 128
    total = (total + (total >> 8)) >> 8  # a division by 255, rounded
    flat[partly] = total[:, 0] | total[:, 1].astype(np.uint32) << 8 | total[:, 2].astype(np.uint32) << 16
    return flat


STEPS: tuple[tuple[str, Step], ...] = (("crop", crop), ("unscale", unscale), ("shrink", shrink), ("reduce", reduce))
