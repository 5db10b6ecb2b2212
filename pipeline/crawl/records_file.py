"""From a folder's table of records, one JSON object a line, to listings and descriptions. All pure; nothing is trusted.

A line that cannot be a record is named with its place and reason; only a table that cannot be read as a whole raises.
"""

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from pipeline.crawl.names import clean, slug
from pipeline.crawl.readings import ListPage, MissingDescription, Unparsed
from pipeline.crawl.sources import TITLE_SAFE, FolderSource, Rights
from pipeline.records import Description, Listing, PageLink

SCHEME = "folder:"  # of addresses inside a folder: folder:records.jsonl#aardart, folder:images/aardart.png
TABLE_PAGES = 16  # a table of records may be as long as so many pages
_MAX_LABEL = 200  # characters of an id, a name, a form or a group
_MAX_PATH = 1024  # characters of a picture's path
_MAX_RIGHTS = 2000  # characters of a licence or an attribution
_MAX_QUOTE = 80  # characters of a line that are shown with the reason why it was not understood
_MAX_NUMBER = 99_999
_MAX_WRONG = 100_000  # lines that are no records; a table with more is something else
_MAX_DEPTH = 32  # brackets inside brackets; no record needs more, and the parser's own stack ends somewhere
_BOM = b"\xef\xbb\xbf"
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_EMPTY_LINE = re.compile(r"\n[^\S\n]*\n")
_SPACED = re.compile("  ")  # looked for in a long text in less time than `in` takes
_PRINTABLE = bytes(range(0x20, 0x7F))  # all of ASCII that is
_SURROGATES = re.compile("[\ud800-\udfff]")


