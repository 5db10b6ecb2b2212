"""The colour ramps of the bestiary: a closed set of inks, so that a word in a text names pixels in a picture.

Each ramp runs from ink to highlight in five steps and shifts its hue on the way: shadows lean to blue and purple,
lights to yellow. The steps were chosen so that the named colours are still told apart after every pixel has gone to
its nearest colour of the NES palette.
"""

from typing import Final

RGB = tuple[int, int, int]

INK, DARK, MID, LIGHT, HIGH = range(5)
"""Steps of a ramp, from the outline to the highlight."""


def _ramp(steps: str) -> tuple[RGB, ...]:
    """Read five hexadecimal colours, from ink to highlight."""
    return tuple((int(s[0:2], 16), int(s[2:4], 16), int(s[4:6], 16)) for s in steps.split())


RAMPS: Final[dict[str, tuple[RGB, ...]]] = {
    "red": _ramp("3c0414 9c0c24 dc2430 f85c48 fca890"),
    "orange": _ramp("4a1808 b04810 f08028 fca44c fcd494"),
    "yellow": _ramp("4c3404 b88408 f4c020 fcdc60 fcf4b4"),
    "green": _ramp("04300c 087028 20a83c 5cd45c b4f48c"),
    "teal": _ramp("04303c 087880 10b4a8 50e4cc b8fce4"),
    "blue": _ramp("081450 1848c0 2c84f8 60b8fc b4e4fc"),
    "indigo": _ramp("0c0838 240c88 4430c4 6c60ec a4a0f8"),
    "purple": _ramp("2c0440 701490 a838c8 cc78ec ecbcf8"),
    "pink": _ramp("500c30 c43c74 f478a4 fca4c0 fcd8e0"),
    "brown": _ramp("240c04 582c08 8c5014 b87c3c dcb078"),
    "grey": _ramp("18181c 505058 80808c acacb4 d4d4d8"),
    "white": _ramp("34384c a8acc4 e0e4ec f4f6fa ffffff"),
    "black": _ramp("020204 121218 28282c 4c4c52 84848c"),
    "cream": _ramp("44280c c49868 f0d0a0 fce4c0 fcf2dc"),
}
"""Ramp of each colour word."""

BODY_COLOURS: Final[tuple[str, ...]] = tuple(name for name in RAMPS if name != "cream")
"""Colours a body may have; cream is for bellies and small parts only."""

PALETTE: Final[tuple[RGB, ...]] = tuple(colour for ramp in RAMPS.values() for colour in ramp)
"""All inks, ramp by ramp; no two are equal."""

RAMP_INDEX: Final[dict[str, int]] = {name: place for place, name in enumerate(RAMPS)}
"""Place of a ramp in `RAMPS`: the colour at `RAMP_INDEX[name] * 5 + step` of `PALETTE` is that step of it."""
