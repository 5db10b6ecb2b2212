"""The lines of a crawl's manifest: each is a resource, as one JSON object of texts and its status."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from pipeline.records import Resource

_TEXT_FIELDS = frozenset(f.name for f in fields(Resource) if f.name != "status")
_LF, _SPACE = b"\n "  # below a space are the control characters


class Line(NamedTuple):
    """What a build asks of a resource, as texts by the names of its fields in order: many times cheaper to make."""

    attribution: str
    error: str
    kind: str
    licence: str
    revision: str
    sha256: str
    digits: str  # of the HTTP status: hardly anybody asks for the number
    time: str
    title: str
    url: str

    @property
    def status(self) -> int:
        """Return the HTTP status; 0 when no answer came."""
        return int(self.digits)


_NUMBER = "-?(?:0|[1-9][0-9]{0,8})"
_PLAIN = '[^"]*+'  # a text without a backslash; one with any goes on behind a quote that has one before it:
_ESCAPED = r'[^"]*+(?:(?<=\\)"[^"]*+)*+'
_ODD = re.compile(r'\\(?!["/bfnrt]|u[0-9a-fA-F]{4})')  # what JSON has no such escape for, or is a backslash itself
_ASKED = tuple("status" if name == "digits" else name for name in Line._fields)


def _written(text: str, *asked: str) -> re.Pattern[str]:
    """Return the pattern of a line as `OpenCrawl.append` writes it; groups are the values asked for, in its order."""
    pairs = []
    for name in sorted({*_TEXT_FIELDS, "status"}):
        value, quote = (text, '"') if name in _TEXT_FIELDS else (_NUMBER, "")
        pairs.append(f'"{name}": {quote}({value}){quote}' if name in asked else f'"{name}": {quote}{value}{quote}')
    return re.compile(rf"^\{{{', '.join(pairs)}\}}\n", re.MULTILINE)


_LINES, _ESCAPED_LINES = _written(_PLAIN, *_ASKED), _written(_ESCAPED, *_ASKED)
_RESOURCES, _ESCAPED_RESOURCES = _written(_PLAIN, "kind", "url"), _written(_ESCAPED, "kind", "url")


def lines_in(body: bytes, where: Callable[[int], str]) -> list[Line]:
    """Return what each line of a body says, told from its JSON in a sixth of the time where `append` wrote it.

    Every line ends with LF. Raises ValueError for one that does not describe a resource, with `where` it stands: the
    function is given its place in the body, from 0.
    """
    if (found := _values(body, _LINES, _ESCAPED_LINES)) is not None:
        return list(map(Line._make, found))
    return [_line(read_line(line, where(place))) for place, line in enumerate(body.split(b"\n")[:-1])]


def resources_in(body: bytes, where: Callable[[int], str]) -> Sequence[Sequence[str]]:
    """Return kind and URL of each line of a body; ValueError as above."""
    if (found := _values(body, _RESOURCES, _ESCAPED_RESOURCES)) is not None:
        return found
    read = (read_line(line, where(place)) for place, line in enumerate(body.split(b"\n")[:-1]))
    return [(one.kind, one.url) for one in read]


def _values(body: bytes, plain: re.Pattern[str], escaped: re.Pattern[str]) -> Sequence[Sequence[str]] | None:
    """Return the groups of a pattern in each line; None when a line does not fit it, is torn, or has an odd escape.

    Control characters and odd escapes are looked for in all lines at once, so that the patterns need not look at each
    character: they take any text up to the quote that ends it.
    """
    cells = np.frombuffer(body, dtype=np.uint8)
    ends = int(np.count_nonzero(cells == _LF))
    if int(np.count_nonzero(cells < _SPACE)) != ends:  # no text of JSON may hold them as they are
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    pattern = escaped if "\\" in text else plain
    if pattern is escaped and _ODD.search(text):
        return None
    found: list[Sequence[str]] = pattern.findall(text)
    if len(found) != ends:  # as many as there are: each has one LF then, so each is a line, and none is left
        return None
    return found if pattern is plain else [list(map(_unescaped, values)) for values in found]


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"')) if "\\" in text else text


def _line(resource: Resource) -> Line:
    texts = {name: getattr(resource, name) for name in _ASKED if name in _TEXT_FIELDS}
    return Line(**texts, digits=str(int(resource.status)))


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
