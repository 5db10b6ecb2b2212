"""From the bytes of a page to records: the list's rows, and the text that describes one creature. All pure."""

from collections.abc import Iterable

from lxml import etree

from pipeline.crawl.grids import grid
from pipeline.crawl.markup import (
    blocks_after,
    definitions_in,
    find_section,
    html_of,
    line_of,
    markup,
    paragraphs_in,
    parsed,
    to_section_end,
)
from pipeline.crawl.readings import ListPage, MissingDescription, Unparsed
from pipeline.crawl.records_file import parse_records, read_description
from pipeline.crawl.sources import FolderSource, PageText, Source, WikiSource
from pipeline.crawl.table_rows import table_rows, unknown_columns
from pipeline.records import Description, Listing

_MAX_SECTIONS = 8  # headings named when the one that is looked for is not there


def parse_list(body: bytes, url: str, source: Source) -> ListPage:
    """Return the listings of the list `body`, which was read at `url`; ValueError when it is no list at all."""
    if isinstance(source, FolderSource):
        return parse_records(body, source)
    return _parse_tables(markup(body, _wiki(source).limits.page_bytes), url, _wiki(source))


def parse_description(body: bytes, title: str, language: str, source: Source) -> Description | MissingDescription:
    """Return what a page's describing section says, until the next heading of its rank, or why it says nothing.

    Both heading forms are read: `h2 > span#Section` and `div.mw-heading > h2#Section`; the body may be a page or the
    JSON of an API's `action=parse`.
    """
    if isinstance(source, FolderSource):
        return read_description(body, title, language, source)
    rules = _rules(_wiki(source), language)
    try:
        html = html_of(body, source.limits.page_bytes)
        blocks = _near_blocks(html, rules)
        if blocks is None:
            root = parsed(html)
            heading = find_section(root, rules.section)
            if heading is None:
                return MissingDescription(title=title, reason=_without(root, rules))
            blocks = blocks_after(heading)[0]
    except ValueError as error:
        return MissingDescription(title=title, reason=str(error))
    return _said(blocks, title, rules)


def _near_blocks(html: bytes, rules: PageText) -> list[etree._Element] | None:
    """Return the blocks of the section from the page up to its end, often half of it; None when that says too little.

    The parser only ever adds behind what it has read, so nothing behind the heading that ends a section changes it.
    """
    near = to_section_end(html, rules.section)
    if len(near) == len(html):
        return None
    heading = find_section(parsed(near), rules.section)
    blocks, ended = blocks_after(heading) if heading is not None else ([], False)
    return blocks if ended else None


def gathered(readings: Iterable[Description | MissingDescription]) -> Description | MissingDescription:
    """Return one description from several pages of a creature: what any of them says, in order and once.

    Raises ValueError when there is no page at all.
    """
    pages = list(readings)
    said = [page for page in pages if isinstance(page, Description)]
    if len(pages) == 1:
        return pages[0]
    if said:
        paragraphs = dict.fromkeys(paragraph for page in said for paragraph in page.paragraphs)
        return Description(title=said[0].title, language=said[0].language, paragraphs=tuple(paragraphs))
    missing = [page for page in pages if isinstance(page, MissingDescription)]
    if not missing:
        raise ValueError("no page was given: a listing has at least one.")
    return MissingDescription(title=missing[0].title, reason="; ".join(dict.fromkeys(page.reason for page in missing)))


def _wiki(source: Source) -> WikiSource:
    if not isinstance(source, WikiSource):
        raise TypeError(f"source {source.name!r} is a {type(source).__name__}, which no parser reads.")
    return source


def _rules(source: WikiSource, language: str) -> PageText:
    for rules in source.texts:
        if rules.language == language:
            return rules
    raise ValueError(f"source {source.name!r} has no texts in {language!r}: name the language in its [[texts]].")


def _parse_tables(root: etree._Element, url: str, source: WikiSource) -> ListPage:
    """Return what all tables of the wanted classes say; decoys of other classes are left alone."""
    found: dict[str, Listing] = {}
    unparsed: list[Unparsed] = []
    unknown: list[str] = []
    wanted = set(source.list.table_class)
    tables = [table for table in root.iter("table") if wanted <= set(table.get("class", "").split())]
    if not tables:
        reason = f"no table has the classes {' '.join(source.list.table_class)}"
        unparsed.append(Unparsed(where="page", text="", reason=reason))
    for index, table in enumerate(tables, start=1):
        place = f"table {index}"
        try:
            rows = grid(table)
        except ValueError as error:
            unparsed.append(Unparsed(where=place, text="", reason=str(error)))
            continue
        unknown += unknown_columns(rows, source.list)
        for row in table_rows(rows, place, url, source):
            troubles = row.troubles
            for listing in row.listings:
                if found.setdefault(listing.key, listing) is not listing:
                    troubles.append(f"the key {listing.key} was listed before")
            unparsed += [Unparsed(where=row.where, text=row.text, reason=trouble) for trouble in troubles]
    return ListPage(
        listings=tuple(found.values()), unparsed=tuple(unparsed), unknown_columns=tuple(dict.fromkeys(unknown))
    )


def _without(root: etree._Element, rules: PageText) -> str:
    """Return in words that a page lacks the section, and which it has."""
    others = [line_of(h2) for h2 in root.iter("h2")][:_MAX_SECTIONS]
    return f"page has no {rules.section} section (its sections: {', '.join(filter(None, others)) or 'none'})"


def _said(blocks: list[etree._Element], title: str, rules: PageText) -> Description | MissingDescription:
    chosen = paragraphs_in(blocks) if rules.form == "paragraphs" else definitions_in(blocks)
    said = filter(None, map(line_of, chosen))
    paragraphs = tuple(said) if rules.form == "paragraphs" else tuple(dict.fromkeys(said))  # games repeat one another
    if not paragraphs:
        what = "paragraph" if rules.form == "paragraphs" else "definition"
        return MissingDescription(title=title, reason=f"the {rules.section} section holds no {what}")
    return Description(title=title, language=rules.language, paragraphs=paragraphs)
