"""From a table of the list to listings: columns by their headings, never by their place; one picture, one key a row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from lxml import etree

from pipeline.crawl.markup import Cell, text_of
from pipeline.crawl.names import clean, slug
from pipeline.crawl.sources import ListRules, PageText, WikiSource
from pipeline.records import Listing, PageLink

_MAX_LABEL = 200  # characters of a name or form: longer ones are prose that slipped in
_MAX_QUOTE = 80  # characters of a row that are shown with the reason why it was not understood
_MAX_NUMBER = 99_999
_URL_SAFE = "/%:@!$&'()*+,;=~-._"  # what an address has as it is; anything else is written as %XX
_MAX_COLUMN = 60  # characters of a heading that are shown


Grid = list[list[Cell | None]]  # a table by rows and columns, spans filled in


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
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


def table_rows(rows: Grid, place: str, url: str, source: WikiSource) -> Iterator[Row]:
    """Yield what each row of a table says that is not a heading; `place` names the table, `url` is where it was read.

    Columns are found on a grid with spans filled in, so that nothing shifts under a rowspan or an empty first cell.
    """
    columns = _Columns()
    above: int | None = None
    for number, row in enumerate(rows, start=1):
        own = [cell.element for cell in row if cell is not None and cell.own]
        if _is_heading(own):
            columns = _columns(row, source.list, columns)
            continue
        read = _row(row, columns, above, url, source)
        above = read[0][0].number if read[0] else None
        yield Row(where=f"{place} row {number}", cells=tuple(own), listings=read[0], troubles=read[1])


def unknown_columns(rows: Grid, rules: ListRules) -> list[str]:
    """Return the headings of a table that the rules neither read nor ignore."""
    known = {name.casefold() for names in _named(rules) for name in names}
    owned = ([cell.element for cell in row if cell is not None and cell.own] for row in rows)
    headings = (own for own in owned if _is_heading(own) and len(own) > 1)  # one cell alone parts the rows below it
    texts = (clean(text_of(cell))[:_MAX_COLUMN] for own in headings for cell in own)
    return [text for text in texts if text and text.casefold() not in known]


def _named(rules: ListRules) -> tuple[tuple[str, ...], ...]:
    return rules.number, rules.miniature, rules.name, rules.group, rules.ignored


def _is_heading(own: list[etree._Element]) -> bool:
    return not own or all(element.tag == "th" for element in own)


def _columns(row: list[Cell | None], rules: ListRules, before: _Columns) -> _Columns:
    """Return where a row of headings puts the columns; what it does not name stays where it was."""
    headings = [clean(text_of(cell.element)).casefold() if cell is not None and cell.own else "" for cell in row]

    def column(names: tuple[str, ...], place: int | None) -> int | None:
        return next((headings.index(name.casefold()) for name in names if name.casefold() in headings), place)

    return _Columns(
        number=column(rules.number, before.number),
        miniature=column(rules.miniature, before.miniature),
        name=column(rules.name, before.name),
        group=column(rules.group, before.group),
    )


def _row(
    row: list[Cell | None], columns: _Columns, above: int | None, url: str, source: WikiSource
) -> tuple[tuple[Listing, ...], tuple[str, ...]]:
    """Return the listings of one row, and in words why there are none, or none in a language."""
    try:
        base, name_cell = _read(row, columns, above, url, source)
    except ValueError as error:
        return (), (str(error),)
    listings: list[Listing] = []
    troubles: list[str] = []
    for place, text in enumerate(source.texts):
        try:
            title = _page_title(row, name_cell, text)
        except ValueError as error:
            troubles.append(f"{text.language}: {error}" if len(source.texts) > 1 else str(error))
            continue
        titles = (title, *(title + subpage.replace("_", " ") for subpage in text.subpages))
        pages = tuple(PageLink(title=title, url=text.url(title)) for title in titles)
        key = base.key if place == 0 else f"{base.key}.{text.language}"
        listings.append(replace(base, key=key, language=text.language, pages=pages))
    return tuple(listings), tuple(troubles)


def _read(
    row: list[Cell | None], columns: _Columns, above: int | None, url: str, source: WikiSource
) -> tuple[Listing, etree._Element]:
    """Return what a row says in all languages, and the cell of its name; raise ValueError with what is missing."""
    picture = _miniature(_cell(row, columns.miniature), row)
    number = _number(_cell(row, columns.number), picture, above)
    name_cell = _cell(row, columns.name)
    if name_cell is None:
        name_cell = next((c.element for c in row if c is not None and c.own and c.element.get("id")), None)
    if name_cell is None:
        raise ValueError(f"no column is headed {' or '.join(source.list.name)}, and no cell has an id")
    name, form = _name(name_cell)
    if picture is None:
        raise ValueError("no miniature")
    address = _image_url(picture, url)
    if not source.allows(address, "miniature"):
        raise ValueError(f"the miniature {address[:200]!r} is not on an image host of this source")
    if source.list.group and columns.group is None:  # families that are not known would leak from split to split
        raise ValueError(f"no column is headed {' or '.join(source.list.group)}")
    group_cell = _cell(row, columns.group)
    group = slug(text_of(group_cell)) if group_cell is not None and text_of(group_cell) else f"{number:04d}"
    listing = Listing(
        key=f"{number:04d}-{slug(name)}" + (f"-{slug(form)}" if form else ""),
        number=number,
        name=name,
        form=form,
        language="",
        group=group,
        pages=(),
        miniature_url=address,
        list_url=url,
    )
    return listing, name_cell


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
    found = re.fullmatch(r"(?:n°|№|#)?\s*0*(\d{1,5})", text.strip(), re.IGNORECASE | re.ASCII)
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


def _image_url(image: etree._Element, url: str) -> str:
    """Return the address of the original file: no query, and a scaled copy is led back to what it was made from."""
    parts = urlsplit(urljoin(url, image.get("src", "").strip()))
    path: str = re.sub(r"/thumb(/[^/]+/[^/]+/[^/]+)/[^/]+$", r"\1", parts.path)
    return str(urlunsplit((parts.scheme, parts.netloc, quote(path, safe=_URL_SAFE), "", "")))


def _name(cell: etree._Element) -> tuple[str, str]:
    """Return name and form label; the label is the cell's small print."""
    small = cell.find(".//small")
    form = clean(text_of(small)).strip("() ") if small is not None else ""
    inside = set(small.iter("a")) if small is not None else set()
    link = next((a for a in _links(cell) if a not in inside and text_of(a)), None)
    whole = text_of(cell)
    name = text_of(link) if link is not None else whole.removesuffix(text_of(small)).strip() if form else whole
    name = clean(name)
    if not name or max(len(name), len(form)) > _MAX_LABEL:
        raise ValueError(f"the name is {name[:40]!r}: it must have 1 to {_MAX_LABEL} characters")
    return name, form


