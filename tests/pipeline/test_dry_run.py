"""What a crawl would ask for, found out without keeping anything: the crawl that follows asks for exactly that."""

import fcntl
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.cli import run
from pipeline.crawl.raw import LOCK, CrawlReport, RawStore
from pipeline.crawl.run import CrawlError, HostPlan, Plan, crawl, plan
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.sources import WikiSource, host_of
from pipeline.sample.state import LIST_TITLE, page_path
from pipeline.sample.wiki import HOST, Fault, Served
from tests.wikis import asked, page, png

SOURCE = wiki_source("sample")
BY_API = replace(SOURCE, fetch="api")
LIST = page_path(LIST_TITLE)


def counts(found: Plan) -> tuple[int, int]:
    """Return how many pages and pictures a plan has on the wiki's only host."""
    assert {host.host for host in found.hosts} <= {host_of(HOST)}
    return sum(host.pages for host in found.hosts), sum(host.pictures for host in found.hosts)


def fetched_by(served: Served, source: WikiSource, store: RawStore, limit: int | None = None) -> tuple[int, int]:
    """Crawl, and return how many pages and pictures the wiki was asked for."""
    served.wiki.asked.clear()
    crawl(source, store, proxy=served.url, limit=limit)
    paths = [note.path.removeprefix(HOST) for note in served.wiki.asked]
    pages = [path for path in paths if path.startswith("/wiki/") or ("action=parse" in path and "List+of" not in path)]
    return len(pages), len([path for path in paths if path.startswith("/images/")])


