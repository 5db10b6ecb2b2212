"""The crawler against a real MediaWiki: the whole corpus through both faces, its edits, and a change of its DOM."""

import io
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from PIL import Image

from flows.cli import run
from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.changes import file_title
from pipeline.crawl.pages import gathered, parse_description
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import crawl, plan
from pipeline.crawl.sources import WikiSource
from pipeline.crawl.survey import read_lists, survey
from pipeline.diff import reasons_of
from pipeline.publishing.folder_store import FolderStore
from pipeline.records import Description, Listing
from pipeline.release import Release
from tests.mediawiki import EVERYTHING, Wiki, real_wiki

SPECIES, ROWS = 364, 400  # every tenth species has a form
NAME = "pixelbytes/local"

pytestmark = [pytest.mark.wiki, pytest.mark.slow]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The wiki, and a first crawl of all of it."""

    wiki: Wiki
    source: WikiSource
    store: RawStore
    first: Crawl


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    with real_wiki(EVERYTHING) as wiki:
        store = RawStore(tmp_path_factory.mktemp("wiki") / "raw" / "mediawiki-local")
        yield Known(wiki=wiki, source=wiki.source(), store=store, first=crawl(wiki.source(), store))


def read(source: WikiSource, store: RawStore, done: Crawl) -> dict[str, tuple[object, ...]]:
    """Return, by key, what a build makes of a crawl: form, group, paragraphs, digest of the picture."""
    lists = read_lists(done, store, source)
    assert (lists.unparsed, lists.unknown_columns) == ((), ())
    pages, pictures = done.by_url("description"), done.by_url("miniature")

    def said(listing: Listing) -> object:
        bodies = [(store.get(pages[p.url].sha256), p.title) for p in listing.pages if p.url in pages]
        text = gathered(parse_description(body, title, listing.language, source) for body, title in bodies)
        assert isinstance(text, Description), text
        return text.paragraphs

    return {
        item.key: (item.form, item.group, said(item), pictures[item.miniature_url].sha256)
        for item in lists.listings
        if item.pages[0].url in pages
    }


def published(known: Known, folder: Path, done: Crawl) -> Release:
    """Build and publish what a crawl gave."""
    built = build(known.source, known.store, folder / "built", name=NAME, crawl=done.name)
    return FolderStore(folder / "releases").publish(built.with_manifest(gates=check(built))).release


def test_the_whole_corpus_comes_through_both_faces_and_an_unchanged_wiki_is_asked_for_its_change_keys_only(
    known: Known,
) -> None:
    full = known.first.report
    assert full is not None
    assert (full.failed, full.unparsed, full.listings) == (0, 0, 2 * ROWS)
    seen = survey(known.source, known.store, known.first)
    assert (seen.failed, [stage.troubles for stage in seen.yields]) == (False, [()] * len(seen.yields))
    found = read(known.source, known.store, known.first)
    assert len(found) == 2 * ROWS
    assert sum(1 for form, *_ in found.values() if form) == 2 * (ROWS - SPECIES)
    robots = {line.robots for line in known.first.by_url("description").values()}
    assert robots == {f"allowed: rules of http://127.0.0.1:{port}/robots.txt" for port in known.wiki.ports}

    known.wiki.asked()
    foreseen = plan(known.source, known.store)
    second = crawl(known.source, known.store).report
    assert second is not None
    assert (foreseen.requests, second.fetched, second.not_modified, second.failed) == (0, 0, 0, 0)
    assert Counter(known.wiki.asked()) == {"/robots.txt": 4, "/api.php": 6, "/w/api.php": 2}  # asked twice over
    assert second.requests < 0.02 * full.requests


def test_pages_and_api_and_both_doms_give_the_same_records(known: Known, tmp_path: Path) -> None:
    by_api = read(known.source, known.store, known.first)
    for dom, fetch, limit in (("off", "html", None), ("on", "html", 40), ("on", "api", 40)):
        known.wiki.run("newdom", dom)
        store = RawStore(tmp_path / f"{dom}-{fetch}")
        same = replace(known.source, fetch="api" if fetch == "api" else "html")
        done = crawl(same, store, limit=limit)
        found = read(same, store, done)
        bodies = b"".join(store.get(line.sha256) for line in done.by_url("description").values())
        assert (b'class="mw-heading' in bodies or b'class=\\"mw-heading' in bodies) == (dom == "on" and fetch == "html")
        assert len(found) >= 2 * (limit or ROWS)
        assert found == {key: by_api[key] for key in found}
    known.wiki.run("newdom", "off")


def test_what_was_edited_replaced_deleted_and_renamed_is_all_that_is_fetched_and_all_that_changes(
    known: Known, tmp_path: Path
) -> None:
    wiki, source, store = known.wiki, known.source, known.store
    before = published(known, tmp_path, known.first)
    assert sum(before.manifest.counts.values()) + sum(before.manifest.quarantine.values()) == 2 * ROWS
    listings = {item.key: item for item in read_lists(known.first, store, source).listings}
    edited, replaced, deleted, renamed = (item for item in list(listings.values())[::70][:4])
    alone = {item.pages[0].url for item in (edited, deleted, renamed)}
    wiki.edit(edited.pages[0].title, "== Biology ==\nIt was written anew, and eats two hundred pears a day.\n")
    blue = io.BytesIO()
    picture = Image.new("RGBA", (64, 64), (40, 90, 200, 255))
    picture.paste((200, 40, 40, 255), (16, 16, 48, 48))
    picture.paste((252, 252, 252, 255), (24, 20, 32, 44))  # or it would have one colour once its background is cropped
    picture.save(blue, "PNG")
    wiki.upload(file_title(replaced.miniature_url).removeprefix("File:").replace(" ", "_"), blue.getvalue())
    wiki.delete(deleted.pages[0].title)
    wiki.rename(renamed.pages[0].title, "Something else (Pokémon)")
    wiki.run("newdom", "on")  # what is not fetched again keeps its old form; what is comes in the new one

    wiki.asked()
    third = crawl(source, store)
    report = third.report
    assert report is not None
    fetched = {key for key, line in lines(third).items() if line.sha256 != lines(known.first)[key].sha256}
    perhaps = {("description", renamed.pages[0].url), ("list", source.start[0])}  # touched; their bytes may be the same
    assert fetched - perhaps == {
        ("description", edited.pages[0].url),
        ("description", deleted.pages[0].url),
        ("miniature", replaced.miniature_url),
    }
    assert report.failed == 1
    assert third.by_url("description")[deleted.pages[0].url].error == f"the wiki has no page {deleted.pages[0].title!r}"
    assert store.get(third.by_url("miniature")[replaced.miniature_url].sha256) == blue.getvalue()
    assert report.fetched <= 4  # the page, the picture, the renamed page; the list when the wiki touched it

    after = published(known, tmp_path, third)
    changes = after.manifest.diff
    sharing = {key for key, item in listings.items() if item.miniature_url == replaced.miniature_url}
    described = {key for key, item in listings.items() if item.pages[0].url in alone}
    assert changes.added == ()
    assert set(changes.removed) == {key for key in described if listings[key].pages[0].url == deleted.pages[0].url}
    assert set(changes.changed) == sharing | {key for key in described if listings[key].pages == edited.pages}
    reasons = reasons_of(after, changes.removed)
    assert all("the wiki has no page" in reason for reason in reasons.values())
    assert set(reasons) == set(changes.removed)
    assert "the wiki has no page" in (after.folder / "CHANGELOG.md").read_text(encoding="utf-8")

    again = build(source, store, tmp_path / "again", name=NAME, crawl=known.first.name)
    assert again.manifest.digest == before.manifest.digest


def lines(done: Crawl) -> dict[tuple[str, str], object]:
    """Return what one crawls for, by kind and URL."""
    return {(line.kind, line.url): line for line in done.resources if line.kind in ("list", "description", "miniature")}


def test_a_drop_stops_the_rebuild_with_its_pages_and_what_was_expected(
    known: Known, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wiki, source, store = known.wiki, known.source, known.store
    listings = [item for item in read_lists(known.first, store, source).listings if item.language == "en"]
    gone = [item.pages[0].title for item in listings[100:150]]
    wiki.rename(gone[0], "Moved away (Pokémon)", "--noredirects")
    wiki.delete(*dict.fromkeys(gone[1:]))
    crawl(source, store)
    seen = survey(source, store)
    assert seen.failed
    (short,) = (stage for stage in seen.yields if not stage.passed)
    assert short.stage == "descriptions (en)"
    told = seen.problem()
    assert "expected at least 90.0%" in told
    assert f"{gone[0]} <{listings[100].pages[0].url}>: the wiki has no page {gone[0]!r}" in told
    assert f"… and {len(short.troubles) - 20} more" in told
    assert {trouble.what for trouble in short.troubles} >= set(gone)
    toml = tmp_path / "local.toml"
    text = (Path(__file__).parents[2] / "pipeline" / "sources" / "mediawiki-local.toml").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8098", f"127.0.0.1:{wiki.ports[0]}")
    toml.write_text(text.replace("127.0.0.1:8099", f"127.0.0.1:{wiki.ports[1]}"), encoding="utf-8")
    data = store.root.parent.parent
    assert run(["survey", str(toml), "--data", str(data)]) == 3
    assert gone[0] in capsys.readouterr().out
    command = [sys.executable, "-m", "flows.cli", "rebuild", str(toml), "--offline", "--data", str(data)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    said = " ".join(done.stderr.split())
    assert done.returncode == 3, said
    assert "a gate said no" in said
    assert "expected at least 90.0%" in said
    assert not (data / "releases").exists()
