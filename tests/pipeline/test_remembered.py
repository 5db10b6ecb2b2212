"""What earlier crawls brought is not asked for twice: cut off, limited, spent; and what is stale or broken is."""

import hashlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.crawl.raw import NAME_FORMAT, REMEMBERED, RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.sources import WikiSource
from pipeline.sample.wiki import HOST, Fault, Served, serve_wiki
from tests.crawls import KEYS, LIST, SOURCE, again
from tests.wikis import bodies, line, page, picture, png, small_wiki

NO_API = replace(SOURCE, api=())

pytestmark = pytest.mark.slow


def age(store: RawStore, days: int, suffix: str = ".jsonl.part") -> None:
    """Let the crawl that was made last be an interrupted one that began so many days ago."""
    newest = max((store.root / "crawls").glob(f"*{suffix}"))
    moment = datetime.now(UTC) - timedelta(days=days, hours=1)
    newest.rename(newest.with_name(f"{moment.strftime(NAME_FORMAT)}.jsonl.part"))


def test_what_came_in_a_crawl_that_was_given_up_is_not_fetched_again(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    age(store, 1, ".jsonl")
    assert store.latest_crawl() is None
    served.wiki.replace_text("c2", "New.")
    done, report, paths = again(served, store)
    assert paths == {page(2): 1}
    assert (report.fetched, report.carried, report.resumed, report.failed) == (1, 12, 0, 0)
    changed = {key for key, digest in bodies(done).items() if bodies(first)[key] != digest}
    assert changed == {("description", HOST + page(2))}


def test_a_crawl_whose_budget_is_spent_day_after_day_ends_and_asks_nothing_twice(store: RawStore) -> None:
    few = replace(SOURCE, limits=replace(SOURCE.limits, requests=12))
    with serve_wiki(small_wiki(10)) as served:
        for day in range(1, 8):
            with suppress(CrawlError):  # the budget is spent
                done = crawl(few, store, proxy=served.url)
                break
            age(store, 9 - day)
        times = Counter(note.path.removeprefix(HOST).partition("?")[0] for note in served.wiki.asked)
        del times[KEYS], times["/robots.txt"]
        assert times == dict.fromkeys(times, 1)
        assert len(times) == 1 + 2 * 11
        assert not [resource.url for resource in done.resources if resource.error]
        assert 2 < day < 5


def test_many_limited_crawls_leave_the_full_one_known(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url)
    for _ in range(REMEMBERED):
        crawl(SOURCE, store, proxy=served.url, limit=1)
    _, report, paths = again(served, store)
    assert (paths, report.carried) == ({}, 13)


def test_a_picture_that_a_cache_gave_from_before_is_asked_for_again(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    old = store.get(line(first, picture(2)).sha256)
    served.wiki.replace_image("c2", png(99))
    stale = Fault(status=200, body=old, content_type="image/png", times=1)
    served.wiki.break_path(picture(2), stale)
    done, _, paths = again(served, store)
    assert paths == {picture(2): 1}
    assert line(done, picture(2)).revision == hashlib.sha1(old, usedforsecurity=False).hexdigest()
    done, _, paths = again(served, store)
    assert paths == {picture(2): 1}
    assert store.get(line(done, picture(2)).sha256) == png(99)
    assert again(served, store)[2] == {}


@pytest.mark.parametrize("source", [SOURCE, NO_API], ids=["change keys", "conditional requests"])
@pytest.mark.parametrize("path", [LIST, page(2), picture(2)], ids=["list", "page", "picture"])
def test_a_body_that_was_altered_on_the_disk_is_fetched_again(
    served: Served, store: RawStore, source: WikiSource, path: str
) -> None:
    first = crawl(source, store, proxy=served.url)
    blob = store.blob_path(line(first, path).sha256)
    blob.write_bytes(b"altered")
    done, report, _ = again(served, store, source)
    assert (report.fetched, report.failed) == (1, 0)
    assert store.get(line(done, path).sha256) == store.get(line(first, path).sha256)
    assert again(served, store, source)[1].fetched == 0
