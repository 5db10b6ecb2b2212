"""Where the next token of a record will stand, told from the ids before it: what count models look at.

Axes: L tokens of one record, image first. Everything at position t is a function of record[:t]; nothing looks ahead.
"""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from palettes.vocabulary import BYTES, FIRST_COLOUR, LF, SEPARATORS

NOTHING = 255  # stands for an id outside the segment or before its start; no vocabulary reaches it
NOT_DUE, ROW_END, LAST_ROW_END = 0, 1, 2
PICTURE = 1  # segments come as shape, picture, caption


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is known of each place before its token is read; ids are int64 with NOTHING where there is none."""

    ids: Int64[np.ndarray, "L"]  # the record's own ids
    segment: Int64[np.ndarray, "L"]  # 0 shape, 1 picture, 2 caption
    start: Int64[np.ndarray, "L"]  # position where the place's segment began
    stride: int  # width of a picture row with its end; 0 while the shape is not told
    due: Int64[np.ndarray, "L"]  # NOT_DUE, ROW_END or LAST_ROW_END, by the shape told

    @property
    def in_picture(self) -> Bool[np.ndarray, "L"]:
        """Tell which places belong to the picture."""
        inside: Bool[np.ndarray, "L"] = self.segment == PICTURE
        return inside

    def back(self, distance: int) -> Int64[np.ndarray, "L"]:
        """Return the id `distance` places before each one in reading order, within its segment."""
        place = np.arange(len(self.ids)) - distance
        return self._within(place)

    def beside(self, up: int, right: int) -> Int64[np.ndarray, "L"]:
        """Return the id `up` rows above and `right` columns to the right of each place, within the picture."""
        if up < 0 or (up == 0 and right >= 0):
            raise ValueError(f"the cell {up} up and {right} to the right is not read yet: look above or to the left.")
        column = (np.arange(len(self.ids)) - self.start) % max(self.stride, 1) + right
        place = np.arange(len(self.ids)) - up * self.stride + right
        hidden = ~self.in_picture | (column < 0) | (column >= self.stride) | (place >= np.arange(len(self.ids)))
        return np.where(hidden, NOTHING, self._within(place))

    def _within(self, place: Int64[np.ndarray, "L"]) -> Int64[np.ndarray, "L"]:
        outside = (place < self.start) | (place < 0)
        return np.where(outside, NOTHING, self.ids[np.clip(place, 0, len(self.ids) - 1)])


def layout(record: UInt8[np.ndarray, "L"]) -> Layout:
    """Return the layout of one record, well formed or not.

    >>> layout(np.array([6, 14, 9, 3, 14, 7, 2, 59, 2, 32, 2], dtype=np.uint8)).due.tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]
    """
    ended = np.concatenate([[False], record[:-1] == LF])  # the token before closed a segment
    segment = np.minimum(np.cumsum(ended), PICTURE + 1)
    start = np.maximum.accumulate(np.where(ended, np.arange(len(record)), 0))
    shape = _shape(record[segment == 0])
    stride = shape[1] + 1 if shape else 0
    due = np.zeros(len(record), dtype=np.int64)
    if shape:
        row, column = np.divmod(np.arange(len(record)) - start, stride)
        due = np.where(column < stride - 1, NOT_DUE, np.where(row == shape[0] - 1, LAST_ROW_END, ROW_END))
    return Layout(
        ids=record.astype(np.int64),
        segment=segment.astype(np.int64),
        start=start.astype(np.int64),
        stride=stride,
        due=np.where(segment == PICTURE, due, NOT_DUE).astype(np.int64),
    )


def _shape(ids: UInt8[np.ndarray, "n"]) -> tuple[int, int] | None:
    """Read `(h, w)` off the first segment; None when it says something else."""
    if not len(ids) or int(ids.max()) >= FIRST_COLOUR or int(ids[-1]) != SEPARATORS[1]:
        return None
    told = re.fullmatch(rb"\((\d{1,3}), (\d{1,3})\)", bytes(BYTES[i] for i in ids[:-1].tolist()))
    return (int(told[1]), int(told[2])) if told else None
