"""Releases on the Hugging Face Hub: one commit each, checked from outside, then tagged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pipeline.publishing.attempts import attempted
from pipeline.publishing.audience import AS_THE_SOURCE_ALLOWS, Audience
from pipeline.publishing.client import hub_client
from pipeline.publishing.faults import HubError
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.guards import refuse_foreign, require_seen_as, versions_of
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.pulling import AnotherContent, Progress, download, pull, pull_manifest
from pipeline.publishing.remote import Standing
from pipeline.publishing.scratch import in_turn, own_folder
from pipeline.publishing.staging import (
    Draft,
    Plan,
    Published,
    drafted,
    nothing_to_do,
    planned,
    rolled_back,
)
from pipeline.release import MANIFEST, DamagedRelease, Manifest, Release
from pipeline.verify import verify

Gated = Literal["auto", "manual"]


@dataclass(frozen=True, slots=True)
class HubStore:
    """Releases of datasets on the Hub; what was read of them is kept under `cache`, by commit.

    A version is a tag on a commit whose manifest names that version. What is on main without a tag is no release yet:
    publishing again finishes it, or replaces it.
    """

    cache: Path
    gated: Gated | None = None
    propose: bool = False  # by a pull request, which somebody merges; publishing again then tags what was merged
    progress: Progress = field(default=lambda _done, _all: None)
    endpoint: str | None = None  # HF_ENDPOINT by default

    def repo(self, name: str) -> HubRepo:
        """Return a dataset's repo; ValueError for a name that is not `org/name`."""
        return HubRepo(require_name(name), "dataset", hub_client(self.endpoint))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset, oldest first; none when there is no such repo."""
        standing = self.repo(name).standing()
        return versions_of(standing) if standing else ()

    def open(self, name: str, version: str | None = None) -> Release:
        """Return a release, the newest unless a version is named, downloaded when it was not before."""
        repo, commit, chosen = self._found(name, version)
        return self._pulled(repo, commit, chosen)

    def fetched(self, name: str, version: str | None, folder: Path) -> Release:
        """Return a release as `open`, but downloaded into a folder of its own, whatever was read before."""
        repo, commit, chosen = self._found(name, version)
        with _tagged(repo, chosen, commit):
            release = download(repo, commit, folder, self.progress)
            _require_itself(release.manifest, name, chosen)
        return release

    def _found(self, name: str, version: str | None) -> tuple[HubRepo, str, str]:
        """Return the repo, the commit and the name of a version; ValueError says what there is instead."""
        repo = self.repo(name)
        standing = repo.standing()
        versions = versions_of(standing) if standing else ()
        if not standing or not versions:
            raise ValueError(f"the Hub shows no release of {name}: check its spelling, and the login if it is private.")
        if version is not None and version not in versions:
            raise ValueError(f"hub:{name} has no version {version!r}: it has {', '.join(versions)}.")
        chosen = version or versions[-1]
        return repo, standing.tags[chosen], chosen

    def last(self, name: str) -> Release | None:
        """Return the newest release, if there is any."""
        repo = self.repo(name)
        standing = repo.standing()
        return self._last(repo, standing) if standing else None

    def history(self, name: str) -> tuple[Release, ...]:
        """Return what each version says of itself, oldest first: their manifests alone are downloaded."""
        repo = self.repo(name)
        standing = repo.standing()
        if not standing:
            raise ValueError(f"the Hub shows no dataset {name}: check its spelling, and the login if it is private.")
        return self._history(repo, standing)

    def plan(self, release: Release, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Plan:
        """Return what `publish` would do to the head of main, having changed nothing; GateError as it would."""
        name = release.manifest.name
        repo = self.repo(name)
        standing = repo.standing()
        last = self._last(repo, standing) if standing else None
        draft = drafted(release, last, audience)
        if draft is None:
            return nothing_to_do(_known(last))
        with own_folder(self.cache / name, "staged") as folder:
            staged = draft.staged(folder)
            there = repo.files(standing.head) if standing else {}
            return planned(staged, draft, {path: remote.holds for path, remote in there.items()})

    def publish(self, release: Release, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Published:
        """Publish a checked build under the version that its changes call for; nothing when nothing changed.

        All of it is one commit, which is read back and verified before it gets its tag. Killed or failed at any
        moment, the Hub has the old releases, or these and the new one complete; publishing again finishes the job.
        GateError as of a folder; HubError says what the Hub could not do.
        """
        return self._tried(release.manifest.name, lambda _repo, _standing, last: drafted(release, last, audience))

    def rollback(self, name: str, version: str, why: str) -> Published:
        """Make a new version of an old one's content, which says that those since are yanked, and why."""

        def draft(repo: HubRepo, standing: Standing | None, last: Release | None) -> Draft | None:
            known = self._history(repo, standing) if standing and last else ()
            whole = [
                self._pulled(repo, one.revision, version) if one.manifest.version == version else one for one in known
            ]
            return rolled_back((*whole[:-1], last) if last else (), version, why)

        return self._tried(name, draft)

    def _tried(self, name: str, draft: Callable[[HubRepo, Standing | None, Release | None], Draft | None]) -> Published:
        """Publish what a draft makes of the newest release; plan anew whenever somebody else was faster."""
        repo = self.repo(name)

        def attempt(standing: Standing | None) -> Published:
            last = self._last(repo, standing) if standing else None
            made = draft(repo, standing, last)
            if made is not None:
                return self._made(repo, standing, made)
            if self.gated:
                repo.gate(self.gated)
            return Published(version=_known(last).version, release=_known(last), new=False)

        return attempted(repo, attempt)

    def _made(self, repo: HubRepo, standing: Standing | None, draft: Draft) -> Published:
        """Let a draft become a version: repo, commit, a look from outside, tag."""
        private = draft.visibility == "private"
        standing = standing or repo.made(private=private)
        self._require_ours(repo, standing)
        require_seen_as(repo, standing, private=private)
        if self.gated:
            repo.gate(self.gated)
        with own_folder(self.cache / repo.repo_id, "staged") as folder:
            staged = draft.staged(folder)
            message = f"{draft.version}: {summary(draft)} ({staged.manifest.seal[:12]})"
            if self.propose:
                address, commit = repo.propose(folder, standing.head, message)
                if address:
                    proposed = replace(staged, folder=draft.content.folder, revision=commit)
                    return Published(version=proposed.version, release=proposed, new=True, proposed=address)
            commit = repo.commit(folder, standing.head, message)
            release = self._read_back(repo, commit, staged)
            repo.tag(draft.version, commit)
        return Published(version=release.version, release=release, new=True)

    def _require_ours(self, repo: HubRepo, standing: Standing) -> None:
        """Refuse a repo that holds somebody's files and no release: a mistyped name would wipe it."""
        if versions_of(standing) or not (there := repo.files(standing.head)):
            return
        place = self._place(repo.repo_id, standing.head).with_name(f"{standing.head}.manifest")
        if MANIFEST not in there or pull_manifest(repo, standing.head, place).name != repo.repo_id:
            refuse_foreign(repo, there)

    def _read_back(self, repo: HubRepo, commit: str, staged: Release) -> Release:
        """Return the commit's release as everybody gets it, every digest computed anew; HubError when it is another."""
        place = self._place(repo.repo_id, commit)
        with own_folder(place.parent, "read") as folder:  # what was pulled before says nothing of what is there
            try:
                release = download(repo, commit, folder, self.progress)
                fault = next(iter(verify(release)), "")
                if not fault and release.manifest.seal != staged.manifest.seal:
                    fault = "its manifest has another seal"
            except DamagedRelease as error:
                fault = str(error)
            if fault:
                raise HubError(
                    f"commit {commit[:12]} of {repo.name} does not read back as what was sent ({fault}), so it got no "
                    "tag and nobody was told: run the same command again."
                )
            with in_turn(place.parent, place.name):
                if not place.exists():
                    folder.replace(place)
        return replace(Release.open(place), revision=commit)

    def _history(self, repo: HubRepo, standing: Standing) -> tuple[Release, ...]:
        found = []
        for version in versions_of(standing):
            commit = standing.tags[version]
            whole = self._place(repo.repo_id, commit)
            folder = whole if whole.exists() else whole.with_name(f"{commit}.manifest")
            with _tagged(repo, version, commit):
                manifest = pull_manifest(repo, commit, folder)
                _require_itself(manifest, repo.repo_id, version)
            found.append(Release(folder=folder, manifest=manifest, revision=commit))
        return tuple(found)

    def _last(self, repo: HubRepo, standing: Standing) -> Release | None:
        versions = versions_of(standing)
        return self._pulled(repo, standing.tags[versions[-1]], versions[-1]) if versions else None

    def _pulled(self, repo: HubRepo, commit: str, version: str) -> Release:
        with _tagged(repo, version, commit):
            release = pull(repo, commit, self._place(repo.repo_id, commit), self.progress)
            _require_itself(release.manifest, repo.repo_id, version)
        return release

    def _place(self, name: str, commit: str) -> Path:
        return self.cache / name / commit


