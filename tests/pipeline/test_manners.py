"""Manners of the crawler towards a real server: pace, robots.txt, walls, and who it says it is."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.sources import load_source
from pipeline.sample.wiki import HOST, Fault, Served, serve_wiki
from tests.wikis import asked, line, page, picture, small_wiki

SOURCE = load_source("sample")
IMPATIENT = replace(SOURCE, politeness=replace(SOURCE.politeness, retries=0))

pytestmark = pytest.mark.slow


@pytest.fixture
def served() -> Iterator[Served]:
    with serve_wiki(small_wiki()) as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw" / "sample")


def test_crawl_delay_keeps_all_requests_apart(served: Served, store: RawStore) -> None:
    served.wiki.crawl_delay = 0.3
    crawl(SOURCE, store, proxy=served.url, limit=2)
    times = [note.time for note in served.wiki.asked]
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) == 7
    assert min(gaps) > 0.25


def test_a_busy_site_is_left_in_peace_as_long_as_it_asks(served: Served, store: RawStore) -> None:
    served.wiki.break_path(page(1), Fault(status=429, headers=(("Retry-After", "1"),), times=1))
    done = crawl(SOURCE, store, proxy=served.url, limit=2)
    assert line(done, page(1)).sha256
    times = [note.time for note in served.wiki.asked]
    busy = next(place for place, note in enumerate(served.wiki.asked) if note.status == 429)
    assert times[busy + 1] - times[busy] > 0.9


def test_a_site_that_asks_for_too_long_a_wait_is_left_alone(served: Served, store: RawStore) -> None:
    served.wiki.break_path(page(1), Fault(status=503, headers=(("Retry-After", "3600"),)))
    done = crawl(SOURCE, store, proxy=served.url)
    assert "asks to wait 3600 s" in line(done, page(5)).error
    assert asked(served).count(page(1)) == 1


@pytest.mark.parametrize("status", [HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.TOO_MANY_REQUESTS])
def test_robots_txt_that_cannot_be_had_is_a_refusal(served: Served, store: RawStore, status: HTTPStatus) -> None:
    served.wiki.break_path("/robots.txt", Fault(status=status))
    with pytest.raises(CrawlError, match=r"refused by robots.txt: no access"):
        crawl(IMPATIENT, store, proxy=served.url)
    assert set(asked(served)) == {"/robots.txt"}


def test_an_absent_robots_txt_allows(served: Served, store: RawStore) -> None:
    served.wiki.break_path("/robots.txt", Fault(status=404))
    done = crawl(SOURCE, store, proxy=served.url, limit=1)
    assert line(done, page(1)).robots == f"allowed: no rules (404) at {HOST}/robots.txt"


def test_a_wall_against_robots_closes_its_host(served: Served, store: RawStore) -> None:
    wall = Fault(status=503, body=b"<title>Just a moment...</title>", headers=(("cf-mitigated", "challenge"),))
    served.wiki.break_path(page(1), wall)
    done = crawl(SOURCE, store, proxy=served.url)
    paths = Counter(asked(served))
    assert (paths[page(1)], paths[page(5)], paths[picture(5)]) == (1, 0, 0)
    assert "wall against robots (503)" in line(done, page(1)).error
    assert "wall against robots (503)" in line(done, page(5)).error


def test_the_crawler_says_who_it_is(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url, limit=1, contact="me@example.org")
    agents = {note.user_agent for note in served.wiki.asked}
    assert agents == {"PixelBytes/0.1 (dataset crawler; contact: me@example.org)"}
    assert {note.host for note in served.wiki.asked} == {"bestiary.localhost"}
