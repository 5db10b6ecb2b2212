"""The real crawler in its child process against the real bestiary on loopback."""

import fcntl
from collections import Counter
from dataclasses import replace

import pytest

from pipeline.crawl.pages import parse_list
from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import CrawlError, check_request, crawl
from pipeline.crawl.source_files import wiki_source
from pipeline.records import Resource
from pipeline.sample.state import LIST_TITLE, page_path
from pipeline.sample.wiki import HOST, Fault, Served
from tests.wikis import asked, bodies, line, page, picture, png

SOURCE = wiki_source("sample")
IMPATIENT = replace(SOURCE, politeness=replace(SOURCE.politeness, retries=0))


def test_a_second_crawl_fetches_nothing_and_an_edit_exactly_what_changed(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    assert first.report is not None
    assert (first.report.fetched, first.report.failed, first.report.listings, first.report.unparsed) == (13, 0, 6, 0)
    assert len(asked(served)) == first.report.requests == 17
    listing = parse_list(store.get(line(first, page_path(LIST_TITLE)).sha256), SOURCE.start[0], SOURCE).listings[3]
    description = first.by_url("description")[listing.pages[0].url]
    assert (description.revision, description.time) == ("1004", "2026-01-01T13:00:00Z")
    assert description.robots == f"allowed: rules of {HOST}/robots.txt"
    assert store.get(first.by_url("miniature")[listing.miniature_url].sha256) == served.wiki.images["3Frost.png"]

    second = crawl(SOURCE, store, proxy=served.url)
    assert second.report is not None
    assert (second.report.fetched, second.report.not_modified, second.report.carried) == (0, 0, 13)
    assert Counter(asked(served)) == {"/robots.txt": 1, "/w/api.php": 3}
    assert set(second.resources) == set(first.resources)
    assert second.name > first.name

    served.wiki.replace_text("c2", "It has moved.")
    served.wiki.replace_image("c4", png(200))
    third = crawl(SOURCE, store, proxy=served.url)
    assert sorted(set(asked(served)) - {"/robots.txt", "/w/api.php"}) == [picture(4), page(2)]
    changed = {key for key, sha256 in bodies(third).items() if bodies(first)[key] != sha256}
    assert changed == {("description", HOST + page(2)), ("miniature", HOST + picture(4))}
    assert store.get(line(third, picture(4)).sha256) == png(200)
    assert (line(third, page(2)).time, line(third, page(1)).time) == ("2026-01-01T15:00:00Z", "2026-01-01T13:00:00Z")


def test_failures_are_lines_with_a_reason_and_the_rest_goes_on(served: Served, store: RawStore) -> None:
    wiki = served.wiki
    wiki.break_path(page(1), Fault(status=500))
    wiki.break_path(page(2), Fault(status=302, headers=(("Location", "http://elsewhere.example/x"),)))
    wiki.break_path(page(3), Fault(status=403))
    wiki.break_path(picture(1), Fault(status=200, body=b"<p>no picture</p>"))
    wiki.break_path(picture(2), Fault(status=200, body=png(1)[:30], content_type="image/png"))
    wiki.break_path(picture(3), Fault(status=200, body=png(1) + b"x" * 60_000, content_type="image/png"))
    wiki.remove_page("c4")
    wiki.disallow = (page(5),)
    small = replace(IMPATIENT, limits=replace(SOURCE.limits, image_bytes=50_000))
    done = crawl(small, store, proxy=served.url)
    assert done.report is not None
    assert (done.report.failed, done.report.fetched) == (7, 6)
    errors = {
        path: line(done, path).error for path in (page(1), page(2), page(3), page(4), page(5), picture(1), picture(3))
    }
    assert errors[page(1)] == "answered 500 Internal Server Error"
    assert "elsewhere.example" in errors[page(2)]
    assert "not on an allowed host" in errors[page(2)]
    assert errors[page(3)] == "answered 403 Forbidden"
    assert "has no page 'Beast 4 (creature)'" in errors[page(4)]
    assert errors[page(5)] == f"refused by robots.txt: rules of {HOST}/robots.txt"
    assert "not a picture" in errors[picture(1)]
    assert errors[picture(3)]
    assert store.get(line(done, picture(2)).sha256) == png(1)[:30]  # half a picture is for the next stage to refuse
    assert line(done, page(3, "Frost")).sha256
    paths = Counter(asked(served))
    assert (paths[page(3)], paths[page(5)], paths["http://elsewhere.example/x"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "at least one listing"),
        ({"proxy": "https://127.0.0.1:1"}, "plain http"),
        ({"proxy": "socks5://127.0.0.1:1"}, "plain http"),
        ({"contact": "a\r\nX-Header: b"}, "printable ASCII"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_starts(
    store: RawStore, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        crawl(SOURCE, store, **arguments)  # type: ignore[arg-type]
    assert not store.root.exists()


def test_a_site_of_others_is_not_asked_without_a_contact(store: RawStore) -> None:
    with pytest.raises(ValueError, match="--contact"):
        crawl(wiki_source("pokepedia"), store)
    with pytest.raises(ValueError, match="--contact"):
        check_request(wiki_source("pokepedia"), None, None, None)
    check_request(wiki_source("pokepedia"), 1, "http://127.0.0.1:8080", "me@example.org")


@pytest.mark.parametrize("contact", [None, "", "  ", "\t"])
def test_whoever_is_neither_local_nor_bundled_must_know_whom_to_write_to(store: RawStore, contact: str | None) -> None:
    strange = replace(SOURCE, bundled=False)
    with pytest.raises(ValueError, match="must know whom to write to"):
        check_request(strange, None, None, contact)
    with pytest.raises(ValueError, match="must know whom to write to"):
        crawl(strange, store, contact=contact)
    assert not store.root.exists()
    check_request(strange, None, None, "me@example.org")
    for known in (SOURCE, replace(strange, local=True)):
        check_request(known, None, None, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<p>Back in an hour.</p>", "no table has the classes"),
        pytest.param(b"\x00\x01\x02", "is binary", marks=pytest.mark.slow),
    ],
)
def test_a_list_that_could_not_be_read_is_asked_again(
    served: Served, store: RawStore, body: bytes, reason: str
) -> None:
    path = page_path(LIST_TITLE)
    served.wiki.break_path(path, Fault(status=200, body=body))
    with pytest.raises(CrawlError, match=reason):
        crawl(SOURCE, store, proxy=served.url, limit=1)
    under_way = store.open_crawl()
    under_way.close()
    failed = [resource for resource in under_way.resources if resource.kind == "list"]
    assert [(resource.sha256, reason in resource.error) for resource in failed] == [("", True)]
    served.wiki.break_path(path, None)
    healed = crawl(SOURCE, store, proxy=served.url, limit=1)
    assert line(healed, path).sha256
    assert not line(healed, path).error
    assert healed.report is not None
    assert (healed.report.fetched, healed.report.failed, healed.report.listings) == (3, 0, 6)


def test_a_bad_list_left_by_a_kill_is_asked_again_at_once(served: Served, store: RawStore) -> None:
    under_way = store.open_crawl()
    body = store.put(b"<p>Back in an hour.</p>")
    under_way.append(Resource(url=SOURCE.start[0], kind="list", status=200, sha256=body))
    under_way.close()
    healed = crawl(SOURCE, store, proxy=served.url, limit=1)
    assert line(healed, page_path(LIST_TITLE)).sha256 != body


@pytest.mark.slow
def test_without_an_api_pages_are_asked_conditionally(served: Served, store: RawStore) -> None:
    served.wiki.break_path("/w/api.php", Fault(status=404))
    first = crawl(IMPATIENT, store, proxy=served.url)
    served.wiki.replace_text("c1", "New.")
    second = crawl(IMPATIENT, store, proxy=served.url)
    assert second.report is not None
    assert (second.report.fetched, second.report.not_modified, second.report.carried) == (1, 12, 0)
    assert line(second, page(2)) == line(first, page(2))
    none = crawl(replace(SOURCE, api=()), store, proxy=served.url)
    assert none.report is not None
    assert (none.report.fetched, none.report.not_modified) == (0, 13)


@pytest.mark.slow
def test_descriptions_through_the_api_keep_the_page_s_address(served: Served, store: RawStore) -> None:
    source = replace(SOURCE, fetch="api")
    done = crawl(source, store, proxy=served.url)
    assert page(1) not in asked(served)
    body = store.get(line(done, page(1)).sha256)
    assert body.startswith(b'{"parse"')
    assert line(done, page(1)).revision == "1001"
    again = crawl(source, store, proxy=served.url)
    assert again.report is not None
    assert (again.report.fetched, again.report.carried) == (0, 13)


@pytest.mark.slow
def test_pages_stand_in_for_an_api_that_cannot_be_had(served: Served, store: RawStore) -> None:
    served.wiki.break_path("/w/api.php", Fault(status=404))
    done = crawl(replace(IMPATIENT, fetch="api"), store, proxy=served.url)
    assert done.report is not None
    assert (done.report.fetched, done.report.failed) == (13, 0)
    assert b'id="Biology"' in store.get(line(done, page(1)).sha256)


@pytest.mark.slow
def test_a_list_that_cannot_be_read_leaves_the_last_crawl_the_latest(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url, limit=1)
    served.wiki.remove_creature("c5")  # or the list would have the change key it had, and not be asked for
    served.wiki.break_path(page_path(LIST_TITLE), Fault(status=200, body=b"<p>We have moved.</p>"))
    with pytest.raises(CrawlError, match="no table has the classes"):
        crawl(SOURCE, store, proxy=served.url)
    latest = store.latest_crawl()
    assert latest is not None
    assert latest.name == first.name


@pytest.mark.slow
def test_a_limit_and_what_came_before_it_are_remembered(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url)
    one = crawl(SOURCE, store, proxy=served.url, limit=1)
    assert (len(one.by_url("description")), len(one.by_url("miniature"))) == (1, 1)
    whole = crawl(SOURCE, store, proxy=served.url)
    assert whole.report is not None
    assert (whole.report.fetched, whole.report.carried) == (0, 13)


@pytest.mark.slow
def test_two_crawls_do_not_write_to_one_store(served: Served, store: RawStore) -> None:
    store.root.mkdir(parents=True)
    with (store.root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CrawlError, match="another process is crawling"):
            crawl(SOURCE, store, proxy=served.url)


def test_rights_that_a_source_states_anew_hold_for_what_did_not_change(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url, limit=1)
    stated = replace(SOURCE, pictures=replace(SOURCE.pictures, licence="CC-BY-4.0", attribution="by {title}"))
    second = crawl(stated, store, proxy=served.url, limit=1)
    assert second.report is not None
    assert second.report.fetched == 0
    told = line(second, picture(1))
    assert (told.licence, told.attribution) == ("CC-BY-4.0", "by File:Miniature 0001.png")
    assert line(second, page(1)).licence == "CC0-1.0"