class FolderRecord(NamedTuple):
    """One line of the table, understood and cleaned."""

    place: int  # line, counted from 1
    id: str
    key: str  # in the source's first language
    name: str
    form: str
    number: int
    group: str
    image: str  # path inside the folder as the line gives it: not to be trusted
    licence: str  # of this record; empty where it says none
    attribution: str
    table: Mapping[str, object]  # all that the line holds

    @property
    def body(self) -> bytes:
        """Return the line in one canonical writing: made when it is asked for, since most readers never do."""
        text = json.dumps(self.table, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return _SURROGATES.sub("\ufffd", text).encode()


def list_url(source: FolderSource) -> str:
    """Return the address of the table of records."""
    return SCHEME + quote(source.records, safe=TITLE_SAFE)


def record_url(record: FolderRecord, source: FolderSource) -> str:
    """Return the address of one record in the table."""
    return f"{list_url(source)}#{_quoted(record.id)}"


def _quoted(label: str) -> str:
    return label if _PLAIN_PATH.fullmatch(label) else quote(label, safe=TITLE_SAFE)


def picture_url(record: FolderRecord) -> str:
    """Return the address of a record's picture: the same for every writing of the same path."""
    if _PLAIN_PATH.fullmatch(record.image):  # as most are: nothing to tidy up or to quote
        return SCHEME + record.image
    return SCHEME + quote(str(PurePosixPath(record.image)), safe=TITLE_SAFE, errors="surrogatepass")


def parse_records(body: bytes, source: FolderSource) -> ListPage:
    """Return a listing for each record and language of a table of records, in its order, and the lines that are none.

    Raises ValueError when the table is too large or not UTF-8.
    """
    listings: list[Listing] = []
    unparsed: list[Unparsed] = []
    address = list_url(source)
    for record in read_records(body, source):
        if isinstance(record, Unparsed):
            unparsed.append(record)
        else:
            listings += _listings(record, source, address)
    return ListPage(listings=tuple(listings), unparsed=tuple(unparsed))


def read_records(body: bytes, source: FolderSource) -> Iterator[FolderRecord | Unparsed]:
    """Yield what each line of a table says, in its order; empty lines are passed over.

    Raises ValueError when the table is too large, is not UTF-8, or is plainly no such table.
    """
    limit = TABLE_PAGES * source.limits.page_bytes
    if len(body) > limit:
        raise ValueError(f"{source.records} has {len(body)} bytes, more than the limit of {limit}: raise page_bytes.")
    ids: dict[str, int] = {}
    wrong = 0
    for place, line in enumerate(io.BytesIO(body.removeprefix(_BOM)), start=1):
        try:
            text = line.decode().strip(" \t\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{source.records} line {place} is not UTF-8 ({error}): save it as UTF-8.") from error
        if not text:
            continue
        record = _read_line(text, place, source, ids)
        wrong += isinstance(record, Unparsed)
        if wrong > _MAX_WRONG:
            raise ValueError(f"{source.records} has over {_MAX_WRONG} lines that are no records: it is no such table.")
        yield record


def read_description(body: bytes, title: str, language: str, source: FolderSource) -> Description | MissingDescription:
    """Return what a record says in one of the source's languages, by paragraphs, or why it says nothing.

    `body` is a record's line; empty lines in its text part paragraphs. Raises ValueError for a language that the source
    does not have.
    """
    fields = {text.language: text.field for text in source.texts}
    if language not in fields:
        raise ValueError(f"source {source.name!r} has no text in {language!r}: choose one of {', '.join(fields)}.")
    try:
        text = _string(_object(body.decode(), source), fields[language], source.limits.page_bytes)
    except (ValueError, RecursionError) as error:
        return MissingDescription(title=title, reason=clean(str(error)))
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    paragraphs = tuple(filter(None, map(_cleaned, _EMPTY_LINE.split(text))))
    if not paragraphs:
        return MissingDescription(title=title, reason=f"the record has no text in its field {fields[language]!r}")
    return Description(title=title, language=language, paragraphs=paragraphs)


def _cleaned(text: str) -> str:
    """Return `clean(text)`: of a long one that holds nothing to clean but ends of lines in a third of the time."""
    line = text.strip().replace("\n", " ")
    hidden = line.encode().translate(None, _PRINTABLE) if line.isascii() else not line.isprintable()
    return clean(text) if hidden or _SPACED.search(line) else line


def rights_of(record: FolderRecord, rights: Rights, url: str) -> tuple[str, str]:
    """Return licence and attribution: what the record states itself, else the source's, with title and address."""
    stated = rights.attribution.replace("{url}", url).replace("{title}", record.name)
    return record.licence or rights.licence, record.attribution or stated


def _listings(record: FolderRecord, source: FolderSource, address: str) -> Iterator[Listing]:
    """Yield the record's listing in each language; the first has the plain key. `address` is the table's."""
    _, label, first, name, form, number, group, *_ = record
    pages, picture = (PageLink(name, f"{address}#{_quoted(label)}"),), picture_url(record)
    for i, text in enumerate(source.texts):
        key = f"{first}.{text.language}" if i else first
        yield Listing(key, number, name, text.language, group, pages, picture, address, form)


def _read_line(text: str, place: int, source: FolderSource, ids: dict[str, int]) -> FolderRecord | Unparsed:
    """Return what a line says; `ids` holds the lines of the keys before it, and gets this one's."""
    try:
        record = _record(text, place, source)
        if (first := ids.setdefault(record.key, place)) == place:
            return record
        reason = f"the id {record.id!r} gives the key {record.key!r}, as line {first} did: change one of them"
    except (ValueError, RecursionError) as error:
        reason = str(error)
    return Unparsed(where=f"line {place}", text=clean(text[:_MAX_QUOTE]), reason=clean(reason))


def _record(text: str, place: int, source: FolderSource) -> FolderRecord:
    """Return what a line says; raise ValueError (or RecursionError) with what is wrong."""
    table, fields = _object(text, source), source.fields
    label = _label(table, fields.id, "id")
    return FolderRecord(  # by place: made in half the time
        place,
        label,
        slug(label),
        _label(table, fields.name, "name"),
        _optional(table, fields.form),
        _number(_field(table, fields.number), fields.number),
        slug(_optional(table, fields.group) or label),
        _image(table, fields.image),
        clean(_string(table, fields.licence, _MAX_RIGHTS)),
        clean(_string(table, fields.attribution, _MAX_RIGHTS)),
        table,
    )


def _object(text: str, source: FolderSource) -> Mapping[str, object]:
    """Return the JSON object that a line is; raise ValueError when it is none, or means two things at once."""
    if len(text) > source.limits.page_bytes:
        raise ValueError(f"the line has {len(text)} characters, more than the limit of {source.limits.page_bytes}")
    try:
        table, end = _DECODER.raw_decode(text) if text.startswith("{") else (None, -1)
        if end < len(text):  # what stands before or behind an object is named, unless it is white space
            table = json.loads(text) if text.startswith("\ufeff") else _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.colno}") from error
    except RecursionError as error:
        raise ValueError(f"brackets are nested deeper than {_MAX_DEPTH}") from error
    if not isinstance(table, dict):
        raise ValueError(f"not a JSON object but {_kind(table)}")  # noqa: TRY004 - one error for all of a line
    if ("[" in text or text.find("{", 1) > 0) and text.count("[") + text.count("{") > _MAX_DEPTH and _deep(table):
        raise ValueError(f"brackets are nested deeper than {_MAX_DEPTH}")
    return table


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = next(name for name, _ in pairs if table.pop(name, pairs) is pairs)  # what is already taken out
        raise ValueError(f"the field {twice[:_MAX_QUOTE]!r} stands twice in one object")
    return table


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_MAX_QUOTE]} is no number that JSON can hold")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_finite, parse_constant=_finite)


