"""A contact sheet: 120 creatures of all body plans on a light ground, each on a tile with a soft shadow."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import UInt8

from pipeline.sample.draw import PLANS, portray
from pipeline.sample.traits import Creature

_COLUMNS, _ROWS, _TILE, _MARGIN = 12, 10, 104, 8
_GROUND: Final = (250, 246, 236, 255)
_TILES: Final = ((244, 238, 222, 255), (238, 243, 233, 255), (234, 240, 245, 255), (245, 235, 236, 255))
_SHADE: Final = (212, 206, 196, 255)


def contact_sheet(creatures: Sequence[Creature]) -> UInt8[np.ndarray, "H W 4"]:
    """Return the sheet: body plans in turn, one line of growth beside the next."""
    shown = _chosen(creatures)
    sheet = np.empty((_ROWS * _TILE + 2 * _MARGIN, _COLUMNS * _TILE + 2 * _MARGIN, 4), dtype=np.uint8)
    sheet[:] = _GROUND
    for place, creature in enumerate(shown):
        row, column = divmod(place, _COLUMNS)
        y, x = _MARGIN + row * _TILE, _MARGIN + column * _TILE
        _lay(sheet[y : y + _TILE, x : x + _TILE], portray(creature.traits), _TILES[(row + column) % len(_TILES)])
    return sheet


def _chosen(creatures: Sequence[Creature]) -> list[Creature]:
    """Return creatures that show variety: grown ones of each plan in turn, and some young ones and recolours."""
    pools = {plan: [c for c in creatures if c.traits.plan == plan] for plan in PLANS}
    ranked = {plan: sorted(pool, key=lambda c: (_turn(c), c.id)) for plan, pool in pools.items()}
    rounds = [ranked[plan][turn] for turn in range(_COLUMNS) for plan in PLANS if turn < len(ranked[plan])]
    return rounds[: _COLUMNS * _ROWS]


def _turn(creature: Creature) -> int:
    """Rank a creature: most of those shown are grown."""
    return (creature.number * 7) % 5 + (0 if creature.traits.growth == 2 else 4) + (3 if creature.form else 0)  # noqa: PLR2004


def _lay(tile: UInt8[np.ndarray, "T T 4"], sprite: UInt8[np.ndarray, "H W 4"], ground: tuple[int, ...]) -> None:
    """Lay a sprite on a tile with rounded corners, its shadow below it."""
    side = tile.shape[0]
    y, x = np.ogrid[:side, :side]
    inset = np.minimum(np.minimum(x, side - 1 - x), np.minimum(y, side - 1 - y))
    tile[(inset >= 2) & (np.minimum(x, side - 1 - x) + np.minimum(y, side - 1 - y) >= 8)] = ground  # noqa: PLR2004 - cut corners
    height, width = sprite.shape[:2]
    top, left = side - 6 - height if height > 80 else (side + 72 - 2 * height) // 2 + 6, (side - width) // 2  # noqa: PLR2004
    top = max(2, min(top, side - 6 - height))
    foot = top + height - 3
    shadow = ((2 * x - side) * 5) ** 2 + ((2 * y - 2 * foot) * max(width, 1) * 5 // 12) ** 2 <= (width * 4) ** 2
    tile[shadow & (inset >= 3)] = _SHADE  # noqa: PLR2004
    place = tile[top : top + height, left : left + width]
    place[sprite[..., 3] > 0] = sprite[sprite[..., 3] > 0]
