"""From the bytes of a page to records: the list's rows, and the paragraphs that describe one creature. All pure."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from lxml import etree

from pipeline.crawl.markup import Cell, find_section, grid, markup, paragraphs_after, text_of
from pipeline.crawl.sources import Source
from pipeline.records import Description, Listing

_MAX_LABEL = 200  # characters of a name or form: longer ones are prose that slipped in
_MAX_QUOTE = 80  # characters of a row that are shown with the reason why it was not understood
_MAX_NUMBER = 99_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Unparsed:
    """A row of the list, or a table, that was not understood."""

    where: str  # table and row, counted from 1
    text: str  # how the row begins
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """What a list page says: rows understood, in document order, and those that were not."""

    listings: tuple[Listing, ...]
    unparsed: tuple[Unparsed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDescription:
    """Why a page yields no description."""

    title: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Where the columns of one table are; None where no heading was recognised."""

    number: int | None
    miniature: int | None
    name: int | None
    group: int | None


def parse_list(body: bytes, url: str, source: Source) -> ListPage:
    """Return the listings of the list page `body`, which was read at `url`.

    Columns are found by their headings on a grid with spans filled in, so that nothing shifts under a rowspan or an
    empty first cell. Raises ValueError when the body is not markup at all.
    """
    root = markup(body, source.limits.page_bytes)
    found: dict[str, Listing] = {}
    unparsed: list[Unparsed] = []
    wanted = set(source.list.table_class)
    tables = [table for table in root.iter("table") if wanted <= set(table.get("class", "").split())]
    if not tables:
        unparsed.append(
            Unparsed(where="page", text="", reason=f"no table has the classes {' '.join(source.list.table_class)}")
        )
    for index, table in enumerate(tables, start=1):
        for where, row, listing in _rows(table, index, url, source):
            if isinstance(listing, str):
                unparsed.append(Unparsed(where=where, text=_words(row), reason=listing))
            elif listing.key in found:
                reason = f"the key {listing.key} was listed before"
                unparsed.append(Unparsed(where=where, text=_words(row), reason=reason))
            else:
                found[listing.key] = listing
    return ListPage(listings=tuple(found.values()), unparsed=tuple(unparsed))


def parse_description(body: bytes, title: str, source: Source) -> Description | MissingDescription:
    """Return the paragraphs of a page's describing section, until the next heading of its rank, or why there are none.

    Both heading forms are read: `h2 > span#Section` and `div.mw-heading > h2#Section`; the body may be a page or the
    JSON of an API's `action=parse`.
    """
    try:
        root = markup(body, source.limits.page_bytes)
    except ValueError as error:
        return MissingDescription(title=title, reason=str(error))
    heading = find_section(root, source.section)
    if heading is None:
        others = [text_of(h2) for h2 in root.iter("h2")][:8]
        reason = f"page has no {source.section} section (its sections: {', '.join(filter(None, others)) or 'none'})"
        return MissingDescription(title=title, reason=reason)
    paragraphs = tuple(filter(None, (text_of(p) for p in paragraphs_after(heading))))
    if not paragraphs:
        return MissingDescription(title=title, reason=f"the {source.section} section holds no paragraph")
    return Description(title=title, language=source.language, paragraphs=paragraphs)


def slug(text: str) -> str:
    """Return `text` as lower-case ASCII words joined by dashes, for keys.

    >>> slug("Nidoran♀"), slug("Flabébé"), slug("Type: Null"), slug("Farfetch'd")
    ('nidoran-f', 'flabebe', 'type-null', 'farfetch-d')
    """
    named = text.replace("♀", " f").replace("♂", " m").replace("œ", "oe").replace("æ", "ae").replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", named).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words or "-".join(f"{ord(letter):x}" for letter in text[:16])


def _rows(
    table: etree._Element, index: int, url: str, source: Source
) -> Iterator[tuple[str, list[etree._Element], Listing | str]]:
    """Yield place, cells and listing (or the reason there is none) of each row of a table that is not a heading."""
    try:
        rows = grid(table)
    except ValueError as error:
        yield f"table {index}", [], str(error)
        return
    columns = _Columns(number=None, miniature=None, name=None, group=None)
    above: int | None = None
    for number, row in enumerate(rows, start=1):
        own = [cell.element for cell in row if cell is not None and cell.own]
        if not own or all(element.tag == "th" for element in own):
            columns = _columns(row, source, columns)
            continue
        listing = _listing(row, columns, above, url, source)
        above = listing.number if isinstance(listing, Listing) else None
        yield f"table {index} row {number}", own, listing


