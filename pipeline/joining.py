"""A crawl into the index of a build: lists, pages and pictures joined, then families split."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.crawl.lines import Line
from pipeline.crawl.pages import parse_list
from pipeline.crawl.raw import RawStore
from pipeline.crawl.readings import Unparsed
from pipeline.crawl.sources import Rights, Source, WikiSource
from pipeline.entries import Entry, drop, join
from pipeline.index import BuildIndex
from pipeline.packing import PackedEntry, PackedListing, packed, packed_entry, unpacked
from pipeline.places import PlacedLines, write_places
from pipeline.records import Dropped
from pipeline.splits import split_of
from pipeline.twins import joined_groups, twin_pairs

# A function over items: results in their order, begun at the latest when the first is asked for. It may be given items
# themselves or copies of them, here or in another process, and changes none.
Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
JOINED = 1024  # rows of the list that one worker joins before it reports


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList:
    """What a list page says, ready for the index."""

    url: str
    listings: list[PackedListing]
    unparsed: tuple[Unparsed, ...]


def read_crawl(index: BuildIndex, store: RawStore, crawl: str, source: Source, run: Run) -> None:
    """Fill the index with the entries of a crawl; ValueError when a list cannot be read, or none has a row."""
    index.begin_anew()
    lists = write_places(store, crawl, index.places)
    with PlacedLines(store, crawl, index.places) as manifest:
        pages = manifest.at(lists)
    if missing := next((page for page in pages if not page.sha256), None):
        raise ValueError(f"the list {missing.url} is not in crawl {crawl}: {missing.error}. Crawl again.")
    listed = [_keep_list(index, page) for page in run(partial(read_list, raw=store.root, source=source), pages)]
    if not any(found for found, _ in listed):
        why = next((f": {reasons[0]}" for _, reasons in listed if reasons), "")
        raise ValueError(
            f"the list of source {source.name!r} gave no row{why}. The page changed, or its rules are wrong."
        )
    index.keep("listed", str(sum(found + len(reasons) for found, reasons in listed)))
    index.share()  # workers read the list; nothing is committed until they are done
    joined = 0
    task = partial(join_rows, index=index.path, raw=store.root, crawl=crawl, source=source)
    for entries, dropped in run(task, index.listings_from(JOINED)):
        index.add_entries(entries)
        index.add_dropped(dropped)
        joined += len(entries)
    index.keep("joined", str(joined))


def drop_same(index: BuildIndex) -> None:
    """Take out the entries that have the page and the picture of one before them: no picture goes with them."""
    index.make_searchable()
    for entry, twin in index.same_bodies():
        reason = f"same page and same picture as {twin}"
        index.remove(drop(entry.listing, "duplicate", reason, entry.miniature.url))


def read_list(page: Line, raw: Path, source: Source) -> ReadList:
    """Read one list page of a raw store; ValueError when it is no list at all."""
    try:
        read = parse_list(RawStore(raw).get(page.sha256), page.url, source)
    except ValueError as error:
        raise ValueError(f"the list {page.url} cannot be read: {error}") from error
    return ReadList(url=page.url, listings=[packed(listing) for listing in read.listings], unparsed=read.unparsed)


def _keep_list(index: BuildIndex, page: ReadList) -> tuple[int, tuple[str, ...]]:
    """Keep what a list page says; return how many rows were understood, and why the others were not."""
    for row in page.unparsed:
        reason = f"{row.where}: {row.reason}"
        index.add_dropped([Dropped(id="", name=row.text, stage="list", reason=reason, source_url=page.url)])
    twice = [unpacked(body) for _, body in index.add_listings(page.listings)]
    index.add_dropped(drop(again, "list", "the list names this record twice", again.list_url) for again in twice)
    return len(page.listings), tuple(row.reason for row in page.unparsed)


def join_rows(
    first: str, index: Path, raw: Path, crawl: str, source: Source
) -> tuple[list[PackedEntry], list[Dropped]]:
    """Join a portion of the list, which begins at the key `first`, with what it needs of a crawl.

    Entries come back under the rights that their source states today, and what is dropped with its reason.
    """
    with BuildIndex(index, readonly=True) as listed:
        rows = [(body, unpacked(body)) for _, body in listed.listings(first, JOINED)]
        places = listed.places
    with PlacedLines(RawStore(raw), crawl, places) as manifest:
        pages = manifest.find("description", [page.url for _, listing in rows for page in listing.pages])
        pictures = manifest.find("miniature", [listing.miniature_url for _, listing in rows])
    restated = _restated(source)
    entries: list[PackedEntry] = []
    dropped: list[Dropped] = []
    for body, listing in rows:
        found = join(listing, pages, pictures)
        if isinstance(found, Dropped):
            dropped.append(found)
        else:
            entries.append(packed_entry(restated(found), body))
    return entries, dropped


def _restated(source: Source) -> Callable[[Entry[Line]], Entry[Line]]:
    """Return what puts an entry under the rights that its source states; in a folder each record states its own."""
    if not isinstance(source, WikiSource):
        return lambda entry: entry
    texts = {text.language: text for text in source.texts}

    def stated(line: Line, rights: Rights) -> Line:
        licence, attribution = source.filled(rights, line)
        if line.licence == licence and line.attribution == attribution:
            return line
        return line._replace(licence=licence, attribution=attribution)

    def entry_of(entry: Entry[Line]) -> Entry[Line]:
        text = texts[entry.listing.language]
        pages = tuple([stated(page, text) for page in entry.descriptions])
        picture = stated(entry.miniature, source.pictures)
        if pages == entry.descriptions and picture is entry.miniature:
            return entry
        return Entry(listing=entry.listing, descriptions=pages, miniature=picture)

    return entry_of


def drop_faulty(index: BuildIndex) -> None:
    """Take out the entries whose picture cannot be a sprite."""
    for entry, fault in index.faulty():
        index.remove(drop(entry.listing, "pixelize", fault, entry.miniature.url))


def drop_repeated(index: BuildIndex, said: Callable[[Entry[Line]], str]) -> None:
    """Take out the entries that show and say what one before them shows and says; `said` gives an entry's caption."""
    for alike in index.same_sprites():
        first: dict[str, str] = {}
        for entry in alike:
            caption = said(entry)
            if caption and (twin := first.setdefault(caption, entry.listing.key)) != entry.listing.key:
                reason = f"same picture and same text as {twin}"
                index.remove(drop(entry.listing, "duplicate", reason, entry.miniature.url))


def split_families(index: BuildIndex, said: Callable[[Entry[Line]], str], run: Run) -> dict[str, int]:
    """Put each family into a split, and families with pictures alike into one; return how many those are.

    A picture of which nothing can be `said` will not be in the release, so it joins no families.
    """
    shown, prints = index.families()
    together: dict[str, str | None] = dict.fromkeys(family for family, _ in shown)
    while True:
        places = [place for _, place in shown]
        pairs = twin_pairs(prints, lambda rows: index.sprites_at([places[row] for row in rows]), run)  # noqa: B023 - now
        crossing = {row for pair in pairs.tolist() if shown[pair[0]][0] != shown[pair[1]][0] for row in pair}
        silent = {row for row in crossing if not any(map(said, index.showing(*shown[row])))}
        if not silent:
            break
        kept = [row for row in range(len(shown)) if row not in silent]
        shown, prints = [shown[row] for row in kept], prints[kept]
    together |= joined_groups([family for family, _ in shown], pairs)
    index.set_splits({family: split_of(named or family) for family, named in together.items()})
    sets = [count for count in Counter(named for named in together.values() if named).values() if count > 1]
    return {"pictures": len(np.unique(pairs)), "families": sum(sets), "sets": len(sets)}
