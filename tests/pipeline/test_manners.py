"""Manners of the crawler towards a real server: pace, robots.txt, walls, budgets, and who it says it is."""

import ipaddress
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from pipeline.crawl.addresses import kind_of_address, proxy_names, refusal, refusal_of_host
from pipeline.crawl.ledger import Ledger
from pipeline.crawl.pace import retry_after
from pipeline.crawl.politeness import Gate, Manners
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.robots import ROBOTS_BYTES, read_part
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.settings import settings_of
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.sources import Api
from pipeline.crawl.spiders import SiteSpider
from pipeline.records import Resource
from pipeline.sample.wiki import HOST, Fault, Served, serve_wiki
from tests.hostile_server import (
    LIST,
    Answer,
    Hostile,
    Wire,
    article,
    cut,
    endless,
    list_page,
    redirect,
    robots,
    serve,
    source_of,
)
from tests.hostile_server import page as answer_with
from tests.wikis import asked, line, page, picture, png, small_wiki

SOURCE = wiki_source("sample")
IMPATIENT = replace(SOURCE, politeness=replace(SOURCE.politeness, retries=0))


@pytest.fixture
def served() -> Iterator[Served]:
    with serve_wiki(small_wiki()) as served:
        yield served


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw" / "sample")


@pytest.fixture
def site() -> Iterator[Hostile]:
    """A well-behaved site of three creatures, for tests to spoil."""
    with serve() as server:
        names = ("A", "B", "C")
        server.paths |= {f"/wiki/{name}": answer_with(article(f"It is {name}.")) for name in names}
        server.paths |= {f"/{name}.png": answer_with(png(place)) for place, name in enumerate(names)}
        server.paths[LIST] = answer_with(list_page([(name, f"/{name}.png") for name in names]))
        yield server


# Pace


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
    gaps = [after - before for before, after in pairwise(times)]
    assert len(gaps) >= 6
    assert min(gaps) > 0.25


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


# robots.txt


@pytest.mark.slow
@pytest.mark.parametrize("status", [HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.TOO_MANY_REQUESTS])
def test_robots_txt_that_cannot_be_had_is_a_refusal(served: Served, store: RawStore, status: HTTPStatus) -> None:
    served.wiki.break_path("/robots.txt", Fault(status=status))
    with pytest.raises(CrawlError, match=r"refused by robots.txt: no access"):
        crawl(IMPATIENT, store, proxy=served.url)
    assert set(asked(served)) == {"/robots.txt"}


@pytest.mark.slow
def test_an_absent_robots_txt_allows(served: Served, store: RawStore) -> None:
    served.wiki.break_path("/robots.txt", Fault(status=404))
    done = crawl(SOURCE, store, proxy=served.url, limit=1)
    assert line(done, page(1)).robots == f"allowed: no rules (404) at {HOST}/robots.txt"


def test_a_robots_txt_of_any_length_is_read_by_whole_lines_up_to_its_bound() -> None:
    rules = b"User-agent: *\nDisallow: /x\n"
    assert read_part(rules) == rules
    assert read_part(b"") == b""
    long = rules + b"Disallow: /abc\n" * 100_000
    part = read_part(long)
    assert ROBOTS_BYTES - 20 < len(part) <= ROBOTS_BYTES
    assert long.startswith(part)
    assert part.endswith(b"\n")
    assert read_part(b"x" * (ROBOTS_BYTES + 1)) == b""


HUGE = "\n".join(f"Disallow: /nothing/{number}" for number in range(60_000))
#: What a robots.txt says, and whether /wiki/A of a wiki may then be asked (or the picture that stands for it).
RULES: dict[str, tuple[Answer, bool]] = {
    "star": (robots("User-agent: *", "Disallow: /pic.png"), False),
    "own-group-beats-star": (robots("User-agent: *", "Disallow: /", "", "User-agent: pixelbytes", "Allow: /"), True),
    "own-group-refuses": (robots("User-agent: *", "Allow: /", "", "User-agent: PixelBytes", "Disallow: /"), False),
    "others": (robots("User-agent: OtherBot", "Disallow: /"), True),
    "byte-order-mark": (answer_with(b"\xef\xbb\xbfUser-agent: *\nDisallow: /pic.png\n"), False),
    "wildcard": (robots("User-agent: *", "Disallow: /p*.png$"), False),
    "wildcard-of-others": (robots("User-agent: *", "Disallow: /w/index.php?*action=history"), True),
    "percent-encoded": (robots("User-agent: *", "Disallow: /%70ic%2Epng"), False),
    "longest-match": (robots("User-agent: *", "Disallow: /", "Allow: /pic"), True),
    "huge": (robots("User-agent: *", "Disallow: /pic.png", HUGE), False),
    "huge-and-late": (robots("User-agent: *", HUGE, "Disallow: /pic.png"), True),
    "cut-off": (cut, False),
    "too-long": (partial(endless, claimed=-1), False),
    "not-text": (answer_with(b"\x00\xff" * 500), True),
    "moved": (redirect("/other-robots.txt", 301), False),
    "moved-to-another-host": (redirect("http://elsewhere.example/robots.txt", 301), False),
    "moved-to-a-file": (redirect("file:///etc/passwd", 301), False),
    "moved-in-a-circle": (redirect("/robots.txt", 301), False),
}


