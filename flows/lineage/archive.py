"""What lies in a data root, read from the artifacts themselves: releases, runs, models, decisions.

Each kind is read once, when it is first asked for. What cannot be read is named in `damaged` and passed over. Nothing
here needs torch but to compare weights.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows.champion.champions import CHAMPIONS, Champion, Champions, Decision
from flows.settings import DataRoot
from pipeline.manifest_file import NAME, VERSION
from pipeline.records import DatasetVersion
from pipeline.release import MANIFEST, Release

if TYPE_CHECKING:
    from model.lineage import Lineage

RUN_CONFIG, BEST = "config.json", Path("checkpoints") / "best"
LINEAGE = "lineage.json"
MAX_CONFIG = 1 << 20
MAX_READ = 20_000  # runs and folders that are looked at; more are named in `damaged`
LARGEST = 1e15  # bits that a record can have
_HEX = frozenset("0123456789abcdef")
_DIGEST, _COMMIT = 64, 40
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What config.json of a run, or of a checkpoint, says of where it comes from."""

    folder: Path
    dataset: DatasetVersion
    training_digest: str = ""  # a checkpoint's; the run's config holds the recipe itself
    code_version: str = ""
    step: int | None = None
    validation_bits: float | None = None
    model: str = ""  # core of the network, such as lstm
    recipe: dict[str, Any] | None = None  # the run's, as it stands there


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """An exported model: its folder and its lineage.json."""

    folder: Path
    lineage: "Lineage"

    @property
    def ref(self) -> str:
        """Return `org/model@v1.0.0`."""
        return f"{self.lineage.repo_id}@{self.lineage.version}"


@dataclass(frozen=True, slots=True)
class CrawlAt:
    """A crawl by its source and its time."""

    source: str
    name: str


@dataclass(frozen=True, slots=True)
class SourceNamed:
    """A source by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint, of a run or alone."""

    facts: RunFacts


Subject = Release | RunFacts | Checkpoint | ModelFacts | Decision | CrawlAt | SourceNamed


class Archive:
    """The artifacts of one data root."""

    def __init__(self, root: DataRoot) -> None:
        """Look at `root`; nothing is read yet."""
        self.root = root
        self.damaged: list[str] = []
        self.guest: Release | RunFacts | None = None  # what was asked about, wherever it lies

    @cached_property
    def releases(self) -> tuple[Release, ...]:
        """Return the published releases, from the default store and from what was read of the Hub, by folder."""
        store, cache = self.root.releases, self.root.places.cache
        folders = [path.parent for path in sorted(store.glob(f"*/*/v*/{MANIFEST}")) if not path.parent.is_symlink()]
        found = self._each(folders, Release.open)
        for folder in sorted(path.parent for path in cache.glob(f"*/*/*/{MANIFEST}")):
            commit = folder.name.removesuffix(".manifest")
            if is_commit(commit) and not (folder.name != commit and folder.with_name(commit).exists()):
                found += [replace(one, revision=commit) for one in self._each([folder], Release.open)]
        return tuple(found)

    @cached_property
    def builds(self) -> tuple[Release, ...]:
        """Return the builds that wait to be published, or were."""
        return tuple(self._each(sorted((self.root.root / "builds").glob("*/*")), Release.open, needs=MANIFEST))

    @cached_property
    def runs(self) -> tuple[RunFacts, ...]:
        """Return the trainings, by name; their checkpoints are not looked at."""
        return tuple(self._each(sorted(self.root.runs.glob("*")), read_run, needs=RUN_CONFIG))

    @cached_property
    def models(self) -> tuple[ModelFacts, ...]:
        """Return the exported models: of champions, on their way to the Hub, and read from it."""
        places = (f"{CHAMPIONS}/*/*/models/*", "exports/*/*", "models/*/*/*")
        folders = [path for place in places for path in sorted(self.root.root.glob(place))]
        return tuple(self._each(folders, read_model, needs=LINEAGE))

    @cached_property
    def champions(self) -> Champions:
        """Return who reigns and what was decided."""
        return Champions(self.root.root / CHAMPIONS)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """Return every decision on every dataset, by dataset, oldest first."""
        return tuple(one for many in self._each(self.champions.repos(), self.champions.decisions) for one in many)

    @cached_property
    def reigning(self) -> dict[str, Champion]:
        """Return the champions by their dataset."""
        repos = {*self.champions.repos(), *_names(self.champions.folder.glob("*/*/champion.json"))}
        found = {repo: self._each([repo], self.champions.champion) for repo in sorted(repos)}
        return {repo: one for repo, (one, *_) in ((repo, many) for repo, many in found.items() if many) if one}

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Return the names of the raw stores."""
        return tuple(sorted(path.parent.name for path in (self.root.root / "raw").glob("*/crawls")))

    @cached_property
    def known(self) -> tuple[Release, ...]:
        """Return the releases, the one that was asked about first."""
        guest = (self.guest,) if isinstance(self.guest, Release) and self.guest.manifest.published else ()
        return (*guest, *(one for one in self.releases if not (guest and one.folder == guest[0].folder)))

    @cached_property
    def known_runs(self) -> tuple[RunFacts, ...]:
        """Return the runs, the one that was asked about first."""
        guest = (self.guest,) if isinstance(self.guest, RunFacts) else ()
        return (*guest, *(one for one in self.runs if not (guest and one.folder.samefile(guest[0].folder))))

    def run(self, name: str) -> RunFacts | None:
        """Return a training by the name of its folder."""
        return self._runs_by_name.get(name)

    @cached_property
    def _runs_by_name(self) -> dict[str, RunFacts]:
        return {run.folder.name: run for run in reversed(self.known_runs)}

    def model(self, decision: Decision) -> ModelFacts | None:
        """Return the model that a decision promoted, where it still lies."""
        if decision.model is None:
            return None
        folder = self.root.root / decision.model.folder
        kept = [one for one in self.models if one.folder == folder]
        return next(iter(kept or [one for one in self.models if one.ref == decision.model.ref]), None)

    def made_from(self, source: str, crawl: str) -> list[Release]:
        """Return the releases that were built from a crawl, and builds of it whose content is no release's."""
        asked = [one for one in self.known if (one.manifest.source, one.manifest.crawl) == (source, crawl)]
        released = {(one.manifest.name, one.manifest.digest) for one in self.known}
        builds = [one for one in self.builds if (one.manifest.source, one.manifest.crawl) == (source, crawl)]
        return asked + [one for one in builds if (one.manifest.name, one.manifest.digest) not in released]

    def name_of(self, release: Release) -> str:
        """Return what tells a release from others of its ref: its digest where another was known first."""
        named = [one for one in self.known if one.version.ref == release.version.ref]
        first = named[0] if named else release
        if first.manifest.digest == release.manifest.digest:
            return release.version.ref
        return f"{release.version.ref} ({release.manifest.digest[:12]})"

    def _each(self, given: Iterable[Any], read: Callable[[Any], Found], needs: str = "") -> list[Found]:
        """Read one thing after another; what is damaged is noted, and the others stay."""
        found: list[Found] = []
        for place, item in enumerate(given):
            if needs and (item.name.startswith(".") or not (item / needs).is_file()):
                continue  # a draft, or something else
            if place >= MAX_READ:
                self.damaged.append(
                    f"{item.parent}: more than {MAX_READ:,} lie there; those from {item.name} on were left out"
                )
                break
            try:
                found.append(read(item))
            except (ValueError, OSError) as error:
                self.damaged.append(f"{item}: {error}")
        return found


