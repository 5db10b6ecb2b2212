"""Mirrored sprites as more to learn from, without making any caption lie. L tokens of a record, R records.

A mirrored picture is as true as the drawn one, except where its caption tells left from right. Such records are never
mirrored, by the words for it in English, French, German, Spanish, Italian and Portuguese; a word too many only leaves
a record as it is. A caption in another language cannot be judged: mirror no such release.
"""

import re

import numpy as np
from jaxtyping import Bool, UInt8

from model.token_table import TokenTable
from palettes.vocabulary import FIRST_COLOUR, Vocabulary
from pipeline.tokenizer import grids

SIDES = re.compile(
    r"\b(?:left\w*|right\w*|(?:anti|counter)?-?clockwise|port side|starboard"  # English
    r"|gauch\w*|droit\w*|b[âa]bord|tribord|dextre|senestre"  # French
    r"|links|rechts|link(?:e[mnrs]?)|recht(?:e[mnrs]?)"  # German
    r"|izquierd\w*|derech\w*|sinistr[aeio]|destr[aeio]|esquerd\w*|direit\w*)\b",  # Spanish, Italian, Portuguese
    re.IGNORECASE,
)


def tells_sides(caption: str) -> bool:
    """Tell whether a caption has a word for left or right, so that its picture must stay as it is.

    >>> tells_sides("It looks to the right."), tells_sides("Sa patte gauche est bleue."), tells_sides("A bright bird.")
    (True, True, False)
    """
    return SIDES.search(caption) is not None


def mirrored(ids: UInt8[np.ndarray, "L"]) -> UInt8[np.ndarray, "L"]:
    """Return a record, in either order, with its picture left for right; twice gives the record again."""
    out = ids.copy()
    for grid in grids(out):  # views of `out`
        if grid.size > 1 and grid[0, 0] >= FIRST_COLOUR:
            grid[:, :-1] = grid[:, -2::-1].copy()
    return out


def mirrorable(table: TokenTable) -> Bool[np.ndarray, "R"]:
    """Return which records may be mirrored: those whose texts have no word for left or right."""
    words = Vocabulary()  # texts have the same ids with every palette
    found = np.ones(len(table), dtype=np.bool_)
    for i in range(len(table)):
        texts = (grid[0, :-1] for grid in grids(table.record(i)) if len(grid) == 1)
        found[i] = not any(tells_sides(words.decode_text(ids)) for ids in texts if not (ids >= FIRST_COLOUR).any())
    return found
