"""Join listing, description and miniature by key; what is dropped carries its reason. Nothing is joined by position."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.crawl.readings import pages_there, why_not
from pipeline.records import Dropped, Entry, Listing, Resource
from pipeline.splits import split_of


def join(listings: Iterable[Listing], resources: Sequence[Resource]) -> tuple[list[Entry], list[Dropped]]:
    """Return an entry for each listing whose page and picture were fetched, sorted by key, and why the others fell.

    A page may serve several listings (the forms of a species), and a listing have several pages: `pages_there` says
    which must be there. A key that is listed twice is kept once.
    """
    pages = _by_url(resources, "description")
    pictures = _by_url(resources, "miniature")
    entries: dict[str, Entry] = {}
    dropped: list[Dropped] = []
    for listing in listings:
        if listing.key in entries:
            dropped.append(_drop(listing, "list", "the list names this record twice", listing.list_url))
            continue
        there, reason = pages_there(listing, pages)
        picture = pictures.get(listing.miniature_url)
        if reason:
            dropped.append(_drop(listing, "description", reason, listing.pages[0].url))
        elif picture is None or not picture.sha256:
            dropped.append(_drop(listing, "miniature", why_not(picture, "picture"), listing.miniature_url))
        else:
            split = split_of(listing.group)
            entries[listing.key] = Entry(listing=listing, descriptions=there, miniature=picture, split=split)
    return [entries[key] for key in sorted(entries)], sorted(dropped, key=lambda drop: (drop.id, drop.stage))


def without_twins(entries: Iterable[Entry]) -> tuple[list[Entry], list[Dropped]]:
    """Return the entries without those that have language, pages and picture, byte for byte, of one before them."""
    kept: dict[tuple[str, ...], Entry] = {}
    dropped: list[Dropped] = []
    for entry in entries:
        bodies = (entry.miniature.sha256, *(page.sha256 for page in entry.descriptions))
        first = kept.setdefault((entry.listing.language, *bodies), entry)
        if first is not entry:
            reason = f"same page and same picture as {first.listing.key}"
            dropped.append(_drop(entry.listing, "duplicate", reason, entry.miniature.url))
    return list(kept.values()), dropped


def _by_url(resources: Sequence[Resource], kind: str) -> Mapping[str, Resource]:
    return {resource.url: resource for resource in resources if resource.kind == kind}


def _drop(listing: Listing, stage: str, reason: str, url: str) -> Dropped:
    return Dropped(id=listing.key, name=listing.name, stage=stage, reason=reason, source_url=url)
