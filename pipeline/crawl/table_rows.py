"""From a table of the list to listings: columns by their headings, never by their place; one picture, one key a row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from lxml import etree

from pipeline.crawl.markup import Cell, line_of, text_of
from pipeline.crawl.names import clean, picture_address, slug
from pipeline.crawl.sources import ListRules, PageText, WikiSource
from pipeline.records import Listing, PageLink

_MAX_LABEL = 200  # characters of a name or form: longer ones are prose that slipped in
_MAX_QUOTE = 80  # characters of a row that are shown with the reason why it was not understood
_MAX_NUMBER = 99_999
_MAX_COLUMN = 60  # characters of a heading that are shown
_NUMBER = re.compile(r"(?:n°|№|#)?\s*0*(\d{1,5})", re.IGNORECASE | re.ASCII)


Grid = list[list[Cell | None]]  # a table by rows and columns, spans filled in


class Row(NamedTuple):  # as below
    """What one row of a table says: a listing in each language that it links to, and what is amiss, in words."""

    where: str  # table and row, counted from 1
    cells: tuple[etree._Element, ...]
    listings: tuple[Listing, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """How it begins: read only for a row with which something is amiss, since most are in order."""
        return clean(" ".join(filter(None, map(text_of, self.cells))))[:_MAX_QUOTE]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where the columns of one table are; None where no heading was recognised."""

    number: int | None = None
    miniature: int | None = None
    name: int | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a table was read, and what was found out about addresses there once for all of its rows."""

    url: str
    source: WikiSource
    allowed: dict[str, bool] = field(default_factory=dict)  # of a scheme and host, whether pictures may come from there


class _Said(NamedTuple):  # not a dataclass, for that costs a tenth of reading a row
    """What one row says in all languages."""

    number: int
    name: str
    form: str
    group: str
    miniature_url: str
    cell: etree._Element  # of its name

    @property
    def key(self) -> str:
        return f"{self.number:04d}-{slug(self.name)}" + (f"-{slug(self.form)}" if self.form else "")


def table_rows(rows: Grid, place: str, url: str, source: WikiSource) -> Iterator[Row]:
    """Yield what each row of a table says that is not a heading; `place` names the table, `url` is where it was read.

    Columns are found on a grid with spans filled in, so that nothing shifts under a rowspan or an empty first cell.
    """
    columns = _Columns()
    above: int | None = None
    where = _Place(url=url, source=source)
    for number, row in enumerate(rows, start=1):
        own = _own(row)
        if _is_heading(own):
            columns = _columns(row, source.list, columns)
            continue
        listings, troubles = _row(row, columns, above, where)
        above = listings[0].number if listings else None
        yield Row(where=f"{place} row {number}", cells=tuple(own), listings=listings, troubles=troubles)


def _own(row: list[Cell | None]) -> list[etree._Element]:
    return [cell.element for cell in row if cell is not None and cell.own]


def unknown_columns(rows: Grid, rules: ListRules) -> list[str]:
    """Return the headings of a table that the rules neither read nor ignore."""
    known = {name.casefold() for names in _named(rules) for name in names}
    headings = (own for own in map(_own, rows) if len(own) > 1 and _is_heading(own))  # one cell alone parts the rows
    texts = (line_of(cell)[:_MAX_COLUMN] for own in headings for cell in own)
    return [text for text in texts if text and text.casefold() not in known]


def _named(rules: ListRules) -> tuple[tuple[str, ...], ...]:
    return rules.number, rules.miniature, rules.name, rules.group, rules.ignored


def _is_heading(own: list[etree._Element]) -> bool:
    return not own or (own[0].tag == "th" and all(element.tag == "th" for element in own))


def _columns(row: list[Cell | None], rules: ListRules, before: _Columns) -> _Columns:
    """Return where a row of headings puts the columns; what it does not name stays where it was."""
    headings = [line_of(cell.element).casefold() if cell is not None and cell.own else "" for cell in row]

    def column(names: tuple[str, ...], place: int | None) -> int | None:
        return next((headings.index(name.casefold()) for name in names if name.casefold() in headings), place)

    return _Columns(
        number=column(rules.number, before.number),
        miniature=column(rules.miniature, before.miniature),
        name=column(rules.name, before.name),
        group=column(rules.group, before.group),
    )


def _row(
    row: list[Cell | None], columns: _Columns, above: int | None, where: _Place
) -> tuple[tuple[Listing, ...], tuple[str, ...]]:
    """Return the listings of one row, and in words why there are none, or none in a language."""
    texts = where.source.texts
    try:
        said = _read(row, columns, above, where)
    except ValueError as error:
        return (), (str(error),)
    listings: list[Listing] = []
    troubles: list[str] = []
    key = said.key
    for place, text in enumerate(texts):
        try:
            title = _page_title(row, said.cell, text)
        except ValueError as error:
            troubles.append(f"{text.language}: {error}" if len(texts) > 1 else str(error))
            continue
        listings.append(_listing(said, key if place == 0 else f"{key}.{text.language}", title, text, where.url))
    return tuple(listings), tuple(troubles)


def _listing(said: _Said, key: str, title: str, text: PageText, url: str) -> Listing:
    """Return the listing of a row in one language, whose page has this title."""
    titles = (title, *(title + subpage.replace("_", " ") for subpage in text.subpages))
    return Listing(
        key=key,
        number=said.number,
        name=said.name,
        form=said.form,
        language=text.language,
        group=said.group,
        pages=tuple([PageLink(title=title, url=text.url(title)) for title in titles]),
        miniature_url=said.miniature_url,
        list_url=url,
    )


def _read(row: list[Cell | None], columns: _Columns, above: int | None, where: _Place) -> _Said:
    """Return what a row says in all languages; raise ValueError with what is missing."""
    rules = where.source.list
    picture = _miniature(_cell(row, columns.miniature), row)
    number = _number(_cell(row, columns.number), picture, above)
    name_cell = _cell(row, columns.name)
    if name_cell is None:
        name_cell = next((c.element for c in row if c is not None and c.own and c.element.get("id")), None)
    if name_cell is None:
        raise ValueError(f"no column is headed {' or '.join(rules.name)}, and no cell has an id")
    name, form = _name(name_cell)
    if picture is None:
        raise ValueError("no miniature")
    address = _image_url(picture, where)
    if rules.group and columns.group is None:  # families that are not known would leak from split to split
        raise ValueError(f"no column is headed {' or '.join(rules.group)}")
    group_cell = _cell(row, columns.group)
    family = text_of(group_cell) if group_cell is not None else ""
    group = slug(family) if family else f"{number:04d}"
    return _Said(number=number, name=name, form=form, group=group, miniature_url=address, cell=name_cell)


def _cell(row: list[Cell | None], column: int | None) -> etree._Element | None:
    cell = row[column] if column is not None and column < len(row) else None
    return None if cell is None else cell.element


def _number(cell: etree._Element | None, picture: etree._Element | None, above: int | None) -> int:
    """Return the number by its cell, else by the picture's alternative text, else that of the row above (a form)."""
    text = text_of(cell) if cell is not None else ""
    alt = _digits(picture.get("alt", "")) if picture is not None else None
    number = _digits(text)
    if text and number is None:
        raise ValueError(f"{text[:40]!r} is not a number")
    if number is not None and alt is not None and alt != number:
        raise ValueError(f"the number is {number}, but its miniature says {alt}")
    found = next((n for n in (number, alt, above) if n is not None), None)
    if found is None:
        raise ValueError("no number, and no row above to share one with")
    return found


