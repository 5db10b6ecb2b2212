"""A plain folder of releases: all or nothing, never twice, `latest` moved last."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.documents import copied, files_of
from pipeline.locks import only_one
from pipeline.publishing.audience import AS_THE_SOURCE_ALLOWS, Audience
from pipeline.publishing.staging import (
    MODES,
    Draft,
    Plan,
    Published,
    drafted,
    nothing_to_do,
    planned,
    rolled_back,
    version_key,
)
from pipeline.release import NAME, VERSION, DamagedRelease, Release
from pipeline.shards import sync_folder
from pipeline.verify import file_faults

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class FolderStore:
    """Releases in a plain folder: `<root>/<org>/<name>/v1.0.0/…` and a link `latest` that moves last."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return where a dataset's releases lie; ValueError for a name that is not `org/name`."""
        return self.root / require_name(name)

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset, oldest first. A folder appears only when it is complete."""
        found = (path.name for path in self.folder(name).glob("v*"))
        return tuple(sorted(filter(VERSION.fullmatch, found), key=version_key))

    def open(self, name: str, version: str | None = None) -> Release:
        """Return a release, the newest unless a version is named; ValueError when there is none."""
        versions = self.versions(name)
        if not versions:
            raise ValueError(f"{self.folder(name)} holds no release: run `pixelbytes rebuild` first.")
        if version is not None and version not in versions:
            raise ValueError(f"{name} has no version {version!r}: it has {', '.join(versions)}.")
        return Release.open(self.folder(name) / (version or versions[-1]))

    def last(self, name: str) -> Release | None:
        """Return the newest release, if there is any."""
        return self.open(name) if self.versions(name) else None

    def history(self, name: str) -> tuple[Release, ...]:
        """Return all releases, oldest first."""
        return tuple(self.open(name, version) for version in self.versions(name))

    def plan(self, release: Release, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Plan:
        """Return what `publish` would do, having changed nothing; GateError as it would."""
        last = self.last(release.manifest.name)
        draft = drafted(release, last, audience)
        if draft is None:
            assert last is not None  # noqa: S101 - nothing changed since it
            return nothing_to_do(last)
        with tempfile.TemporaryDirectory() as folder:
            staged = draft.staged(Path(folder) / "staged")
            return planned(staged, draft, {})  # a version's folder is always new

    def publish(self, release: Release, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Published:
        """Copy a checked release in under the version that its changes call for; nothing when nothing changed.

        A private version's folder is its owner's alone. Killed at any moment, the store holds the old releases, or
        these and the new one complete; running it again finishes the job. Raises GateError when a gate failed, none
        was asked, a right is lacking, or a version that stands would have to change who sees it.
        """
        name = release.manifest.name
        with only_one(self.folder(name), "publishing in"):
            last = self.last(name)
            return self._made(drafted(release, last, audience), last)

    def rollback(self, name: str, version: str, why: str) -> Published:
        """Make a new version of an old one's content, which says that those since are yanked, and why.

        ValueError when there is no such version, or no reason. Nothing is done when the newest has that content.
        """
        with only_one(self.folder(name), "publishing in"):
            known = self.history(name)
            return self._made(rolled_back(known, version, why), known[-1] if known else None)

    def adopt(self, release: Release) -> Release:
        """Take a published release in as it is, every file of it; return it where it lies now.

        ValueError when it was never published, or another one stands under its name and version; DamagedRelease when
        its files are not those that its manifest names.
        """
        manifest = release.manifest
        if not manifest.published:
            raise ValueError(f"{release.folder} was never published: `pixelbytes publish` makes a version of it.")
        target = self.folder(manifest.name) / manifest.version
        with only_one(self.folder(manifest.name), "publishing in"):
            if target.exists():
                if Release.open(target).manifest != manifest:
                    raise ValueError(f"{target} is another release of that version: name another folder with --to.")
                return Release.open(target)
            if fault := next(file_faults(release), ""):
                raise DamagedRelease(f"{release.folder}: {fault}")
            part = target.with_name(f".{target.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=MODES[manifest.visibility])
            for name, path in files_of(release.folder):
                (part / name).parent.mkdir(exist_ok=True)
                copied(path, part / name)
            self._stand(part, target)
            return Release.open(target)

    def _made(self, draft: Draft | None, last: Release | None) -> Published:
        """Let a draft become a version, all of it on the disk before it has its name; `latest` moves after that."""
        if draft is None:
            assert last is not None  # noqa: S101 - nothing changed since it
            self._point(last.folder)
            return Published(version=last.version, release=last, new=False)
        target = self.folder(draft.content.manifest.name) / draft.version
        part = target.with_name(f".{target.name}.part")
        draft.staged(part)
        self._stand(part, target)
        done = Release.open(target)
        return Published(version=done.version, release=done, new=True)

    def _stand(self, part: Path, target: Path) -> None:
        """Let a whole folder be a version: all of it on the disk, then its name, then `latest`, if it is the newest."""
        for folder in (path for path in (part, *part.rglob("*")) if path.is_dir()):
            sync_folder(folder)
        part.replace(target)
        sync_folder(target.parent)
        name = f"{target.parent.parent.name}/{target.parent.name}"
        self._point(target.parent / self.versions(name)[-1])

    def _point(self, target: Path) -> None:
        """Let `latest` name a release: one rename, so that a reader sees the old one or the new."""
        draft = target.parent / f".{LATEST}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(target.name)
        draft.replace(target.parent / LATEST)


def require_name(name: str) -> str:
    """Return a dataset's name; ValueError when it is not `org/name`."""
    if not NAME.fullmatch(name):
        raise ValueError(f"dataset name {name!r} is not of the form org/name: use letters, digits, dots and dashes.")
    return name
