"""The files of a release that are no shards: card, changelog, pictures, palettes; each with its size and digest."""

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.release import MANIFEST, DamagedRelease, Document, Release, seal_of
from pipeline.shards import file_sha256

#: What file managers leave behind wherever they look; everything else in a release must be accounted for.
LEFT_BY_SYSTEMS = frozenset({".DS_Store", ".directory", "Thumbs.db", "desktop.ini"})


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield whatever lies in a folder and below, but folders: its path inside and its place, in order.

    Links to folders are not followed, but yielded themselves.
    """
    found = []
    for root, folders, names in os.walk(folder):
        links = [name for name in folders if Path(root, name).is_symlink()]
        found += [Path(root, name) for name in (*names, *links) if name not in LEFT_BY_SYSTEMS]
    yield from sorted((path.relative_to(folder).as_posix(), path) for path in found)


def is_plain(path: Path) -> bool:
    """Tell whether a path, its links followed, is a plain file: reading anything else may never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def copied(source: Path, target: Path) -> str:
    """Copy a file's bytes so that they are on the disk when this returns; return their SHA-256."""
    shutil.copyfile(source, target)
    sync_file(target)
    return file_sha256(target)


def sync_file(path: Path) -> None:
    """Ask the disk to keep a file's bytes, so that they survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def document(path: Path, name: str) -> Document:
    """Return what a manifest says of a file."""
    return Document(file=name, bytes=path.stat().st_size, sha256=file_sha256(path))


def sealed(release: Release) -> Release:
    """Let a release's manifest name every file that is no shard, and seal it; return it. All is on the disk then.

    The last step before a version stands: `release.folder` must hold nothing else than what belongs to it.
    DamagedRelease when a file has a name that no manifest may hold.
    """
    known = {*release.manifest.files, MANIFEST}
    found = [(name, path) for name, path in files_of(release.folder) if name not in known]
    if odd := [name for name, path in found if not is_plain(path)]:
        raise DamagedRelease(f"{release.folder / odd[0]} is no plain file: remove it, then try again.")
    for _, path in found:
        sync_file(path)
    whole = replace(release.manifest, documents=tuple(document(path, name) for name, path in found))
    release.with_manifest(documents=whole.documents, seal=seal_of(whole))
    return Release.open(release.folder)  # read back: a manifest that cannot be opened never becomes a version
