"""What became of a dataset and its models, version by version: numbers from manifests, decisions and evaluations."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.champion.champions import Decision
from flows.lineage.archive import Archive, RunFacts
from pipeline.publishing.staging import version_key
from pipeline.release import Manifest

EVALUATION = "evaluation.json"
JUDGED = 200  # runs of one version whose evaluations are read, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBits:
    """What one model pays for the records of a version's test split."""

    name: str
    kind: str  # champion, challenger, candidate or baseline
    bits: float  # per record


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionMetrics:
    """One version of a dataset."""

    version: str
    made: str  # ISO 8601
    records: int
    listed: int
    joined: int
    built: int
    dropped: int  # that the quarantine holds
    added: int
    changed: int
    removed: int
    bytes: dict[str, int]  # of the shards, by config
    tokens: dict[str, int]  # text, pixel, separator
    text_ratio: float
    yanked: bool
    outcome: str = ""  # of the last decision on it
    bits: tuple[ModelBits, ...] = ()  # of its test split

    def best(self, *kinds: str) -> ModelBits | None:
        """Return who pays least among models of these kinds."""
        return min((one for one in self.bits if one.kind in kinds), key=lambda one: one.bits, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoMetrics:
    """All versions of a dataset, oldest first."""

    repo: str
    versions: tuple[VersionMetrics, ...]

    def to_json(self) -> dict[str, object]:
        """Return all of it for a machine."""
        return asdict(self)


def metrics_of(archive: Archive, repo: str | None = None) -> tuple[RepoMetrics, ...]:
    """Return the numbers of every dataset with a release here, or of one; what is damaged stands in the archive's list.

    A version that was released and read from the Hub is taken once.
    """
    manifests: dict[str, dict[str, Manifest]] = {}
    for release in archive.releases:
        manifests.setdefault(release.manifest.name, {}).setdefault(release.manifest.version, release.manifest)
    names = sorted(name for name in manifests if repo in (None, name))
    return tuple(_repo(name, manifests[name], archive) for name in names)


def _repo(name: str, manifests: dict[str, Manifest], archive: Archive) -> RepoMetrics:
    order = sorted(manifests, key=version_key)
    yanked = set(manifests[order[-1]].yanked)
    decided = {one.dataset.tag: one for one in archive.decisions if one.dataset.repo_id == name}
    runs: dict[str, list[RunFacts]] = {}
    for run in archive.runs:
        if run.dataset.repo_id == name:
            runs.setdefault(run.dataset.digest, []).append(run)
    found = []
    for version in order:
        manifest, decision = manifests[version], decided.get(version)
        bits = _bits(decision, _judged(runs.get(manifest.digest, []), manifest.digest, archive))
        found.append(_version(manifest, yanked=version in yanked, decision=decision, bits=bits))
    return RepoMetrics(repo=name, versions=tuple(found))


def _version(
    manifest: Manifest, *, yanked: bool, decision: Decision | None, bits: tuple[ModelBits, ...]
) -> VersionMetrics:
    sizes = {
        config: sum(shard.bytes for part in splits.values() for shard in part)
        for config, splits in manifest.configs.items()
    }
    changes, yields = manifest.diff, manifest.yields
    return VersionMetrics(
        version=manifest.version,
        made=manifest.created_at,
        records=sum(manifest.counts.values()),
        listed=yields.get("listed", 0),
        joined=yields.get("joined", 0),
        built=yields.get("built", 0),
        dropped=sum(manifest.quarantine.values()),
        added=len(changes.added),
        changed=len(changes.changed),
        removed=len(changes.removed),
        bytes=sizes,
        tokens=manifest.tokens,
        text_ratio=manifest.text_ratio,
        yanked=yanked,
        outcome=decision.outcome if decision else "",
        bits=bits,
    )


def _judged(runs: Sequence[RunFacts], digest: str, archive: Archive) -> list[tuple[str, list[ModelBits]]]:
    """Return what the evaluations of runs say, by the name of the run."""
    paths = [run.folder / EVALUATION for run in runs]
    there = sorted((path for path in paths if path.is_file()), key=lambda path: path.stat().st_mtime)[-JUDGED:]
    found = []
    for path in there:
        try:
            found.append((path.parent.name, _scores(path, digest)))
        except (ValueError, OSError) as error:
            archive.damaged.append(f"{path}: {error}")
    return found


def _scores(path: Path, digest: str) -> list[ModelBits]:
    """Return the rows of one evaluation, none when it is about other records; ValueError when it is damaged."""
    from model.evaluate import read_evaluation

    found = read_evaluation(path)
    rows = found.models if (found.dataset.digest, found.dataset.split) == (digest, "test") else ()
    return [
        ModelBits(
            name=row.name, kind="candidate" if row.kind == "network" else "baseline", bits=row.bits_per_record.total
        )
        for row in rows
    ]


def _bits(decision: Decision | None, judged: Iterable[tuple[str, list[ModelBits]]]) -> tuple[ModelBits, ...]:
    """Return every model's bits on a version: the challenger and the champion by the decision, others as judged.

    A baseline is counted alike for every run of a version: it is taken once.
    """
    found: dict[tuple[str, str], ModelBits] = {}
    challenger = decision.challenger if decision else None
    if challenger:
        kind = "champion" if decision and decision.outcome == "promoted" else "challenger"
        found[kind, challenger.run] = ModelBits(name=challenger.name, kind=kind, bits=challenger.bits)
    before = decision.champion_before if decision else None
    if before and before.bits is not None:
        kind = "former champion" if decision and decision.outcome == "promoted" else "champion"
        found[kind, before.ref] = ModelBits(name=before.ref, kind=kind, bits=before.bits)
    for run, rows in judged:
        for row in rows:
            known_by = run if row.kind == "candidate" else row.name
            if row.kind == "baseline" or not (challenger and run == challenger.run):
                found.setdefault((row.kind, known_by), row)
    return tuple(found.values())
