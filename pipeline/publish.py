"""A release folder into a plain folder of releases: all or nothing, never twice, `latest` moved last."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.cards.card import write_card
from pipeline.diff import diff, next_version
from pipeline.documents import copied, sealed
from pipeline.locks import only_one
from pipeline.records import DatasetVersion
from pipeline.release import (
    MANIFEST,
    MAX_STATEMENT,
    NAME,
    VERSION,
    DamagedRelease,
    Manifest,
    Release,
    Visibility,
    blocking,
    is_statement,
)
from pipeline.shards import sync_folder

LATEST = "latest"
STATEMENT_WORDS = 3  # a statement of rights has at least so many: "yes" states nothing
_MODES: dict[Visibility, int] = {"public": 0o777, "private": 0o700}  # of a version's folder, less the umask


class GateError(Exception):
    """A release that may not be published: a gate said no, none was asked, or a right is lacking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who shall see a release: everybody, its owner alone, or as its source allows; and by what right.

    A stated right asks for everybody, unless `public` is False. ValueError when it is no line that can be written down.
    """

    public: bool | None = None
    rights: str = ""  # the publisher's statement of the right to redistribute what the source withholds

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if not is_statement(self.rights):
            odd = next((char for char in self.rights if not char.isprintable()), "")
            raise ValueError(
                f"the statement of rights has {len(self.rights)} characters"
                f"{f', {odd!r} among them' if odd else ''}: state it in one plain line of at most {MAX_STATEMENT}."
            )


def visibility(withheld: tuple[str, ...], audience: Audience = Audience()) -> Visibility:
    """Return who may see a release whose source withholds this, as was asked; GateError when that needs a right.

    >>> visibility(()), visibility(("pictures",))
    ('public', 'private')
    """
    stated = audience.rights.strip()
    public = audience.public
    if public is None:
        public = not withheld or bool(stated)
    if public and withheld and len(stated.split()) < STATEMENT_WORDS:
        short = f" ({stated!r} is too short to be one)" if stated else ""
        raise GateError(
            f"the source says that its {' and '.join(withheld)} may not be redistributed, and no right to do so is "
            f"stated{short}: publish privately, or state it with --rights TEXT, which the release then shows."
        )
    return "public" if public else "private"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing ended with: the version that now stands, and whether it is a new one."""

    version: DatasetVersion
    release: Release
    new: bool


@dataclass(frozen=True, slots=True)
class FolderStore:
    """Releases in a plain folder: `<root>/<org>/<name>/v1.0.0/…` and a link `latest` that moves last."""

    root: Path

    def folder(self, name: str) -> Path:
        """Return where a dataset's releases lie; ValueError for a name that is not `org/name`."""
        if not NAME.fullmatch(name):
            raise ValueError(
                f"dataset name {name!r} is not of the form org/name: use letters, digits, dots and dashes."
            )
        return self.root / name

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset, oldest first. A folder appears only when it is complete."""
        found = (VERSION.fullmatch(path.name) for path in self.folder(name).glob("v*"))
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

    def publish(self, release: Release, audience: Audience = Audience()) -> Published:
        """Copy a checked release in under the version that its changes call for; nothing when nothing changed.

        A private version's folder is its owner's alone. Killed at any moment, the store holds the old releases, or
        these and the new one complete; running it again finishes the job. Raises GateError when a gate failed, none
        was asked, a right is lacking, or a version that stands would have to change who sees it.
        """
        manifest = release.manifest
        _require_passed(manifest)
        seen_by = visibility(manifest.withheld, audience)
        with only_one(self.folder(manifest.name), "publishing in"):
            known = self.versions(manifest.name)
            last = self.open(manifest.name, known[-1]) if known else None
            changes = diff(last, release)
            version = next_version(last.manifest if last else None, manifest, changes)
            if last is not None and version is None:
                _require_same(last, audience, seen_by)
                self._point(last.folder)
                return Published(version=last.version, release=last, new=False)
            target = self.folder(manifest.name) / str(version)
            draft = target.with_name(f".{target.name}.part")
            _copy(release, draft, _MODES[seen_by])
            stamped = replace(release, folder=draft).with_manifest(
                version=version,
                previous=last.manifest.version if last else "",
                diff=changes,
                visibility=seen_by,
                rights=audience.rights.strip(),
            )
            self._stand(stamped, last, target)
            done = Release.open(target)
            return Published(version=done.version, release=done, new=True)

    def _stand(self, draft: Release, last: Release | None, target: Path) -> None:
        """Let a draft become a version: its documents, then all of it on the disk, then its name, then `latest`."""
        older = (last.folder / "CHANGELOG.md").read_text(encoding="utf-8") if last else ""
        write_card(draft, older)
        draft = sealed(draft)
        for folder in (path for path in (draft.folder, *draft.folder.rglob("*")) if path.is_dir()):
            sync_folder(folder)
        draft.folder.replace(target)
        sync_folder(target.parent)
        self._point(target)

    def _point(self, target: Path) -> None:
        """Let `latest` name a release: one rename, so that a reader sees the old one or the new."""
        draft = target.parent / f".{LATEST}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(target.name)
        draft.replace(target.parent / LATEST)


def _require_passed(manifest: Manifest) -> None:
    if not manifest.gates:
        raise GateError("the release was never checked: run `pixelbytes check` on it first.")
    if failed := blocking(manifest.gates):
        raise GateError(
            f"{', '.join(gate.name for gate in failed)} failed, so nothing was published: `pixelbytes check` shows why."
        )


def _require_same(last: Release, audience: Audience, seen_by: Visibility) -> None:
    """Refuse to change who sees a version that stands; whoever asked for nothing in particular gets what there is."""
    stands = last.manifest.visibility
    asked = audience.public is not None or bool(audience.rights.strip())
    if seen_by == "private" and stands == "public":
        raise GateError(
            f"nothing changed since {last.version.ref}, which is public, but the source now withholds what is in it: "
            "state the right with --rights TEXT, or take that version down."
        )
    if asked and seen_by != stands:
        raise GateError(
            f"nothing changed since {last.version.ref}, which is {stands}, and a released version never changes: "
            f"to have the same rows {seen_by}, publish them to another store."
        )


def _copy(release: Release, target: Path, mode: int) -> None:
    """Copy what belongs to a build into a new folder of this mode: its shards and its palette.

    The build's own modes and times stay behind, and so does whatever else lies in it. DamagedRelease when a shard is
    gone, or has other bytes than the manifest says.
    """
    shards = release.manifest.files
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=mode)  # before anything lies in it
    for name in (*shards, f"palettes/{release.palette.name}.gpl"):
        (target / name).parent.mkdir(exist_ok=True)
        if not (release.folder / name).is_file():
            raise DamagedRelease(f"{release.folder} lacks {name}: build it again.")
        digest = copied(release.folder / name, target / name)
        if name in shards and digest != shards[name].sha256:
            raise DamagedRelease(f"{release.folder / name} has other bytes than its manifest says: build it again.")


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
    if NAME.fullmatch(place) and not path.is_dir():
        return FolderStore(releases).open(place, version or None)
    if len(path.resolve().parts) < 3 or not path.is_dir():  # noqa: PLR2004 - root, org and name
        raise ValueError(f"{reference!r} is neither a release folder nor org/name[@version]: check its spelling.")
    whole = path.resolve()
    return FolderStore(whole.parent.parent).open(f"{whole.parent.name}/{whole.name}", version or None)
