"""Bodies as markup: what is HTML is parsed, what is not is refused with a reason."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote

from lxml import etree

from pipeline.crawl.names import clean
from pipeline.crawl.walls import is_challenge

_BINARY = (b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"%PDF", b"PK\x03\x04", b"\x1f\x8b", b"RIFF")
#: Ids are looked for in headings alone, so the parser needs no table of them: a third of its time.
_PARSER = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, collect_ids=False)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CONTAINERS = frozenset({"div", "section", "blockquote", "center", "article", "main"})
_BOXES = frozenset({"thumb", "toc", "noprint", "navbox", "hatnote"})  # containers that are no part of the text
_END = b"<!-- \nNewPP limit report"  # MediaWiki ends an article with it; what follows is menus, half of a page
_NEXT = {b"%d" % rank: re.compile(rb"<h[1-%d](?:\s[^<>]*)?>" % rank) for rank in range(1, 7)}
_SILENT = frozenset({"script", "style", "figure", "table", "rt", "rp", "noscript", "template"})
_APART = frozenset({"br", "p", "div", "li", "dd", "dt", "ul", "ol", "dl", "blockquote", "center", *_HEADINGS})
_SILENT_CLASS = re.compile(r"(?:^|\s)(?:reference|mw-editsection|thumb|noprint|mw-cite-backlink)(?:\s|$)")
_SPACED = re.compile("  ")  # looked for in less time than `in` takes, where every sixth character is a space
_SHOWN = bytes(range(ord(" "), ord("~") + 1))  # ASCII that an eye can see
_MARK = re.compile(
    r"\s?\[\s*(?:\d+|[a-z]|(?:note|nb|n)\s?\d+|citation needed|citation nécessaire|réf\. nécessaire|source\?)\s*\]",
    re.IGNORECASE,
)


def markup(body: bytes, limit: int) -> etree._Element:
    """Return the root of an HTML body, or of the HTML inside an API's answer; raise ValueError with the reason.

    `limit` is the largest size in bytes that is read.
    """
    return parsed(html_of(body, limit))


def html_of(body: bytes, limit: int) -> bytes:
    """Return the part of a body that is an article's HTML, unread; raise ValueError when it is no HTML at all.

    The body may be a page or an API's answer; `limit` is the largest size in bytes that is read.
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
    return body[max(body.find(b"<body"), 0) : end if end > 0 else len(body)]


def parsed(html: bytes) -> etree._Element:
    """Return the root of HTML, however broken; raise ValueError when it holds no element."""
    root = etree.fromstring(html, _PARSER)
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
    return " ".join(_words(element).split())


def line_of(element: etree._Element) -> str:
    """Return the words of an element as `clean(text_of(element))` does, in less time."""
    text = _words(element)
    for character in set(text.encode().translate(None, _SHOWN).decode()):
        if character.isspace():
            text = " ".join(filter(None, map(str.strip, text.split(character))))
        elif not character.isprintable():
            text = text.replace(character, clean(character))
    return " ".join(text.split()) if _SPACED.search(text) else text.strip()


def _words(element: etree._Element) -> str:
    text = _collected(element) if len(element) else element.text or ""
    return _MARK.sub("", text) if "[" in text else text


def _collected(element: etree._Element) -> str:
    """Return the text of `element` and below; a loop, not a recursion, for hostile depth costs no stack."""
    parts = [element.text or ""]
    open_: list[tuple[Iterator[etree._Element], str]] = [(iter(element), "")]  # what is read, and what follows it
    while open_:
        children, after = open_[-1]
        for child in children:
            tag, style = child.tag, child.get("class")
            if tag in _SILENT or (style and _SILENT_CLASS.search(style)) or not isinstance(tag, str):
                parts.append(child.tail or "")
                continue
            apart = " " if tag in _APART else ""  # it has a line of its own, so no word runs on into it
            parts += (apart, child.text or "")
            behind = apart + (child.tail or "")
            if len(child):
                open_.append((iter(child), behind))
                break
            parts.append(behind)
        else:
            open_.pop()
            parts.append(after)
    return "".join(parts)


@lru_cache(maxsize=64)
def _anchors(name: str) -> tuple[str, ...]:
    """Return the ids that a section may have: its name, and how wikis spelt what is not ASCII, as some still do."""
    anchor = name.replace(" ", "_")
    return tuple(dict.fromkeys((anchor, quote(anchor, safe=":").replace("%", "."))))


def find_section(root: etree._Element, name: str) -> etree._Element | None:
    """Return the block of the heading of a section: the heading itself, or the div that newer wikis put around it."""
    for wanted in _anchors(name):
        for heading in root.iter(*_HEADINGS):
            if _is_called(heading, wanted):
                around = heading.getparent()
                return around if around is not None and "mw-heading" in around.get("class", "").split() else heading
    return None


def _is_called(heading: etree._Element, wanted: str) -> bool:
    """Say whether a heading, or something in it, has the id."""
    if heading.get("id") == wanted:
        return True
    if not len(heading):
        return False
    return heading[0].get("id") == wanted or any(e.get("id") == wanted for e in heading.iter())


def to_section_end(html: bytes, name: str) -> bytes:
    """Return HTML up to the tag of the heading after a section, by the bytes alone; all of it where none is seen."""
    for wanted in _anchors(name):
        place = html.find(b'id="%s"' % wanted.encode())
        rank = html[html.rfind(b"<h", 0, place) + 2 : place][:1] if place > 0 else b""
        if rank in _NEXT and (found := _NEXT[rank].search(html, place)):
            return html[: found.end()]
    return html


def _rank(block: etree._Element, tag: str) -> int | None:
    """Return 1 to 6 for a heading, in either form, else None."""
    if tag in _HEADINGS:
        return int(tag[1])
    if tag == "div" and "mw-heading" in block.get("class", "").split():
        return next((int(e.tag[1]) for e in block if e.tag in _HEADINGS), None)
    return None


def paragraphs_in(blocks: list[etree._Element]) -> Iterator[etree._Element]:
    """Yield the paragraphs among the blocks of a section."""
    return (block for block in blocks if block.tag == "p")


def definitions_in(blocks: list[etree._Element]) -> Iterator[etree._Element]:
    """Yield what the definition lists among the blocks of a section say (`dd`)."""
    for block in blocks:
        if block.tag == "dl":
            yield from block.iterfind("./dd")


def blocks_after(heading: etree._Element) -> tuple[list[etree._Element], bool]:
    """Return the blocks of a section in document order, and whether a heading of its rank or above was seen to end it.

    Plain containers are opened, figures and boxes are not.
    """
    limit = _rank(heading, heading.tag) or 2
    blocks: list[etree._Element] = []
    pending = list(heading.itersiblings())[::-1]
    while pending:
        block = pending.pop()
        tag = block.tag
        rank = None if tag == "p" else _rank(block, tag)
        if rank is not None and rank <= limit:
            return blocks, True
        if rank is None and tag in _CONTAINERS and _BOXES.isdisjoint(block.get("class", "").split()):
            pending.extend(list(block)[::-1])
        else:
            blocks.append(block)
    return blocks, False
