"""Lists against golden pages: rows become listings by key, in each language, and what is amiss is told."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.grids import grid
from pipeline.crawl.markup import markup, text_of
from pipeline.crawl.names import slug
from pipeline.crawl.pages import parse_list
from pipeline.crawl.source_files import wiki_source
from pipeline.records import Listing

FIXTURES = Path(__file__).parent.parent / "fixtures" / "pages"
SOURCE = wiki_source("mediawiki-local")
ENGLISH = replace(SOURCE, texts=SOURCE.texts[:1])
LIST_URL = SOURCE.start[0]
CLASSES = "tableaustandard sortable entetefixe"
HEAD = "<tr><th>Numéro</th><th>Image</th><th>Nom français</th><th>Nom anglais</th></tr>"


def golden(case: str) -> tuple[bytes, dict[str, list[object]]]:
    folder = FIXTURES / case
    return (folder / "page.html").read_bytes(), json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def table(*rows: str) -> bytes:
    """Return a list of rows that only say what differs."""
    return f"<table class='{CLASSES}'>{HEAD}{''.join(rows)}</table>".encode()


def row(number: int, name: str, first: str | None = None) -> str:
    """Return a row as it should be; `first` takes the place of its first cell."""
    first = f"<td>{number:04d}</td>" if first is None else first
    picture = f"<td><img alt='{number:04d}' src='/images/a/ab/{name}.png'></td>"
    return f"<tr>{first}{picture}<td><a title='{name}'>{name}</a></td><td><a title='en:{name} (x)'>{name}</a></td></tr>"


@pytest.mark.parametrize("case", sorted(folder.name for folder in FIXTURES.glob("list-*")))
def test_a_list_page_gives_the_listings_and_troubles_that_are_written_down(case: str) -> None:
    body, expected = golden(case)
    page = parse_list(body, LIST_URL, SOURCE)
    found = [
        {
            **{key: value for key, value in item._asdict().items() if key != "list_url"},
            "pages": tuple(page._asdict() for page in item.pages),
        }
        | {"pages": [[p.title, p.url] for p in item.pages]}
        for item in page.listings
    ]
    assert found == expected["listings"]
    assert [[trouble.where, trouble.reason] for trouble in page.unparsed] == expected["unparsed"]
    assert list(page.unknown_columns) == expected["unknown_columns"]
    keys = [item.key for item in page.listings]
    assert len(set(keys)) == len(keys)
    assert not any("/thumb/" in item.miniature_url or "Type" in item.miniature_url for item in page.listings)
    assert {item.list_url for item in page.listings} == {LIST_URL}


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


def test_headings_with_hidden_characters_are_the_same_headings() -> None:
    body, _ = golden("list-empty-cell")
    hidden = body.decode().replace("<th>Image</th>", "<th>\u200b Ima\u00adge\u200e</th>").encode()
    there, before = parse_list(hidden, LIST_URL, SOURCE), parse_list(body, LIST_URL, SOURCE)
    assert (there.listings, there.unknown_columns) == (before.listings, ())


def test_without_known_headings_rows_are_read_by_what_marks_them() -> None:
    body, _ = golden("list-rowspan")
    page = body.decode()
    for heading in ("Numéro", "Image", "Nom français"):
        page = page.replace(f"<th>{heading}</th>", "<th>?</th>")
    there, before = parse_list(page.encode(), LIST_URL, SOURCE), parse_list(body, LIST_URL, SOURCE)
    named = {listing.key for listing in before.listings if not listing.form}  # a form's cell has no id to know it by
    assert {listing.key for listing in there.listings} == named
    assert len(there.unparsed) == 1


def test_a_family_column_makes_the_group() -> None:
    source = replace(ENGLISH, list=replace(SOURCE.list, group=("Nom anglais",)))
    body, _ = golden("list-empty-cell")
    assert [item.group for item in parse_list(body, LIST_URL, source).listings] == ["nut", "nut", "nut", "bolt"]


def test_families_that_no_column_names_are_missed_rather_than_left_to_leak() -> None:
    source = replace(SOURCE, list=replace(SOURCE.list, group=("Famille",)))
    page = parse_list(golden("list-empty-cell")[0], LIST_URL, source)
    assert page.listings == ()
    assert "no column is headed Famille" in {row.reason for row in page.unparsed}


def test_a_form_does_not_take_its_number_from_a_row_that_was_not_understood() -> None:
    body = table(row(1, "A"), row(2, "B").replace("src=", "data-src="), row(2, "C", "<td></td>"))
    found = parse_list(body.replace(b"alt='0002'", b"alt=''"), LIST_URL, ENGLISH)
    assert [listing.key for listing in found.listings] == ["0001-a"]
    assert [trouble.reason for trouble in found.unparsed] == [
        "no miniature",
        "no number, and no row above to share one with",
    ]


def test_a_table_may_have_a_head_and_rows_outside_of_any_part() -> None:
    body = f"<table class='{CLASSES}'><thead>{HEAD}</thead>{row(1, 'A')}<tfoot>{row(2, 'B')}</tfoot></table>"
    assert [listing.key for listing in parse_list(body.encode(), LIST_URL, ENGLISH).listings] == ["0001-a", "0002-b"]


def test_a_rows_own_link_comes_before_one_that_hangs_from_above() -> None:
    above = "<td rowspan=2><a title='en:Both (x)'>Both</a></td>"
    first = row(1, "A").replace("</tr>", "").replace("<td><a title='en:A (x)'>A</a></td>", above)
    page = parse_list(table(f"{first}<td></td></tr>", row(2, "B")), LIST_URL, ENGLISH)
    assert [listing.pages[0].title for listing in page.listings] == ["Both (x)", "B (x)"]


def test_tables_inside_cells_are_left_alone() -> None:
    inside = f"<td><table><tr><td>9999</td></tr></table>{1:04d}</td>"
    (listing,) = parse_list(table(row(1, "A", inside)), LIST_URL, ENGLISH).listings
    assert listing.key == "0001-a"


def test_removing_a_row_takes_its_listings_and_moves_no_other() -> None:
    body, _ = golden("list-rowspan")
    page = body.decode()
    begin, end = page.index('<td rowspan="1">0001'), page.index('<td rowspan="2">0002')
    shorter = (page[:begin] + page[end:]).encode()
    there, before = parse_list(shorter, LIST_URL, SOURCE).listings, parse_list(body, LIST_URL, SOURCE).listings
    assert there == tuple(listing for listing in before if listing.number != 1)


def test_each_language_has_its_own_sub_pages() -> None:
    french = replace(SOURCE.texts[1], subpages=("/Génération_1", "/Génération_2"))
    body, _ = golden("list-traps")
    page = parse_list(body, LIST_URL, replace(SOURCE, texts=(SOURCE.texts[0], french)))

    def pages(key: str) -> list[tuple[str, str]]:
        listing: Listing = next(listing for listing in page.listings if listing.key == key)
        return [(link.title, link.url.removeprefix("http://127.0.0.1:")) for link in listing.pages]

    assert pages("0669-flabebe") == [("Flabébé (Pokémon)", "8099/wiki/Flab%C3%A9b%C3%A9_(Pok%C3%A9mon)")]
    assert pages("0772-type-0.fr") == [
        ("Type:0", "8098/Type:0"),
        ("Type:0/Génération 1", "8098/Type:0/G%C3%A9n%C3%A9ration_1"),
        ("Type:0/Génération 2", "8098/Type:0/G%C3%A9n%C3%A9ration_2"),
    ]


def test_spans_fill_the_grid_and_mark_only_the_first_place_as_own() -> None:
    root = markup(b"<table><tr><td rowspan=2>a<td colspan=2>b<tr><td>c<td>d</table>", 1000)
    assert texts(root) == [[("a", True), ("b", True), ("b", False)], [("a", False), ("c", True), ("d", True)]]


def test_a_cell_over_what_hangs_from_above_makes_it_no_longer() -> None:
    rows = (
        b"<tr><td>a<td rowspan=2>b<tr><td colspan=2>c<tr><td>d<td>e<tr><td>f<td rowspan=3>g<tr><td colspan=2>h<tr><td>i"
    )
    assert texts(markup(b"<table>" + rows + b"</table>", 1000)) == [
        [("a", True), ("b", True)],
        [("c", True), ("c", False)],
        [("d", True), ("e", True)],
        [("f", True), ("g", True)],
        [("h", True), ("h", False)],
        [("i", True), ("g", False)],
    ]


def texts(root: object) -> list[list[tuple[str, bool]]]:
    """Return what stands in each place of the first table's grid, and whether it begins there."""
    found = []
    for row in grid(next(root.iter("table"))):  # type: ignore[attr-defined]
        places = [cell for cell in row.columns if cell is not None]
        begin = [cell in row.own and cell not in places[:place] for place, cell in enumerate(places)]
        assert [cell for cell, own in zip(places, begin, strict=True) if own] == row.own
        assert [cell for cell, own in zip(places, begin, strict=True) if not own] == row.others
        found.append([(text_of(cell), own) for cell, own in zip(places, begin, strict=True)])
    return found


