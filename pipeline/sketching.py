"""Pictures of a raw store to sprites with their fingerprints: what a worker does with a portion of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from palettes.palette import Palette
from pipeline.crawl.raw import RawStore
from pipeline.index import Sketch, sketched
from pipeline.likeness import fingerprints
from pipeline.pixelize import PictureError
from pipeline.recipe import PictureRecipe
from pipeline.sprites import sprites_of

CHUNK = 256  # pictures that one worker draws before it reports


def sketch(pictures: Sequence[str], raw: Path, palette: Palette, recipe: PictureRecipe) -> list[Sketch]:
    """Draw pictures of a raw store as sprites; an altered blob stops the build: it is no fault of the picture."""
    store = RawStore(raw)
    drawn = [_shown(sprite) for sprite in sprites_of(map(store.get, pictures), palette, recipe)]
    whole = [one for one in drawn if not isinstance(one, str)]
    prints = iter(fingerprints(whole))  # a batch at once takes a third of the time
    return [
        Sketch(picture, fault=one) if isinstance(one, str) else sketched(picture, one, next(prints).tobytes())
        for picture, one in zip(pictures, drawn, strict=True)
    ]


def _shown(sprite: UInt8[np.ndarray, "h w"] | PictureError) -> UInt8[np.ndarray, "_ _"] | str:
    """Return a sprite that shows something, or why there is none."""
    if isinstance(sprite, PictureError):
        return str(sprite)
    cells = sprite.tobytes()
    if not cells.lstrip(cells[:1]):
        return f"the sprite of {sprite.shape[1]}×{sprite.shape[0]} px has one colour alone"
    return sprite


def chunks(pictures: Sequence[str]) -> list[Sequence[str]]:
    """Return the pictures in portions for a worker."""
    return [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
