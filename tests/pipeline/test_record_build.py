"""Entries become records many at a time, and one that cannot stops none of the others."""

from pathlib import Path

import numpy as np

from palettes.vocabulary import Vocabulary
from pipeline.crawl.lines import Line
from pipeline.crawl.raw import RawStore
from pipeline.entries import Entry
from pipeline.record_build import AT_ONCE, records_of
from pipeline.records import Dropped, Listing, PageLink
from pipeline.tokenizer import encode_record
from tests.raw_stores import sample_source

SPRITE = np.ones((4, 3), dtype=np.uint8)
SAID = "It is a small blue animal."


def line(**said: str) -> Line:
    return Line(**dict.fromkeys(Line._fields, "") | {"digits": "200"} | said)


def entry(store: RawStore, number: int, *texts: str) -> Entry[Line]:
    """Return an entry of so many pages, one text each, whose licences and times differ from page to page."""
    pages = [
        line(
            url=f"page {place}",
            sha256=store.put(f"<h2 id='Biology'>Biology</h2><p>{text}</p>".encode()),
            revision=f"r{place}",
            time=f"2026-01-0{place}",
            licence="CC0-1.0",
            attribution=f"author {place}",
        )
        for place, text in enumerate(texts, start=1)
    ]
    listing = Listing(
        key=f"{number:04d}",
        number=number,
        name=f"Beast{number}",
        language="en",
        group="family",
        pages=(PageLink("page", "page 1"),),
        miniature_url="picture",
        list_url="list",
    )
    picture = line(url="picture", time="2026-01-02", licence="CC0-1.0", attribution="author 1")
    return Entry(listing=listing, descriptions=tuple(pages), miniature=picture)


def test_who_cannot_be_a_record_is_dropped_with_a_reason_and_the_others_go_on(tmp_path: Path) -> None:
    store, source, dropped = RawStore(tmp_path), sample_source(), list[Dropped]()
    entries = [
        (entry(store, 1, SAID), SPRITE),
        (entry(store, 2, ""), SPRITE),
        (entry(store, 3, "Short."), SPRITE),
        (entry(store, 4, SAID), np.full((4, 3), 55, dtype=np.uint8)),
        (entry(store, 5, SAID), SPRITE),
    ]
    records = list(records_of(entries, store, source, source.build, Vocabulary(), dropped))
    assert [record.id for record in records] == ["0001", "0005"]
    assert [(one.id, one.stage) for one in dropped] == [("0002", "description"), ("0003", "text"), ("0004", "text")]
    assert "outside the palette" in dropped[-1].reason
    for record in records:
        assert record.ids.tolist() == encode_record(SPRITE, SAID.lower(), Vocabulary()).tolist()


def test_what_several_pages_state_is_stated_once_each_and_those_that_say_nothing_state_nothing(tmp_path: Path) -> None:
    store, source = RawStore(tmp_path), sample_source()
    entries = [(entry(store, 1, SAID), SPRITE), (entry(store, 2, SAID, "", "It digs."), SPRITE)]
    one, several = records_of(entries, store, source, source.build, Vocabulary(), [])
    assert (one.revision, one.retrieved_at) == ("r1", "2026-01-02")
    assert (one.licence, one.attribution) == ("CC0-1.0", "author 1")
    assert (several.revision, several.retrieved_at) == ("r1 r3", "2026-01-03")
    assert several.licence == "CC0-1.0"
    assert several.attribution == "text: author 1; author 3; picture: author 1"


def test_records_come_in_order_across_portions(tmp_path: Path) -> None:
    store, source = RawStore(tmp_path), sample_source()
    same = entry(store, 1, SAID)
    entries = [(Entry(listing=same.listing._replace(key=f"{n:04d}"), descriptions=same.descriptions,
                      miniature=same.miniature), SPRITE) for n in range(2 * AT_ONCE + 1)]  # fmt: skip
    records = list(records_of(entries, store, source, source.build, Vocabulary(), []))
    assert [record.id for record in records] == [f"{n:04d}" for n in range(2 * AT_ONCE + 1)]
    assert len({record.ids.tobytes() for record in records}) == 1
