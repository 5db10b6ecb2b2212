"""Bodies as markup: what is HTML is parsed, what is not is refused with a reason, and tables become grids of cells."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from lxml import etree

from pipeline.crawl.walls import is_challenge

MAX_SPAN = 200  # rows or columns one cell may cover: more is a mistake, or an attack on memory
MAX_COLUMNS = 200
_BINARY = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"%PDF", b"PK\x03\x04", b"\x1f\x8b", b"RIFF")
_PARSER = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CONTAINERS = frozenset({"div", "section", "blockquote", "center", "article", "main"})
_BOXES = frozenset({"thumb", "toc", "noprint", "navbox", "hatnote"})  # containers that are no part of the text
_PARTS = frozenset({"thead", "tbody", "tfoot"})
_END = b"<!-- \nNewPP limit report"  # MediaWiki ends an article with it; what follows is menus, half of a page
_SILENT = frozenset({"script", "style", "figure", "table", "rt", "rp", "noscript", "template"})
_APART = frozenset({"br", "p", "div", "li", "dd", "dt", "ul", "ol", "dl", "blockquote", "center", *_HEADINGS})
_SILENT_CLASS = re.compile(r"(?:^|\s)(?:reference|mw-editsection|thumb|noprint|mw-cite-backlink)(?:\s|$)")
_MARK = re.compile(
    r"\s?\[\s*(?:\d+|[a-z]|(?:note|nb|n)\s?\d+|citation needed|citation nécessaire|réf\. nécessaire|source\?)\s*\]",
    re.IGNORECASE,
)


class Cell(NamedTuple):
    """One place of a table's grid; a cell that spans several places stands in each, `own` only in the first."""

    element: etree._Element
    own: bool


def markup(body: bytes, limit: int) -> etree._Element:
    """Return the root of an HTML body, or of the HTML inside an API's answer; raise ValueError with the reason.

    `limit` is the largest size in bytes that is read.
    """
    if len(body) > limit:
        raise ValueError(f"the body has {len(body)} bytes, more than the limit of {limit}")
    if not body.strip():
        raise ValueError("the body is empty")
    if body.startswith(_BINARY) or b"\0" in body[:4096]:
        raise ValueError(f"the body is binary (it begins with {body[:8]!r}), not HTML")
    if body.lstrip()[:1] == b"{":
        body = _html_of_api(body)
    elif is_challenge(body):
        raise ValueError("the body is a wall against robots, not the page")
    if b"<" not in body:
        raise ValueError(f"the body is not HTML: it begins with {body[:40]!r}")
    end = body.find(_END)
    root = etree.fromstring(body[max(body.find(b"<body"), 0) : end if end > 0 else len(body)], _PARSER)
    if root is None:
        raise ValueError("the body holds no element")
    return root


