"""Causal k×k context windows, built whole or streamed token by token: one definition for both.

Axes: h, w rows and columns of a segment with its separator column; L tokens; k side of a window; B records in step.
The window of a token holds the cells around it that were read before it, and itself; all others are 0, and nothing
crosses a segment. (Definition: the dataset's own; the paper's code zeroes other rows for k other than 3.)
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from palettes.vocabulary import LF, TAB


def require_odd(k: int) -> int:
    """Return k; ValueError when it has no centre."""
    if k < 1 or k % 2 == 0:
        raise ValueError(f"k is {k}, but a window needs a centre: choose an odd k, such as 3.")
    return k


def causal_mask(k: int) -> Bool[np.ndarray, "k k"]:
    """Return which cells of a window may be seen: rows above, and its own row up to the centre.

    >>> causal_mask(3).astype(int)
    array([[1, 1, 1],
           [1, 1, 0],
           [0, 0, 0]])
    """
    r = require_odd(k) // 2
    row, column = np.mgrid[:k, :k]
    mask: Bool[np.ndarray, "k k"] = (row < r) | ((row == r) & (column <= r))
    return mask


def causal_windows(grid: UInt8[np.ndarray, "h w"], k: int) -> UInt8[np.ndarray, "L k k"]:
    """Return, for each token of `grid` in reading order, the k×k window centred on it.

    >>> causal_windows(np.array([[5, 6], [7, 8]], dtype=np.uint8), k=3)[3]
    array([[5, 6, 0],
           [7, 8, 0],
           [0, 0, 0]], dtype=uint8)
    """
    h, w = grid.shape
    out = np.zeros((h, w, require_odd(k), k), dtype=np.uint8)
    _fill(out, grid)
    return out.reshape(h * w, k, k)


def record_windows(grids: Sequence[UInt8[np.ndarray, "_ _"]], k: int) -> UInt8[np.ndarray, "L k k"]:
    """Return the windows of all segments of a record, one after the other, in one array."""
    out = np.zeros((sum(grid.size for grid in grids), require_odd(k), k), dtype=np.uint8)
    start = 0
    for grid in grids:
        _fill(out[start : start + grid.size].reshape(*grid.shape, k, k), grid)
        start += grid.size
    return out


def _fill(out: UInt8[np.ndarray, "h w k k"], grid: UInt8[np.ndarray, "h w"]) -> None:
    """Copy one shifted plane of the grid per visible cell; the zeros outside are there already."""
    h, w = grid.shape
    r = out.shape[-1] // 2
    for up in range(min(r, h - 1) + 1):
        for dx in range(-r, (r if up else 0) + 1):
            left, right = max(0, -dx), w - max(0, dx)
            if left < right:
                out[up:, left:right, r - up, r + dx] = grid[: h - up, left + dx : right + dx]


class WindowStream:
    """Windows of B records that are read token by token, each at its own place.

    `push` returns what `causal_windows` gives for the same token; `ahead` the window around the place of the next
    one, its centre still 0. The law: both equal the built ones, for any record, order of segments and k.
    """

    def __init__(self, batch: int, k: int) -> None:
        """Start B empty records."""
        self.k, self.r = require_odd(k), k // 2
        self._x = np.zeros(batch, dtype=np.int64)  # columns already read in the row that is being read
        self._hold(np.zeros((batch, self.r + 1, 64 + 2 * self.r), dtype=np.uint8))

    def push(self, ids: UInt8[np.ndarray, "B"]) -> UInt8[np.ndarray, "B k k"]:
        """Read one token of each record and return its window."""
        self._write(ids)
        window = self._gather()
        self._go_on(ids)
        return window

    def read(self, ids: UInt8[np.ndarray, "B"]) -> None:
        """Read one token of each record where nobody asks for its window."""
        self._write(ids)
        self._go_on(ids)

    def ahead(self) -> UInt8[np.ndarray, "B k k"]:
        """Return the window around the next token's place: what will be seen of it except itself."""
        return self._gather()

    def _hold(self, rows: UInt8[np.ndarray, "B r1 W"]) -> None:
        """Keep the last rows, the one being read among them as the last, and where the cells of a window stand."""
        batch, height, width = rows.shape
        self._rows, self._flat = rows, rows.reshape(-1)  # the same memory
        above = np.arange(batch)[:, None, None] * height + np.arange(height)[:, None]
        self._corners = above * width + np.arange(self.k)  # of windows around column 0
        self._ends = self._corners[:, -1, self.r].copy()
        self._room = width - 2 * self.r - 1 - int(self._x.max(initial=0))  # tokens that fit in any case

    def _write(self, ids: UInt8[np.ndarray, "B"]) -> None:
        if self._room <= 0:
            longest = int(self._x.max(initial=0)) + 2 * self.r + 1
            full = longest >= self._rows.shape[2]
            self._hold(np.concatenate([self._rows, np.zeros_like(self._rows)], axis=2) if full else self._rows)
        self._room -= 1
        self._flat[self._ends + self._x] = ids

    def _go_on(self, ids: UInt8[np.ndarray, "B"]) -> None:
        self._x += 1
        ended = ((ids == TAB) | (ids == LF)).nonzero()[0]
        if len(ended):
            self._rows[ended, :-1] = self._rows[ended, 1:]
            self._rows[ended, -1] = 0
            self._rows[ids == LF] = 0
            self._x[ended] = 0

    def _gather(self) -> UInt8[np.ndarray, "B k k"]:
        out = np.zeros((len(self._x), self.k, self.k), dtype=np.uint8)
        out[:, : self.r + 1] = self._flat.take(self._corners + self._x[:, None, None])
        return out


def windows_ahead(windows: UInt8[np.ndarray, "L k k"]) -> UInt8[np.ndarray, "L k k"]:
    """Return, for each place of a record, its window with the centre hidden: what is known before its token is read."""
    hidden = windows.copy()
    r = windows.shape[-1] // 2
    hidden[:, r, r] = 0
    return hidden
