"""Where a build is drafted: a hidden folder beside its place, which it takes whole or not at all."""

import shutil
from collections.abc import Collection
from pathlib import Path

from pipeline.release import UNRELEASED, Release

WORK = ".work"  # in a draft: what a build that was killed goes on from


def require_replaceable(out: Path) -> None:
    """Refuse to put a build where something else stands: only nothing, an empty folder or an older build may go."""
    if out.is_symlink() or not out.name:
        raise ValueError(f"{out} is a link or has no name of its own: give the path of a new folder.")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "manifest.json").is_file() or Release.open(out).manifest.version != UNRELEASED:
        raise ValueError(f"{out} holds something else than an unpublished build: give the path of a new folder.")


def draft_for(out: Path, *, secret: bool) -> Path:
    """Return the folder to build in, with what a killed build left there; what may not go out is its owner's alone."""
    draft = out.with_name(f".{out.name}.part")
    draft.parent.mkdir(parents=True, exist_ok=True)
    mark = draft / WORK / "secret"
    if draft.is_symlink() or (draft.is_dir() and mark.exists() != secret):
        _take_away(draft)  # it is from a day when other eyes were allowed
    draft.mkdir(mode=0o700 if secret else 0o777, exist_ok=True)
    (draft / WORK).mkdir(exist_ok=True)
    if secret:
        mark.touch()
    return draft


def scratch_for(work: Path, build: str) -> Path:
    """Return the folder in which files of a build grow, and take those of others away.

    A worker that was believed dead may still write for another build: its files have no place to grow in any more, and
    none of them takes the place of ours.
    """
    scratch = work / f"growing-{build[:16]}"
    for other in work.glob("growing-*"):
        if other != scratch:
            shutil.rmtree(_aside(other), ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    return scratch


def end_work(draft: Path) -> None:
    """Take away what only the build itself needed, at one stroke: a late worker may be writing to it."""
    (draft / WORK).chmod(0o700)  # the draft may be its owner's alone, and its texts are in here
    shutil.rmtree(_aside(draft / WORK, draft.with_name(f"{draft.name}.done")), ignore_errors=True)


def _aside(folder: Path, place: Path | None = None) -> Path:
    """Let a folder stand somewhere else, where nobody looks for it."""
    place = place or folder.with_name(f".old-{folder.name}")
    shutil.rmtree(place, ignore_errors=True)
    return folder.replace(place)


def forget_others(draft: Path, files: Collection[str]) -> None:
    """Take away what a killed build of another crawl or config left in the draft."""
    kept = {draft / file for file in files}
    for path in draft.rglob("*"):
        if (path.is_file() or path.is_symlink()) and path not in kept and (draft / WORK) not in path.parents:
            path.unlink()
    for folder in (path for path in draft.iterdir() if path.is_dir() and not any(path.iterdir())):
        folder.rmdir()


def _take_away(draft: Path) -> None:
    if draft.is_symlink():
        draft.unlink()
    else:
        shutil.rmtree(draft)


def swap(draft: Path, out: Path) -> Path:
    """Put the finished folder in its place; an older one goes only once the new one is there."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    draft.replace(out)
    shutil.rmtree(old, ignore_errors=True)
    return out
