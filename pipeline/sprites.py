"""Picture files to sprites: pixelize and quantize put together, the one way that builds take."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import numpy as np
from jaxtyping import UInt8

from palettes.palette import Palette
from pipeline.decode import PictureError, Pixels, pixels_of, read
from pipeline.pixelize import PLAIN, blend, drawing, drawn, flatten
from pipeline.plain_png import PlainPng
from pipeline.quantize import nearest_packed, quantize
from pipeline.recipe import PictureRecipe
from pipeline.together import LARGEST, is_joint, sprites_together

FEW = 4  # pictures: so few are drawn faster one by one
ROOM = 1 << 19  # bytes of the pictures that are drawn together: what fits the nearer caches, with all made of it
_TRANSPARENT = b"\0"
Sprite = UInt8[np.ndarray, "_ _"]  # palette indices
Waiting = list[tuple[int, int, PlainPng]]  # longer sides, places, pictures


def sprite_of(body: bytes, palette: Palette, recipe: PictureRecipe = PLAIN) -> UInt8[np.ndarray, "h w"]:
    """Return palette indices of the sprite that the recipe makes of a picture file.

    Raises PictureError for bytes that are no picture, are damaged, are too large or show nothing.
    """
    return _quantized(drawing(body, recipe), palette, recipe)


def sprites_of(bodies: Iterable[bytes], palette: Palette, recipe: PictureRecipe = PLAIN) -> list[Sprite | PictureError]:
    """Return the sprite of each picture file, as sprite_of does, or the error that it raises: all at once is faster."""
    found: dict[int, Sprite | PictureError] = {}
    joint, waiting = is_joint(recipe), Waiting()
    for place, body in enumerate(bodies):
        try:
            picture = read(body)
        except PictureError as error:
            found[place] = error
            continue
        if joint and isinstance(picture, PlainPng) and (side := _joint_side(picture)):
            waiting.append((side, place, picture))
        else:
            found[place] = _alone(picture, palette, recipe)
    for some in _portions(waiting):
        sprites = sprites_together([picture for _, _, picture in some], palette, recipe) if len(some) > FEW else ()
        for (_, place, picture), sprite in zip_longest(some, sprites):
            found[place] = _alone(picture, palette, recipe) if sprite is None else sprite
    return [found[place] for place in range(len(found))]


def _joint_side(picture: PlainPng) -> int:
    """Return the longer side of a picture that can be drawn with others; 0 for a large or an opaque one."""
    side = max(picture.width, picture.height)
    return side if side <= LARGEST and _TRANSPARENT in picture.alphas else 0  # what is opaque may have a background


def _portions(waiting: Waiting) -> Iterator[Waiting]:
    """Yield pictures that are drawn together: of like sides, for each takes the room of the largest, and few."""
    waiting.sort()
    while waiting:
        side = waiting[-1][0]
        most = ROOM // ((side + 2) * (side + 9))
        yield waiting[-most:]
        del waiting[-most:]


def _alone(picture: PlainPng | Pixels, palette: Palette, recipe: PictureRecipe) -> Sprite | PictureError:
    try:
        return _quantized(drawn(pixels_of(picture), recipe), palette, recipe)
    except PictureError as error:
        return error


def _quantized(pixels: Pixels, palette: Palette, recipe: PictureRecipe) -> Sprite:
    if recipe.dither != "none":
        return quantize(flatten(pixels, recipe), palette, recipe.distance, recipe.dither)
    if pixels.colours is None:
        return nearest_packed(blend(pixels.cells, recipe.background), palette, recipe.distance)
    return nearest_packed(blend(pixels.colours, recipe.background), palette, recipe.distance).take(pixels.cells)
