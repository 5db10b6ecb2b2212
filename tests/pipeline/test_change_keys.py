"""How a crawl learns what changed: by generators, titles or conditional requests; and that both faces say the same."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.crawl.pages import gathered, parse_description
from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import crawl
from pipeline.crawl.sources import WikiSource
from pipeline.crawl.survey import read_lists
from pipeline.records import Description, Listing
from pipeline.sample import api as sample_api
from pipeline.sample.lists import ApiError
from pipeline.sample.state import CATEGORY_TITLE, LIST_TITLE
from pipeline.sample.wiki import HOST, Fault, Served, serve_wiki
from tests.crawls import KEYS, LIST, SOURCE, again
from tests.wikis import bodies, line, page, picture, png, small_wiki

IMPATIENT = replace(SOURCE, politeness=replace(SOURCE.politeness, retries=0))
BY_CATEGORY = replace(SOURCE, texts=(replace(SOURCE.texts[0], category=CATEGORY_TITLE),))
BY_API = replace(SOURCE, fetch="api")


@pytest.mark.slow
def test_a_list_whose_template_changed_is_read_again_though_its_revision_is_the_same(
    served: Served, store: RawStore
) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    assert line(first, LIST).revision == "1000 2026-01-01T12:00:00Z"
    revision = served.wiki.revisions[LIST_TITLE]
    served.wiki.revisions[LIST_TITLE] = replace(revision, time=revision.time + timedelta(hours=3))
    done, _, paths = again(served, store)
    assert paths == {LIST: 1}
    assert line(done, LIST).revision == "1000 2026-01-01T15:00:00Z"
    assert again(served, store)[2] == {}


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "calls", "titles"), [(500, 1, 0), (40, 2, 0), (10, 2, 1)])
def test_many_change_keys_come_by_generators_as_long_as_titles_would_not_be_fewer(
    store: RawStore, limit: int, calls: int, titles: int
) -> None:
    with serve_wiki(small_wiki(60)) as served:
        served.wiki.api_limit = limit
        first = crawl(BY_CATEGORY, store, proxy=served.url)
        assert first.report is not None
        assert (first.report.fetched, first.report.failed) == (123, 0)
        served.wiki.asked.clear()
        served.wiki.replace_text("c33", "New.")
        served.wiki.replace_image("c60", png(7))
        done = crawl(BY_CATEGORY, store, proxy=served.url)
        notes = [note.path for note in served.wiki.asked]
        assert len([path for path in notes if "generator=categorymembers" in path]) == calls
        assert len([path for path in notes if "generator=images" in path]) == calls
        assert len([path for path in notes if KEYS in path]) == 2 * (calls + titles) + 1
        assert {p.removeprefix(HOST) for p in notes if KEYS not in p} == {"/robots.txt", page(33), picture(60)}
        changed = {key[1].removeprefix(HOST) for key, digest in bodies(done).items() if bodies(first)[key] != digest}
        assert changed == {page(33), picture(60)}


@pytest.mark.slow
def test_where_the_api_has_no_such_generator_titles_are_named(store: RawStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> object:
        raise ApiError("badgenerator", "Unknown generator.")

    monkeypatch.setattr(sample_api, "generate", none)
    with serve_wiki(small_wiki(60)) as served:
        crawl(BY_CATEGORY, store, proxy=served.url)
        served.wiki.replace_text("c33", "New.")
        done, report, paths = again(served, store, BY_CATEGORY)
        assert paths == {page(33): 1}
        assert (report.fetched, report.carried, report.failed) == (1, 122, 0)
        assert report.requests == 1 + 1 + (1 + 2) + (1 + 2) + 1  # rules, list, twice the generator and titles, page
        assert len({r.url for r in done.resources if r.kind == "api"}) == 7


@pytest.mark.slow
def test_a_category_that_holds_only_some_leaves_the_others_to_their_titles(store: RawStore) -> None:
    with serve_wiki(small_wiki(60)) as served:
        wrong = replace(SOURCE, texts=(replace(SOURCE.texts[0], category="Category:Nothing"),))
        crawl(wrong, store, proxy=served.url)
        _, report, paths = again(served, store, wrong)
        assert (paths, report.fetched, report.carried) == ({}, 0, 123)


@pytest.mark.slow
@pytest.mark.parametrize("status", [404, 500])
def test_without_change_keys_pages_are_asked_whether_they_changed(served: Served, store: RawStore, status: int) -> None:
    crawl(SOURCE, store, proxy=served.url)
    served.wiki.break_path(KEYS, Fault(status=status, body=b"gone"))
    served.wiki.replace_text("c2", "New.")
    served.wiki.replace_image("c4", png(200))
    served.wiki.asked.clear()
    done = crawl(IMPATIENT, store, proxy=served.url)
    assert done.report is not None
    assert (done.report.fetched, done.report.not_modified, done.report.failed) == (2, 11, 0)
    answers = Counter(note.status for note in served.wiki.asked if KEYS not in note.path)
    assert answers == {200: 3, 304: 11}  # robots.txt too
    served.wiki.break_path(KEYS, None)
    _, report, paths = again(served, store)
    assert (report.fetched, report.failed) == (len(paths), 0)
    assert again(served, store)[2] == {}


@pytest.mark.slow
@pytest.mark.parametrize("known", ["etag", "last_modified"])
def test_either_of_etag_and_date_is_enough_to_learn_that_nothing_changed(
    served: Served, store: RawStore, known: str
) -> None:
    whole = crawl(SOURCE, store, proxy=served.url)
    other = RawStore(store.root.parent / "other")
    part = other.open_crawl()
    for resource in whole.resources:
        other.put(store.get(resource.sha256))
        without = replace(resource, last_modified="") if known == "etag" else replace(resource, etag="")
        part.append(without)  # MediaWiki's pages have no ETag
    part.finish()
    _, report, paths = again(served, other, replace(SOURCE, api=()))
    assert (report.fetched, report.not_modified, sum(paths.values())) == (0, 13, 13)


@pytest.mark.slow
@pytest.mark.parametrize("heading", ["old", "new", "both"])
def test_api_and_pages_give_the_same_records_in_either_heading_dom(tmp_path: Path, heading: str) -> None:
    wiki = small_wiki()
    wiki.heading = heading  # type: ignore[assignment]
    with serve_wiki(wiki) as served:
        said = {
            source.fetch: everything(served, RawStore(tmp_path / source.fetch), source) for source in (SOURCE, BY_API)
        }
    assert said["api"] == said["html"]
    assert len(said["html"]) == 6
    assert [d.paragraphs[0] for _, d in said["html"] if isinstance(d, Description)][
        3
    ] == "Beast 3 Frost lives & sleeps in moss."


def everything(served: Served, store: RawStore, source: WikiSource) -> list[tuple[Listing, object]]:
    """Return each listing of a crawl with what its pages say."""
    done = crawl(source, store, proxy=served.url)
    pages = done.by_url("description")
    return [
        (
            listing,
            gathered(parse_description(store.get(pages[p.url].sha256), p.title, "en", source) for p in listing.pages),
        )
        for listing in read_lists(done, store, source).listings
    ]


@pytest.mark.slow
def test_an_api_that_lags_is_waited_for(served: Served, store: RawStore) -> None:
    served.wiki.lag, served.wiki.lagging = 9.0, 2
    done = crawl(SOURCE, store, proxy=served.url)
    assert done.report is not None
    assert (done.report.fetched, done.report.failed) == (13, 0)
    assert done.report.requests == 17 + 2
    assert line(done, page(1)).revision == "1001"


@pytest.mark.slow
@pytest.mark.parametrize("source", [SOURCE, BY_API], ids=["html", "api"])
@pytest.mark.parametrize("keys", ["keys", "no keys"])
def test_sub_pages_that_are_not_there_are_no_failure(
    served: Served, store: RawStore, source: WikiSource, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = replace(source, texts=(replace(source.texts[0], subpages=("/Generation_1",)),))
    if keys == "no keys":

        def none(*_: object) -> object:
            raise ApiError("readonly", "No queries now.")

        monkeypatch.setattr(sample_api, "_query", none)
    done, report, _ = again(served, store, more)
    assert (report.fetched, report.absent, report.failed) == (13, 6, 0)
    listings = read_lists(done, store, more).listings
    assert [len(listing.pages) for listing in listings] == [2] * 6
    assert all(line(done, page(n)).sha256 for n in range(1, 6))


@pytest.mark.slow
@pytest.mark.parametrize(("status", "most"), [(404, 1), (405, 1), (500, 5), (502, 5)])
def test_an_api_that_is_not_to_be_had_is_not_asked_for_every_page(store: RawStore, status: int, most: int) -> None:
    with serve_wiki(small_wiki(12)) as served:
        served.wiki.break_path(KEYS, Fault(status=status, body=b"<p>Nothing here</p>"))
        done = crawl(replace(IMPATIENT, fetch="api"), store, proxy=served.url)
        asked_for = Counter(note.path.removeprefix(HOST).partition("?")[0] for note in served.wiki.asked)
        assert 1 <= asked_for[KEYS] <= most
        assert done.report is not None
        assert (done.report.fetched, done.report.failed) == (27, 0)
        assert all(asked_for[page(number)] == asked_for[picture(number)] == 1 for number in range(1, 13))


@pytest.mark.slow
def test_a_walk_in_small_steps_is_given_up_for_titles_when_these_are_cheaper(store: RawStore) -> None:
    with serve_wiki(small_wiki(120)) as served:
        served.wiki.api_limit = 5
        crawl(BY_CATEGORY, store, proxy=served.url, limit=60)
        calls = [note.path for note in served.wiki.asked if KEYS in note.path]
        for generator in ("categorymembers", "images"):
            assert len([path for path in calls if f"generator={generator}" in path]) == 2  # as many as name 61 titles
        assert len(calls) == 1 + (2 + 2) + (2 + 1)  # of the list; pages and pictures: by generator, then by titles
        served.wiki.asked.clear()
        done = crawl(BY_CATEGORY, store, proxy=served.url, limit=60)
        assert done.report is not None
        assert (done.report.fetched, done.report.carried) == (0, 1 + 2 * 60)  # each had its key