@pytest.mark.slow
def test_robots_txt_is_obeyed_in_all_its_forms(store: RawStore) -> None:
    """One crawl of a list whose pictures lie on a server each, each with a robots.txt of its own."""
    with ExitStack() as stack, serve() as first:
        servers = {name: stack.enter_context(serve({"/robots.txt": rules})) for name, (rules, _) in RULES.items()}
        for server in servers.values():
            server.paths |= {
                "/pic.png": answer_with(png(1)),
                "/other-robots.txt": robots("User-agent: *", "Disallow: /p"),
            }
        rows = [(name, f"{server.url}/pic.png") for name, server in servers.items()]
        first.paths |= {LIST: answer_with(list_page(rows))} | {
            f"/wiki/{name}": answer_with(article()) for name in RULES
        }
        done = crawl(source_of(first, *servers.values()), store)
    resources = {resource.url: resource for resource in done.resources}
    may = {name: bool(resources[f"{server.url}/pic.png"].sha256) for name, server in servers.items()}
    assert may == {name: allowed for name, (_, allowed) in RULES.items()}
    assert {name: "/pic.png" in server.asked for name, server in servers.items()} == may
    said = {name: resources[f"{server.url}/pic.png"].robots for name, server in servers.items()}
    assert said["star"] == f"refused: rules of {servers['star'].url}/robots.txt"
    assert "not on an allowed host" in said["moved-to-another-host"]
    assert "no access (301)" in said["moved-to-a-file"]
    assert "max redirections" in said["moved-in-a-circle"]


@pytest.mark.slow
def test_paths_of_a_wiki_are_refused_in_either_spelling(site: Hostile, store: RawStore) -> None:
    site.paths["/robots.txt"] = robots("User-agent: *", "Disallow: /wiki/Special%3ASearch", "Disallow: /wiki/É")
    site.paths[LIST] = answer_with(list_page([("Special:Search", "/A.png"), ("Été", "/B.png"), ("C", "/C.png")]))
    done = crawl(source_of(site), store)
    pages = {resource.title: bool(resource.sha256) for resource in done.resources if resource.kind == "description"}
    assert pages == {"Special:Search": False, "Été": False, "C": True}


# Walls


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
def test_a_wall_before_robots_txt_closes_the_host(site: Hostile, store: RawStore) -> None:
    site.paths["/robots.txt"] = answer_with(b"<title>Just a moment...</title>", status=403)
    with pytest.raises(CrawlError, match="wall against robots"):
        crawl(source_of(site), store)
    assert site.asked == ["/robots.txt"]


# Budgets


def test_a_crawl_stops_in_order_when_its_requests_are_spent_and_is_continued(site: Hostile, store: RawStore) -> None:
    source = source_of(site)
    with pytest.raises(CrawlError, match=r"the budget of 4 requests is spent.*run it again"):
        crawl(replace(source, limits=replace(source.limits, requests=4)), store)
    assert len(site.asked) == 4
    assert store.latest_crawl() is None
    site.asked.clear()
    done = crawl(replace(source, limits=replace(source.limits, requests=5)), store)
    assert done.report is not None
    assert (done.report.resumed, len(site.asked)) == (2, 5)
    assert (
        sum(bool(resource.sha256) for resource in done.resources if resource.kind in ("description", "miniature")) == 6
    )


@pytest.mark.slow
def test_redirects_and_retries_are_paid_for_too(site: Hostile, store: RawStore) -> None:
    site.paths["/wiki/A"] = redirect("/wiki/A")
    source = source_of(site)
    with pytest.raises(CrawlError, match="the budget of 5 requests is spent"):
        crawl(replace(source, limits=replace(source.limits, requests=5)), store)
    assert len(site.asked) == 5


@pytest.mark.slow
def test_a_crawl_stops_when_its_bytes_are_spent_and_is_continued(site: Hostile, store: RawStore) -> None:
    big = png(1) + b"\0" * 40_000
    site.paths |= {f"/{name}.png": answer_with(big + name.encode()) for name in "ABC"}
    source = source_of(site)
    with pytest.raises(CrawlError, match="the budget of 60000 bytes is spent"):
        crawl(replace(source, limits=replace(source.limits, bytes=60_000)), store)
    done = crawl(source, store)
    assert done.report is not None
    assert done.report.resumed >= 1
    assert sum(bool(resource.sha256) for resource in done.resources if resource.kind == "miniature") == 3


