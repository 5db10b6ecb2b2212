"""The lines of a crawl's manifest: each is a resource, as one JSON object of texts and its status."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import NamedTuple

from pipeline.records import Resource

_TEXT_FIELDS = frozenset(f.name for f in fields(Resource) if f.name != "status")
_TEXT, _NUMBER = r'"([^"\\\x00-\x1f]*)"', "(-?(?:0|[1-9][0-9]{0,8}))"
_PAIRS = (f'"{name}": {_NUMBER if name == "status" else _TEXT}' for name in sorted({*_TEXT_FIELDS, "status"}))
#: A line as `OpenCrawl.append` writes it, of plain texts: told from its JSON in a third of the time.
_WRITTEN = re.compile(rf"\{{{', '.join(_PAIRS)}\}}\n?")


class Line(NamedTuple):
    """A resource as a row of values, by the names of its fields in order: many times cheaper to make."""

    attribution: str
    content_type: str
    error: str
    etag: str
    kind: str
    last_modified: str
    licence: str
    revision: str
    robots: str
    sha256: str
    status: int
    time: str
    title: str
    url: str


_STATUS = Line._fields.index("status")
_KIND, _URL = (Line._fields.index(name) + 1 for name in ("kind", "url"))  # groups are counted from 1


def line_from(texts: Sequence[str]) -> Line:
    """Return a line from its values, each of which is a text; ValueError when the status is no number."""
    return Line._make((*texts[:_STATUS], int(texts[_STATUS]), *texts[_STATUS + 1 :]))


def line_of(line: bytes, where: Callable[[], str]) -> Line:
    """Return what a line says; raise ValueError, with `where` it stands, when it does not describe a resource."""
    try:
        found = _WRITTEN.fullmatch(line.decode())
    except UnicodeDecodeError:
        found = None
    if found is None:
        resource = read_line(line, where())  # or says what is wrong with it
        return Line(*(getattr(resource, name) for name in Line._fields))
    return line_from(found.groups())


def kind_and_url(line: bytes, where: Callable[[], str]) -> tuple[str, str]:
    """Return of which resource a line is; ValueError as above."""
    try:
        found = _WRITTEN.fullmatch(line.decode())
    except UnicodeDecodeError:
        found = None
    if found is not None:
        return found[_KIND], found[_URL]
    resource = read_line(line, where())
    return resource.kind, resource.url


def read_line(line: bytes, where: str) -> Resource:
    """Return the resource that a line describes; raise ValueError, with `where` it stands, when it does not."""
    try:
        table = json.loads(line.decode())
    except ValueError as error:
        raise ValueError(f"{where} is not JSON ({error}): restore the file, or delete it and crawl again.") from error
    known = isinstance(table, dict) and set(table) <= _TEXT_FIELDS | {"status"} and {"url", "kind"} <= set(table)
    texts = known and all(isinstance(table[key], str) for key in set(table) & _TEXT_FIELDS)
    if not texts or not isinstance(table.get("status", 0), int):
        raise ValueError(f"{where} does not describe a resource: restore the file, or delete it and crawl again.")
    return Resource(**table)
