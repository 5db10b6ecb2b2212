"""Manners of the crawler towards a real server: pace, walls, failures, and who it says it is."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Response

from pipeline.crawl.pace import retry_after
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.sources import Api, WikiSource
from pipeline.records import Resource
from pipeline.sample.wiki import Fault, Served
from tests.hostile_server import (
    LIST,
    Hostile,
    Wire,
    article,
    list_page,
    redirect,
    robots,
    serve,
    source_of,
)
from tests.hostile_server import page as answer_with
from tests.wikis import asked, line, page, picture

SOURCE = wiki_source("sample")
LATE = 0.15  # seconds by which a busy machine may note a request late: the next one then follows it too soon


def waits(answer: dict[str, str], otherwise: float = 7.0) -> float:
    return retry_after(Response("http://h/", headers=answer), otherwise)


def test_retry_after_is_read_in_seconds_and_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert waits({"Retry-After": "12"}) == 12
    assert waits({"Retry-After": " 0 "}) == 0
    assert 80 < waits({"Retry-After": soon}) <= 90
    assert waits({"Retry-After": "Sat, 21 Nov 2020 04:00:00 GMT"}) == 0
    dates = {"Date": "Sat, 21 Nov 2020 04:00:00 GMT", "Retry-After": "Sat, 21 Nov 2020 04:00:30 GMT"}
    assert waits(dates) == 30  # by the site's own clock


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_retry_after_is_a_time_to_wait_whatever_it_says(text: str) -> None:
    wait = waits({"Retry-After": text.encode("latin-1")}, otherwise=7.0)  # type: ignore[dict-item]
    assert 0 <= wait < 10**12


def test_retry_after_that_says_nothing_is_the_source_s_own_wait() -> None:
    said = ("", "soon", "-5", "1.5", "٣", "9" * 400 + "x", "Sat, 99 Nov 2026 04:00:00 GMT")
    assert [waits({"Retry-After": text.encode().decode("latin-1")}) for text in said] == [7.0] * len(said)


@pytest.mark.slow
def test_crawl_delay_keeps_all_requests_apart(served: Served, store: RawStore) -> None:
    served.wiki.crawl_delay = 0.3
    eager = replace(SOURCE, politeness=replace(SOURCE.politeness, concurrency=8))
    crawl(eager, store, proxy=served.url, limit=2)
    times = [note.time for note in served.wiki.asked]
    assert len(times) > 6
    for (i, before), (j, after) in combinations(enumerate(times), 2):
        assert after - before > 0.3 * (j - i) - LATE


@pytest.mark.slow
@pytest.mark.parametrize(("concurrency", "delay", "most"), [(1, "", 1), (3, "", 3), (3, "Crawl-delay: 0.05", 1)])
def test_requests_at_once_are_as_many_as_the_source_says_and_one_under_a_crawl_delay(
    site: Hostile, store: RawStore, concurrency: int, delay: str, most: int
) -> None:
    def late(wire: Wire) -> None:
        time.sleep(0.4)
        wire.reply(article())

    site.paths |= {"/robots.txt": robots("User-agent: *", delay)} | {f"/wiki/{name}": late for name in "ABC"}
    source = source_of(site)
    crawl(replace(source, politeness=replace(source.politeness, concurrency=concurrency)), store)
    assert site.most == most


@pytest.mark.slow
@pytest.mark.parametrize("as_date", [False, True])
def test_a_busy_site_is_left_in_peace_as_long_as_it_asks(site: Hostile, store: RawStore, *, as_date: bool) -> None:
    well, busy = site.paths["/wiki/A"], list[float]()

    def answer(wire: Wire) -> None:
        if busy:
            well(wire)
            return
        busy.append(time.monotonic())
        until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        wire.reply(b"", 503, [f"Retry-After: {until if as_date else 1}"])

    site.paths["/wiki/A"] = answer
    source = source_of(site)
    done = crawl(replace(source, politeness=replace(source.politeness, retries=1, concurrency=2)), store)
    assert all(resource.sha256 for resource in done.resources if resource.kind == "description")
    later = [moment - busy[0] for moment in site.times if moment > busy[0] + 0.1]
    assert min(later) > 0.9
    assert site.asked.count("/wiki/A") == 2


@pytest.mark.slow
def test_an_api_that_lags_is_asked_again_after_its_wait(served: Served, store: RawStore) -> None:
    headers = (("MediaWiki-API-Error", "maxlag"), ("Retry-After", "1"))
    lag = Fault(status=200, body=b'{"error": {"code": "maxlag"}}', content_type="application/json", headers=headers)
    served.wiki.break_path("/w/api.php", replace(lag, times=1))
    done = crawl(SOURCE, store, proxy=served.url, limit=1)
    notes = [note for note in served.wiki.asked if "api.php" in note.path]
    assert notes[1].time - notes[0].time > 0.9
    assert all(resource.sha256 for resource in done.resources if resource.kind == "api")


@pytest.mark.slow
def test_a_site_that_asks_for_too_long_a_wait_is_left_alone(served: Served, store: RawStore) -> None:
    served.wiki.break_path(page(1), Fault(status=503, headers=(("Retry-After", "3600"),)))
    done = crawl(SOURCE, store, proxy=served.url)
    assert "asks to wait 3600 s" in line(done, page(5)).error
    assert asked(served).count(page(1)) == 1


@pytest.mark.slow
def test_a_crawl_delay_beyond_patience_leaves_the_host_alone(site: Hostile, store: RawStore) -> None:
    site.paths["/robots.txt"] = robots("User-agent: *", "Crawl-delay: 86400")
    with pytest.raises(CrawlError, match="asks for 86400"):
        crawl(source_of(site), store)
    assert site.asked == ["/robots.txt"]


@pytest.mark.slow
def test_a_wall_against_robots_closes_its_host(served: Served, store: RawStore) -> None:
    wall = Fault(status=503, body=b"<title>Just a moment...</title>", headers=(("cf-mitigated", "challenge"),))
    served.wiki.break_path(page(1), wall)
    done = crawl(SOURCE, store, proxy=served.url)
    paths = Counter(asked(served))
    assert (paths[page(1)], paths[page(5)], paths[picture(5)]) == (1, 0, 0)
    assert "wall against robots (503)" in line(done, page(1)).error
    assert "wall against robots (503)" in line(done, page(5)).error


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html><title>Wait</title></html>"), (403, b"<html>No</html>"), (403, b"")]
)
@pytest.mark.slow
def test_an_api_behind_a_wall_is_not_got_round_by_its_pages(
    served: Served, store: RawStore, status: int, body: bytes
) -> None:
    served.wiki.break_path("/w/api.php", Fault(status=status, body=body))
    with pytest.raises(CrawlError, match="wall against robots"):
        crawl(replace(SOURCE, fetch="api"), store, proxy=served.url)
    paths = Counter(asked(served))
    assert paths["/w/api.php"] == 1
    assert set(paths) <= {"/robots.txt", "/w/api.php"}


@pytest.mark.slow
def test_a_wall_before_an_api_closes_the_host_it_speaks_for(site: Hostile, store: RawStore) -> None:
    with serve(
        {"/api.php": answer_with(b"<title>Just a moment...</title>", "cf-mitigated: challenge", status=403)}
    ) as api:
        rules = Api(host=site.host, url=f"{api.url}/api.php")
        with pytest.raises(CrawlError, match="wall against robots"):
            crawl(replace(source_of(site), api=(rules,), fetch="html"), store)
    assert len(api.asked) == 2  # robots.txt, and the call that met the wall
    assert site.asked == []


@pytest.mark.slow
def test_a_wall_stops_even_the_requests_that_wait_for_their_turn(site: Hostile, store: RawStore) -> None:
    site.paths |= {"/robots.txt": robots("User-agent: *", "Crawl-delay: 0.2")}
    site.paths |= {"/wiki/A": answer_with(b"", "cf-mitigated: challenge", status=403)}
    done = crawl(source_of(site), store)
    assert site.asked == ["/robots.txt", LIST, "/wiki/A"]
    assert sum("wall against robots (403)" in resource.error for resource in done.resources) == 6


@pytest.mark.slow
def test_a_host_that_fails_again_and_again_is_left_alone(site: Hostile, store: RawStore) -> None:
    names = [f"N{number}" for number in range(15)]
    site.paths = {LIST: answer_with(list_page([(name, f"/{name}.png") for name in names]))}
    site.paths |= {f"/wiki/{name}": answer_with(b"", status=500) for name in names}
    source = source_of(site)
    done = crawl(replace(source, politeness=replace(source.politeness, retries=1)), store)
    # on a busy machine the next request is under way before the tenth answer is counted
    assert len([path for path in site.asked if path.startswith("/wiki/")]) in {10, 11}
    assert not [path for path in site.asked if path.endswith(".png")]
    assert "failed 10 times in a row (answered 500)" in line_of(done, f"{site.url}/wiki/N14").error


@pytest.mark.slow
def test_a_wall_before_robots_txt_closes_the_host(site: Hostile, store: RawStore) -> None:
    site.paths["/robots.txt"] = answer_with(b"<title>Just a moment...</title>", status=403)
    with pytest.raises(CrawlError, match="wall against robots"):
        crawl(source_of(site), store)
    assert site.asked == ["/robots.txt"]


def line_of(done: Crawl, url: str) -> Resource:
    return next(resource for resource in done.resources if resource.url == url)


@pytest.mark.slow
def test_the_crawler_says_who_it_is(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url, limit=1, contact="me@example.org")
    agents = {note.user_agent for note in served.wiki.asked}
    assert agents == {"PixelBytes/0.1 (dataset crawler; contact: me@example.org)"}
    assert {note.host for note in served.wiki.asked} == {"bestiary.localhost"}


@contextmanager
def led_elsewhere(site: Hostile) -> Iterator[tuple[Hostile, WikiSource]]:
    """Let the pages of `site` redirect to another host, which the source allows and which has a pace of its own."""
    with serve() as other:
        elsewhere = f"localhost:{other.port}"  # paces are kept by the host's name
        for name in "ABC":
            other.paths[f"/wiki/{name}"] = site.paths[f"/wiki/{name}"]
            site.paths[f"/wiki/{name}"] = redirect(f"http://{elsewhere}/wiki/{name}")
        yield other, replace(source_of(site), page_hosts=(site.host, elsewhere))


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_host_that_redirects_lead_to_is_asked_as_slowly_as_it_says_itself(
    site: Hostile, store: RawStore, concurrency: int
) -> None:
    with led_elsewhere(site) as (other, source):
        other.paths["/robots.txt"] = robots("User-agent: *", "Crawl-delay: 0.4")
        done = crawl(replace(source, politeness=replace(source.politeness, concurrency=concurrency)), store)
        assert all(resource.sha256 for resource in done.resources if resource.kind == "description")
        assert sorted(other.asked) == ["/robots.txt", "/wiki/A", "/wiki/B", "/wiki/C"]
        assert min(after - before for before, after in pairwise(other.times)) > 0.35


@pytest.mark.slow
def test_a_busy_host_that_redirects_lead_to_is_left_in_peace(site: Hostile, store: RawStore) -> None:
    with led_elsewhere(site) as (other, source):
        well, busy = other.paths["/wiki/A"], list[float]()

        def answer(wire: Wire) -> None:
            if busy:
                well(wire)
                return
            busy.append(time.monotonic())
            wire.reply(b"", 429, ["Retry-After: 1"])

        other.paths["/wiki/A"] = answer
        done = crawl(replace(source, politeness=replace(source.politeness, retries=1)), store)
        assert all(resource.sha256 for resource in done.resources if resource.kind == "description")
        assert other.asked.count("/wiki/A") == 2
        assert min(moment - busy[0] for moment in other.times if moment > busy[0]) > 0.9
