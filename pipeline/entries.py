"""Join listing, description and miniature by key; what is dropped carries its reason. Nothing is joined by position."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.records import Dropped, Entry, Listing, Resource
from pipeline.splits import split_of

OK = 200


def join(listings: Iterable[Listing], resources: Sequence[Resource]) -> tuple[list[Entry], list[Dropped]]:
    """Return an entry for each listing whose page and picture were fetched, sorted by key, and why the others fell.

    A page may serve several listings (the forms of a species), and a listing have several pages, of which one must be
    there. A key that is listed twice is kept once.
    """
    pages = _by_url(resources, "description")
    pictures = _by_url(resources, "miniature")
    entries: dict[str, Entry] = {}
    dropped: list[Dropped] = []
    for listing in listings:
        if listing.key in entries:
            dropped.append(_drop(listing, "list", "the list names this record twice", listing.list_url))
            continue
        found = [pages[page.url] for page in listing.pages if page.url in pages]
        there = tuple(page for page in found if page.sha256)
        picture = pictures.get(listing.miniature_url)
        if not there:
            first = pages.get(listing.pages[0].url)
            dropped.append(_drop(listing, "description", _why(first, "page"), listing.pages[0].url))
        elif picture is None or not picture.sha256:
            dropped.append(_drop(listing, "miniature", _why(picture, "picture"), listing.miniature_url))
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


def _why(resource: Resource | None, what: str) -> str:
    if resource is None:
        return f"the {what} was never fetched: the crawl stopped before it, or was limited"
    return resource.error or f"the {what} answered {resource.status}, not {OK}"


def _drop(listing: Listing, stage: str, reason: str, url: str) -> Dropped:
    return Dropped(id=listing.key, name=listing.name, stage=stage, reason=reason, source_url=url)