def _html_of_api(body: bytes) -> bytes:
    """Return the HTML of an `action=parse` answer, of either format version."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body begins like JSON but is none: {error}") from error
    if "error" in answer:
        problem = answer["error"]
        said = problem.get("info") or problem.get("code") if isinstance(problem, dict) else problem
        raise ValueError(f"the API answered with an error: {said}")
    parse = answer.get("parse")
    text = parse.get("text") if isinstance(parse, dict) else None
    if isinstance(text, dict):
        text = text.get("*")
    if isinstance(text, str):
        return text.encode("utf-8", errors="replace")
    raise ValueError("the API's answer has no parse.text")


def text_of(element: etree._Element) -> str:
    """Return the words of an element on one line: no footnote marks, figures, scripts or hard spaces."""
    parts: list[str] = []
    if len(element):
        _collect(element, parts)
    text = "".join(parts) if parts else element.text or ""
    return " ".join((_MARK.sub("", text) if "[" in text else text).split())


def _collect(element: etree._Element, parts: list[str]) -> None:
    """Append the text of `element` and below; a loop, not a recursion, for hostile depth costs no stack."""
    pending: list[str | etree._Element] = [element]
    first = True
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        if not first and item.tail:
            pending.append(item.tail)
        silent = not first and (item.tag in _SILENT or _SILENT_CLASS.search(item.get("class", "")))
        apart = not first and item.tag in _APART  # it has a line of its own, so no word runs on into it
        first = False
        if silent or not isinstance(item.tag, str):
            continue
        if apart:
            parts.append(" ")
            pending.append(" ")
        pending.extend(reversed(item))
        if item.text:
            pending.append(item.text)


def find_section(root: etree._Element, name: str) -> etree._Element | None:
    """Return the block of the heading of a section: the heading itself, or the div that newer wikis put around it."""
    anchor = name.replace(" ", "_")
    old = quote(anchor, safe=":").replace("%", ".")  # how wikis spelt what is not ASCII, and some still do
    for wanted in dict.fromkeys((anchor, old)):
        for heading in root.iter(*_HEADINGS):
            if any(element.get("id") == wanted for element in heading.iter()):
                around = heading.getparent()
                return around if around is not None and "mw-heading" in around.get("class", "").split() else heading
    return None


def _rank(block: etree._Element) -> int | None:
    """Return 1 to 6 for a heading, in either form, else None."""
    if block.tag in _HEADINGS:
        return int(block.tag[1])
    if block.tag == "div" and "mw-heading" in block.get("class", "").split():
        return next((int(e.tag[1]) for e in block if e.tag in _HEADINGS), None)
    return None


def paragraphs_after(heading: etree._Element) -> Iterator[etree._Element]:
    """Yield the paragraphs after a heading until the next of its rank, inside plain containers too."""
    return (block for block in _blocks_after(heading) if block.tag == "p")


def definitions_after(heading: etree._Element) -> Iterator[etree._Element]:
    """Yield what the definition lists after a heading say (`dd`), until the next heading of its rank."""
    for block in _blocks_after(heading):
        if block.tag == "dl":
            yield from block.iterfind("./dd")


def _blocks_after(heading: etree._Element) -> Iterator[etree._Element]:
    """Yield the blocks of a section in document order; plain containers are opened, figures and boxes are not."""
    limit = _rank(heading) or 2
    pending = list(heading.itersiblings())[::-1]
    while pending:
        block = pending.pop()
        rank = _rank(block)
        if rank is not None and rank <= limit:
            return
        if rank is None and block.tag in _CONTAINERS and _BOXES.isdisjoint(block.get("class", "").split()):
            pending.extend(list(block)[::-1])
        else:
            yield block


def grid(table: etree._Element) -> list[list[Cell | None]]:
    """Return the rows of a table with spans filled in, so that a column has one index all the way down.

    Raises ValueError when a row is wider than MAX_COLUMNS. Tables inside cells are left alone.
    """
    rows: list[list[Cell | None]] = []
    hanging: dict[int, tuple[etree._Element, int]] = {}  # column -> cell from above and the rows it still covers
    for tr in _rows(table):
        row: list[Cell | None] = []
        waiting = [cell for cell in tr if cell.tag in ("td", "th")]
        place = 0
        while waiting or any(column >= place for column in hanging):
            if place > MAX_COLUMNS:
                raise ValueError(f"a row is wider than {MAX_COLUMNS} columns")
            if place in hanging:
                element, left = hanging.pop(place)
                row.append(Cell(element=element, own=False))
                if left > 1:
                    hanging[place] = (element, left - 1)
                place += 1
                continue
            if not waiting:
                row.append(None)
                place += 1
                continue
            element = waiting.pop(0)
            place = _place(element, row, hanging)
        rows.append(row)
    return rows


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    """Yield the rows of a table, which may or may not stand in its parts."""
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in _PARTS:
            yield from child.iterfind("./tr")


def _place(element: etree._Element, row: list[Cell | None], hanging: dict[int, tuple[etree._Element, int]]) -> int:
    """Put a cell into `row` as often as it is wide; what it covers below is left in `hanging`, for the next rows."""
    down, across = _span(element, "rowspan"), _span(element, "colspan")
    for i in range(across):
        above, left = hanging.pop(len(row), (element, 1))  # what hangs where this cell is wide goes on behind it
        row.append(Cell(element=element, own=i == 0))
        if down > 1:
            hanging[len(row) - 1] = (element, down - 1)
        elif left > 1:
            hanging[len(row) - 1] = (above, left - 1)
    return len(row)


def _span(element: etree._Element, name: str) -> int:
    text = element.get(name, "1").strip()
    return min(max(int(text), 1), MAX_SPAN) if text.isascii() and text.isdigit() else 1
