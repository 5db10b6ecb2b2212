"""The crawler against a real MediaWiki on loopback, in both heading DOMs, by pages and by API.

PIXELBYTES_MEDIAWIKI names the script that starts one; it needs root and installs the wiki's packages.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.crawl.pages import parse_description, parse_list
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import crawl
from pipeline.crawl.source_files import source_from_table, wiki_source
from pipeline.records import Description

TOOL = Path(
    os.environ.get("PIXELBYTES_MEDIAWIKI", Path(__file__).parents[3] / "shared" / "tools" / "mediawiki.sh")
).resolve()
MEMORY = Path("/dev/shm")  # noqa: S108 - SQLite's imports are several times slower on a disk
SPECIES, ROWS = 12, 13  # every tenth species has a form

pytestmark = [pytest.mark.wiki, pytest.mark.slow]


class Wiki:
    """A MediaWiki of our own, in a folder and on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = _free_ports()
        ports = {"PORT": str(self.ports[0]), "PORT2": str(self.ports[1])}
        self.environment = os.environ | ports | {"MW": str(folder), "PYTHON": sys.executable}

    def run(self, *arguments: str) -> None:
        subprocess.run(
            ["bash", str(TOOL), *arguments], env=self.environment, check=True, capture_output=True, timeout=300
        )

    def source(self) -> Source:
        text = json.dumps(asdict(wiki_source("mediawiki-local")))
        text = text.replace("127.0.0.1:8098", f"127.0.0.1:{self.ports[0]}")
        return source_from_table(json.loads(text.replace("127.0.0.1:8099", f"127.0.0.1:{self.ports[1]}")), where="test")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(two.getsockname()[1])


@pytest.fixture(scope="module")
def wiki() -> Iterator[Wiki]:
    if not TOOL.is_file():
        pytest.skip(f"there is no {TOOL}: name one with PIXELBYTES_MEDIAWIKI")
    if os.geteuid() != 0:
        pytest.skip("MediaWiki is installed and served by root")
    folder = Path(tempfile.mkdtemp(prefix="pixelbytes-wiki-", dir=MEMORY if MEMORY.is_dir() else None))
    wiki = Wiki(folder)
    try:
        wiki.run("all", str(SPECIES))
        yield wiki
    finally:
        wiki.run("stop")
        shutil.rmtree(folder, ignore_errors=True)


def read(source: Source, store: RawStore, done: Crawl) -> dict[str, tuple[object, ...]]:
    """Return, by key, what a build would make of a crawl: form, paragraphs, digest of the picture."""
    (line,) = done.by_url("list").values()
    listings = parse_list(store.get(line.sha256), line.url, source)
    assert listings.unparsed == ()
    pages, pictures = done.by_url("description"), done.by_url("miniature")
    found: dict[str, tuple[object, ...]] = {}
    for listing in listings.listings:
        text = parse_description(store.get(pages[listing.page_url].sha256), listing.page_title, source)
        assert isinstance(text, Description), text
        found[listing.key] = (listing.form, listing.group, text.paragraphs, pictures[listing.miniature_url].sha256)
    return found


def test_both_hosts_both_doms_and_the_api_give_the_same_records(wiki: Wiki, tmp_path: Path) -> None:
    source = wiki.source()
    seen = []
    for case, fetch in (("off", "html"), ("on", "html"), ("off", "api")):
        wiki.run("newdom", case)
        store = RawStore(tmp_path / f"{case}-{fetch}")
        same = replace(source, fetch="api" if fetch == "api" else "html")
        done = crawl(same, store)
        assert done.report is not None
        assert (done.report.failed, done.report.listings, done.report.unparsed) == (0, ROWS, 0)
        seen.append(read(same, store, done))
        bodies = b"".join(store.get(line.sha256) for line in done.by_url("description").values())
        assert (b'class="mw-heading' in bodies) == (case == "on")
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == ROWS
    assert sum(1 for form, *_ in seen[0].values() if form) == ROWS - SPECIES
    assert all(len(paragraphs) >= 2 for _, _, paragraphs, _ in seen[0].values() if isinstance(paragraphs, tuple))


def test_an_unchanged_wiki_is_carried_over_and_an_edit_is_seen(wiki: Wiki, tmp_path: Path) -> None:
    source, store = wiki.source(), RawStore(tmp_path / "raw")
    first = crawl(source, store)
    second = crawl(source, store)
    assert second.report is not None
    assert (second.report.fetched, second.report.not_modified) == (0, 1)
    assert second.by_url("description") == first.by_url("description")
    title = next(iter(first.by_url("description").values())).title
    text = tmp_path / "page.txt"
    text.write_text("== Biology ==\nIt was written anew.\n", encoding="utf-8")
    wiki.run("edit", title, str(text))
    third = crawl(source, store)
    assert third.report is not None
    assert third.report.fetched == 1
    changed = next(line for line in third.by_url("description").values() if line.title == title)
    found = parse_description(store.get(changed.sha256), title, source)
    assert isinstance(found, Description)
    assert found.paragraphs == ("It was written anew.",)