def _digits(text: str) -> int | None:
    found = _NUMBER.fullmatch(text.strip())
    return int(found.group(1)) if found and int(found.group(1)) <= _MAX_NUMBER else None


def _miniature(cell: etree._Element | None, row: list[Cell | None]) -> etree._Element | None:
    """Return the picture in the miniature's column, else the one whose class says so; never simply any of the row."""
    if cell is not None:
        return next((image for image in cell.iter("img") if image.get("src")), None)
    for place in row:
        for image in place.element.iter("img") if place is not None and place.own else ():
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


def _name(cell: etree._Element) -> tuple[str, str]:
    """Return name and form label; the label is the cell's small print."""
    small = next(cell.iter("small"), None) if len(cell) else None
    form = line_of(small).strip("() ") if small is not None else ""
    inside = set(small.iter("a")) if small is not None else ()
    link = next((words for a in _links(cell) if a not in inside and (words := text_of(a))), "")
    if link:
        name = clean(link)
    else:
        whole = text_of(cell)
        name = clean(whole.removesuffix(text_of(small)).strip() if small is not None and form else whole)
    if not name or max(len(name), len(form)) > _MAX_LABEL:
        raise ValueError(f"the name is {name[:40]!r}: it must have 1 to {_MAX_LABEL} characters")
    return name, form


def _page_title(row: list[Cell | None], name_cell: etree._Element, text: PageText) -> str:
    """Return the title of the describing page: by the link whose title has the prefix, else by the name's own link."""
    prefix = text.page_prefix
    links = _row_links(row) if prefix else _links(name_cell)
    there = [link for link in links if "new" not in link.get("class", "").split()]  # new: red, to no page
    for link in there:
        title = link.get("title", "") or ("" if prefix else _last_part(link.get("href", "")))
        named = clean(title[len(prefix) :]).partition("#")[0].strip() if title.startswith(prefix) else ""
        if named and len(named) <= _MAX_LABEL:
            return named
    if not prefix and len(there) < len(links):
        raise ValueError("its link is red: the wiki has no such page")
    raise ValueError(f"no link leads to the page (title prefix {prefix!r})" if prefix else "its name is no link")


def _last_part(address: str) -> str:
    return unquote(urlsplit(address).path).rsplit("/", 1)[-1].replace("_", " ")


def _row_links(row: list[Cell | None]) -> list[etree._Element]:
    """Return the links of a row, those of cells that hang into it from above last."""
    cells = sorted(filter(None, row), key=lambda cell: not cell.own)
    return [link for cell in cells for link in _links(cell.element)]


def _links(cell: etree._Element) -> list[etree._Element]:
    """Return the links of a cell, the name's own first: it has words, and does not stand in the small print."""

    def last(link: etree._Element) -> tuple[bool, bool]:
        return not text_of(link), next(link.iterancestors("small"), None) is not None

    links = list(cell.iter("a"))
    return sorted(links, key=last) if len(links) > 1 else links