def _words(cells: list[etree._Element]) -> str:
    return " ".join(filter(None, map(text_of, cells)))[:_MAX_QUOTE]


def _columns(row: list[Cell | None], source: Source, before: _Columns) -> _Columns:
    """Return where a row of headings puts the columns; what it does not name stays where it was."""
    headings = [text_of(cell.element).casefold() if cell is not None and cell.own else "" for cell in row]

    def column(names: tuple[str, ...], place: int | None) -> int | None:
        return next((headings.index(name.casefold()) for name in names if name.casefold() in headings), place)

    rules = source.list
    return _Columns(
        number=column(rules.number, before.number),
        miniature=column(rules.miniature, before.miniature),
        name=column(rules.name, before.name),
        group=column(rules.group, before.group),
    )


def _listing(row: list[Cell | None], columns: _Columns, above: int | None, url: str, source: Source) -> Listing | str:
    """Return the listing of one row, or in words why there is none."""
    try:
        return _read(row, columns, above, url, source)
    except ValueError as error:
        return str(error)


def _read(row: list[Cell | None], columns: _Columns, above: int | None, url: str, source: Source) -> Listing:
    """Return the listing of one row; raise ValueError with what is missing."""
    picture = _miniature(_cell(row, columns.miniature), row)
    number = _number(_cell(row, columns.number), picture, above)
    name_cell = _cell(row, columns.name)
    if name_cell is None:
        name_cell = next((c.element for c in row if c is not None and c.own and c.element.get("id")), None)
    if name_cell is None:
        raise ValueError(f"no column is headed {' or '.join(source.list.name)}, and no cell has an id")
    name, form = _name(name_cell)
    title = _page_title(row, name_cell, source)
    if picture is None:
        raise ValueError("no miniature")
    address = _image_url(picture, url)
    if not source.allows(address, "miniature"):
        raise ValueError(f"the miniature {address[:200]!r} is not on an image host of this source")
    group_cell = _cell(row, columns.group)
    group = slug(text_of(group_cell)) if group_cell is not None and text_of(group_cell) else f"{number:04d}"
    return Listing(
        key=f"{number:04d}-{slug(name)}" + (f"-{slug(form)}" if form else ""),
        number=number,
        name=name,
        form=form,
        group=group,
        page_title=title,
        page_url=source.page_url(title),
        miniature_url=address,
        list_url=url,
    )


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
    return str(urlunsplit((parts.scheme, parts.netloc, path, "", "")))


def _name(cell: etree._Element) -> tuple[str, str]:
    """Return name and form label; the label is the cell's small print."""
    small = cell.find(".//small")
    form = text_of(small).strip("() ") if small is not None else ""
    inside = set(small.iter("a")) if small is not None else set()
    link = next((a for a in cell.iter("a") if a not in inside and text_of(a)), None)
    whole = text_of(cell)
    name = text_of(link) if link is not None else whole.removesuffix(text_of(small)).strip() if form else whole
    if not name or max(len(name), len(form)) > _MAX_LABEL:
        raise ValueError(f"the name is {name[:40]!r}: it must have 1 to {_MAX_LABEL} characters")
    return name, form


def _page_title(row: list[Cell | None], name_cell: etree._Element, source: Source) -> str:
    """Return the title of the describing page: by the link whose title has the prefix, else by the name's own link."""
    prefix = source.list.page_prefix
    cells = [cell.element for cell in row if cell is not None and cell.own] if prefix else [name_cell]
    for link in (a for cell in cells for a in cell.iter("a")):
        path = unquote(urlsplit(link.get("href", "")).path)
        title = link.get("title", "") or ("" if prefix else path.rsplit("/", 1)[-1].replace("_", " "))
        if title.startswith(prefix) and len(title) > len(prefix):
            return str(title[len(prefix) :])
    raise ValueError(f"no link leads to the page (title prefix {prefix!r})")
