"""A release folder into a plain folder of releases: all or nothing, never twice, `latest` moved last."""

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pipeline.card import write_card
from pipeline.diff import diff, next_version
from pipeline.records import DatasetVersion
from pipeline.release import MANIFEST, Release, blocking, only_one
from pipeline.shards import sync_folder

LATEST = "latest"
_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


class GateError(Exception):
    """A release that may not be published: a gate said no, or none was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing ended with: the version that now stands, and whether it is a new one."""

    version: DatasetVersion
    release: Release
    new: bool


class ReleaseStore(Protocol):
    """Where releases live: a folder here, a hub elsewhere."""

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset, oldest first."""
        ...

    def open(self, name: str, version: str | None = None) -> Release:
        """Return a release, the newest unless a version is named; ValueError when there is none."""
        ...

    def publish(self, release: Release, title: str) -> Published:
        """Make a built and checked release public, or find that nothing changed."""
        ...


@dataclass(frozen=True, slots=True)
class FolderStore:
    """Releases in a plain folder: `<root>/<org>/<name>/v1.0.0/…` and a link `latest` that moves last."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return where a dataset's releases lie; ValueError for a name that is not `org/name`."""
        if not _NAME.fullmatch(name) or ".." in name:
            raise ValueError(
                f"dataset name {name!r} is not of the form org/name: use letters, digits, dots and dashes."
            )
        return self.root / name

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset, oldest first. A folder appears only when it is complete."""
        found = (_VERSION.fullmatch(path.name) for path in self.folder(name).glob("v*"))
        return tuple(
            match[0] for match in sorted(filter(None, found), key=lambda match: tuple(map(int, match.groups())))
        )

    def open(self, name: str, version: str | None = None) -> Release:
        """Return a release, the newest unless a version is named; ValueError when there is none."""
        versions = self.versions(name)
        if not versions:
            raise ValueError(f"{self.folder(name)} holds no release: run `pixelbytes rebuild` first.")
        if version is not None and version not in versions:
            raise ValueError(f"{name} has no version {version!r}: it has {', '.join(versions)}.")
        return Release.open(self.folder(name) / (version or versions[-1]))

    def publish(self, release: Release, title: str) -> Published:
        """Copy a checked release in under the version that its changes call for; nothing when nothing changed.

        Killed at any moment, the store holds the old releases, or these and the new one complete; running it again
        finishes the job. Raises GateError when a gate failed or none was asked.
        """
        manifest = release.manifest
        if not manifest.gates:
            raise GateError("the release was never checked: run `pixelbytes check` on it first.")
        if failed := blocking(manifest.gates):
            raise GateError(f"gates said no: {', '.join(gate.name for gate in failed)}; the last release stays.")
        with only_one(self.folder(manifest.name), "publishing"):
            known = self.versions(manifest.name)
            last = self.open(manifest.name, known[-1]) if known else None
            changes = diff(last, release)
            version = next_version(last.manifest if last else None, manifest, changes)
            if last is not None and version is None:
                self._point(last.folder)
                return Published(version=last.version, release=last, new=False)
            target = self.folder(manifest.name) / str(version)
            draft = target.with_name(f".{target.name}.part")
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(release.folder, draft)
            older = (last.folder / "CHANGELOG.md").read_text(encoding="utf-8") if last else ""
            stamped = replace(release, folder=draft).with_manifest(
                version=version, previous=last.manifest.version if last else "", diff=changes
            )
            write_card(stamped, title, older)
            for folder in (path for path in (draft, *draft.rglob("*")) if path.is_dir()):
                sync_folder(folder)
            draft.replace(target)
            sync_folder(target.parent)
            self._point(target)
            done = Release.open(target)
            return Published(version=done.version, release=done, new=True)

    def _point(self, target: Path) -> None:
        """Let `latest` name a release: one rename, so that a reader sees the old one or the new."""
        draft = target.parent / f".{LATEST}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(target.name)
        draft.replace(target.parent / LATEST)


def resolve(reference: str, releases: Path) -> Release:
    """Return the release that a reference names.

    A reference is a release folder, `STORE_FOLDER@v1.0.0` (a folder with versions in it), or `org/name@v1.0.0` in the
    folder `releases`; without `@`, the newest. ValueError says what was not found and what there is.
    """
    if reference.startswith("hub:"):
        raise ValueError(f"{reference!r} is on the Hub, which this version cannot read yet: give a folder or org/name.")
    if (Path(reference) / MANIFEST).is_file():
        return Release.open(Path(reference))
    place, _, version = reference.rpartition("@") if "@" in reference else (reference, "", "")
    path = Path(place)
    if _NAME.fullmatch(place) and not path.is_dir():
        return FolderStore(releases).open(place, version or None)
    if len(path.resolve().parts) < 3 or not path.is_dir():  # noqa: PLR2004 - root, org and name
        raise ValueError(f"{reference!r} is neither a release folder nor org/name[@version]: check its spelling.")
    whole = path.resolve()
    return FolderStore(whole.parent.parent).open(f"{whole.parent.name}/{whole.name}", version or None)
