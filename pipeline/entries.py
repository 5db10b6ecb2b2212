"""Join listing, description and miniature by key; what is dropped carries its reason. Nothing is joined by position."""

from collections.abc import Mapping

from pipeline.crawl.readings import pages_there, why_not
from pipeline.records import Dropped, Entry, Listing, Resource


def join(listing: Listing, pages: Mapping[str, Resource], pictures: Mapping[str, Resource]) -> Entry | Dropped:
    """Return the entry of a listing whose pages and picture were fetched, or why there is none.

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


def bodies(entry: Entry) -> str:
    """Return what entries have in common whose language, pages and picture are the same, byte for byte."""
    digests = (entry.miniature.sha256, *(page.sha256 for page in entry.descriptions))
    return "\x1f".join((entry.listing.language, *digests))


def drop(listing: Listing, stage: str, reason: str, url: str) -> Dropped:
    """Return why a listing does not become a record."""
    return Dropped(id=listing.key, name=listing.name, stage=stage, reason=reason, source_url=url)
