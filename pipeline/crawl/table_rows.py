"""From a table of the list to listings: columns by their headings, never by their place; one picture, one key a row."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from lxml import etree

from pipeline.crawl.grids import Cells
from pipeline.crawl.markup import line_of, text_of
from pipeline.crawl.names import clean, picture_address, slug
from pipeline.crawl.sources import ListRules, PageText, WikiSource
from pipeline.records import Listing, PageLink

_MAX_LABEL = 200  # characters of a name or form: longer ones are prose that slipped in
_MAX_QUOTE = 80  # characters of a row that are shown with the reason why it was not understood
_DIGITS = 5  # of the largest number
_MAX_COLUMN = 60  # characters of a heading that are shown
_NUMBER = re.compile(r"(?:n°|№|#)?\s*0*(\d{1,5})", re.IGNORECASE | re.ASCII)


_NOWHERE = 1 << 30  # the place of a column that no heading names: no row is as wide


class Row(NamedTuple):  # not a dataclass, as _Said
    """What one row of a table says: a listing in each language that it links to, and what is amiss, in words."""

    table: str
    number: int  # counted from 1
    cells: list[etree._Element]
    listings: list[Listing]
    troubles: list[str]

    @property
    def where(self) -> str:
        """Name the table and the row. Asked, like the text, only for a row with which something is amiss."""
        return f"{self.table} row {self.number}"

    @property
    def text(self) -> str:
        """How it begins."""
        return clean(" ".join(filter(None, map(text_of, self.cells))))[:_MAX_QUOTE]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where the columns of one table are."""

    number: int = _NOWHERE
    miniature: int = _NOWHERE
    name: int = _NOWHERE
    group: int = _NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a table was read, and what was found out about addresses there once for all of its rows."""

    url: str
    source: WikiSource
    allowed: dict[str, bool] = field(default_factory=dict)  # of a scheme and host, whether pictures may come from there


class _Said(NamedTuple):  # not a dataclass, for that costs a tenth of reading a row
    """What one row says in all languages."""

    key: str
    number: int
    name: str
    form: str
    group: str
    miniature_url: str
    links: list[etree._Element]  # of the cell of its name


def table_rows(rows: Iterable[Cells], place: str, url: str, source: WikiSource) -> Iterator[Row]:
    """Yield what each row of a table says that is not a heading; `place` names the table, `url` is where it was read.

    Columns are found on a grid with spans filled in, so that nothing shifts under a rowspan or an empty first cell.
    """
    columns = _Columns()
    above: int | None = None
    where = _Place(url=url, source=source)
    for number, row in enumerate(rows, start=1):
        if _is_heading(row.own):
            columns = _columns(row, source.list, columns)
            continue
        listings, troubles = _row(row, columns, above, where)
        above = listings[0].number if listings else None
        yield Row(place, number, row.own, listings, troubles)


def unknown_columns(rows: Iterable[Cells], rules: ListRules) -> list[str]:
    """Return the headings of a table that the rules neither read nor ignore."""
    known = {name.casefold() for names in _named(rules) for name in names}  # one cell alone parts the rows
    headings = [row.own for row in rows if _is_heading(row.own) and len(row.own) > 1]
    texts = (line_of(cell)[:_MAX_COLUMN] for own in headings for cell in own)
    return [text for text in texts if text and text.casefold() not in known]


def _named(rules: ListRules) -> tuple[tuple[str, ...], ...]:
    return rules.number, rules.miniature, rules.name, rules.group, rules.ignored


def _is_heading(own: list[etree._Element]) -> bool:
    return not own or (own[0].tag == "th" and all(element.tag == "th" for element in own))


def _columns(row: Cells, rules: ListRules, before: _Columns) -> _Columns:
    """Return where a row of headings puts the columns; what it does not name stays where it was."""
    own = iter(row.own)
    begins = next(own, None)
    headings = []
    for cell in row.columns:
        headings.append(line_of(cell).casefold() if cell is not None and cell is begins else "")
        begins = next(own, None) if cell is begins else begins

    def column(names: tuple[str, ...], place: int) -> int:
        return next((headings.index(name.casefold()) for name in names if name.casefold() in headings), place)

    return _Columns(
        number=column(rules.number, before.number),
        miniature=column(rules.miniature, before.miniature),
        name=column(rules.name, before.name),
        group=column(rules.group, before.group),
    )


def _row(row: Cells, columns: _Columns, above: int | None, where: _Place) -> tuple[list[Listing], list[str]]:
    """Return the listings of one row, and in words why there are none, or none in a language."""
    texts = where.source.texts
    listings: list[Listing] = []
    troubles: list[str] = []
    try:
        said = _read(row, columns, above, where)
    except ValueError as error:
        return listings, [str(error)]
    for place, text in enumerate(texts):
        try:
            title = _page_title(row, said.links, text)
        except ValueError as error:
            troubles.append(f"{text.language}: {error}" if len(texts) > 1 else str(error))
            continue
        listings.append(_listing(said, f"{said.key}.{text.language}" if place else said.key, title, text, where.url))
    return listings, troubles


def _listing(said: _Said, key: str, title: str, text: PageText, url: str) -> Listing:
    """Return the listing of a row in one language, whose page has this title."""
    pages: tuple[PageLink, ...] = (PageLink(title, text.url(title)),)
    if text.subpages:
        titles = [title + subpage.replace("_", " ") for subpage in text.subpages]
        pages += tuple([PageLink(title, text.url(title)) for title in titles])
    _, number, name, form, group, picture, _ = said
    return Listing(key, number, name, text.language, group, pages, picture, url, form)


def _read(row: Cells, columns: _Columns, above: int | None, where: _Place) -> _Said:
    """Return what a row says in all languages; raise ValueError with what is missing."""
    rules = where.source.list
    picture = _miniature(row.at(columns.miniature), row.own)
    number = _number(row.at(columns.number), picture, above)
    name_cell = row.at(columns.name)
    if name_cell is None:
        name_cell = next((element for element in row.own if element.get("id")), None)
    if name_cell is None:
        raise ValueError(f"no column is headed {' or '.join(rules.name)}, and no cell has an id")
    links, small = _links(name_cell)
    name, form = _name(name_cell, links, small)
    if picture is None:
        raise ValueError("no miniature")
    address = _image_url(picture, where)
    if rules.group and columns.group == _NOWHERE:  # families that are not known would leak from split to split
        raise ValueError(f"no column is headed {' or '.join(rules.group)}")
    group_cell = row.at(columns.group)
    family = text_of(group_cell) if group_cell is not None else ""
    key = f"{number:04d}-{slug(name)}-{slug(form)}" if form else f"{number:04d}-{slug(name)}"
    return _Said(key, number, name, form, slug(family) if family else f"{number:04d}", address, links)


def _number(cell: etree._Element | None, picture: etree._Element | None, above: int | None) -> int:
    """Return the number by its cell, else by the picture's alternative text, else that of the row above (a form)."""
    text = text_of(cell) if cell is not None else ""
    alt = _digits(picture.get("alt", "")) if picture is not None else None
    number = _digits(text)
    if number is None:
        if text:
            raise ValueError(f"{text[:40]!r} is not a number")
        number = above if alt is None else alt
        if number is None:
            raise ValueError("no number, and no row above to share one with")
    elif alt is not None and alt != number:
        raise ValueError(f"the number is {number}, but its miniature says {alt}")
    return number