def _page_title(row: list[Cell | None], name_cell: etree._Element, text: PageText) -> str:
    """Return the title of the describing page: by the link whose title has the prefix, else by the name's own link."""
    prefix = text.page_prefix
    cells = sorted(filter(None, row), key=lambda cell: not cell.own)  # what hangs from above comes last
    links = [link for cell in cells for link in _links(cell.element)] if prefix else _links(name_cell)
    there = [link for link in links if "new" not in link.get("class", "").split()]  # new: red, to no page
    for link in there:
        path = unquote(urlsplit(link.get("href", "")).path)
        title = link.get("title", "") or ("" if prefix else path.rsplit("/", 1)[-1].replace("_", " "))
        named = clean(title[len(prefix) :]).partition("#")[0].strip() if title.startswith(prefix) else ""
        if named and len(named) <= _MAX_LABEL:
            return named
    if not prefix and len(there) < len(links):
        raise ValueError("its link is red: the wiki has no such page")
    raise ValueError(f"no link leads to the page (title prefix {prefix!r})" if prefix else "its name is no link")


def _links(cell: etree._Element) -> list[etree._Element]:
    """Return the links of a cell, the name's own first: it has words, and does not stand in the small print."""

    def last(link: etree._Element) -> tuple[bool, bool]:
        return not text_of(link), next(link.iterancestors("small"), None) is not None

    return sorted(cell.iter("a"), key=last)
