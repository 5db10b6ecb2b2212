"""Rows of the list and entries as the index of a build keeps them: texts between separators, which cost least to read.

JSON says the same in three times the time; it is kept for texts that hold a separator themselves. All of it is UTF-8,
in which half characters, which a site may well write, are let pass.
"""

import json
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

from pipeline.crawl.lines import Line
from pipeline.entries import Entry, bodies
from pipeline.records import Listing, PageLink

PackedListing = tuple[str, bytes]  # its key, and all of it
_FIELD, _ROW = "\x1f", "\x1e"
_OWN = 9  # in a row of the list, what stands before its pages: nothing, and eight fields
_LINE = len(Line._fields)


class PackedEntry(NamedTuple):
    """A row of the list with what it was joined with."""

    key: str
    family: str
    picture: str
    bodies: bytes  # digest of what entries have in common that are the same, byte for byte
    body: bytes  # the row of the list, and behind it the lines of its pages and of its picture


def packed(listing: Listing) -> PackedListing:
    """Return a row of the list as the index keeps it."""
    key, number, name, language, group, pages, picture, where, form = listing
    own = (key, str(number), name, language, group, picture, where, form)
    return key, _bytes(_row(*own, *chain(*pages)))


def unpacked(body: bytes) -> Listing:
    """Return a row of the list from what the index kept."""
    return _listing(_values(_text(body)))


def packed_entry(entry: Entry[Line], row: bytes) -> PackedEntry:
    """Return an entry as the index keeps it; `row` is its row of the list as it is kept there."""
    listing, picture = entry.listing, entry.miniature
    same = blake2b(_bytes(bodies(entry)), digest_size=16).digest()
    lines = _row(*chain(*entry.descriptions, picture))
    return PackedEntry(listing.key, listing.group, picture.sha256, same, b"%b\x1e%b" % (row, _bytes(lines)))


def unpacked_entry(body: bytes) -> Entry[Line]:
    """Return an entry from what the index kept."""
    row, _, rest = _text(body).partition(_ROW)
    texts = _values(rest)
    *pages, picture = [Line._make(texts[at : at + _LINE]) for at in range(1, len(texts), _LINE)]
    return Entry(listing=_listing(_values(row)), descriptions=tuple(pages), miniature=picture)


def _listing(values: list[str]) -> Listing:
    _, key, number, name, language, group, picture, where, form = values[:_OWN]
    pages = tuple([PageLink(values[at], values[at + 1]) for at in range(_OWN, len(values), 2)])
    return Listing(key, int(number), name, language, group, pages, picture, where, form)


def _row(*values: str) -> str:
    """Return texts as one: each behind a separator, or as JSON."""
    text = _FIELD.join(("", *values))
    if text.count(_FIELD) == len(values) and _ROW not in text:
        return text
    return json.dumps(["", *values])


def _values(text: str) -> list[str]:
    """Return the texts that are one, and nothing before them."""
    if text.startswith(_FIELD):
        return text.split(_FIELD)
    values: list[str] = json.loads(text)
    return values


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a character: to be ready for it costs as much as all the rest
        return text.encode("utf-8", "surrogatepass")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "surrogatepass")
