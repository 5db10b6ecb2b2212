"""Tables as grids of cells: spans are filled in, so that a column has one place all the way down."""

from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

MAX_SPAN = 200  # rows or columns one cell may cover: more is a mistake, or an attack on memory
MAX_COLUMNS = 200
_CELLS = frozenset({"td", "th"})
_PARTS = frozenset({"thead", "tbody", "tfoot"})
_Hanging = dict[int, tuple[etree._Element, int]]  # noqa: SLF001 - column -> cell from above, rows it still covers


class Cells(NamedTuple):  # not a dataclass, for that costs a tenth of reading a row
    """The cells of one row."""

    columns: list[etree._Element | None]  # by their place; one that spans several places stands in each
    own: list[etree._Element]  # those that begin here, each once: the same list where nothing spans, so only to be read
    others: list[etree._Element]  # the other places of those, and what hangs here from above

    def at(self, column: int) -> etree._Element | None:
        """Return the cell in a column; None where there is none."""
        return self.columns[column] if column < len(self.columns) else None


def grid(table: etree._Element) -> list[Cells]:
    """Return the rows of a table.

    Raises ValueError when a row is wider than MAX_COLUMNS. Tables inside cells are left alone.
    """
    rows: list[Cells] = []
    hanging: _Hanging = {}
    for tr in _rows(table):
        own = [cell for cell in tr if cell.tag in _CELLS]
        if not hanging and len(own) <= MAX_COLUMNS and not any(map(_spans, own)):  # as in most rows
            rows.append(Cells(own, own, []))
        else:
            rows.append(_row(own[::-1], hanging))
    return rows


def _spans(cell: etree._Element) -> bool:
    """Say whether a cell covers more than one place."""
    names = cell.keys()
    if "rowspan" in names or "colspan" in names:
        return _span(cell, "rowspan") > 1 or _span(cell, "colspan") > 1
    return False


def _row(waiting: list[etree._Element], hanging: _Hanging) -> Cells:
    """Return one row of the grid from its cells, the last one first, and from what hangs into it from above."""
    row = Cells([], [], [])
    place = 0
    while waiting or any(column >= place for column in hanging):
        if place > MAX_COLUMNS:
            raise ValueError(f"a row is wider than {MAX_COLUMNS} columns")
        if place in hanging:
            element, left = hanging.pop(place)
            row.columns.append(element)
            row.others.append(element)
            if left > 1:
                hanging[place] = (element, left - 1)
            place += 1
        elif waiting:
            place = _place(waiting.pop(), row, hanging)
        else:
            row.columns.append(None)
            place += 1
    return row


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    """Yield the rows of a table, which may or may not stand in its parts."""
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in _PARTS:
            yield from child.iterfind("./tr")


def _place(element: etree._Element, row: Cells, hanging: _Hanging) -> int:
    """Put a cell into `row` as often as it is wide; what it covers below is left in `hanging`, for the next rows."""
    columns = row.columns
    down, across = (_span(element, "rowspan"), _span(element, "colspan")) if _spans(element) else (1, 1)
    row.own.append(element)
    for i in range(across):
        above, left = hanging.pop(len(columns), (element, 1))  # what hangs where this cell is wide goes on behind it
        columns.append(element)
        if i > 0:
            row.others.append(element)
        if down > 1:
            hanging[len(columns) - 1] = (element, down - 1)
        elif left > 1:
            hanging[len(columns) - 1] = (above, left - 1)
    return len(columns)


def _span(element: etree._Element, name: str) -> int:
    text = element.get(name, "1")
    if text == "1":
        return 1
    text = text.strip()
    return min(max(int(text), 1), MAX_SPAN) if text.isascii() and text.isdigit() else 1
