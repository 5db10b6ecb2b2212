"""A picture file to a sprite: pixelize and quantize put together, the one way that builds take."""

import numpy as np
from jaxtyping import UInt8

from palettes.palette import Palette
from pipeline.pixelize import PLAIN, pixelize
from pipeline.quantize import quantize
from pipeline.recipe import PictureRecipe


def sprite_of(body: bytes, palette: Palette, recipe: PictureRecipe = PLAIN) -> UInt8[np.ndarray, "h w"]:
    """Return palette indices of the sprite that the recipe makes of a picture file.

    Raises PictureError for bytes that are no picture, are damaged, are too large or show nothing.
    """
    return quantize(pixelize(body, recipe), palette, recipe.distance, recipe.dither)
