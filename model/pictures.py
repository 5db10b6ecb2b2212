"""Sprites as PNG and as a contact sheet (both the pipeline's), as a data URI and as half blocks in a terminal."""

import base64

from pipeline.sheet import Colours, Sprite, contact_sheet, require_known_colours, sprite_png

__all__ = ["Colours", "Sprite", "contact_sheet", "data_uri", "sprite_png", "terminal_sprite"]


def data_uri(png: bytes) -> str:
    """Return a PNG as an address that carries it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def terminal_sprite(indices: Sprite, palette_rgb: Colours) -> str:
    """Return a sprite as lines of half blocks in true colour: two rows of pixels to a line."""
    require_known_colours(indices, palette_rgb)
    lines = []
    for y in range(0, len(indices), 2):
        top = palette_rgb[indices[y]].tolist()
        low = palette_rgb[indices[y + 1]].tolist() if y + 1 < len(indices) else [None] * len(top)
        cells = (f"\x1b[38;2;{r};{g};{b}m{_behind(under)}▀" for (r, g, b), under in zip(top, low, strict=True))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def _behind(colour: list[int] | None) -> str:
    return "\x1b[49m" if colour is None else "\x1b[48;2;{};{};{}m".format(*colour)
