"""Dark lines that shrinking would break, drawn again."""

import numpy as np
from jaxtyping import Bool, Int, UInt32

DARK = 80  # luma below which a pixel can be part of a line
STEP = 40  # luma by which both sides of a line are brighter
REACH = 2  # px: a line is at most this wide
SHARE = 0.5  # of what a straight line of 1 px through a cell would cover of it


def redraw_lines(packed: UInt32[np.ndarray, "h w"], small: UInt32[np.ndarray, "i j"]) -> UInt32[np.ndarray, "i j"]:
    """Return the shrunk picture with the dark lines of the large one; colours are packed as in decode.py.

    A pixel belongs to a line when it is dark and, left and right of it or above and below it, something within 2 px is
    clearly brighter or transparent. A cell of the small picture takes its darkest such pixel when half as many of them
    lie in it as a line straight through it would have.
    """
    luma = _luma(packed)
    lines = _lines(luma)
    rows, columns = _starts(len(packed), len(small)), _starts(packed.shape[1], small.shape[1])
    count = np.add.reduceat(np.add.reduceat(lines.astype(np.int32), rows, axis=0), columns, axis=1)
    # luma and colour in one number: the least of a cell is its darkest line pixel
    ranked = np.where(lines, luma.astype(np.uint64) << np.uint64(32) | packed, np.uint64(1 << 63))
    darkest = np.minimum.reduceat(np.minimum.reduceat(ranked, rows, axis=0), columns, axis=1)
    side = len(packed) / len(small)
    redrawn = (count >= np.maximum(1, SHARE * side)) & (darkest >> np.uint64(32) < _luma(small))
    return np.where(redrawn, darkest.astype(np.uint32), small)


def _luma(packed: UInt32[np.ndarray, "h w"]) -> Int[np.ndarray, "h w"]:
    """Return brightness from 0 to 255; what is mostly transparent counts as brighter than white."""
    red, green, blue, alpha = (packed >> shift & 255 for shift in (0, 8, 16, 24))
    luma = (299 * red + 587 * green + 114 * blue) // 1000
    return np.where(alpha < 128, 300, luma).astype(np.int64)  # noqa: PLR2004 - half of 255


def _lines(luma: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    padded = np.pad(luma, REACH, constant_values=300)  # beyond the edge nothing is drawn
    h, w = luma.shape
    found = np.zeros(luma.shape, dtype=bool)
    for dy, dx in ((0, 1), (1, 0)):
        sides = []
        for sign in (-1, 1):
            reach = [
                padded[REACH + sign * n * dy : REACH + sign * n * dy + h, REACH + sign * n * dx :][:, :w]
                for n in range(1, REACH + 1)
            ]
            sides.append(np.maximum.reduce(reach))
        found |= np.minimum(*sides) >= luma + STEP
    return found & (luma < DARK)


def _starts(length: int, count: int) -> Int[np.ndarray, "count"]:
    return np.arange(count) * length // count
