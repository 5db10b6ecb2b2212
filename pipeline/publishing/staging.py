"""What is published, whatever the store: the version that the changes call for, staged as the folder it will be."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from pipeline.cards.card import write_card
from pipeline.diff import diff, next_version
from pipeline.documents import copied, files_of, sealed
from pipeline.publishing.audience import (
    AS_THE_SOURCE_ALLOWS,
    Audience,
    GateError,
    require_passed,
    require_same,
    visibility,
)
from pipeline.records import DatasetVersion
from pipeline.release import VERSION, Changes, DamagedRelease, Release, Visibility, is_statement

MODES: dict[Visibility, int] = {"public": 0o777, "private": 0o700}  # of a version's folder, less the umask


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing ended with: the version that now stands, and whether it is a new one."""

    version: DatasetVersion
    release: Release
    new: bool
    proposed: str = ""  # where a version that was only proposed can be read and merged; it does not stand yet


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file of a plan."""

    path: str
    bytes: int
    what: str  # add, replace, keep or delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What publishing would do."""

    name: str
    version: str  # that would be made, or stands
    previous: str  # the newest version that stands; empty when there is none
    new: bool
    changes: Changes
    visibility: Visibility
    files: tuple[FileChange, ...]

    @property
    def sent(self) -> int:
        """Return how many bytes of files are new or changed."""
        return sum(file.bytes for file in self.files if file.what in {"add", "replace"})


@runtime_checkable
class Store(Protocol):
    """Where releases are published: what each place can do."""

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset, oldest first."""

    def open(self, name: str, version: str | None = None) -> Release:
        """Return a release, the newest unless a version is named; ValueError when there is none."""

    def last(self, name: str) -> Release | None:
        """Return the newest release, if there is any."""

    def plan(self, release: Release, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Plan:
        """Return what `publish` would do, having changed nothing."""

    def publish(self, release: Release, audience: Audience = AS_THE_SOURCE_ALLOWS) -> Published:
        """Publish under the version that the changes call for; nothing when nothing changed."""

    def rollback(self, name: str, version: str, why: str) -> Published:
        """Make a new version of an old one's content, which says that those since are yanked, and why."""

    def history(self, name: str) -> tuple[Release, ...]:
        """Return what each version says of itself, oldest first; their shards need not be at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A version that is about to be made."""

    content: Release  # a build, or for a rollback an older version
    last: Release | None
    version: str
    changes: Changes
    visibility: Visibility
    rights: str = ""
    yanked: dict[str, dict[str, str]]

    def staged(self, folder: Path) -> Release:
        """Write the folder that the version will be, all of it on the disk: the same bytes whenever it is asked for.

        DamagedRelease when a shard is gone, or has other bytes than the manifest says.
        """
        _copy(self.content, folder, MODES[self.visibility])
        stamped = replace(self.content, folder=folder).with_manifest(
            name=self.content.manifest.name,
            version=self.version,
            previous=self.last.manifest.version if self.last else "",
            diff=self.changes,
            visibility=self.visibility,
            rights=self.rights,
            yanked=self.yanked,
            documents=(),
        )
        older = (self.last.folder / "CHANGELOG.md").read_text(encoding="utf-8") if self.last else ""
        write_card(stamped, older)
        return sealed(stamped)


def drafted(release: Release, last: Release | None, audience: Audience) -> Draft | None:
    """Return the version that a checked build becomes after `last`; None when nothing changed.

    GateError when a gate failed, none was asked, a right is lacking, its content was yanked, or a version that stands
    would have to change who sees it.
    """
    manifest = release.manifest
    require_passed(manifest)
    seen_by = visibility(manifest.restricted, audience)
    changes = diff(last, release)
    version = next_version(last.manifest if last else None, manifest, changes)
    if last is not None and version is None:
        require_same(last, audience, seen_by, manifest.restricted)
        return None
    if last is not None and len(changes.removed) == sum(last.manifest.counts.values()) > 0:
        raise GateError(
            f"this build shares no record with {last.version.ref}: publish it under a name of its own, with --to or by "
            "building it under another --name."
        )
    yanked = last.manifest.yanked if last else {}
    for bad, note in yanked.items():
        if note.get("digest") == manifest.digest:
            raise GateError(
                f"this is the content of {manifest.name}@{bad}, which was yanked ({note.get('why')}): "
                "build again from what is right."
            )
    return Draft(
        content=release,
        last=last,
        version=str(version),
        changes=changes,
        visibility=seen_by,
        rights=audience.rights.strip(),
        yanked=yanked,
    )


