"""Lines of a manifest, told quickly or slowly, and entries in the index come back as what they were."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import places
from pipeline.crawl import raw
from pipeline.crawl.lines import Line, lines_in, read_line, resources_in
from pipeline.crawl.raw import RawStore
from pipeline.entries import Entry
from pipeline.packing import packed, packed_entry, unpacked, unpacked_entry
from pipeline.places import PlacedLines, write_places
from pipeline.records import Listing, PageLink, Resource

ODD = ["", "\x1f", "\x1e", '"', "\\", "\n", "é", "\ud800", "a\x1fb", '["', "\u2028"]
texts = st.one_of(st.text(max_size=8), st.sampled_from(ODD))
Table = dict[str, Any]  # values by the names of fields: what is drawn, since what checks types draws lots itself
tables = st.fixed_dictionaries(
    {field.name: texts for field in fields(Resource)}
    | {"status": st.integers(-1, 10**12), "kind": st.sampled_from(["list", "description", "miniature"])}
)
lines = st.builds(Line, **(dict.fromkeys(Line._fields, texts) | {"digits": st.integers(-1, 10**12).map(str)}))
pages_of = st.lists(st.tuples(texts, texts), max_size=3)
rows = st.fixed_dictionaries(
    dict.fromkeys(Listing._fields, texts) | {"number": st.integers(0, 99_999), "pages": pages_of}
)


def listing_of(row: Table) -> Listing:
    pages = tuple(PageLink(title=title, url=url) for title, url in row["pages"])
    return Listing(**{**row, "pages": pages})


@given(st.lists(st.tuples(tables, st.booleans()), max_size=5))
def test_lines_say_the_same_read_together_or_alone(drawn: list[tuple[Table, bool]]) -> None:
    written = [json.dumps(table, ensure_ascii=ascii_only, sort_keys=True) for table, ascii_only in drawn]
    bodies = [text.encode("utf-8", "replace") + b"\n" for text in written]
    alone = [read_line(line, "here") for line in bodies]
    together = lines_in(b"".join(bodies), str)
    fields_of = set(Line._fields) - {"digits"} | {"status"}
    for quick, slow in zip(together, alone, strict=True):
        assert {name: getattr(quick, name) for name in fields_of} == {name: getattr(slow, name) for name in fields_of}
    assert [tuple(pair) for pair in resources_in(b"".join(bodies), str)] == [(one.kind, one.url) for one in alone]


WHOLE = json.dumps(
    {field.name: "" for field in fields(Resource)} | {"status": 0, "kind": "list"}, sort_keys=True
).encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"kind": "list"', "is not JSON"),
        (b'{"kind": "list"}', "does not describe"),
        (b"\xff", "is not JSON"),
        (b"", "is not JSON"),
        (WHOLE.replace(b'"etag": ""', b'"etag": "\t"'), "is not JSON"),
        (WHOLE.replace(b'"etag": ""', rb'"etag": "\x"'), "is not JSON"),
        (WHOLE.replace(b'"etag": ""', rb'"etag": "\u12"'), "is not JSON"),
        (WHOLE.replace(b'"etag": ""', b'"etag": "\xff"'), "is not JSON"),
        (WHOLE.replace(b'"etag": ""', b'"etag": 1'), "does not describe"),
        (WHOLE.replace(b'"etag": ""', b'"etag": "\n"'), "is not JSON"),
        (WHOLE[:-1], "is not JSON"),
        (WHOLE + WHOLE, "is not JSON"),
    ],
)
def test_what_is_no_line_is_named_with_its_place(line: bytes, reason: str) -> None:
    for read in (lines_in, resources_in):
        with pytest.raises(ValueError, match=f"line 2 {reason}"):
            read(WHOLE + b"\n" + WHOLE + b"\n" + line + b"\n" + WHOLE + b"\n", lambda place: f"line {place}")


@pytest.mark.parametrize("text", ["", 'W/\\"a\\"', "\\\\", '\\\\\\"', "\\u00e9", "\\ud800", "\\/", "\\n", "/"])
def test_an_escape_is_read_as_json_reads_it(text: str) -> None:
    line = (
        WHOLE.replace(b'"title": ""', f'"title": "{text}"'.encode()).replace(b'"etag": ""', rb'"etag": "\"a\""') + b"\n"
    )
    assert [one.title for one in lines_in(line * 2, str)] == [json.loads(f'"{text}"')] * 2


@given(rows)
def test_a_row_of_the_list_comes_back_whatever_it_says(row: Table) -> None:
    listing = listing_of(row)
    key, body = packed(listing)
    assert (key, unpacked(body)) == (listing.key, listing)


@given(rows, st.lists(lines, max_size=3), lines)
def test_an_entry_comes_back_whatever_it_says(row: Table, pages: list[Line], picture: Line) -> None:
    listing = listing_of(row)
    entry = Entry(listing=listing, descriptions=tuple(pages), miniature=picture)
    kept = packed_entry(entry, packed(listing)[1])
    assert unpacked_entry(kept.body) == entry
    assert (kept.key, kept.family, kept.picture) == (listing.key, listing.group, picture.sha256)


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
        assert [line.title for line in manifest.at(lists)] == ["last", '"another"']
        found = manifest.find("description", [page.url, "http://site/b", "http://elsewhere", page.url])
        assert {url: (line.status, line.sha256) for url, line in found.items()} == {page.url: (200, "f" * 64)}
        assert manifest.find("miniature", [page.url])[page.url].title == "picture"
        assert manifest.find("miniature", []) == {}


@pytest.mark.parametrize("names", [1, 2])
def test_resources_whose_digests_are_alike_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: int
) -> None:
    def alike(resources: Sequence[str]) -> bytes:
        return b"".join(bytes([len(resource) % names] * 8) for resource in resources)

    monkeypatch.setattr(places, "_names", alike)
    store = RawStore(tmp_path / "raw")
    crawl = store.open_crawl()
    urls = [f"http://site/{'a' * n}" for n in range(7)]
    for title in ("old", "new"):
        for url in urls[:-1]:
            crawl.append(Resource(url=url, kind="description", title=title))
            crawl.append(Resource(url=url, kind="miniature", title="picture"))
    crawl.finish()
    write_places(store, crawl.name, tmp_path / "places.npy")
    with PlacedLines(store, crawl.name, tmp_path / "places.npy") as manifest:
        found = manifest.find("description", urls)
    assert [(url, line.url, line.kind, line.title) for url, line in found.items() if line.title != "new"] == []
    assert sorted(found) == sorted(urls[:-1])
    assert {line.kind for line in found.values()} == {"description"}


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_lines_are_found_in_manifests_read_in_many_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    monkeypatch.setattr(raw, "_LINES_AT_ONCE", 700)
    store = RawStore(tmp_path / "raw")
    crawl = store.open_crawl()
    for number in range(40):
        crawl.append(Resource(url=f"http://site/{number}", kind="list" if number % 9 == 0 else "description", etag='"'))
    crawl.finish()
    path = store.manifest(crawl.name)
    path.write_bytes(path.read_bytes().removesuffix(b"\n") + ending)
    begins = write_places(store, crawl.name, tmp_path / "places.npy")
    with PlacedLines(store, crawl.name, tmp_path / "places.npy") as manifest:
        assert [line.url for line in manifest.at(begins)] == [f"http://site/{number}" for number in range(0, 40, 9)]
        urls = [f"http://site/{number}" for number in range(40) if number % 9]
        assert list(manifest.find("description", urls)) == urls


def test_a_line_that_is_none_is_named_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "_LINES_AT_ONCE", 300)
    store = RawStore(tmp_path / "raw")
    crawl = store.open_crawl()
    for number in range(9):
        crawl.append(Resource(url=f"http://site/{number}", kind="description"))
    crawl.finish()
    path = store.manifest(crawl.name)
    path.write_bytes(path.read_bytes().replace(b'"http://site/6"', b"6"))
    with pytest.raises(ValueError, match=r"jsonl line 7 does not describe"):
        write_places(store, crawl.name, tmp_path / "places.npy")
