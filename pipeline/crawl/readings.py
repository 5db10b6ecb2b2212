"""What was read from a body: the rows of a list, what was not understood of it, and why a page has no description."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, TypeVar, runtime_checkable

from pipeline.records import Listing


@runtime_checkable
class Fetched(Protocol):
    """What is asked of a resource that was fetched, or of its line in the manifest."""

    @property
    def url(self) -> str:
        """Return its address."""

    @property
    def title(self) -> str:
        """Return its title, where it has one."""

    @property
    def sha256(self) -> str:
        """Return the digest of its body; empty when there is none."""

    @property
    def status(self) -> int:
        """Return how the site answered; 0 when it did not."""

    @property
    def error(self) -> str:
        """Return why there is no body, in words."""


Found = TypeVar("Found", bound=Fetched)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unparsed:
    """A row of the list, or a table, that was not understood."""

    where: str  # table and row, counted from 1
    text: str  # how the row begins
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """What a list page says: rows understood, in document order and by language, and what was not."""

    listings: tuple[Listing, ...]
    unparsed: tuple[Unparsed, ...]
    unknown_columns: tuple[str, ...] = ()  # headings that the source neither reads nor names as ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDescription:
    """Why a page yields no description."""

    title: str
    reason: str


def pages_there(listing: Listing, pages: Mapping[str, Found]) -> tuple[tuple[Found, ...], str]:
    """Return the pages of a listing that a crawl has, in the listing's order, or none and the reason.

    `pages` are those of the crawl, by URL. The first page must be there. Of the others one may be absent, but none may
    have failed: a description would else be shorter for a day, and nobody would know why.
    """
    first = pages.get(listing.pages[0].url)
    if first is None or not first.sha256:
        return (), why_not(first, "page")
    if len(listing.pages) == 1:
        return (first,), ""
    found = [pages[page.url] for page in listing.pages if page.url in pages]
    there = tuple([page for page in found if page.sha256])
    failed = len(there) < len(found) and next(
        (page for page in found if not page.sha256 and page.status != HTTPStatus.NOT_FOUND), None
    )
    if failed:
        return (), f"{failed.title or failed.url}: {why_not(failed, 'page')}"
    return there, ""


def why_not(resource: Fetched | None, what: str) -> str:
    """Return why a crawl has no body of a resource; None stands for one without a line."""
    if resource is None:
        return f"the {what} was never fetched: the crawl stopped before it, or was limited"
    return resource.error or f"the {what} answered {resource.status}, not {HTTPStatus.OK.value}"