def rolled_back(known: tuple[Release, ...], version: str, why: str) -> Draft | None:
    """Return the version that brings an old one's content back after all that are `known`; None when it is there.

    `known` are the versions in order, of which the old and the last one must be at hand whole. What came after the old
    one, and is not its content, is yanked. ValueError when no such version stands.
    """
    old = next((release for release in known if release.manifest.version == version), None)
    if old is None:
        there = ", ".join(release.manifest.version for release in known) or "none"
        raise ValueError(f"there is no version {version!r} to go back to: the versions are {there}.")
    if not why.strip() or not is_statement(why):
        raise ValueError(f"a version is only yanked with a reason, in one plain line: add --because TEXT, not {why!r}.")
    last = known[-1]
    changes = diff(last, old)
    made = next_version(last.manifest, old.manifest, changes)
    if made is None:
        return None
    since = [release.manifest for release in known if version_key(release.manifest.version) > version_key(version)]
    before = last.manifest.yanked
    other = [one for one in since if one.digest != old.manifest.digest]
    bad = {one.version: {"digest": one.digest, "why": why.strip()} for one in other}
    return Draft(
        content=old,
        last=last,
        version=made,
        changes=changes,
        visibility=old.manifest.visibility,
        rights=old.manifest.rights,
        yanked=bad | {name: note for name, note in before.items() if note.get("digest") != old.manifest.digest},
    )


def planned(staged: Release, draft: Draft, standing: Mapping[str, Callable[[Path], bool]]) -> Plan:
    """Return the plan of a staged version; `standing` tells of each file that stands now whether it has the same bytes.

    Whatever stands and is no file of the version will be gone, also what somebody added by hand.
    """
    files = []
    for path, place in files_of(staged.folder):
        same = standing.get(path)
        what = "add" if same is None else "keep" if same(place) else "replace"
        files.append(FileChange(path=path, bytes=place.stat().st_size, what=what))
    gone = sorted(standing.keys() - {file.path for file in files})
    return Plan(
        name=staged.manifest.name,
        version=draft.version,
        previous=staged.manifest.previous,
        new=True,
        changes=draft.changes,
        visibility=draft.visibility,
        files=(*files, *(FileChange(path=path, bytes=0, what="delete") for path in gone)),
    )


def nothing_to_do(last: Release) -> Plan:
    """Return the plan for a release that changes nothing."""
    manifest = last.manifest
    return Plan(
        name=manifest.name,
        version=manifest.version,
        previous=manifest.version,
        new=False,
        changes=Changes(),
        visibility=manifest.visibility,
        files=(),
    )


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are in order by; ValueError for what is none.

    >>> sorted(["v1.10.0", "v1.9.3"], key=version_key)
    ['v1.9.3', 'v1.10.0']
    """
    match = VERSION.fullmatch(version)
    if not match:
        raise ValueError(f"{version!r} is no version: give one like v1.0.0.")
    return tuple(map(int, match.groups()))


def _copy(release: Release, target: Path, mode: int) -> None:
    """Copy what belongs to a build into a new folder of this mode: its shards and its palette.

    The build's own modes and times stay behind, and so does whatever else lies in it.
    """
    shards = release.manifest.files
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=mode, parents=True)  # before anything lies in it
    for name in (*shards, f"palettes/{release.palette.name}.gpl"):
        (target / name).parent.mkdir(exist_ok=True)
        if not (release.folder / name).is_file():
            raise DamagedRelease(f"{release.folder} lacks {name}: build it again.")
        digest = copied(release.folder / name, target / name)
        if name in shards and digest != shards[name].sha256:
            raise DamagedRelease(f"{release.folder / name} has other bytes than its manifest says: build it again.")
