"""Sprites as PNG, one by one or many on a contact sheet.

Axes: h, w rows and columns of a sprite in pixels, C colours of a palette.
"""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Sprite = UInt8[np.ndarray, "_ _"]  # palette indices
Colours = UInt8[np.ndarray, "C 3"]

MARGIN = 1  # pixels between the cells of a contact sheet, before scaling
PAPER = (255, 255, 255)  # behind them, unless another is asked for


def sprite_png(indices: Sprite, palette_rgb: Colours, scale: int = 1) -> bytes:
    """Return a sprite as a PNG with its palette, each pixel a square of `scale`; the same bytes for the same sprite.

    ValueError when a colour lies outside the palette or the scale is below 1.
    """
    if scale < 1:
        raise ValueError(f"the scale is {scale}, but a pixel needs at least one: choose 1 or more.")
    require_known_colours(indices, palette_rgb)
    image = Image.fromarray(_enlarged(indices, scale))  # mode L; a palette makes it P
    image.putpalette(palette_rgb.tobytes())
    return _png(image)


def contact_sheet(
    sprites: Sequence[Sprite],
    palette_rgb: Colours,
    columns: int = 8,
    scale: int = 4,
    paper: tuple[int, int, int] = PAPER,
) -> bytes:
    """Return many sprites in one PNG, row by row, each centred in a cell of the largest one's size on `paper`.

    ValueError without sprites or columns, and when a colour lies outside the palette.
    """
    if not sprites or columns < 1:
        raise ValueError(f"{len(sprites)} sprites in {columns} columns make no sheet: give at least one of each.")
    for sprite in sprites:
        require_known_colours(sprite, palette_rgb)
    h, w = (max(sprite.shape[axis] for sprite in sprites) + MARGIN for axis in (0, 1))
    wide, high = min(columns, len(sprites)), -(-len(sprites) // columns)
    sheet = np.full((high * h + MARGIN, wide * w + MARGIN, 3), paper, dtype=np.uint8)
    for i, sprite in enumerate(sprites):
        y = MARGIN + i // columns * h + (h - MARGIN - sprite.shape[0]) // 2
        x = MARGIN + i % columns * w + (w - MARGIN - sprite.shape[1]) // 2
        sheet[y : y + sprite.shape[0], x : x + sprite.shape[1]] = palette_rgb[sprite]
    return to_png(sheet, scale)


def require_known_colours(indices: Sprite, palette_rgb: Colours) -> None:
    """Raise ValueError when a sprite is empty or has a colour outside the palette."""
    if indices.size == 0 or int(indices.max()) >= len(palette_rgb):
        raise ValueError(f"a sprite of shape {indices.shape} is empty or uses colours outside {len(palette_rgb)}.")


def to_png(rgb: UInt8[np.ndarray, "h w 3"], scale: int = 1) -> bytes:
    """Return a picture as PNG without any metadata, each pixel a square of `scale`: the same bytes for the same pixels.

    A picture of at most 256 colours gets a palette of them, in ascending order, which is exact and smaller.
    """
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    if len(colours) > 256:  # noqa: PLR2004 - what a PNG's palette holds
        return _png(Image.fromarray(_enlarged(rgb, scale)), level=6)  # thrice as fast as 9, and hardly larger
    image = Image.fromarray(_enlarged(indices.reshape(packed.shape).astype(np.uint8), scale))
    image.putpalette(b"".join(colour.to_bytes(3, "big") for colour in colours.tolist()))
    return _png(image)


def _enlarged(pixels: UInt8[np.ndarray, "h w *c"], scale: int) -> UInt8[np.ndarray, "H W *c"]:
    return np.repeat(np.repeat(pixels, scale, axis=0), scale, axis=1)


def _png(image: Image.Image, level: int = 9) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=level)
    return buffer.getvalue()
