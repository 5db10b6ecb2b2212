"""Parsers against golden pages, and against what is no page at all."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.markup import grid, markup, text_of
from pipeline.crawl.names import slug
from pipeline.crawl.pages import parse_description, parse_list
from pipeline.crawl.readings import MissingDescription
from pipeline.crawl.source_files import wiki_source
from pipeline.records import Description

FIXTURES = Path(__file__).parent.parent / "fixtures" / "pages"
SOURCE = wiki_source("mediawiki-local")
LIST_URL = SOURCE.start[0]


def golden(case: str) -> tuple[bytes, dict[str, list[object]]]:
    folder = FIXTURES / case
    body = next(folder.glob("page.*")).read_bytes()
    return body, json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", ["list-rowspan", "list-empty-cell", "list-troubles"])
def test_a_list_page_gives_the_listings_and_troubles_that_are_written_down(case: str) -> None:
    body, expected = golden(case)
    page = parse_list(body, LIST_URL, SOURCE)
    found = [
        {key: value for key, value in asdict(item).items() if key != "list_url"}
        | {"pages": [[p.title, p.url] for p in item.pages]}
        for item in page.listings
    ]
    assert found == expected["listings"]
    assert [[row.where, row.reason] for row in page.unparsed] == expected["unparsed"]


@pytest.mark.parametrize("case", ["biology-old", "biology-new", "biology-api"])
def test_a_description_is_the_same_in_each_heading_dom_and_through_the_api(case: str) -> None:
    body, expected = golden(case)
    found = parse_description(body, "Fernling (Creature)", "en", SOURCE)
    assert isinstance(found, Description)
    assert (found.title, found.language) == ("Fernling (Creature)", "en")
    assert list(found.paragraphs) == expected["paragraphs"]


def test_a_page_without_the_section_says_which_sections_it_has() -> None:
    body, expected = golden("biology-missing")
    assert parse_description(body, "x", "en", SOURCE) == MissingDescription(title="x", reason=str(expected["reason"]))


def test_an_empty_section_is_missing_rather_than_an_empty_description() -> None:
    body = b"<h2 id='Biology'>Biology</h2><p> </p><h2>Other</h2><p>Text</p>"
    found = parse_description(body, "x", "en", SOURCE)
    assert isinstance(found, MissingDescription)
    assert "no paragraph" in found.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
        (b"<p>a\0b</p>", "binary"),
        (b"plain words", "not HTML"),
        (b'{"error": {"code": "missingtitle", "info": "no such page"}}', "no such page"),
        (b'{"parse": {}}', "no parse.text"),
        (b"{not json", "begins like JSON"),
        (b"<html><title>Just a moment...</title></html>", "wall against robots"),
        (b"<p>" + b"x" * 100_000_000, "more than the limit"),
    ],
    ids=["empty", "png", "nul", "words", "api-error", "api-empty", "half-json", "challenge", "huge"],
)
def test_what_is_no_page_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    found = parse_description(body, "x", "en", SOURCE)
    assert isinstance(found, MissingDescription)
    assert reason in found.reason
    with pytest.raises(ValueError, match=reason):
        parse_list(body, LIST_URL, SOURCE)


def test_a_list_without_its_table_says_so() -> None:
    page = parse_list(b"<table class='other'><tr><td>1</td></tr></table>", LIST_URL, SOURCE)
    assert page.listings == ()
    assert "no table has the classes" in page.unparsed[0].reason


def test_moved_columns_are_found_by_their_headings_and_unknown_ones_are_told() -> None:
    body, _ = golden("list-empty-cell")
    rows = body.decode().replace("<th>Numéro</th>", "<th>Rang</th><th>Numéro</th>")
    moved = rows.replace("<tr><td>", "<tr><td>7</td><td>").encode()
    there, before = parse_list(moved, LIST_URL, SOURCE), parse_list(body, LIST_URL, SOURCE)
    assert (there.listings, there.unparsed) == (before.listings, before.unparsed)
    assert (there.unknown_columns, before.unknown_columns) == (("Rang",), ())


def test_a_family_column_makes_the_group() -> None:
    source = replace(SOURCE, list=replace(SOURCE.list, group=("Nom anglais",)))
    body, _ = golden("list-empty-cell")
    assert [item.group for item in parse_list(body, LIST_URL, source).listings] == ["nut", "nut", "nut", "bolt"]


def test_spans_fill_the_grid_and_mark_only_the_first_place_as_own() -> None:
    root = markup(b"<table><tr><td rowspan=2>a<td colspan=2>b<tr><td>c<td>d</table>", 1000)
    cells = [
        [(text_of(cell.element), cell.own) for cell in row if cell is not None]
        for row in grid(next(root.iter("table")))
    ]
    assert cells == [[("a", True), ("b", True), ("b", False)], [("a", False), ("c", True), ("d", True)]]


def test_a_table_that_grows_without_end_is_refused() -> None:
    row = b"<tr>" + b"<td colspan=200 rowspan=200>x" * 50
    page = parse_list(b"<table class='tableaustandard sortable entetefixe'>" + row + b"</table>", LIST_URL, SOURCE)
    assert "wider than" in page.unparsed[0].reason


@given(st.binary(max_size=2000))
def test_no_bytes_make_the_parsers_fail_otherwise_than_by_saying_so(body: bytes) -> None:
    assert isinstance(parse_description(body, "x", "en", SOURCE), Description | MissingDescription)
    try:
        parse_list(body, LIST_URL, SOURCE)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@given(st.text(min_size=1))
def test_a_slug_is_never_empty_and_is_its_own_slug(text: str) -> None:
    assert slug(text)
    assert slug(slug(text)) == slug(text)


@given(st.lists(st.text(alphabet="abc <>&é", min_size=1).filter(lambda t: t.strip()), min_size=1, max_size=5))
def test_paragraphs_come_back_as_they_were_written(paragraphs: list[str]) -> None:
    escaped = [text.replace("&", "&amp;").replace("<", "&lt;") for text in paragraphs]
    body = "<h2 id='Biology'>B</h2>" + "".join(f"<p>{text}</p>" for text in escaped) + "<h2>Next</h2><p>no</p>"
    found = parse_description(body.encode(), "x", "en", SOURCE)
    assert isinstance(found, Description)
    assert list(found.paragraphs) == [" ".join(text.split()) for text in paragraphs]
