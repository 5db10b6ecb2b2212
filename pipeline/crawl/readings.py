"""What was read from a body: the rows of a list, what was not understood of it, and why a page has no description."""

from dataclasses import dataclass

from pipeline.records import Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Unparsed:
    """A row of the list, or a table, that was not understood."""

    where: str  # table and row, counted from 1
    text: str  # how the row begins
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """What a list page says: rows understood, in document order and by language, and what was not."""

    listings: tuple[Listing, ...]
    unparsed: tuple[Unparsed, ...]
    unknown_columns: tuple[str, ...] = ()  # headings that the source neither reads nor names as ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDescription:
    """Why a page yields no description."""

    title: str
    reason: str
