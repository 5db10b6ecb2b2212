"""Lines of a manifest, told quickly or slowly, and entries in the index come back as what they were."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.crawl.lines import Line, kind_and_url, line_of, read_line
from pipeline.crawl.raw import RawStore
from pipeline.entries import Entry
from pipeline.packing import packed, packed_entry, unpacked, unpacked_entry
from pipeline.places import PlacedLines, write_places
from pipeline.records import Listing, PageLink, Resource

ODD = ["", "\x1f", "\x1e", '"', "\\", "\n", "é", "\ud800", "a\x1fb", '["', "\u2028"]
texts = st.one_of(st.text(max_size=8), st.sampled_from(ODD))
Table = dict[str, Any]  # values by the names of fields: what is drawn, since what checks types draws lots itself
lines = st.fixed_dictionaries(
    dict.fromkeys(Line._fields, texts)
    | {"status": st.integers(-1, 10**12), "kind": st.sampled_from(["list", "description", "miniature"])}
)
pages_of = st.lists(st.tuples(texts, texts), max_size=3)
rows = st.fixed_dictionaries(
    dict.fromkeys(Listing._fields, texts) | {"number": st.integers(0, 99_999), "pages": pages_of}
)


def listing_of(row: Table) -> Listing:
    pages = tuple(PageLink(title=title, url=url) for title, url in row["pages"])
    return Listing(**{**row, "pages": pages})


@given(lines, st.booleans())
def test_a_line_says_the_same_read_either_way(table: Table, ascii_only: bool) -> None:
    text = json.dumps(table, ensure_ascii=ascii_only, sort_keys=True)
    line = text.encode("utf-8", "replace") + b"\n"
    slow, quick = read_line(line, "here"), line_of(line, lambda: "here")
    assert quick._asdict() == asdict(slow)
    assert kind_and_url(line, lambda: "here") == (slow.kind, slow.url)


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b'{"kind": "list"', "is not JSON"), (b'{"kind": "list"}', "does not describe"), (b"\xff", "is not JSON")],
)
def test_what_is_no_line_is_named_with_its_place(line: bytes, reason: str) -> None:
    for read in (line_of, kind_and_url):
        with pytest.raises(ValueError, match=f"line 7 {reason}"):
            read(line, lambda: "line 7")


@given(rows)
def test_a_row_of_the_list_comes_back_whatever_it_says(row: Table) -> None:
    listing = listing_of(row)
    key, body = packed(listing)
    assert (key, unpacked(body)) == (listing.key, listing)


@given(rows, st.lists(lines, max_size=3), lines)
def test_an_entry_comes_back_whatever_it_says(row: Table, pages: list[Table], picture: Table) -> None:
    listing = listing_of(row)
    entry = Entry(listing=listing, descriptions=tuple(Line(**page) for page in pages), miniature=Line(**picture))
    kept = packed_entry(entry, packed(listing)[1])
    assert unpacked_entry(kept.body) == entry
    assert (kept.key, kept.family, kept.picture) == (listing.key, listing.group, picture["sha256"])


def test_the_last_line_of_a_resource_is_found_and_one_of_another_kind_is_not(tmp_path: Path) -> None:
    store = RawStore(tmp_path / "raw")
    crawl = store.open_crawl()
    page = Resource(url="http://site/a", kind="description", title="a", status=500, error="gone")
    for line in (
        replace(page, kind="list", title="first"),
        page,
        replace(page, kind="miniature", title="picture"),
        replace(page, sha256="f" * 64, status=200, error=""),
        replace(page, kind="list", title="last"),
        replace(page, kind="list", url="http://site/b", title='"another"'),
    ):
        crawl.append(line)
    crawl.finish()
    lists = write_places(store, crawl.name, tmp_path / "places.npy")
    with PlacedLines(store, crawl.name, tmp_path / "places.npy") as manifest:
        assert [manifest.at(begin).title for begin in lists] == ["last", '"another"']
        found = manifest.find("description", [page.url, "http://site/b", "http://elsewhere", page.url])
        assert {url: (line.status, line.sha256) for url, line in found.items()} == {page.url: (200, "f" * 64)}
        assert manifest.find("miniature", [page.url])[page.url].title == "picture"
        assert manifest.find("miniature", []) == {}