def _deep(table: object) -> bool:
    """Say whether brackets are nested deeper than allowed; level by level, for depth must not cost stack."""
    level: list[object] = [table]
    for _ in range(_MAX_DEPTH):
        level = [
            item
            for parent in level
            if isinstance(parent, dict | list)
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return any(isinstance(item, dict | list) for item in level)


def _field(table: Mapping[str, object], name: str) -> object:
    """Return what a field holds, None where there is none; a dot leads into an object, unless a name has it itself."""
    if name in table or "." not in name:
        return table.get(name) if name else None
    head, _, rest = name.partition(".")
    inner = table.get(head)
    return _field(inner, rest) if isinstance(inner, dict) else None


def _string(table: Mapping[str, object], name: str, longest: int) -> str:
    """Return the text of a field, empty where there is none."""
    value = _field(table, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"the field {name!r} is {_kind(value)}, not text")  # noqa: TRY004 - one error for all of a line
    if len(value) > longest:
        raise ValueError(f"the field {name!r} has {len(value)} characters, more than the limit of {longest}")
    return value


def _optional(table: Mapping[str, object], name: str) -> str:
    """Return a label, empty where there is none; whole numbers will do, for ids and groups often are some."""
    value = _field(table, name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return clean(_string(table, name, _MAX_LABEL))


def _label(table: Mapping[str, object], name: str, what: str) -> str:
    if not (label := _optional(table, name)):
        raise ValueError(f"no {what}: the field {name!r} is missing or empty")
    return label


def _image(table: Mapping[str, object], name: str) -> str:
    path = _string(table, name, _MAX_PATH)
    if not path.strip():
        raise ValueError(f"no image: the field {name!r} is missing or empty")
    return path


def _number(value: object, name: str) -> int:
    """Return the number that a record gives itself, else 0: its place would change with every line before it."""
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value.strip(), re.ASCII):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_NUMBER:
        raise ValueError(f"the field {name!r} is {_kind(value)}, not a whole number from 0 to {_MAX_NUMBER}")
    return value


def _kind(value: object) -> str:
    """Say in a few words what a JSON value is."""
    names = {dict: "an object", list: "a list", type(None): "null"}
    return names.get(type(value)) or ascii(value)[:_MAX_QUOTE]