def everything(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return all files below a folder, with their bytes and times."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_plan_asks_for_lists_and_keys_only_and_keeps_nothing(served: Served, store: RawStore) -> None:
    found = plan(SOURCE, store, proxy=served.url)
    assert counts(found) == (6, 6)
    assert (found.requests, found.report.listings, found.report.carried) == (12, 6, 0)
    paths = asked(served)
    assert sorted(set(paths)) == sorted({"/robots.txt", LIST, "/w/api.php"})
    assert found.report.requests == len(paths) == 5
    assert not store.root.exists()


@pytest.mark.slow
@pytest.mark.parametrize("source", [SOURCE, BY_API, replace(SOURCE, api=())], ids=["html", "api", "no api"])
@pytest.mark.parametrize("limit", [None, 2])
def test_a_plan_counts_what_the_crawl_then_asks_for(
    served: Served, store: RawStore, source: WikiSource, limit: int | None
) -> None:
    planned = counts(plan(source, store, proxy=served.url, limit=limit))
    assert planned == fetched_by(served, source, store, limit)
    assert planned == ((6, 6) if limit is None else (2, 2))


@pytest.mark.slow
def test_after_edits_a_plan_has_the_edits_and_before_them_nothing(served: Served, store: RawStore) -> None:
    crawl(SOURCE, store, proxy=served.url)
    before = everything(store.root)
    empty = plan(SOURCE, store, proxy=served.url)
    assert (empty.hosts, empty.requests, empty.seconds, empty.report.carried) == ((), 0, 0.0, 13)
    served.wiki.replace_text("c1", "New.")
    served.wiki.replace_text("c3frost", "New.")
    served.wiki.replace_image("c4", png(99))
    served.wiki.remove_page("c5")
    found = plan(SOURCE, store, proxy=served.url)
    assert counts(found) == (2, 1)
    assert everything(store.root) == before
    assert fetched_by(served, SOURCE, store) == (2, 1)


@pytest.mark.slow
def test_a_plan_sees_what_an_interrupted_crawl_has(served: Served, store: RawStore) -> None:
    whole = crawl(SOURCE, RawStore(store.root.parent / "whole"), proxy=served.url)
    kept = [r for r in whole.resources if r.kind == "list"] + list(whole.by_url("description").values())[:4]
    part = store.open_crawl(lambda: datetime.now(UTC))
    for resource in kept:
        store.put(RawStore(store.root.parent / "whole").get(resource.sha256))
        part.append(resource)
    part.close()
    before = everything(store.root)
    found = plan(SOURCE, store, proxy=served.url)
    assert (counts(found), found.report.resumed) == ((2, 6), 4)
    assert everything(store.root) == before
    assert fetched_by(served, SOURCE, store) == (2, 6)


@pytest.mark.slow
def test_a_plan_knows_what_came_in_a_crawl_that_is_too_old_to_go_on(served: Served, store: RawStore) -> None:
    done = crawl(SOURCE, store, proxy=served.url)
    manifest = store.root / "crawls" / f"{done.name}.jsonl"
    manifest.rename(manifest.with_name("20260101T000000Z.jsonl.part"))
    before = everything(store.root)
    found = plan(SOURCE, store, proxy=served.url)
    assert (found.requests, found.report.carried) == (0, 13)
    assert everything(store.root) == before
    assert fetched_by(served, SOURCE, store) == (0, 0)


@pytest.mark.slow
def test_a_plan_gives_the_pace_that_the_site_asks_for(served: Served, store: RawStore) -> None:
    served.wiki.crawl_delay = 0.3
    found = plan(SOURCE, store, proxy=served.url)
    assert found.hosts == (HostPlan(host=host_of(HOST), pages=6, pictures=6, delay=0.3),)
    assert found.seconds == pytest.approx(12 * 0.3)
    slower = replace(SOURCE, politeness=replace(SOURCE.politeness, delay=0.5))
    assert [host.delay for host in plan(slower, store, proxy=served.url).hosts] == [0.5]


def test_hosts_are_asked_side_by_side() -> None:
    slow = HostPlan(host="a", pages=10, pictures=0, delay=5.0)
    fast = HostPlan(host="b", pages=2, pictures=30, delay=1.0)
    whole = Plan(hosts=(slow, fast), report=CrawlReport())
    assert (whole.requests, whole.seconds) == (42, 50.0)
    assert Plan(hosts=(), report=CrawlReport()).seconds == 0.0


@pytest.mark.slow
def test_what_robots_txt_refuses_is_not_planned(served: Served, store: RawStore) -> None:
    served.wiki.disallow = (page(5),)
    planned = counts(plan(SOURCE, store, proxy=served.url))
    assert planned == fetched_by(served, SOURCE, store) == (5, 6)


@pytest.mark.slow
def test_a_list_that_cannot_be_read_makes_no_plan(served: Served, store: RawStore) -> None:
    served.wiki.break_path(LIST, Fault(status=404))
    with pytest.raises(CrawlError, match=r"could not be found out.*answered 404"):
        plan(SOURCE, store, proxy=served.url)
    assert not store.root.exists()


def test_a_plan_refuses_what_a_crawl_refuses(store: RawStore) -> None:
    with pytest.raises(ValueError, match="--contact"):
        plan(wiki_source("pokepedia"), store)
    with pytest.raises(ValueError, match="at least one listing"):
        plan(SOURCE, store, limit=0)


@pytest.mark.slow
def test_the_command_says_what_would_be_asked_and_leaves_no_trace(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert run(["crawl", "sample", "--dry-run", "--limit", "2", "--json", "--data", str(data)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["requests"], [host["host"] for host in told["hosts"]]) == (4, [host_of(HOST)])
    assert run(["crawl", "sample", "--dry-run", "--limit", "2", "--data", str(data)]) == 0
    out = capfd.readouterr().out
    assert "2 pages and 2 pictures" in out
    assert "nothing was kept" in out
    assert not data.exists()


@pytest.mark.slow
def test_a_plan_is_not_made_beside_a_crawl(served: Served, store: RawStore) -> None:
    store.root.mkdir(parents=True)
    with (store.root / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CrawlError, match="another process is crawling into"):
            plan(SOURCE, store, proxy=served.url)
    assert asked(served) == []
    assert plan(SOURCE, store, proxy=served.url, limit=1).requests == 2