def test_a_table_that_grows_without_end_is_refused() -> None:
    endless = b"<tr>" + b"<td colspan=200 rowspan=200>x" * 50
    page = parse_list(f"<table class='{CLASSES}'>".encode() + endless + b"</table>", LIST_URL, SOURCE)
    assert "wider than" in page.unparsed[0].reason


@st.composite
def species(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """Draw the rows of one species with forms, some of them spoilt, and what they must say: picture by key."""
    number = draw(st.integers(1, 9999))
    layout = draw(st.sampled_from(["rowspan", "empty", "full"]))
    forms = draw(st.lists(st.sampled_from(["", "d'Alola", "♀", "Forme X", "?"]), min_size=1, max_size=4, unique=True))
    html, said = "", {}
    for place, form in enumerate(forms):
        picture = f"{number}_{place}.png"
        spoilt = draw(st.sampled_from(["", "", "", "picture", "link", "number"]))
        cells = [
            "" if spoilt == "picture" else f"<img alt='{number:04d}' src='/images/{picture}'>",
            f"<a title='N{number}'>N{number}</a>" + (f"<br><small>{form}</small>" if form else ""),
            "—" if spoilt == "link" else f"<a title='en:E{number} (x)'>E</a>",
            "<img alt='Feu' src='/images/thumb/1/11/Type.png/80px-Type.png'>",
        ]
        first = f"<td>{number:04d}</td>" if layout == "full" or place == 0 else "<td></td>"
        if layout == "rowspan":
            first = f"<td rowspan={len(forms)}>{number:04d}</td>" if place == 0 else ""
        if spoilt == "number":
            cells[0] = cells[0].replace(f"alt='{number:04d}'", f"alt='{number + 1:04d}'")
        html += f"<tr>{first}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        contradicts = spoilt == "number" and (layout != "empty" or place == 0)
        if spoilt in ("", "number") and not contradicts:
            told = number + 1 if spoilt else number  # an empty cell leaves the word to the picture
            said[f"{told:04d}-n{number}" + (f"-{slug(form)}" if form else "")] = f"/images/{picture}"
    return html, said


@given(st.lists(species(), max_size=5, unique_by=lambda one: next(iter(one[1]), one[0])))
def test_whatever_rows_are_spoilt_all_others_keep_their_own_picture_and_page(
    drawn: list[tuple[str, dict[str, str]]],
) -> None:
    head = HEAD.replace("</tr>", "<th>Type(s)</th></tr>")
    body = f"<table class='{CLASSES}'>{head}{''.join(html for html, _ in drawn)}</table>"
    expected: dict[str, str] = {}
    for _, said in drawn:
        expected = said | expected
    page = parse_list(body.encode(), LIST_URL, ENGLISH)
    found = {listing.key: listing for listing in page.listings}
    assert {
        key: listing.miniature_url.removeprefix("http://127.0.0.1:8098") for key, listing in found.items()
    } == expected
    for key, listing in found.items():
        assert listing.pages[0].title == f"E{key.split('-')[1].removeprefix('n')} (x)"
    assert len(found) + len(page.unparsed) == body.count("<tr>") - 1


@given(st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4), max_size=6))
def test_every_place_that_a_cell_spans_holds_it_and_no_cell_is_lost(spans: list[list[tuple[int, int]]]) -> None:
    cells = ["".join(f"<td rowspan={d} colspan={a}>{y}.{x}" for x, (d, a) in enumerate(r)) for y, r in enumerate(spans)]
    root = markup(f"<table><tr>{'<tr>'.join(cells)}</table>".encode(), 100_000)
    found = texts(root)
    own = [[text for text, first in line if first] for line in found]
    assert [line for line in own if line] == [[f"{y}.{x}" for x in range(len(r))] for y, r in enumerate(spans)]
    wide = [sum(across for _, across in line) for line in spans]
    assert all(len(line) >= least for line, least in zip(found, wide, strict=False))


def test_a_span_of_one_is_no_span() -> None:
    plain = markup(b"<table><tr><td>a<td>b<tr><td>c<td>d</table>", 1000)
    spelt = markup(b"<table><tr><td rowspan=1>a<td colspan='1'>b<tr><td rowspan=' 1 '>c<td colspan=0>d</table>", 1000)
    assert texts(plain) == texts(spelt)
