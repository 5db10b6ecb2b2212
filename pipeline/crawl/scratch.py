"""A raw store for a dry run: reads through to the real one, and writes where nobody looks."""

import shutil
from pathlib import Path

from pipeline.crawl.raw import Crawl, RawStore
from pipeline.records import Resource


class ScratchStore(RawStore):
    """Has all that another store has, and keeps what is added in a folder of its own."""

    def __init__(self, behind: RawStore, root: Path) -> None:
        """Stand before `behind`; what an interrupted crawl has there counts as done here too."""
        super().__init__(root)
        self.behind = behind
        folder = self.root / "crawls"
        folder.mkdir(parents=True, exist_ok=True)
        for part in (behind.root / "crawls").glob("*.jsonl.part"):
            shutil.copy(part, folder)

    def has(self, sha256: str) -> bool:
        """Say whether a body lies in either store."""
        return super().has(sha256) or self.behind.has(sha256)

    def get(self, sha256: str) -> bytes:
        """Return a body from either store; raise as RawStore does."""
        return super().get(sha256) if super().has(sha256) else self.behind.get(sha256)

    def intact(self, sha256: str) -> bool:
        """Say whether a body lies in either store and is what it was."""
        return super().intact(sha256) if super().has(sha256) else self.behind.intact(sha256)

    def remembered(self) -> dict[tuple[str, str], Resource]:
        """Return what the last crawls of the real store had, and one that a real crawl would set aside now."""
        return self.behind.remembered() | super().remembered()

    def crawl_names(self) -> tuple[str, ...]:
        """Return the names of the real store's finished crawls."""
        return self.behind.crawl_names()

    def crawl(self, name: str) -> Crawl:
        """Return a finished crawl of the real store."""
        return self.behind.crawl(name)
