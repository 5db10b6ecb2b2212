"""What a crawl may cost in all, and which addresses and schemes it never leaves for."""

import ipaddress
from dataclasses import replace

import pytest
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest

from pipeline.crawl.addresses import kind_of_address, proxy_names, refusal, refusal_of_host
from pipeline.crawl.ledger import Ledger
from pipeline.crawl.politeness import Gate, Manners
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.settings import settings_of
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.spiders import SiteSpider
from pipeline.records import Resource
from tests.hostile_server import (
    Hostile,
    redirect,
    serve,
    source_of,
)
from tests.hostile_server import page as answer_with
from tests.wikis import png

SOURCE = wiki_source("sample")


def test_a_crawl_stops_in_order_when_its_requests_are_spent_and_is_continued(site: Hostile, store: RawStore) -> None:
    source = source_of(site)
    with pytest.raises(CrawlError, match=r"the budget of 4 requests is spent.*run it again"):
        crawl(replace(source, limits=replace(source.limits, requests=4)), store)
    assert len(site.asked) == 4
    assert store.latest_crawl() is None
    resumed = len({path for path in site.asked if path != "/robots.txt"})
    site.asked.clear()
    done = crawl(replace(source, limits=replace(source.limits, requests=5)), store)
    assert done.report is not None
    assert (resumed, done.report.resumed, len(site.asked)) == (3, 2, 5)
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
    done = crawl(public, store, contact="me@example.org")
    assert next(resource for resource in done.resources if resource.url == "http://wiki.example/A.png").sha256
    for host, message in {
        "169.254.169.254": "a link-local address",
        f"localhost:{site.port}": "the proxy's own",
    }.items():
        site.asked.clear()
        asked_in_public = replace(source_of(site, host=host), local=False)
        with pytest.raises((CrawlError, ValueError), match=message):
            crawl(asked_in_public, RawStore(store.root.parent / host[:9]), contact="me@example.org")
        assert site.asked == []


def test_a_source_that_is_asked_over_tls_alone_is_never_led_out_of_it(store: RawStore) -> None:
    gates: dict[str, Gate] = {}
    ledger = Ledger(store, SOURCE)
    ledger.crawl.close()  # a gate writes nothing
    with serve() as server:
        for scheme in ("http", "https"):
            source = source_of(server, host="wiki.example", scheme=scheme)
            crawler = Crawler(SiteSpider)
            crawler.spider = SiteSpider(Manners(source=source, ledger=ledger))
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