def _digits(text: str) -> int | None:
    if len(text) <= _DIGITS and text.isascii() and text.isdigit():  # as nearly all are
        return int(text)
    found = _NUMBER.fullmatch(text.strip())
    return int(found.group(1)) if found else None


def _miniature(cell: etree._Element | None, own: list[etree._Element]) -> etree._Element | None:
    """Return the picture in the miniature's column, else the one whose class says so; never simply any of the row."""
    if cell is not None:
        for image in cell.iter("img"):
            if image.get("src"):
                return image
        return None
    for element in own:
        for image in element.iter("img"):
            around = [image, *image.iterancestors("span", "a", "td")]
            if image.get("src") and any("miniature" in e.get("class", "").split() for e in around):
                return image
    return None


def _image_url(image: etree._Element, where: _Place) -> str:
    """Return the address of the original file; raise ValueError when the source does not allow to fetch it."""
    address = picture_address(image.get("src", ""), where.url)
    path = address.find("/", len("https://"))
    host = address[:path] if path > 0 else address
    if host not in where.allowed:
        where.allowed[host] = where.source.allows(address, "miniature")
    if not where.allowed[host]:
        raise ValueError(f"the miniature {address[:200]!r} is not on an image host of this source")
    return address


def _name(cell: etree._Element, links: list[etree._Element], small: etree._Element | None) -> tuple[str, str]:
    """Return name and form label; the label is the cell's small print."""
    form, inside = (line_of(small).strip("() "), set(small.iter("a"))) if small is not None else ("", ())
    for link in links:
        if link not in inside and (words := text_of(link)):
            name = clean(words)
            break
    else:
        whole = text_of(cell)
        name = clean(whole.removesuffix(text_of(small)).strip() if small is not None and form else whole)
    if not name or len(name) > _MAX_LABEL or len(form) > _MAX_LABEL:
        raise ValueError(f"the name is {name[:40]!r}: it must have 1 to {_MAX_LABEL} characters")
    return name, form


def _page_title(row: Cells, named: list[etree._Element], text: PageText) -> str:
    """Return the title of the describing page: by the link whose title has the prefix, else by the name's own link."""
    prefix = text.page_prefix
    links = [link for cell in (*row.own, *row.others) for link in _links(cell)[0]] if prefix else named
    red = False
    for link in links:
        style = link.get("class")
        if style and "new" in style.split():  # to no page
            red = True
            continue
        title = link.get("title") or ("" if prefix else _last_part(link.get("href", "")))
        if prefix:
            title = title[len(prefix) :] if title.startswith(prefix) else ""
        found = clean(title).partition("#")[0].strip()
        if found and len(found) <= _MAX_LABEL:
            return found
    if red and not prefix:
        raise ValueError("its link is red: the wiki has no such page")
    raise ValueError(f"no link leads to the page (title prefix {prefix!r})" if prefix else "its name is no link")


def _last_part(address: str) -> str:
    return unquote(urlsplit(address).path).rsplit("/", 1)[-1].replace("_", " ")


def _links(cell: etree._Element) -> tuple[list[etree._Element], etree._Element | None]:
    """Return the links of a cell and its small print, if any.

    The name's own link comes first: it has words, and does not stand in the small print.
    """
    if len(cell) == 1 and cell[0].tag == "a" and not len(cell[0]):  # as most cells of names are
        return [cell[0]], None
    links = list(cell.iter("a", "small")) if len(cell) else []
    small = next((element for element in links if element.tag == "small"), None)
    links = [element for element in links if element.tag == "a"]

    def last(link: etree._Element) -> tuple[bool, bool]:
        return not text_of(link), next(link.iterancestors("small"), None) is not None

    return sorted(links, key=last) if len(links) > 1 else links, small
