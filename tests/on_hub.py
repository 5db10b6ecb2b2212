"""A Hub on loopback with a small dataset on it, put back to how it was for each test; and what must hold there ever."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants, file_download
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import close_session

from flows.hub_server import wire
from flows.hub_server.running import RunningHub, running_hub
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing import client
from pipeline.publishing.hub_store import HubStore, versions_of
from pipeline.release import Release, seal_of
from pipeline.templating import markdown_environment
from pipeline.verify import verify
from tests.raw_stores import creatures, make_store, sample_source

NAME = "org/beasts"
EVERY = bool(os.environ.get("PIXELBYTES_EVERY"))  # every moment and case of long tests: some twenty minutes
SECONDS = 0.4  # until a client gives up on a Hub that says nothing
#: the client's own way to send files, which its HTTP library would have otherwise
IGNORE_CLIENT = "ignore:Use 'content=:DeprecationWarning"


@dataclass(slots=True)
class World:
    """A Hub, the builds that may go there, and this test's own folder."""

    hub: RunningHub
    root: Path
    old: Release  # stands as v1.0.0 after `reset`
    new: Release  # of which v1.1.0 is made
    other: Release
    stores: int = 0
    sound: set[str] = field(default_factory=set)  # seals of releases whose rows were verified

    def reset(self, *, empty: bool = False) -> None:
        """Let the Hub hold v1.0.0 alone, or nothing."""
        self.hub.faults.clear()
        for kind in (self.hub.root / "repos").iterdir():
            shutil.rmtree(kind)
            kind.mkdir()
        if not empty:
            shutil.copytree(self.root / "stood", self.hub.root / "repos", dirs_exist_ok=True)
        self.hub.seen.clear()

    def store(self, *, warm: bool = False, **options: object) -> HubStore:
        """Return a store of a new machine; a warm one has read v1.0.0 before."""
        self.stores += 1
        cache = self.root / "caches" / str(self.stores)
        if warm:
            shutil.copytree(self.root / "warm", cache)
        return HubStore(cache, endpoint=self.hub.endpoint, **options)  # type: ignore[arg-type]

    @property
    def api(self) -> HfApi:
        """Return the client of whoever may do everything."""
        return HfApi(endpoint=self.hub.endpoint, token=self.hub.token)

    def tags(self) -> dict[str, str]:
        """Return the versions that stand, with their commits."""
        standing = self.store().repo(NAME).standing()
        return {version: standing.tags[version] for version in versions_of(standing)} if standing else {}

    def sound_versions(self) -> dict[str, str]:
        """Return the digest of each version that stands; each is pulled by a stranger to us, and whole."""
        found, store = {}, self.store(warm=True)  # v1.0.0 is known by its commit
        for version in self.tags():
            release = store.open(NAME, version)
            assert release.manifest.version == version
            assert release.manifest.seal == seal_of(release.manifest)
            if release.manifest.seal not in self.sound:
                assert verify(release) == ()
                self.sound.add(release.manifest.seal)
            found[version] = release.manifest.digest
        shutil.rmtree(store.cache, ignore_errors=True)
        return found

    def tree(self, revision: str) -> dict[str, str]:
        """Return the files of a revision by path, each by git's digest."""
        found = self.api.list_repo_tree(NAME, repo_type="dataset", revision=revision, recursive=True)
        return {item.path: item.blob_id for item in found if isinstance(item, RepoFile)}

    def by_hand(self, files: dict[str, bytes]) -> str:
        """Let somebody commit files to main by hand; return the commit."""
        operations = [CommitOperationAdd(path, body) for path, body in files.items()]
        done = self.api.create_commit(NAME, operations, commit_message="by hand", repo_type="dataset")
        return str(done.oid)

    def steps(self) -> list[str]:
        """Return the steps that the Hub saw since it was asked last."""
        seen = [one.step for one in self.hub.seen]
        self.hub.seen.clear()
        return seen


def built(root: Path, count: int, name: str = NAME, **changes: object) -> Release:
    """Return a checked build of so many creatures."""
    made = build(sample_source(), make_store(root / "raw", creatures(count)), root / "built", name=name)
    return made.with_manifest(gates=check(made), **changes)


@contextmanager
def world(root: Path) -> Iterator[World]:
    """Serve a Hub with v1.0.0 on it; nobody waits for real, and nothing is drawn or kept beyond a power cut."""
    with pytest.MonkeyPatch.context() as patch, running_hub(root / "hub") as hub:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {})
        patch.setattr("pipeline.cards.card.markdown_environment", cache(markdown_environment))
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(wire, "_PAUSE", 0.005)
        patch.setattr(time, "sleep", lambda _: None)
        patch.setenv("HF_TOKEN", hub.token)
        patch.setattr(client, "LIMITS", client.httpx2.Timeout(SECONDS, connect=20, pool=None))
        patch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", SECONDS)
        patch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", SECONDS)
        patch.setattr(file_download, "_ETAG_RETRY_TIMEOUT", SECONDS)
        close_session()
        builds = [built(root / str(count), count) for count in (8, 10, 12)]
        made = World(hub, root, *builds)
        store = made.store()
        store.publish(made.old)
        shutil.copytree(store.cache, root / "warm")
        shutil.copytree(hub.root / "repos", root / "stood")
        yield made
        close_session()
