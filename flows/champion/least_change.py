"""How much a patch release changes since the last version that was trained on: small ones may wait, and add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.champion.champions import Decision
from pipeline.diff import diff
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.places import Places
from pipeline.publishing.references import destination
from pipeline.publishing.staging import Store, version_key
from pipeline.records import DatasetVersion
from pipeline.release import MANIFEST, Changes, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What lies between a version and the last one before it that was trained on."""

    since: str  # that version
    records: int  # that were added, changed or removed
    of: int  # records in the new version
    measured: bool  # record by record; False: added up from what each version in between says of itself

    @property
    def share(self) -> float:
        """The changed share of the new version's records; 1 where it has none."""
        return min(1.0, self.records / self.of) if self.of else 1.0

    def told(self) -> str:
        """Return it in words."""
        how = "" if self.measured else ", added up over the versions in between"
        return f"{self.records:,} of {self.of:,} records ({self.share:.2%}) changed since {self.since}{how}"


def store_of(address: str | None, places: Places) -> Store:
    """Return the store that a version was read from, where those before it are; a release folder lies in its own."""
    folder = Path(address or places.releases).resolve()
    if (folder / MANIFEST).is_file():
        return FolderStore(folder.parent.parent.parent)
    return destination(address, places).store


def last_trained(
    version: DatasetVersion, decisions: Sequence[Decision], champion: DatasetVersion | None
) -> DatasetVersion | None:
    """Return the newest version before this one that was trained on: by the decisions, or as its champion says."""
    trained = [one.dataset for one in decisions if one.outcome != "skipped"]
    trained += [champion] if champion and champion.repo_id == version.repo_id else []
    before = [one for one in trained if version_key(one.tag) < version_key(version.tag)]
    return max(before, key=lambda one: version_key(one.tag), default=None)


def difference(release: Release, trained: DatasetVersion | None, store: Store) -> Difference | None:
    """Return what a patch changes since the version that was trained on; None when no patches alone lie between them.

    None too when neither that version nor the manifests in between can be read: then nobody knows, and it is trained.
    HubError when the Hub does not answer.
    """
    if trained is None or not _only_patches(trained.tag, release.version.tag):
        return None
    changes: Changes | None
    try:
        changes, measured = _measured(release, trained, store), True
    except (ValueError, OSError):
        changes, measured = _added_up(release, trained, store), False
    if changes is None:
        return None
    touched = len({*changes.added, *changes.changed, *changes.removed})
    return Difference(since=trained.ref, records=touched, of=sum(release.manifest.counts.values()), measured=measured)


def _only_patches(old: str, new: str) -> bool:
    """Tell whether two versions differ in their last number alone.

    >>> _only_patches("v1.2.0", "v1.2.7"), _only_patches("v1.2.0", "v1.3.0")
    (True, False)
    """
    return old.rpartition(".")[0] == new.rpartition(".")[0]


def _measured(release: Release, trained: DatasetVersion, store: Store) -> Changes:
    old = store.open(trained.repo_id, trained.tag)
    if old.manifest.digest != trained.digest:
        raise ValueError(f"{trained.ref} has another content than the one that was trained on: publish it anew.")
    return diff(old, release)


def _added_up(release: Release, trained: DatasetVersion, store: Store) -> Changes | None:
    """Return all that the versions after `trained` say they changed; None when one of them is not there."""
    try:
        known = {one.manifest.version: one.manifest for one in store.history(release.version.repo_id)}
    except (ValueError, OSError):
        return None
    between, at = [release.manifest], release.manifest
    while at.previous != trained.tag:
        if at.previous not in known or len(between) > len(known):
            return None
        at = known[at.previous]
        between.append(at)
    return Changes(
        added=tuple(key for one in between for key in one.diff.added),
        changed=tuple(key for one in between for key in one.diff.changed),
        removed=tuple(key for one in between for key in one.diff.removed),
    )
