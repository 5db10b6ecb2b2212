"""What lies in a data root, looked at for a status: crawls, releases, champions, disk. Nothing here raises for damage.

A part that cannot be read is one line among the damaged ones; what is large is looked at up to a bound.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from flows.lineage.archive import Archive
from flows.settings import DataRoot
from flows.status.report import CrawlState, Disk, Reign, RepoState
from pipeline.crawl.lines import read_line
from pipeline.crawl.raw import RawStore
from pipeline.manifest_file import NAME
from pipeline.publishing.staging import version_key
from pipeline.release import Manifest, Release

MOST_LINES = 100_000  # of a crawl, that are read; of more the rest is only counted
MOST_FILES = 200_000  # of a part of the data root, whose sizes are added up
NEEDED = frozenset({"list", "description", "miniature"})
Found = TypeVar("Found")


def damage(places: Sequence[str], read: Callable[[str], Found], damaged: list[str]) -> Iterator[Found]:
    """Yield what is read of each place; one that cannot be read is noted."""
    for place in places:
        try:
            yield read(place)
        except (ValueError, OSError) as error:
            damaged.append(f"{place}: {error}")


def crawls(archive: Archive, damaged: list[str]) -> tuple[CrawlState, ...]:
    """Return the last crawl of every source."""
    known = [*archive.releases, *archive.builds]
    manifests = {(one.manifest.source, one.manifest.crawl): one.manifest for one in known}

    def look(source: str) -> CrawlState:
        store = RawStore(archive.root.raw(source))
        names = store.crawl_names()
        begun = sorted(path.name for path in (store.root / "crawls").glob("*.jsonl.part"))
        unfinished = begun[-1].removesuffix(".jsonl.part") if begun else ""
        if not names:
            return CrawlState(source=source, unfinished=unfinished)
        lines, failed, limited = _lines(store.manifest(names[-1]))
        return CrawlState(
            source=source,
            crawl=names[-1],
            crawls=len(names),
            lines=lines,
            failed=failed,
            limited=limited,
            yields=_yields(manifests.get((source, names[-1]))),
            unfinished=unfinished,
        )

    return tuple(damage(archive.sources, look, damaged))


def _lines(path: Path) -> tuple[int, int, str]:
    """Return how many resources a crawl asked for, how many of them failed, and to what it was limited."""
    last: dict[tuple[str, str], bool] = {}  # of several lines for a resource the last counts
    limited, number = "", 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number > MOST_LINES:
                continue
            told = read_line(line, f"{path} line {number}")
            if told.kind in NEEDED:
                last[told.kind, told.url] = bool(told.sha256)
            limited = limited or (told.title if told.kind == "source" else "")
    return max(len(last), number - MOST_LINES), sum(not there for there in last.values()), limited


def _yields(manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    told = [
        f"{manifest.yields[stage]:,} {stage}" for stage in ("listed", "joined", "built") if stage in manifest.yields
    ]
    return ", ".join(told)


def repos(archive: Archive) -> tuple[RepoState, ...]:
    """Return the state of every dataset that has a release or a build here, or was read of the Hub."""
    store = archive.root.releases
    here: dict[str, list[Release]] = {}
    read: dict[str, list[Release]] = {}
    for one in archive.releases:
        (here if one.folder.is_relative_to(store) else read).setdefault(one.manifest.name, []).append(one)
    builds = {one.manifest.name: one for one in archive.builds if _plain(one)}
    names = sorted({*here, *read, *builds})
    return tuple(_repo(name, here.get(name, []), read.get(name, []), builds.get(name)) for name in names)


def _plain(build: Release) -> bool:
    """Tell whether a build is one that waits to be published: not a copy, not one without what is withheld."""
    return f"{build.folder.parent.name}/{build.folder.name}" == build.manifest.name


def _repo(name: str, here: list[Release], read: list[Release], build: Release | None) -> RepoState:
    """Return a dataset's state: by its releases in the data root, else by what was read of it on the Hub."""
    releases, waiting = here or read, ""
    digests = {one.manifest.digest for one in (*here, *read)}
    if build is not None and build.manifest.digest not in digests:
        stopped = [gate.name for gate in build.manifest.gates if not gate.passed and not gate.override]
        why = f"stopped by {', '.join(stopped)}" if stopped else "not published"
        waiting = f"a build of {build.manifest.created_at} is {why}"
    if not releases:
        return RepoState(repo=name, waiting=waiting)
    newest = max(releases, key=lambda one: version_key(one.manifest.version)).manifest
    return RepoState(
        repo=name,
        newest=newest.version,
        made=newest.created_at,
        records=sum(newest.counts.values()),
        versions=len(releases),
        place="releases" if here else "hub",
        yanked=tuple(sorted(newest.yanked, key=version_key)),
        visibility=newest.visibility,
        waiting=waiting,
    )


def reigns(archive: Archive, damaged: list[str]) -> tuple[Reign, ...]:
    """Return who reigns over each dataset, and what was decided last."""
    champions = archive.champions

    def look(repo: str) -> Reign:
        reigning = champions.champion(repo)
        decisions = champions.decisions(repo)
        last = decisions[-1] if decisions else None
        return Reign(
            repo=repo,
            champion=reigning.ref if reigning else "",
            bits=reigning.bits if reigning else None,
            on=reigning.dataset.tag if reigning else "",
            since=reigning.since if reigning else "",
            decided=last.time if last else "",
            version=last.dataset.tag if last else "",
            outcome=last.outcome if last else "",
            why=last.why if last else "",
        )

    folders = [*champions.folder.glob("*/*/champion.json"), *champions.folder.glob("*/*/decisions.jsonl")]
    names = sorted({f"{path.parent.parent.name}/{path.parent.name}" for path in folders})
    return tuple(damage([name for name in names if NAME.fullmatch(name)], look, damaged))


def disk(root: DataRoot) -> tuple[Disk, ...]:
    """Return what each part of the data root takes, the largest first."""
    if not root.root.is_dir():
        return ()
    found = [_taken(path) for path in sorted(root.root.iterdir()) if path.is_dir() and not path.is_symlink()]
    return tuple(sorted(found, key=lambda one: -one.bytes))


def _taken(folder: Path) -> Disk:
    size = files = 0
    for place, _, names in os.walk(folder):  # follows no links; a folder that cannot be read counts as empty
        for name in names:
            files += 1
            if files > MOST_FILES:
                return Disk(part=folder.name, bytes=size, files=MOST_FILES, whole=False)
            try:
                size += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - a Path costs more than the look
            except OSError:
                continue  # it went while we looked
    return Disk(part=folder.name, bytes=size, files=files)