def read_run(folder: Path) -> RunFacts:
    """Return what config.json of a run says; ValueError when it is none."""
    path = folder / RUN_CONFIG
    told = read_object(path)
    model, recipe = told.get("model"), told.get("train")
    return RunFacts(
        folder=folder,
        dataset=_dataset(told.get("dataset"), path),
        model=str(model.get("core", ""))[:40] if isinstance(model, dict) else "",
        recipe=recipe if isinstance(recipe, dict) else None,
    )


def read_checkpoint(folder: Path) -> RunFacts:
    """Return what config.json of a checkpoint says; ValueError when it is none. Its weights are not read."""
    path = folder / RUN_CONFIG
    told = read_object(path)
    digest, code, bits, step = (told.get(key) for key in ("training_digest", "code_version", "validation_bits", "step"))
    model = told.get("model")
    if not (isinstance(digest, str) and is_digest(digest) and isinstance(code, str) and type(step) is int):
        raise ValueError(f"{path} is not a checkpoint's config: point at a run's checkpoint.")
    return RunFacts(
        folder=folder,
        dataset=_dataset(told.get("dataset"), path),
        training_digest=digest,
        code_version=code[:80],
        step=step,
        validation_bits=float(bits) if isinstance(bits, int | float) and abs(bits) < LARGEST else None,
        model=str(model.get("core", ""))[:40] if isinstance(model, dict) else "",
    )


def read_model(folder: Path) -> ModelFacts:
    """Return what lineage.json of an exported model says; ValueError when it is none."""
    from model.lineage import read_lineage

    return ModelFacts(folder, read_lineage(folder / LINEAGE))


def read_object(path: Path, most: int = MAX_CONFIG) -> dict[str, Any]:
    """Return the JSON object in a file of bounded size; ValueError when it holds none."""
    if path.stat().st_size > most:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than {most:,}: it is nothing of ours.")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): restore it from a copy.") from None
    if not isinstance(told, dict):
        raise ValueError(f"{path} holds no JSON object: restore it from a copy.")  # noqa: TRY004 - a bad file
    return told


def is_digest(text: str) -> bool:
    """Tell whether a text is a SHA-256 in hex."""
    return len(text) == _DIGEST and set(text) <= _HEX


def is_commit(text: str) -> bool:
    """Tell whether a text is a commit of a hub."""
    return len(text) == _COMMIT and set(text) <= _HEX


def _dataset(told: object, path: Path) -> DatasetVersion:
    """Return the version that a config names, safe to make paths of; ValueError when it names none."""
    keys = ("repo_id", "tag", "revision", "digest")
    if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in keys):
        raise ValueError(f"{path} does not name the release it was trained on: restore it, or train anew.")
    found = DatasetVersion(**{key: told[key] for key in keys})
    pinned = is_digest(found.digest) and (is_digest(found.revision) or is_commit(found.revision))
    if not (NAME.fullmatch(found.repo_id) and VERSION.fullmatch(found.tag) and pinned):
        raise ValueError(f"{path} names {found.ref[:120]!r}, which is no published release: restore it.")
    return found


def _names(paths: Iterable[Path]) -> set[str]:
    named = {f"{path.parent.parent.name}/{path.parent.name}" for path in paths}
    return {name for name in named if NAME.fullmatch(name)}
