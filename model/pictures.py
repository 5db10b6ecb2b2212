"""Sprites as PNG, as a contact sheet, as a data URI and as coloured half blocks in a terminal.

Axes: h, w rows and columns of a sprite in pixels, C colours of a palette.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Sprite = UInt8[np.ndarray, "_ _"]  # palette indices
Colours = UInt8[np.ndarray, "C 3"]

MARGIN = 1  # pixels between the cells of a contact sheet, before scaling
PAPER = (255, 255, 255)  # behind them


def sprite_png(indices: Sprite, palette_rgb: Colours, scale: int = 1) -> bytes:
    """Return a sprite as a PNG with its palette, each pixel a square of `scale`; the same bytes for the same sprite.

    ValueError when a colour lies outside the palette or the scale is below 1.
    """
    if scale < 1:
        raise ValueError(f"the scale is {scale}, but a pixel needs at least one: choose 1 or more.")
    _require_known_colours(indices, palette_rgb)
    image = Image.fromarray(np.repeat(np.repeat(indices, scale, axis=0), scale, axis=1))  # mode L; a palette makes it P
    image.putpalette(palette_rgb.tobytes())
    return _png(image)


def contact_sheet(sprites: Sequence[Sprite], palette_rgb: Colours, columns: int = 8, scale: int = 4) -> bytes:
    """Return many sprites in one PNG, row by row, each centred in a cell of the largest one's size."""
    if not sprites or columns < 1:
        raise ValueError(f"{len(sprites)} sprites in {columns} columns make no sheet: give at least one of each.")
    for sprite in sprites:
        _require_known_colours(sprite, palette_rgb)
    h, w = (max(sprite.shape[axis] for sprite in sprites) + MARGIN for axis in (0, 1))
    wide, high = min(columns, len(sprites)), -(-len(sprites) // columns)
    sheet = np.full((high * h + MARGIN, wide * w + MARGIN, 3), PAPER, dtype=np.uint8)
    for i, sprite in enumerate(sprites):
        y = MARGIN + i // columns * h + (h - MARGIN - sprite.shape[0]) // 2
        x = MARGIN + i % columns * w + (w - MARGIN - sprite.shape[1]) // 2
        sheet[y : y + sprite.shape[0], x : x + sprite.shape[1]] = palette_rgb[sprite]
    return _png(Image.fromarray(np.repeat(np.repeat(sheet, scale, axis=0), scale, axis=1)))


def data_uri(png: bytes) -> str:
    """Return a PNG as an address that carries it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def terminal_sprite(indices: Sprite, palette_rgb: Colours) -> str:
    """Return a sprite as lines of half blocks in true colour: two rows of pixels to a line."""
    _require_known_colours(indices, palette_rgb)
    lines = []
    for y in range(0, len(indices), 2):
        top = palette_rgb[indices[y]].tolist()
        low = palette_rgb[indices[y + 1]].tolist() if y + 1 < len(indices) else [None] * len(top)
        cells = (f"\x1b[38;2;{r};{g};{b}m{_behind(under)}▀" for (r, g, b), under in zip(top, low, strict=True))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _behind(colour: list[int] | None) -> str:
    return "\x1b[49m" if colour is None else "\x1b[48;2;{};{};{}m".format(*colour)


def _require_known_colours(indices: Sprite, palette_rgb: Colours) -> None:
    if indices.size == 0 or int(indices.max()) >= len(palette_rgb):
        raise ValueError(f"a sprite of shape {indices.shape} is empty or uses colours outside {len(palette_rgb)}.")


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
