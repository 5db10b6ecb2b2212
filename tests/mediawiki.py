"""A real MediaWiki on loopback for tests, in a folder and on ports of its own.

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
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.crawl.source_files import source_from_table, wiki_source
from pipeline.crawl.sources import WikiSource

TOOL = Path(
    os.environ.get("PIXELBYTES_MEDIAWIKI", Path(__file__).parents[2] / "shared" / "tools" / "mediawiki.sh")
).resolve()
MEMORY = Path("/dev/shm")  # noqa: S108 - SQLite's imports are several times slower on a disk
EVERYTHING = 1000  # more species than the corpus has


class Wiki:
    """Two faces of one MediaWiki: the list and French pages on one port, English pages on another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = _free_ports()
        ports = {"PORT": str(self.ports[0]), "PORT2": str(self.ports[1])}
        self.environment = os.environ | ports | {"MW": str(folder), "PYTHON": sys.executable}

    def run(self, *arguments: str) -> None:
        """Run a command of the tool; `run SCRIPT …` is one of MediaWiki's own maintenance scripts."""
        done = subprocess.run(
            ["bash", str(TOOL), *arguments], env=self.environment, check=False, capture_output=True, timeout=400
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]!r} {done.stderr[-2000:]!r}"

    def edit(self, title: str, text: str) -> None:
        """Write a page anew."""
        path = self.folder / "edit.txt"
        path.write_text(text, encoding="utf-8")
        self.run("edit", title, str(path))

    def delete(self, *titles: str) -> None:
        """Delete pages."""
        path = self.folder / "titles.txt"
        path.write_text("".join(f"{title}\n" for title in titles), encoding="utf-8")
        self.run("run", "deleteBatch", "-u", "Admin", str(path))

    def rename(self, old: str, new: str, *options: str) -> None:
        """Move a page; it leaves a redirect behind unless `--noredirects` is among the options."""
        path = self.folder / "moves.txt"
        path.write_text(f"{old}|{new}\n", encoding="utf-8")
        self.run("run", "moveBatch", "-u", "Admin", *options, str(path))

    def upload(self, name: str, body: bytes) -> None:
        """Put a picture over the one of this name: its address stays."""
        folder = self.folder / "upload"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / name).write_bytes(body)
        self.run("run", "importImages", "--overwrite", "--extensions=png", "--user=Admin", str(folder))

    def source(self) -> WikiSource:
        """Return the project's source for this tool, led to this wiki's ports."""
        text = json.dumps(asdict(wiki_source("mediawiki-local")))
        text = text.replace("127.0.0.1:8098", f"127.0.0.1:{self.ports[0]}")
        text = text.replace("127.0.0.1:8099", f"127.0.0.1:{self.ports[1]}")
        source = source_from_table(json.loads(text), where="test")
        assert isinstance(source, WikiSource)
        return source

    def asked(self) -> list[str]:
        """Return the paths asked since the last call, without their queries."""
        log = self.folder / "log" / "access.log"
        lines = log.read_text(encoding="utf-8").splitlines()
        log.write_text("", encoding="utf-8")
        return [line.split('"')[1].split()[1].partition("?")[0] for line in lines if "PixelBytes" in line]


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(two.getsockname()[1])


@contextmanager
def real_wiki(species: int) -> Iterator[Wiki]:
    """Give a running wiki with so many species, or skip with the reason why there is none."""
    if not TOOL.is_file():
        pytest.skip(f"there is no {TOOL}: name one with PIXELBYTES_MEDIAWIKI")
    if os.geteuid() != 0:
        pytest.skip("MediaWiki is installed and served by root")
    folder = Path(tempfile.mkdtemp(prefix="pixelbytes-wiki-", dir=MEMORY if MEMORY.is_dir() else None))
    wiki = Wiki(folder)
    try:
        wiki.run("all", str(species))
        yield wiki
    finally:
        wiki.run("stop")
        shutil.rmtree(folder, ignore_errors=True)
