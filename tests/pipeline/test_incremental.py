"""Crawls of a wiki that was edited in between: what changed is asked for, and what went leaves with a reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.collect import source_of
from pipeline.crawl.pages import parse_description
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import crawl
from pipeline.crawl.sources import WikiSource
from pipeline.diff import NOT_LISTED, diff, reasons_of
from pipeline.publishing.folder_store import FolderStore
from pipeline.records import Description
from pipeline.release import Release, blocking
from pipeline.sample.skin import list_page
from pipeline.sample.state import LIST_TITLE, page_path
from pipeline.sample.wiki import HOST, Fault, Served
from pipeline.schema import QUARANTINE_SPLIT
from tests.crawls import KEYS, LIST, SOURCE, again
from tests.wikis import bodies, creature, line, page, picture, png

BY_API = replace(SOURCE, fetch="api")
NAME = "pixelbytes/small"


def built(store: RawStore, out: Path, source: WikiSource = SOURCE) -> Release:
    """Return a release of the newest crawl, with its gates asked and let through."""
    release = build(source, store, out, name=NAME)
    gates = tuple(replace(gate, override="a small wiki") for gate in check(release))
    assert not blocking(gates)
    return release.with_manifest(gates=gates)


def test_an_unchanged_wiki_is_asked_for_its_rules_and_change_keys_only(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    served.wiki.asked.clear()
    second = crawl(SOURCE, store, proxy=served.url)
    asked_for = [note.path.removeprefix(HOST) for note in served.wiki.asked]
    assert asked_for[0] == "/robots.txt"
    assert [path.split("?")[0] for path in asked_for[1:]] == [KEYS] * 3  # of the list, the pages, the pictures
    assert second.report is not None
    assert (second.report.requests, second.report.carried, second.report.listings) == (4, 13, 6)
    assert bodies(second) == bodies(first)
    assert {r for r in second.resources if r.kind != "api"} == {r for r in first.resources if r.kind != "api"}


def test_a_page_and_a_picture_that_changed_are_fetched_and_nothing_else(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url)
    served.wiki.replace_text("c2", "New.")
    served.wiki.replace_image("c3frost", png(77))
    done, report, paths = again(served, store)
    assert paths == {page(2): 1, picture(3, "Frost"): 1}
    assert (report.fetched, report.carried, report.failed) == (2, 11, 0)
    assert store.get(line(done, picture(3, "Frost")).sha256) == png(77)
    assert b"New." in store.get(line(done, page(2)).sha256)


@pytest.mark.slow
def test_through_the_api_one_edited_page_is_one_call_for_it(served: Served, store: RawStore) -> None:
    crawl(BY_API, store, proxy=served.url)
    served.wiki.replace_text("c2", "New.")
    served.wiki.asked.clear()
    done = crawl(BY_API, store, proxy=served.url)
    parsed = [note.path for note in served.wiki.asked if "action=parse" in note.path]
    assert len(parsed) == 1
    assert "Beast+2+%28creature%29" in parsed[0]
    assert line(done, page(2)).revision == str(served.wiki.revisions[creature(2).title].id)


@pytest.mark.slow
def test_a_page_that_was_deleted_leaves_the_next_release_with_its_reason(
    served: Served, store: RawStore, tmp_path: Path
) -> None:
    releases = FolderStore(tmp_path / "releases")
    crawl(SOURCE, store, proxy=served.url)
    old = releases.publish(built(store, tmp_path / "one")).release
    served.wiki.remove_page("c2")
    done, report, paths = again(served, store)
    gone = line(done, page(2))
    assert (gone.status, gone.sha256, gone.error) == (404, "", "the wiki has no page 'Beast 2 (creature)'")
    assert (report.failed, paths) == (1, {})
    new = releases.publish(built(store, tmp_path / "two")).release
    assert diff(old, new).removed == ("0002-beast-2",)
    reason = "description: the wiki has no page 'Beast 2 (creature)'"
    assert reasons_of(new, diff(old, new).removed) == {"0002-beast-2": reason}
    quarantine = new.table("quarantine", QUARANTINE_SPLIT).to_pylist()
    assert [(row["id"], row["stage"]) for row in quarantine] == [("0002-beast-2", "description")]
    changelog = (new.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "0002-beast-2" in changelog
    assert "has no page" in changelog
    assert new.manifest.version == "v1.1.0"


@pytest.mark.slow
def test_a_page_that_is_restored_comes_back_without_being_fetched(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    revision = served.wiki.revisions[creature(2).title]
    served.wiki.remove_page("c2")
    crawl(SOURCE, store, proxy=served.url)
    served.wiki.revisions[creature(2).title] = revision
    done, _, paths = again(served, store)
    assert paths == {}
    assert bodies(done) == bodies(first)


@pytest.mark.slow
def test_a_page_that_moved_is_followed_by_the_lists_new_link(served: Served, store: RawStore, tmp_path: Path) -> None:
    crawl(SOURCE, store, proxy=served.url)
    old = built(store, tmp_path / "one")
    served.wiki.move_page("c2", "Brute")
    new_path = page_path("Brute (creature)")
    done, report, paths = again(served, store)
    assert paths == {LIST: 1, new_path: 1}
    assert report.failed == 0
    assert not [r for r in done.resources if r.url == HOST + page(2)]
    new = built(store, tmp_path / "two")
    assert reasons_of(new, diff(old, new).removed) == {"0002-beast-2": NOT_LISTED}
    assert diff(old, new).added == ("0002-brute",)


@pytest.mark.slow
@pytest.mark.parametrize("source", [SOURCE, BY_API], ids=["html", "api"])
def test_a_link_to_a_page_that_moved_leads_to_it_as_long_as_there_is_a_redirect(
    served: Served, store: RawStore, source: WikiSource
) -> None:
    crawl(source, store, proxy=served.url)
    served.wiki.break_path(LIST, Fault(body=list_page(served.wiki)))  # nobody mends the list
    listed = served.wiki.revisions[LIST_TITLE]
    served.wiki.move_page("c2", "Brute")
    served.wiki.revisions[LIST_TITLE] = listed
    done, report, paths = again(served, store, source)
    assert paths == ({page(2): 1} if source is SOURCE else {})
    assert (report.fetched, report.failed) == (1, 0)
    text = parse_description(store.get(line(done, page(2)).sha256), "x", "en", source)
    assert isinstance(text, Description)
    assert text.paragraphs == ("Beast 2 lives & sleeps in moss.", "It is <shy>.")
    _, report, paths = again(served, store, source)
    assert (report.fetched, paths) == (0, {})
    served.wiki.redirects.clear()
    served.wiki.revisions.pop(creature(2).title)
    done, report, paths = again(served, store, source)
    assert (line(done, page(2)).error, paths) == ("the wiki has no page 'Beast 2 (creature)'", {})


@pytest.mark.slow
def test_a_creature_that_came_and_one_that_went(served: Served, store: RawStore, tmp_path: Path) -> None:
    crawl(SOURCE, store, proxy=served.url)
    old = built(store, tmp_path / "one")
    served.wiki.add_creature(creature(9), png(9))
    served.wiki.remove_creature("c4")
    done, report, paths = again(served, store)
    assert paths == {LIST: 1, page(9): 1, picture(9): 1}
    assert (report.fetched, report.carried, report.failed) == (3, 10, 0)
    assert not [r for r in done.resources if r.url == HOST + page(4)]
    new = built(store, tmp_path / "two")
    assert (diff(old, new).added, reasons_of(new, diff(old, new).removed)) == (
        ("0009-beast-9",),
        {"0004-beast-4": NOT_LISTED},
    )


@pytest.mark.slow
def test_a_switch_of_the_heading_dom_changes_no_record(served: Served, store: RawStore, tmp_path: Path) -> None:
    served.wiki.heading = "old"
    crawl(SOURCE, store, proxy=served.url)
    old = built(store, tmp_path / "one")
    served.wiki.heading = "new"
    for number in range(1, 6):  # the wiki was updated, and every page was touched
        served.wiki.replace_text(f"c{number}", creature(number).text)
    _, report, _ = again(served, store)
    assert report.fetched == 5
    new = built(store, tmp_path / "two")
    assert not diff(old, new).removed
    assert not diff(old, new).added
    before, after = (release.table("records", "train", ["id", "caption"]).to_pylist() for release in (old, new))
    assert before == after


@pytest.mark.slow
def test_other_rules_read_the_same_bodies_and_each_crawl_keeps_its_own(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    changed = replace(SOURCE, fetch="api", assertions=replace(SOURCE.assertions, min_listings=1))
    done, report, paths = again(served, store, changed)
    assert (paths, report.fetched, report.carried) == ({}, 0, 13)
    assert (source_of(first, store), source_of(done, store)) == (SOURCE, changed)
    fewer = replace(SOURCE, list=replace(SOURCE.list, table_class=("tableaustandard",), ignored=("x",)))
    done, _, paths = again(served, store, fewer)
    assert paths == {}
    assert source_of(done, store) == fewer


@pytest.mark.slow
def test_rights_that_were_mended_reach_what_did_not_change(served: Served, store: RawStore) -> None:
    first = crawl(SOURCE, store, proxy=served.url)
    text = replace(SOURCE.texts[0], licence="CC-BY-4.0", attribution="{title} by its keepers")
    mended = replace(SOURCE, texts=(text,), pictures=replace(SOURCE.pictures, licence="CC-BY-SA-4.0"))
    done, report, paths = again(served, store, mended)
    assert (paths, report.carried) == ({}, 13)
    assert (line(done, page(1)).licence, line(done, picture(1)).licence) == ("CC-BY-4.0", "CC-BY-SA-4.0")
    assert line(done, page(1)).attribution == "Beast 1 (creature) by its keepers"
    assert line(done, page(1)).time == line(first, page(1)).time


@pytest.mark.slow
@pytest.mark.parametrize("source", [SOURCE, BY_API], ids=["html", "api"])
def test_a_crawl_cut_off_between_the_change_keys_and_the_pages_goes_on_from_the_keys(
    served: Served, store: RawStore, source: WikiSource
) -> None:
    whole = crawl(source, store, proxy=served.url)
    other = RawStore(store.root.parent / "cut")
    cut_off(whole, store, other, datetime.now(UTC))
    served.wiki.replace_text("c2", "New.")  # after the keys were told
    done, report, _ = again(served, other, source)
    assert report.requests == 1 + 12  # robots.txt and the bodies; the list and the keys are there
    assert (report.fetched, report.failed) == (12, 0)
    text = parse_description(other.get(line(done, page(2)).sha256), "x", "en", source)
    assert isinstance(text, Description)
    assert text.paragraphs == ("New.",)
    last, _, paths = again(served, other, source)
    assert set(paths) <= {page(2)}
    assert line(last, page(2)).revision == str(served.wiki.revisions[creature(2).title].id)


@pytest.mark.slow
def test_a_crawl_cut_off_long_ago_is_set_aside_and_its_keys_are_asked_anew(served: Served, store: RawStore) -> None:
    whole = crawl(SOURCE, store, proxy=served.url)
    other = RawStore(store.root.parent / "cut")
    name = cut_off(whole, store, other, datetime.now(UTC) - timedelta(hours=25))
    done, report, paths = again(served, other)
    assert (report.resumed, report.carried, report.fetched, sum(paths.values())) == (0, 1, 12, 12)  # it had the list
    assert report.requests == 1 + 3 + 12  # robots.txt, keys of the list, of pages and of pictures, the bodies
    assert bodies(done) == bodies(whole)
    assert [path.name for path in (other.root / "crawls").glob("*.abandoned")] == [f"{name}.jsonl.abandoned"]


def cut_off(whole: Crawl, store: RawStore, other: RawStore, moment: datetime) -> str:
    """Leave a crawl in `other` that was killed at `moment`, when it had the list and the keys; return its name."""
    part = other.open_crawl(lambda: moment)
    for resource in whole.resources:
        if resource.kind in ("source", "list", "api"):
            other.put(store.get(resource.sha256))
            part.append(resource)
    part.close()
    return part.name
