"""What a backfill does to one version: build it again and compare, train on it, or publish an old crawl."""

import shutil
from dataclasses import dataclass

from flows.backfill.journal import FOLDER
from flows.console import counting
from flows.engines import EngineOptions, pool_of
from flows.settings import DataRoot
from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import known_sources, load_source
from pipeline.publishing.folder_store import FolderStore, require_name
from pipeline.publishing.hub_store import HubStore
from pipeline.publishing.references import HUB
from pipeline.release import Release
from pipeline.reproduce import Past, reproduce

FAULTS = 5  # differences that are named of one version


class Differs(RuntimeError):  # noqa: N818 - it reads as what it is
    """A version that was built again and is not what it was."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The versions of one dataset, on the Hub or in a folder of releases."""

    root: DataRoot
    name: str  # org/name
    on_hub: bool

    @classmethod
    def named(cls, given: str, root: DataRoot) -> "Shelf":
        """Return what `org/name` or `hub:org/name` means; ValueError for what is neither."""
        return cls(root, require_name(given.removeprefix(HUB)), on_hub=given.startswith(HUB))

    @property
    def address(self) -> str:
        """Return what flows call the store."""
        return f"{HUB}{self.name}" if self.on_hub else str(self.root.releases)

    @property
    def store(self) -> HubStore | FolderStore:
        """Return the store."""
        return HubStore(self.root.places.cache) if self.on_hub else FolderStore(self.root.releases)

    def history(self) -> tuple[Release, ...]:
        """Return what each version says of itself, oldest first."""
        return self.store.history(self.name)

    def open(self, version: str) -> Release:
        """Return one version whole, downloaded where it must be."""
        return self.store.open(self.name, version)


def rebuild_one(shelf: Shelf, version: str, workers: int) -> str:
    """Build a version again from the raw store and compare it byte for byte; the copy goes when it is the same.

    Differs names the first differences; the copy then stays to be looked at.
    """
    past = Past.open(shelf.open(version).folder, shelf.root.releases)
    manifest = past.manifest
    target = shelf.root.root / FOLDER / "copies" / manifest.name / manifest.version
    store = RawStore(shelf.root.raw(manifest.source))
    today = load_source(manifest.source) if manifest.source in known_sources() else None
    pool = pool_of(EngineOptions(workers=workers), shelf.root.root, target.parent)
    with counting(f"building {manifest.name}@{version} again", "steps") as progress:
        done = reproduce(past, store, target, today=today, pool=pool, progress=progress)
    if done.faults:
        more = f", and {len(done.faults) - FAULTS} more" if len(done.faults) > FAULTS else ""
        raise Differs(f"{'; '.join(done.faults[:FAULTS])}{more}; the copy lies at {done.release.folder}")
    shutil.rmtree(target)
    return f"byte for byte the same ({done.files} files)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainHow:
    """How a backfill trains: as the flow `challenge` is asked."""

    presets: tuple[str, ...] = ("small",)
    seed: int = 0
    models: str | None = None
    processes: int = 1


def train_one(shelf: Shelf, release: Release, how: TrainHow) -> str:
    """Let the presets challenge the champion on one version; return what was decided."""
    from flows.challenge import challenge

    version = release.version
    decision = challenge(
        version.repo_id,
        version.tag,
        version.digest,
        shelf.address,
        data=str(shelf.root.root),
        presets=how.presets,
        seed=how.seed,
        models=how.models,
        processes=how.processes,
    )
    return f"{decision.outcome}: {decision.why}"


def publish_crawl(root: DataRoot, source: str, name: str, store: str | None, crawl: str) -> str:
    """Publish the version that a crawl of the past makes; return which, or that nothing changed."""
    from flows.backfill.crawl_flow import backfill_crawl

    done = backfill_crawl(source, name, crawl, data=str(root.root), store=store)
    return f"published {done.version.ref}" if done.new else f"nothing changed since {done.version.ref}"
