"""The links between artifacts: which belongs to which, and what proves it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.lineage.archive import BEST, Archive, ModelFacts, RunFacts, is_commit
from flows.lineage.graph import State
from flows.lineage.things import best_of, short
from pipeline.crawl.lines import read_line
from pipeline.crawl.raw import RawStore
from pipeline.records import DatasetVersion
from pipeline.release import Manifest, Release
from pipeline.shards import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

COMPARED = 20  # runs of one recipe whose weights are read for one model


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is known of one link."""

    state: State
    why: str


def crawl_proof(manifest: Manifest, store: RawStore) -> Proof:
    """Say whether the crawl that a release was built from lies in a raw store, and is what it was on that day."""
    path = store.root / "crawls" / f"{manifest.crawl}.jsonl"
    if not path.is_file():
        return Proof(state="missing", why=f"{path} is not there")
    if not manifest.crawl_sha256:
        return Proof(state="stated", why="this release does not keep its crawl's digest: older code made it")
    found = file_sha256(path)
    if found == manifest.crawl_sha256:
        return Proof(state="verified", why=f"its SHA-256 is {short(found)} as on that day")
    return Proof(state="broken", why=f"its SHA-256 was {short(manifest.crawl_sha256)}, but is {short(found)}: {path}")


def rules_proof(sha256: str, store: RawStore) -> tuple[Proof, bytes | None]:
    """Say whether the rules that something was read by are kept, and return them."""
    if not sha256:
        return Proof(state="stated", why="it does not say by which rules it was read"), None
    try:
        if not store.has(sha256):
            return Proof(state="missing", why=f"the rules {short(sha256)} of that day are not in {store.root}"), None
        if not store.intact(sha256):
            return Proof(state="broken", why=f"the rules were altered: {store.blob_path(sha256)}"), None
    except ValueError:
        return Proof(state="broken", why=f"{sha256[:80]!r} is no digest of rules"), None
    return Proof(state="verified", why=f"its rules of that day, {short(sha256)}, are kept"), store.get(sha256)


def release_of(dataset: DatasetVersion, archive: Archive) -> tuple[Release | None, Proof]:
    """Return the release that something names as what it was made of, and what proves that it is the one."""
    named = [release for release in archive.known if release.version.ref == dataset.ref]
    same = [release for release in named if release.manifest.digest == dataset.digest]
    pinned = [release for release in named if release.revision == dataset.revision]
    if same:
        exact = [release for release in same if release.revision == dataset.revision]
        return (exact or same)[0], Proof(state="verified", why=f"the digest {short(dataset.digest)} is the same")
    where = f"commit {short(dataset.revision)} of the Hub" if is_commit(dataset.revision) else dataset.ref
    if named and (pinned or not is_commit(dataset.revision)):
        other = (pinned or named)[0]
        told = f"digest {short(dataset.digest)} was named, {short(other.manifest.digest)} lies in {other.folder}"
        return other, Proof(state="broken", why=told)
    return None, Proof(state="missing", why=f"{where}, digest {short(dataset.digest)}, is not in this data root")


def run_proof(checkpoint: RunFacts, run: RunFacts) -> Proof:
    """Say whether a checkpoint is one of a run's, by the dataset and the recipe that both name."""
    if checkpoint.dataset.digest != run.dataset.digest:
        told = f"it was trained on {short(checkpoint.dataset.digest)}, its run on {short(run.dataset.digest)}"
        return Proof(state="broken", why=told)
    found = _recipe_digest(run)
    if found is None:
        return Proof(state="stated", why="the recipe in its run's config.json cannot be read")
    if found != checkpoint.training_digest:
        told = f"its recipe has digest {short(checkpoint.training_digest)}, the run's {short(found)}"
        return Proof(state="broken", why=told)
    return Proof(state="verified", why=f"the recipe's digest {short(found)} is the same")


def _recipe_digest(run: RunFacts) -> str | None:
    from model.config import TrainConfig
    from model.config_checks import require_kinds

    try:
        require_kinds(TrainConfig, run.recipe or {})
        return TrainConfig.from_json(run.recipe or {}).digest()
    except (ValueError, TypeError, KeyError):
        return None


class Weights:
    """Which run has which weights; each checkpoint is read once."""

    def __init__(self, archive: Archive) -> None:
        """Look in the runs of `archive`."""
        self.archive = archive
        self._digests: dict[Path, str] = {}
        self._recipes: dict[Path, str] = {}

    def runs_of(self, model: ModelFacts) -> tuple[list[RunFacts], int]:
        """Return the runs whose best checkpoint is a model, and how many more have its recipe and dataset."""
        alike = [run for run in self.archive.known_runs if self._may_be(run, model)]
        same = [run for run in alike[:COMPARED] if self._digest(run) == model.lineage.weights]
        return same, len(alike) - len(same)

    def models_of(self, run: RunFacts) -> list[ModelFacts]:
        """Return the models that are a run's best checkpoint."""
        alike = [model for model in self.archive.models if self._may_be(run, model)]
        return [model for model in alike if self._digest(run) == model.lineage.weights]

    def are(self, run: RunFacts, model: ModelFacts) -> bool:
        """Tell whether a run's best checkpoint is a model."""
        return self._digest(run) == model.lineage.weights

    def _may_be(self, run: RunFacts, model: ModelFacts) -> bool:
        """Tell whether dataset and recipe are the same, before any weights are read."""
        if run.dataset.digest != model.lineage.dataset.digest:
            return False
        if run.folder not in self._recipes:
            best = best_of(run.folder)
            self._recipes[run.folder] = best.training_digest if best else ""
        return self._recipes[run.folder] == model.lineage.training_digest

    def _digest(self, run: RunFacts) -> str:
        from model.tensor_files import read_tensors, weights_digest

        if run.folder not in self._digests:
            try:
                found = weights_digest(read_tensors(run.folder / BEST / "model.safetensors"))
            except (ValueError, OSError) as error:
                self.archive.damaged.append(f"{run.folder}: {error}")
                found = ""
            self._digests[run.folder] = found
        return self._digests[run.folder]


def rules_of(store: RawStore, crawl: str) -> str:
    """Return the digest of the rules that a crawl was read by: its first lines say it; empty where none does."""
    path = store.root / "crawls" / f"{crawl}.jsonl"
    with path.open("rb") as file:
        for number, line in zip(range(1, 11), file, strict=False):
            try:
                told = read_line(line, f"{path} line {number}")
            except ValueError:
                return ""
            if told.kind == "source" and told.sha256:
                return told.sha256
    return ""