# Addresses and settings


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("64:ff9b::a00:1", "private"),
        ("10.1.2.3", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        (str(ipaddress.IPv4Address(0)), "unspecified"),
        ("::", "unspecified"),
        ("1.1.1.1", ""),
        ("2606:4700::1111", ""),
        ("::ffff:1.1.1.1", ""),
    ],
)
def test_addresses_are_fit_only_when_public(address: str, kind: str) -> None:
    assert kind_of_address(ipaddress.ip_address(address)) == kind
    assert bool(refusal("name", address)) == bool(kind)
    assert bool(refusal_of_host(f"[{address}]" if ":" in address else address)) == bool(kind)


@pytest.mark.parametrize("name", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1.", "[::1]"])
def test_addresses_in_any_spelling_are_recognised(name: str) -> None:
    assert "loopback" in refusal_of_host(name)
    assert "`local = true`" in refusal_of_host(name)


def test_names_are_left_to_the_resolver_and_its_nonsense_is_refused() -> None:
    assert [refusal_of_host(name) for name in ("example.org", "", "a.b", "1.2.3.4.5", "fe80::z")] == [""] * 5
    assert "no address" in refusal("name", "nonsense")


def test_the_proxy_is_the_one_given_or_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_names("") == ()
    monkeypatch.setenv("http_proxy", "http://me:secret@Cache.lan:3128")
    monkeypatch.setenv("https_proxy", "cache2.lan:3128")
    assert proxy_names("") == ("cache.lan", "cache2.lan")
    assert proxy_names("http://127.0.0.1:8080") == ("127.0.0.1",)


@pytest.mark.slow
def test_behind_a_proxy_names_are_the_proxy_s_to_resolve_and_private_addresses_still_refused(
    site: Hostile, store: RawStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://localhost:{site.port}")
    monkeypatch.setenv("no_proxy", "")
    public = replace(source_of(site, host="wiki.example"), local=False)
    site.paths = {f"http://wiki.example{path}": answer for path, answer in site.paths.items()}
    assert line_of(crawl(public, store), "http://wiki.example/A.png").sha256
    for host, message in {
        "169.254.169.254": "a link-local address",
        f"localhost:{site.port}": "the proxy's own",
    }.items():
        site.asked.clear()
        with pytest.raises((CrawlError, ValueError), match=message):
            crawl(replace(source_of(site, host=host), local=False), RawStore(store.root.parent / host[:9]))
        assert site.asked == []


def test_a_source_that_is_asked_over_tls_alone_is_never_led_out_of_it(store: RawStore) -> None:
    gates: dict[str, Gate] = {}
    with serve() as server:
        for scheme in ("http", "https"):
            source = source_of(server, host="wiki.example", scheme=scheme)
            crawler = Crawler(SiteSpider)
            crawler.spider = SiteSpider(Manners(source=source, ledger=Ledger(store, source)))
            gates[scheme] = Gate(crawler)
    gates["http"].process_request(Request("http://wiki.example/robots.txt"))
    gates["https"].process_request(Request("https://wiki.example/robots.txt"))
    with pytest.raises(IgnoreRequest, match="would leave TLS"):
        gates["https"].process_request(Request("http://wiki.example/robots.txt"))


def line_of(done: Crawl, url: str) -> Resource:
    return next(resource for resource in done.resources if resource.url == url)


def test_no_default_of_scrapy_that_is_not_ours_is_left() -> None:
    polite = replace(SOURCE.politeness, concurrency=3, delay=2.0)
    settings = settings_of(replace(SOURCE, politeness=polite), "me", "log", "http://127.0.0.1:1")
    handlers = settings["DOWNLOAD_HANDLERS"]
    assert isinstance(handlers, dict)
    assert {scheme for scheme, handler in handlers.items() if handler} == {"http", "https"}
    assert {"data", "file", "ftp", "s3"} == {scheme for scheme, handler in handlers.items() if handler is None}
    off = ("TELNETCONSOLE_ENABLED", "REMOTE_CONTROL_ENABLED", "COOKIES_ENABLED", "METAREFRESH_ENABLED")
    assert [settings[name] for name in off] == [False] * 4
    assert [settings[name] for name in ("ROBOTSTXT_OBEY", "DOWNLOAD_VERIFY_CERTIFICATES")] == [True, True]
    assert settings["DOWNLOAD_MAXSIZE"] == 8_388_608
    assert (settings["CONCURRENT_REQUESTS_PER_DOMAIN"], settings["DOWNLOAD_DELAY"]) == (3, 2.0)
    assert "scrapy" not in str(settings["TWISTED_DNS_RESOLVER"])


def test_the_crawler_says_who_it_is(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url, limit=1, contact="me@example.org")
    agents = {note.user_agent for note in served.wiki.asked}
    assert agents == {"PixelBytes/0.1 (dataset crawler; contact: me@example.org)"}
    assert {note.host for note in served.wiki.asked} == {"bestiary.localhost"}
