"""What `pixelbytes lineage THING` names: anything that was made here, by its path or by its name."""

import re
from pathlib import Path

from flows.errors import UsageError
from flows.lineage.archive import (
    LINEAGE,
    RUN_CONFIG,
    Archive,
    Checkpoint,
    CrawlAt,
    RunFacts,
    SourceNamed,
    Subject,
    is_commit,
    read_checkpoint,
    read_model,
    read_run,
)
from pipeline.manifest_file import NAME
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.references import HUB, resolve
from pipeline.release import MANIFEST, Release

CHAMPION, CHAMPION_FILE = "champion:", "champion.json"
_CRAWL = re.compile(r"(?:([A-Za-z0-9_-]{1,200})/)?(\d{8}T\d{6}Z)")
WEIGHTS = "model.safetensors"


def subject_of(given: str, archive: Archive) -> Subject:
    """Return what a path or a name names; UsageError when it names nothing. What lies elsewhere becomes known too."""
    found = _found(given, archive)
    if isinstance(found, Release | RunFacts):
        archive.guest = found
    return found


def _found(given: str, archive: Archive) -> Subject:
    if given.startswith(HUB):
        return _on_hub(given, archive)
    if given.startswith(CHAMPION):
        return _champion(given.removeprefix(CHAMPION), archive)
    path = Path(given)
    lies = path.exists() and not (path.is_dir() and NAME.fullmatch(given) and not _artifact(path))
    return (
        (_at(path.resolve(), archive) if lies else None)
        or _crawl(given, archive)
        or _by_name(given, archive)
        or _release_or_model(given, archive)
    )


def _artifact(path: Path) -> bool:
    return any((path / name).is_file() for name in (MANIFEST, LINEAGE, RUN_CONFIG, CHAMPION_FILE))


def _at(path: Path, archive: Archive) -> Subject | None:
    """Return what lies at a path; None for what may be a folder of releases."""
    if path.is_file() and path.suffix == ".jsonl" and path.parent.name == "crawls":
        return _crawl_file(path, archive)
    folder = path.parent if path.is_file() else path  # any file of a release, a run, a checkpoint or a model
    found: Subject | None = None
    if (folder / MANIFEST).is_file():
        found = resolve(str(folder), archive.root.places)  # one that was read from the Hub knows its commit
    elif (folder / LINEAGE).is_file():
        found = read_model(folder)
    elif (folder / RUN_CONFIG).is_file():
        found = Checkpoint(read_checkpoint(folder)) if (folder / WEIGHTS).is_file() else read_run(folder)
    elif (folder / CHAMPION_FILE).is_file():
        found = _champion(f"{folder.parent.name}/{folder.name}", archive)
    elif (folder / "crawls").is_dir() and folder.parent == (archive.root.root / "raw").resolve():
        found = SourceNamed(folder.name)
    return found


def _by_name(given: str, archive: Archive) -> Subject | None:
    """Return the run or the source of a plain name."""
    if "/" in given:
        return None
    if (archive.root.runs / given / RUN_CONFIG).is_file():
        return read_run(archive.root.runs / given)
    return SourceNamed(given) if given in archive.sources else None


def _crawl_file(path: Path, archive: Archive) -> CrawlAt:
    source = path.parent.parent
    if source.parent != (archive.root.root / "raw").resolve():
        raise UsageError(f"{path} is not in the raw stores of {archive.root.root}: give its data root with --data.")
    return CrawlAt(source.name, path.stem)


def _crawl(given: str, archive: Archive) -> CrawlAt | None:
    """Return a crawl by its time, or its source and time; None for what is no such name."""
    named = _CRAWL.fullmatch(given)
    if named is None:
        return None
    source, name = named[1], named[2]
    kept = [one for one in archive.sources if (archive.root.raw(one) / "crawls" / f"{name}.jsonl").is_file()]
    places = [one for one in kept if source in (None, one)]
    if not places:
        raise UsageError(
            f"no raw store of {archive.root.root} has the crawl {name}: `pixelbytes status` names the last."
        )
    if len(places) > 1:
        told = ", ".join(f"{one}/{name}" for one in places)
        raise UsageError(f"{len(places)} sources have a crawl {name}: name one of {told}.")
    return CrawlAt(places[0], name)


def _champion(repo_id: str, archive: Archive) -> Subject:
    """Return the model that reigns over a dataset; the run that it is, where its folder is gone."""
    champion = archive.champions.champion(require_name(repo_id))
    if champion is None:
        raise UsageError(f"{repo_id} has no champion yet: `pixelbytes status` says what was decided.")
    folder = archive.root.root / champion.folder
    if (folder / LINEAGE).is_file():
        return read_model(folder)
    run = archive.root.runs / champion.run
    if (run / RUN_CONFIG).is_file():
        return read_run(run)
    raise UsageError(f"{champion.ref} reigns over {repo_id}, but neither {folder} nor {run} is there any more.")


def _release_or_model(given: str, archive: Archive) -> Subject:
    """Return a release by its reference, else an exported model of that name and version."""
    try:
        return resolve(given, archive.root.places)
    except ValueError as error:
        name, _, version = given.partition("@")
        found = [one for one in archive.models if one.lineage.repo_id == name and version in ("", one.lineage.version)]
        if found:
            return found[-1]
        raise UsageError(
            f"{given!r} names nothing here ({error}) Give a checkpoint, a run, a model, a release, a manifest.json, a "
            "build, a crawl, a source, hub:org/name@v1.0.0 or champion:org/name."
        ) from error


def _on_hub(given: str, archive: Archive) -> Subject:
    """Return what a repo of the Hub holds: what was read of it before, else a dataset, else a model."""
    name, _, version = given.removeprefix(HUB).partition("@")
    require_name(name)
    cached: list[Subject] = [one for one in archive.releases if one.revision and one.version.ref == f"{name}@{version}"]
    read = [one for one in archive.models if is_commit(one.folder.name)]  # an export may never have been published
    cached += [one for one in read if one.ref == f"{name}@{version}"]
    if cached:
        return cached[0]
    try:
        return resolve(given, archive.root.places)
    except ValueError as error:
        from flows.known_models import know

        try:
            return read_model(know(given, archive.root).folder)
        except UsageError as other:
            raise UsageError(f"{given} is neither a dataset ({error}) nor a model ({other})") from error
