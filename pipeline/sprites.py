"""A picture file to a sprite: pixelize and quantize put together, the one way that builds take."""

import numpy as np
from jaxtyping import UInt8

from palettes.palette import Palette
from pipeline.pixelize import PLAIN, blend, drawing, flatten
from pipeline.quantize import nearest_packed, quantize
from pipeline.recipe import PictureRecipe


def sprite_of(body: bytes, palette: Palette, recipe: PictureRecipe = PLAIN) -> UInt8[np.ndarray, "h w"]:
    """Return palette indices of the sprite that the recipe makes of a picture file.

    Raises PictureError for bytes that are no picture, are damaged, are too large or show nothing.
    """
    pixels = drawing(body, recipe)
    if recipe.dither != "none":
        return quantize(flatten(pixels, recipe), palette, recipe.distance, recipe.dither)
    if pixels.colours is None:
        return nearest_packed(blend(pixels.cells, recipe.background), palette, recipe.distance)
    return nearest_packed(blend(pixels.colours, recipe.background), palette, recipe.distance).take(pixels.cells)