@contextmanager
def _tagged(repo: HubRepo, version: str, commit: str) -> Iterator[None]:
    """Say of which tag it is that a commit holds no release of ours, and what its owner can do."""
    try:
        yield
    except AnotherContent as error:
        raise DamagedRelease(
            f"tag {version} of {repo.name} names commit {commit[:12]}, which is not that release ({error}) Nothing was "
            f"changed. Name another version; or, if the repo is yours and the tag was made by hand, remove it "
            f"(`hf repos tag delete {repo.repo_id} {version} --type {repo.kind}`), then run the same command again."
        ) from error
    except DamagedRelease as error:
        raise DamagedRelease(
            f"tag {version} of {repo.name} is damaged on the Hub: {error} Name another version; if the repo is yours, "
            "build it again and publish, or roll back to a version that is whole."
        ) from error


def _require_itself(manifest: Manifest, name: str, version: str) -> None:
    """Raise AnotherContent for a release that calls itself otherwise than the repo and the tag that it stands under."""
    if (manifest.name, manifest.version) != (name, version):
        raise AnotherContent(f"its manifest says {manifest.name}@{manifest.version}: somebody made or moved the tag.")


def summary(draft: Draft) -> str:
    """Return what a version changes, for a commit's title."""
    changes = draft.changes
    return f"{len(changes.added)} added, {len(changes.changed)} changed, {len(changes.removed)} removed"


def _known(last: Release | None) -> Release:
    if last is None:
        raise ValueError("there is no release yet")
    return last
