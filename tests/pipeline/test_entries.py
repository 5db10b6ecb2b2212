"""Listings, pages and pictures are joined by key, and whatever falls says why."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.entries import Entry, bodies, join
from pipeline.records import Dropped, Listing, PageLink, Resource, ResourceKind

SITE = "http://site"


def listing(number: int, *pages: str, picture: str = "", language: str = "en") -> Listing:
    """Return a listing; its page and picture are named by its number unless told otherwise."""
    titles = pages or (f"page {number}",)
    return Listing(
        key=f"{number:04d}-x" + (f".{language}" if language != "en" else ""),
        number=number,
        name=f"X{number}",
        language=language,
        group=f"{number:04d}",
        pages=tuple(PageLink(title=title, url=f"{SITE}/{title}") for title in titles),
        miniature_url=f"{SITE}/{picture or f'picture {number}'}",
        list_url=f"{SITE}/list",
    )


def got(name: str, kind: ResourceKind = "description", sha256: str = "", status: int = 200) -> Resource:
    """Return the line of a resource that has a body; the body is its own unless a digest is given."""
    digest = sha256 or f"sha of {name}"
    return Resource(url=f"{SITE}/{name}", kind=kind, title=name, sha256=digest, status=status)


def failed(name: str, kind: ResourceKind = "description", status: int = 404, error: str = "") -> Resource:
    """Return the line of a resource that has none."""
    return replace(got(name, kind), sha256="", status=status, error=error)


def both(numbers: Sequence[int]) -> list[Resource]:
    """Return page and picture of each number."""
    return [line for n in numbers for line in (got(f"page {n}"), got(f"picture {n}", "miniature"))]


def joined(listed: Sequence[Listing], lines: Sequence[Resource]) -> tuple[list[Entry[Resource]], list[Dropped]]:
    """Join each listing with what there is."""
    kinds = ("description", "miniature")
    pages, pictures = ({line.url: line for line in lines if line.kind == kind} for kind in kinds)
    found = [join(one, pages, pictures) for one in listed]
    return [one for one in found if isinstance(one, Entry)], [one for one in found if isinstance(one, Dropped)]


@given(st.lists(st.integers(1, 30), unique=True, max_size=12), st.randoms(), st.data())
def test_each_listing_gets_its_own_page_and_picture_in_whatever_order_and_whoever_is_missing(
    numbers: list[int], random: Random, data: st.DataObject
) -> None:
    lines = both(numbers)
    gone = data.draw(st.sets(st.sampled_from(lines))) if lines else set()
    lines = [line for line in lines if line not in gone]
    random.shuffle(lines)
    listed = [listing(n) for n in numbers]
    entries, dropped = joined(listed, lines)
    lost = {line.url.rsplit(" ", 1)[1] for line in gone}
    assert [entry.listing.number for entry in entries] == [n for n in numbers if str(n) not in lost]
    assert {drop.id for drop in dropped} == {f"{int(n):04d}-x" for n in lost}
    for entry in entries:
        number = entry.listing.number
        assert [page.url for page in entry.descriptions] == [f"{SITE}/page {number}"]
        assert entry.miniature.url == f"{SITE}/picture {number}"


@pytest.mark.parametrize(
    ("lines", "stage", "reason"),
    [
        ([got("picture 1", "miniature")], "description", "the page was never fetched"),
        ([failed("page 1", error="gone away"), got("picture 1", "miniature")], "description", "gone away"),
        (
            [failed("page 1", status=410), got("picture 1", "miniature")],
            "description",
            "the page answered 410, not 200",
        ),
        ([got("page 1")], "miniature", "the picture was never fetched"),
        ([got("page 1"), failed("picture 1", "miniature", error="no picture")], "miniature", "no picture"),
        ([got("page 1", "list"), got("picture 1", "miniature")], "description", "never fetched"),
    ],
)
def test_what_is_missing_drops_the_listing_with_its_reason(lines: list[Resource], stage: str, reason: str) -> None:
    entries, (drop,) = joined([listing(1)], lines)
    assert entries == []
    assert (drop.id, drop.name, drop.stage) == ("0001-x", "X1", stage)
    assert reason in drop.reason
    assert drop.source_url == f"{SITE}/{'page' if stage == 'description' else 'picture'} 1"


def test_a_page_and_a_picture_may_serve_several_listings() -> None:
    listed = [listing(1, "both", picture="both.png"), listing(2, "both", picture="both.png")]
    entries, dropped = joined(listed, [got("both"), got("both.png", "miniature")])
    assert [entry.listing.key for entry in entries] == ["0001-x", "0002-x"]
    assert dropped == []


def test_of_further_pages_those_that_are_there_come_in_the_listings_order() -> None:
    lines = [got("a/2"), failed("a/1"), got("a"), got("picture 1", "miniature")]
    (entry,), dropped = joined([listing(1, "a", "a/1", "a/2", "a/3")], lines)
    assert [page.title for page in entry.descriptions] == ["a", "a/2"]
    assert dropped == []


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (failed("a/1", status=500, error="answered 500"), "a/1: answered 500"),
        (failed("a/1", status=0, error="refused by robots.txt"), "a/1: refused by robots.txt"),
        (failed("a"), "the page answered 404, not 200"),
    ],
    ids=["failed", "refused", "first"],
)
def test_a_further_page_may_be_absent_but_not_fail_and_the_first_must_be_there(page: Resource, reason: str) -> None:
    lines = {line.url: line for line in (got("a"), got("a/1"), got("picture 1", "miniature"), page)}
    entries, (drop,) = joined([listing(1, "a", "a/1")], list(lines.values()))
    assert (entries, drop.reason) == ([], reason)


def test_twins_have_language_pages_and_picture_in_common_byte_for_byte() -> None:
    listed = [
        listing(1),
        listing(2),  # its twin, by its bytes
        listing(3),  # the same page with another picture
        listing(1, language="fr"),  # the same bytes in another language are another record
        listing(4, "page 4", "page 4/1"),  # one page more
    ]
    pages = [got(f"page {n}", sha256="one page") for n in (1, 2, 3, 4)]
    pictures = [got(f"picture {n}", "miniature", sha256="one picture") for n in (1, 2, 4)]
    lines = [*pages, got("page 4/1"), *pictures, got("picture 3", "miniature")]
    entries, _ = joined(listed, lines)
    first, second, *others = [bodies(entry) for entry in entries]
    assert first == second
    assert len({first, *others}) == len(others) + 1
