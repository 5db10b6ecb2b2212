"""Join listing, description and miniature by key; what is dropped carries its reason. Nothing is joined by position."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic

from pipeline.crawl.readings import Found, pages_there, why_not
from pipeline.records import Dropped, Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[Found]):
    """A listing joined by key with what it needs."""

    listing: Listing
    descriptions: tuple[Found, ...]  # the pages that were there, in the listing's order
    miniature: Found


def join(listing: Listing, pages: Mapping[str, Found], pictures: Mapping[str, Found]) -> Entry[Found] | Dropped:
    """Return a listing with its pages and picture, if they were fetched, or why it becomes no entry.

    `pages` and `pictures` are those of the crawl, by URL; those of this listing suffice. A page may serve several
    listings (the forms of a species), and a listing have several pages: `pages_there` says which must be there.
    """
    there, reason = pages_there(listing, pages)
    picture = pictures.get(listing.miniature_url)
    if reason:
        return drop(listing, "description", reason, listing.pages[0].url)
    if picture is None or not picture.sha256:
        return drop(listing, "miniature", why_not(picture, "picture"), listing.miniature_url)
    return Entry(listing=listing, descriptions=there, miniature=picture)


def bodies(joined: Entry[Found]) -> str:
    """Return what entries have in common whose language, pages and picture are the same, byte for byte."""
    pages = [page.sha256 for page in joined.descriptions]
    return "\x1f".join((joined.listing.language, joined.miniature.sha256, *pages))


def drop(listing: Listing, stage: str, reason: str, url: str) -> Dropped:
    """Return why a listing does not become a record."""
    return Dropped(id=listing.key, name=listing.name, stage=stage, reason=reason, source_url=url)
