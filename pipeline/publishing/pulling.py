"""A release of the Hub into a folder, whole or not at all; what a stranger's repo holds is bounded and checked."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pipeline.documents import document
from pipeline.manifest_file import MAX_MANIFEST_BYTES, read_manifest
from pipeline.publishing.faults import HubError
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.remote import RemoteFile
from pipeline.publishing.scratch import in_turn, own_folder
from pipeline.release import MANIFEST, DamagedRelease, Manifest, Release
from pipeline.verify import file_faults


class AnotherContent(DamagedRelease):
    """A commit that holds another release than was expected there, or none."""


Progress = Callable[[int, int], None]  # bytes that are here, and bytes in all
THREADS = 8
_CLIENTS_OWN = ".cache"  # where the client keeps what it needs to go on with a file
_OWN_ALONE = 0o700  # the mode of what may be private, from before anything lies in it


def pull(repo: HubRepo, commit: str, place: Path, progress: Progress = lambda _done, _all: None) -> Release:
    """Return the release that a commit holds, from `place` if it was pulled before, else downloaded to it.

    Only files that the manifest names are asked for, each of the size it names, and kept only when its SHA-256 is the
    manifest's. A download that was killed goes on where it stopped, and whoever wants the same waits for it.
    One that was damaged here since is downloaded again. DamagedRelease when the commit holds no release of ours, or
    another than it says; HubError when the Hub fails.
    """
    if not _whole(place):
        with in_turn(place.parent, place.name):
            if not _whole(place):
                shutil.rmtree(place, ignore_errors=True)  # what was damaged here is whole there
                part = place.with_name(f".{place.name}.part")
                download(repo, commit, part, progress)
                part.replace(place)
    return replace(Release.open(place), revision=commit)


def _whole(place: Path) -> bool:
    """Tell whether a release that was pulled before is there, every file of it as it was."""
    try:
        return place.exists() and not any(file_faults(Release.open(place)))
    except DamagedRelease:
        return False


def download(repo: HubRepo, commit: str, folder: Path, progress: Progress = lambda _done, _all: None) -> Release:
    """Bring the release that a commit holds into a folder, with what of it lies there already; as `pull`."""
    _room_for_one(folder)
    remote = repo.files(commit)
    manifest = _manifest(repo, commit, remote, folder)
    wanted = {item.file: (item.bytes, item.sha256) for item in manifest.documents}
    wanted |= {name: (shard.bytes, shard.sha256) for name, shard in manifest.files.items()}
    for name, (size, _) in wanted.items():
        if name not in remote or remote[name].size != size:
            there = f"has {remote[name].size:,} bytes" if name in remote else "is not there"
            raise DamagedRelease(f"{name} of {repo.name} {there} at {commit[:12]}, its manifest says {size:,} bytes.")
    total, done = sum(size for size, _ in wanted.values()), 0
    if total > (free := shutil.disk_usage(folder).free):
        raise HubError(f"{repo.name} has {total:,} bytes, but only {free:,} are free at {folder}: make room there.")
    with ThreadPoolExecutor(THREADS) as pool:
        paths = pool.map(lambda name: repo.fetch(name, commit, folder), wanted)
        for (name, (size, digest)), path in zip(wanted.items(), paths, strict=True):
            if document(path, name).sha256 != digest:
                path.unlink()
                raise DamagedRelease(f"{name} of {repo.name} has other bytes at {commit[:12]} than its manifest says.")
            done += size
            progress(done, total)
    shutil.rmtree(folder / _CLIENTS_OWN, ignore_errors=True)
    if manifest.visibility == "public":
        folder.chmod(folder.parent.stat().st_mode & 0o777)
    return replace(Release.open(folder), revision=commit)


def pull_manifest(repo: HubRepo, commit: str, place: Path) -> Manifest:
    """Return what the release in a commit says of itself, kept at `place`; DamagedRelease when there is none."""
    if not place.exists():
        with own_folder(place.parent, "manifest") as folder:
            _room_for_one(folder)
            _manifest(repo, commit, repo.files(commit), folder)
            shutil.rmtree(folder / _CLIENTS_OWN, ignore_errors=True)
            with in_turn(place.parent, place.name):
                if not place.exists():
                    folder.replace(place)
    return Release.open(place).manifest


def _room_for_one(folder: Path) -> None:
    folder.mkdir(mode=_OWN_ALONE, parents=True, exist_ok=True)


def _manifest(repo: HubRepo, commit: str, remote: dict[str, RemoteFile], folder: Path) -> Manifest:
    file = remote.get(MANIFEST)
    if file is None:
        raise AnotherContent(f"{repo.name} has no {MANIFEST} at {commit[:12]}: it is no release of PixelBytes.")
    if file.size > MAX_MANIFEST_BYTES:
        raise DamagedRelease(f"the {MANIFEST} of {repo.name} has {file.size:,} bytes: it is none of ours.")
    path = repo.fetch(MANIFEST, commit, folder)
    if path.stat().st_size != file.size:
        path.unlink()
        raise HubError(f"the {MANIFEST} of {repo.name} came cut short: run the same command again.", transient=True)
    return read_manifest(path.read_text(encoding="utf-8", errors="replace"))
