"""A crawl into the index of a build: lists, pages and pictures joined, then pictures drawn, then families split."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from palettes.palette import Palette
from pipeline.crawl.lines import Line
from pipeline.crawl.pages import parse_list
from pipeline.crawl.raw import RawStore
from pipeline.crawl.readings import Unparsed
from pipeline.crawl.sources import Rights, Source, WikiSource
from pipeline.entries import Entry, drop, join
from pipeline.index import BuildIndex, Sketch, sketched
from pipeline.likeness import FINGERPRINT, fingerprints
from pipeline.packing import PackedEntry, PackedListing, packed, packed_entry, unpacked
from pipeline.pixelize import PictureError
from pipeline.places import PlacedLines, write_places
from pipeline.recipe import PictureRecipe
from pipeline.records import Dropped
from pipeline.splits import split_of
from pipeline.sprites import sprite_of
from pipeline.twins import joined_groups, twin_pairs

Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # a function over items: results in their order
CHUNK = 128  # pictures that one worker draws before it reports
JOINED = 512  # rows of the list that one worker joins before it reports


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
        pages = [manifest.at(begin) for begin in lists]
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
    for entry, twin in index.same_bodies():
        reason = f"same page and same picture as {twin}"
        index.remove(drop(entry.listing, "duplicate", reason, entry.miniature.url))
    index.find_pictures()


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
        pages = manifest.find("description", (page.url for _, listing in rows for page in listing.pages))
        pictures = manifest.find("miniature", (listing.miniature_url for _, listing in rows))
    entries: list[PackedEntry] = []
    dropped: list[Dropped] = []
    for body, listing in rows:
        found = join(listing, pages, pictures)
        if isinstance(found, Dropped):
            dropped.append(found)
        else:
            entries.append(packed_entry(_restated(found, source), body))
    return entries, dropped


def _restated(entry: Entry[Line], source: Source) -> Entry[Line]:
    """Return an entry under the rights that its source states; in a folder each record states its own."""
    if not isinstance(source, WikiSource):
        return entry
    text = next(text for text in source.texts if text.language == entry.listing.language)

    def stated(line: Line, rights: Rights) -> Line:
        licence, attribution = source.filled(rights, line)
        if (line.licence, line.attribution) == (licence, attribution):
            return line
        return line._replace(licence=licence, attribution=attribution)

    pages = tuple([stated(page, text) for page in entry.descriptions])
    return Entry(listing=entry.listing, descriptions=pages, miniature=stated(entry.miniature, source.pictures))


def sketch(pictures: Sequence[str], raw: Path, palette: Palette, recipe: PictureRecipe) -> list[Sketch]:
    """Draw pictures of a raw store as sprites; an altered blob stops the build: it is no fault of the picture."""
    store = RawStore(raw)
    drawn = [_drawn(body, palette, recipe) for body in map(store.get, pictures)]
    whole = [one for one in drawn if not isinstance(one, str)]
    prints = iter(fingerprints(whole))  # a batch at once takes a third of the time
    return [
        Sketch(picture, fault=one) if isinstance(one, str) else sketched(picture, one, next(prints).tobytes())
        for picture, one in zip(pictures, drawn, strict=True)
    ]


def _drawn(body: bytes, palette: Palette, recipe: PictureRecipe) -> UInt8[np.ndarray, "h w"] | str:
    """Return the sprite of a picture, or why there is none."""
    try:
        sprite = sprite_of(body, palette, recipe)
    except PictureError as error:
        return str(error)
    cells = sprite.tobytes()
    if cells.count(cells[0]) == len(cells):
        return f"the sprite of {sprite.shape[1]}×{sprite.shape[0]} px has one colour alone"
    return sprite


def chunks(pictures: Sequence[str]) -> list[Sequence[str]]:
    """Return the pictures in portions for a worker."""
    return [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]


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
    shown = list(index.families())
    while True:
        prints = np.frombuffer(b"".join(one for _, _, one in shown), dtype=np.uint8).reshape(-1, FINGERPRINT)
        families, pictures = [family for family, _, _ in shown], [picture for _, picture, _ in shown]
        pairs = twin_pairs(prints, lambda row: index.sprite(pictures[row]), run)  # noqa: B023 - it is not kept
        crossing = {row for pair in pairs.tolist() if families[pair[0]] != families[pair[1]] for row in pair}
        silent = {row for row in crossing if not any(map(said, index.showing(families[row], pictures[row])))}
        if not silent:
            break
        shown = [one for row, one in enumerate(shown) if row not in silent]
    together = dict.fromkeys(index.family_names()) | joined_groups(families, pairs)
    index.set_splits({family: split_of(named or family) for family, named in together.items()})
    sets = [count for count in Counter(named for named in together.values() if named).values() if count > 1]
    return {"pictures": len(np.unique(pairs)), "families": sum(sets), "sets": len(sets)}
