"""A crawl into the index of a build: lists, pages and pictures joined, then pictures drawn, then families split."""

import mmap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from palettes.palette import Palette
from pipeline.crawl.pages import parse_list
from pipeline.crawl.raw import RawStore, read_line
from pipeline.crawl.readings import Unparsed
from pipeline.crawl.sources import Source
from pipeline.entries import bodies, drop, join
from pipeline.index import BuildIndex, PackedListing, Sketch, packed, unpacked
from pipeline.likeness import FINGERPRINT, fingerprints
from pipeline.pixelize import PictureError
from pipeline.recipe import PictureRecipe
from pipeline.records import Dropped, Entry, Resource
from pipeline.splits import split_of
from pipeline.sprites import sprite_of
from pipeline.twins import joined_groups, twin_pairs

Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # a function over items: results in their order
CHUNK = 128  # pictures that one worker draws before it reports


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList:
    """What a list page says, ready for the index."""

    url: str
    listings: list[PackedListing]
    unparsed: tuple[Unparsed, ...]


def read_crawl(index: BuildIndex, store: RawStore, crawl: str, source: Source, run: Run) -> None:
    """Fill the index with the entries of a crawl; ValueError when a list cannot be read, or none has a row."""
    index.add_places(store.places(crawl))
    with _Manifest(store, crawl) as manifest:
        pages = [manifest.line(at) for at in index.lists()]
        if missing := next((page for page in pages if not page.sha256), None):
            raise ValueError(f"the list {missing.url} is not in crawl {crawl}: {missing.error}. Crawl again.")
        listed = [_keep_list(index, page) for page in run(partial(read_list, raw=store.root, source=source), pages)]
        if not any(found for found, _ in listed):
            why = next((f": {reasons[0]}" for _, reasons in listed if reasons), "")
            raise ValueError(
                f"the list of source {source.name!r} gave no row{why}. The page changed, or its rules are wrong."
            )
        index.keep("listed", str(sum(found + len(reasons) for found, reasons in listed)))
        index.keep("joined", str(_join(index, manifest)))


def read_list(page: Resource, raw: Path, source: Source) -> ReadList:
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


class _Manifest:
    """The manifest of a crawl, any line of which is at hand."""

    def __init__(self, store: RawStore, crawl: str) -> None:
        self._path = store.manifest(crawl)
        self._file = self._path.open("rb")
        self._bytes = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> "_Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()
        self._file.close()

    def text(self, at: int) -> bytes:
        """Return the line that begins at an offset."""
        end = self._bytes.find(b"\n", at)
        return self._bytes[at : None if end < 0 else end]

    def line(self, at: int) -> Resource:
        """Return the resource whose line begins at an offset."""
        return read_line(self.text(at), f"{self._path} at byte {at}")

    def lines(self, places: Mapping[str, int]) -> dict[str, Resource]:
        """Return the resources that stand at these offsets, under the same names."""
        return {url: self.line(at) for url, at in places.items()}


def _join(index: BuildIndex, manifest: _Manifest) -> int:
    """Join every listing with what it needs; return how many found it."""
    joined = 0
    for row, listing in index.listings():
        pages = index.places("description", (page.url for page in listing.pages))
        pictures = index.places("miniature", [listing.miniature_url])
        found = join(listing, manifest.lines(pages), manifest.lines(pictures))
        if isinstance(found, Dropped):
            index.add_dropped([found])
            continue
        joined += 1
        read = b",".join(manifest.text(pages[page.url]) for page in found.descriptions).decode()
        body = f"[{row},[{read}],{manifest.text(pictures[found.miniature.url]).decode()}]"
        if twin := index.add_entry(found, bodies(found), body):
            reason = f"same page and same picture as {twin}"
            index.add_dropped([drop(listing, "duplicate", reason, found.miniature.url)])
    return joined


def sketch(pictures: Sequence[str], raw: Path, palette: Palette, recipe: PictureRecipe) -> list[Sketch]:
    """Draw pictures of a raw store as sprites; an altered blob stops the build: it is no fault of the picture."""
    store = RawStore(raw)
    drawn = [_sketch(picture, store.get(picture), palette, recipe) for picture in pictures]
    whole = [one.sprite for one in drawn if one.sprite is not None]
    prints = iter(fingerprints(whole))  # a batch at once takes a third of the time
    return [one if one.sprite is None else replace(one, print=next(prints).tobytes()) for one in drawn]


def _sketch(picture: str, body: bytes, palette: Palette, recipe: PictureRecipe) -> Sketch:
    try:
        sprite = sprite_of(body, palette, recipe)
    except PictureError as error:
        return Sketch(picture=picture, sprite=None, fault=str(error))
    if (sprite == sprite[0, 0]).all():
        fault = f"the sprite of {sprite.shape[1]}×{sprite.shape[0]} px has one colour alone"
        return Sketch(picture=picture, sprite=None, fault=fault)
    return Sketch(picture=picture, sprite=sprite)


def chunks(pictures: Sequence[str]) -> list[Sequence[str]]:
    """Return the pictures in portions for a worker."""
    return [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]


def drop_faulty(index: BuildIndex) -> None:
    """Take out the entries whose picture cannot be a sprite."""
    for entry, fault in index.faulty():
        index.remove(drop(entry.listing, "pixelize", fault, entry.miniature.url))


def drop_repeated(index: BuildIndex, said: Callable[[Entry], str]) -> None:
    """Take out the entries that show and say what one before them shows and says; `said` gives an entry's caption."""
    for alike in index.same_sprites():
        first: dict[str, str] = {}
        for entry in alike:
            caption = said(entry)
            if caption and (twin := first.setdefault(caption, entry.listing.key)) != entry.listing.key:
                reason = f"same picture and same text as {twin}"
                index.remove(drop(entry.listing, "duplicate", reason, entry.miniature.url))


def split_families(index: BuildIndex, said: Callable[[Entry], str]) -> dict[str, int]:
    """Put each family into a split, and families with pictures alike into one; return how many those are.

    A picture of which nothing can be `said` will not be in the release, so it joins no families.
    """
    shown = list(index.families())
    while True:
        prints = np.frombuffer(b"".join(one for _, _, one in shown), dtype=np.uint8).reshape(-1, FINGERPRINT)
        families, pictures = [family for family, _, _ in shown], [picture for _, picture, _ in shown]
        pairs = twin_pairs(prints, lambda row: index.sprite(pictures[row]))  # noqa: B023 - it is not kept
        crossing = {row for pair in pairs.tolist() if families[pair[0]] != families[pair[1]] for row in pair}
        silent = {row for row in crossing if not any(map(said, index.showing(families[row], pictures[row])))}
        if not silent:
            break
        shown = [one for row, one in enumerate(shown) if row not in silent]
    together = dict.fromkeys(index.family_names()) | joined_groups(families, pairs)
    index.set_splits({family: split_of(named or family) for family, named in together.items()})
    sets = [count for count in Counter(named for named in together.values() if named).values() if count > 1]
    return {"pictures": len(np.unique(pairs)), "families": sum(sets), "sets": len(sets)}
