"""Rows of the list and entries as the index of a build keeps them: texts between separators, which cost least to read.

JSON says the same in three times the time; it is kept for texts that hold a separator themselves, or half a character.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.crawl.lines import Line, line_from
from pipeline.entries import Entry, bodies
from pipeline.records import Listing, PageLink

PackedListing = tuple[str, str]  # its key, and all of it
_FIELD, _ROW = "\x1f", "\x1e"
_OWN = 8  # fields of a listing before those of its pages: a title and an address each


class PackedEntry(NamedTuple):
    """A row of the list with what it was joined with."""

    key: str
    family: str
    picture: str
    bodies: bytes  # digest of what entries have in common that are the same, byte for byte
    body: str  # the row of the list, those of the pages and that of the picture


def packed(listing: Listing) -> PackedListing:
    """Return a row of the list as the index keeps it."""
    own = (
        listing.key,
        str(listing.number),
        listing.name,
        listing.form,
        listing.language,
        listing.group,
        listing.miniature_url,
        listing.list_url,
    )
    return listing.key, _row([*own, *(text for page in listing.pages for text in (page.title, page.url))])


def unpacked(body: str) -> Listing:
    """Return a row of the list from what the index kept."""
    values = _values(body)
    key, number, name, form, language, group, picture, where = values[:_OWN]
    pages = zip(values[_OWN::2], values[_OWN + 1 :: 2], strict=True)
    return Listing(
        key=key,
        number=int(number),
        name=name,
        form=form,
        language=language,
        group=group,
        pages=tuple([PageLink(title=title, url=url) for title, url in pages]),
        miniature_url=picture,
        list_url=where,
    )


def packed_entry(entry: Entry[Line], row: str) -> PackedEntry:
    """Return an entry as the index keeps it; `row` is its row of the list as it is kept there."""
    listing, picture = entry.listing, entry.miniature
    same = hashlib.sha256(bodies(entry).encode("utf-8", "surrogatepass")).digest()[:16]
    lines = [_row(list(map(str, line))) for line in (*entry.descriptions, picture)]
    return PackedEntry(listing.key, listing.group, picture.sha256, same, _ROW.join((row, *lines)))


def unpacked_entry(body: str) -> Entry[Line]:
    """Return an entry from what the index kept."""
    row, *lines = body.split(_ROW)
    *pages, picture = (line_from(_values(line)) for line in lines)
    return Entry(listing=unpacked(row), descriptions=tuple(pages), miniature=picture)


def _row(values: Sequence[str]) -> str:
    """Return texts as one: each behind a separator, or as JSON."""
    text = _FIELD.join(("", *values))
    if text.count(_FIELD) == len(values) and _ROW not in text and (text.isascii() or _whole(text)):
        return text
    return json.dumps(values)


def _whole(text: str) -> bool:
    """Say whether a text has no half characters, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _values(text: str) -> list[str]:
    if text.startswith(_FIELD):
        return text[1:].split(_FIELD)
    values: list[str] = json.loads(text)
    return values
