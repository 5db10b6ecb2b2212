"""Families, their sprites and their splits in the index of a build."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.crawl.lines import Line
from pipeline.entries import Entry
from pipeline.index import BuildIndex, Part, Sketch, opened, sketched
from pipeline.likeness import fingerprint
from pipeline.overlays import flat
from pipeline.packing import packed, packed_entry
from pipeline.records import Dropped, Listing, PageLink

SHOWN = {  # by key: family, picture
    "d": ("newt", "p3"),
    "a": ("newt", "p1"),
    "c": ("crab", "p1"),
    "b": ("newt", "p1"),
    "e": ("ant", "p2"),
}
LINE = Line(**(dict.fromkeys(Line._fields, "") | {"kind": "miniature", "digits": "1"}))


def entry_of(key: str) -> Entry[Line]:
    family, picture = SHOWN[key]
    listing = Listing(key, 1, key, "en", family, (PageLink(title=key, url=key),), picture, "", "")
    page = LINE._replace(kind="description")
    return Entry(listing=listing, descriptions=(page,), miniature=LINE._replace(sha256=picture))


def sprite(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 55, (9, 7 + seed), dtype=np.uint8)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[BuildIndex]:
    with BuildIndex(tmp_path / "index.sqlite") as index:
        index.add_entries([packed_entry(one, packed(one.listing)[1]) for one in map(entry_of, SHOWN)])
        index.make_searchable()
        index.add_sketches([Sketch("p0", fault="torn")])
        for seed in (3, 1, 2):
            index.add_sketches([sketched(f"p{seed}", sprite(seed), fingerprint(sprite(seed)))])
        index.add_sketches([sketched("p4", sprite(3), fingerprint(sprite(3)))])
        yield index


def test_families_come_in_order_with_their_pictures_sprites_and_fingerprints(index: BuildIndex) -> None:
    shown, prints = index.families()
    assert [family for family, _ in shown] == ["ant", "crab", "newt", "newt"]
    for (_, place), seed, kept in zip(shown, (2, 1, 1, 3), prints, strict=True):
        assert index.sprites_at([place]) == [flat(sprite(seed))]
        assert kept.tobytes() == fingerprint(sprite(seed))
    assert [[one.listing.key for one in index.showing(*one)] for one in shown] == [["e"], ["c"], ["a", "b"], ["d"]]


def test_an_index_without_entries_has_no_families(tmp_path: Path) -> None:
    with BuildIndex(tmp_path / "index.sqlite") as index:
        shown, prints = index.families()
        assert shown == []
        assert prints.shape == (0, 64)


def test_entries_that_show_one_sprite_are_found_whatever_their_pictures(index: BuildIndex) -> None:
    assert [[one.listing.key for one in alike] for alike in index.same_sprites()] == [["a", "b", "c"]]
    other = entry_of("d")
    other = Entry(
        listing=other.listing._replace(key="0"),
        descriptions=other.descriptions,
        miniature=other.miniature._replace(sha256="p4"),
    )
    index.add_entries([packed_entry(other, packed(other.listing)[1])])
    found = [[one.listing.key for one in alike] for alike in index.same_sprites()]
    assert sorted(found) == [["0", "d"], ["a", "b", "c"]]


def test_a_split_holds_its_families_entries_by_key(index: BuildIndex) -> None:
    index.set_splits({"ant": "train", "crab": "test", "newt": "test"})
    index.set_splits({"ant": "test", "crab": "test", "newt": "train"})  # what was before is forgotten
    assert [list(index.keys(split)) for split in ("train", "validation", "test")] == [["a", "b", "d"], [], ["c", "e"]]
    assert index.count() == len(SHOWN)
    rows = [opened(row) for row in index.rows(Part(split="train", start=1, stop=3))]
    assert [entry for entry, _ in rows] == [entry_of("b"), entry_of("d")]
    assert [np.array_equal(drawn, sprite(seed)) for (_, drawn), seed in zip(rows, (1, 3), strict=True)] == [True, True]
    assert index.rows(Part(split="validation", start=0, stop=1)) == []


def test_readers_see_the_splits_that_were_shared(index: BuildIndex) -> None:
    index.set_splits(dict.fromkeys(("ant", "crab", "newt"), "train"))
    index.share()
    with BuildIndex(index.path, readonly=True) as reader:
        assert list(reader.keys("train")) == sorted(SHOWN)
        assert len(reader.rows(Part(split="train", start=0, stop=9))) == len(SHOWN)


def test_an_entry_that_is_taken_out_leaves_its_split_too(index: BuildIndex) -> None:
    index.set_splits(dict.fromkeys(("ant", "crab", "newt"), "train"))
    index.remove(Dropped(id="c", name="c", stage="pixelize", reason="torn", source_url="c"))
    again = entry_of("c")
    index.add_entries([packed_entry(again, packed(again.listing)[1])])  # which may take its place
    kept = [opened(row)[0].listing.key for row in index.rows(Part(split="train", start=0, stop=9))]
    assert kept == list(index.keys("train")) == ["a", "b", "d", "e"]
