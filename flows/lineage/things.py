"""Artifacts as things of a graph: what each says of itself, and whether it is what it says."""

import json
from pathlib import Path

from flows.champion.champions import Decision
from flows.lineage.archive import BEST, ModelFacts, RunFacts, read_checkpoint
from flows.lineage.graph import Thing
from pipeline.crawl.lines import read_line
from pipeline.crawl.raw import RawStore
from pipeline.crawl.source_files import known_sources, load_source, source_from_table
from pipeline.release import MANIFEST, Release, seal_of
from pipeline.shards import file_sha256

LOOKED_AT = 20_000  # lines of a crawl whose bodies are looked for
SHORT = 12  # hex digits of a digest that a person reads


def short(digest: str) -> str:
    """Return as much of a digest as a person compares."""
    return digest[:SHORT]


def release_thing(release: Release, name: str = "") -> Thing:
    """Return a release: by its ref, unless another name tells it from one of the same ref."""
    manifest = release.manifest
    facts = [
        ("digest", short(manifest.digest)),
        ("records", f"{sum(manifest.counts.values()):,}"),
        ("transform", str(manifest.transform["version"])),
        ("palette", f"{manifest.palette['name']} {short(manifest.palette['digest'])}"),
        ("code", manifest.code_version),
        ("made", manifest.created_at),
    ]
    facts += [("commit", short(release.revision))] if release.revision else []
    return Thing(
        kind="release" if manifest.published else "build",
        name=name or release.version.ref if manifest.published else manifest.name,
        place=str(release.folder),
        facts=tuple(facts),
        fault=release_fault(release),
    )


def release_fault(release: Release) -> str:
    """Say why a release is not what it says: its seal, or a file's size. Bytes are `pixelbytes verify`'s to read."""
    manifest = release.manifest
    if manifest.seal and manifest.seal != seal_of(manifest):
        return f"{MANIFEST} was altered: its seal does not hold"
    if release.folder.name.endswith(".manifest"):
        return ""  # of a version on the Hub whose rows nobody asked for
    said = {shard.file: shard.bytes for shard in manifest.files.values()}
    said |= {document.file: document.bytes for document in manifest.documents}
    for file, size in said.items():
        path = release.folder / file
        if not path.is_file() or path.stat().st_size != size:
            return f"{file} {f'has not the {size:,} bytes that it had' if path.is_file() else 'is gone'}"
    return ""


def crawl_thing(store: RawStore, name: str) -> Thing:
    """Return a finished crawl of a raw store: its lines, and how many of the bodies that it names are here."""
    path = store.root / "crawls" / f"{name}.jsonl"
    lines = bodies = gone = 0
    fault = ""
    with path.open("rb") as file:
        for lines, line in enumerate(file, start=1):
            if lines > LOOKED_AT or fault:
                continue
            try:
                sha256 = read_line(line, f"line {lines}").sha256
                bodies += bool(sha256)
                gone += bool(sha256) and not store.has(sha256)
            except ValueError as error:
                fault = str(error)
    looked = f" of the first {LOOKED_AT:,} lines" if lines > LOOKED_AT else ""
    told = f"{bodies:,}{looked}, {gone:,} of them not here" if gone else f"{bodies:,}{looked}, all here"
    facts = (("sha256", short(file_sha256(path))), ("lines", f"{lines:,}"), ("bodies", told))
    return Thing(kind="crawl", name=f"{store.root.name}/{name}", place=str(path), facts=facts, fault=fault)


def source_thing(name: str, rules: bytes | None = None) -> Thing:
    """Return a source, with how the rules of a day compare to its file of today where both are known."""
    if name not in known_sources():
        return Thing(kind="source", name=name)
    today = load_source(name)
    facts = [("title", today.title)]
    if rules is not None:
        try:
            same = source_from_table(json.loads(rules), where="the rules") == today
        except ValueError:
            same = False
        facts.append(("its file today", "says the same" if same else "says otherwise than on that day"))
    return Thing(kind="source", name=name, place=f"pipeline/sources/{name}.toml", facts=tuple(facts))


def run_thing(run: RunFacts) -> Thing:
    """Return a training, with what its best checkpoint says."""
    facts = [("dataset", f"{run.dataset.ref} {short(run.dataset.digest)}")]
    facts += [("core", run.model)] if run.model else []
    recipe = run.recipe or {}
    facts += [(name, str(recipe[name])) for name in ("seed", "epochs") if isinstance(recipe.get(name), int)]
    best = best_of(run.folder)
    return Thing(
        kind="run",
        name=run.folder.name,
        place=str(run.folder),
        facts=(*facts, *(checkpoint_facts(best) if best else ())),
    )


def checkpoint_thing(checkpoint: RunFacts) -> Thing:
    """Return a checkpoint."""
    folder = checkpoint.folder
    of_run = folder.parent.name == "checkpoints"
    name = f"{folder.parent.parent.name}/{folder.name}" if of_run else folder.name
    facts = (("dataset", f"{checkpoint.dataset.ref} {short(checkpoint.dataset.digest)}"), *checkpoint_facts(checkpoint))
    return Thing(kind="checkpoint", name=name, place=str(folder), facts=facts)


def checkpoint_facts(checkpoint: RunFacts) -> tuple[tuple[str, str], ...]:
    """Return what a checkpoint says beside its dataset."""
    bits = [("validation", f"{checkpoint.validation_bits:,.0f} bits")] if checkpoint.validation_bits is not None else []
    digest = short(checkpoint.training_digest)
    return (("training", digest), ("step", f"{checkpoint.step or 0:,}"), *bits, ("code", checkpoint.code_version))


def best_of(run: Path) -> RunFacts | None:
    """Return what a run's best checkpoint says; None while there is none, or none that can be read."""
    try:
        return read_checkpoint(run / BEST)
    except (ValueError, OSError):
        return None


def model_thing(model: ModelFacts) -> Thing:
    """Return an exported model, each of its files held against its lineage.json."""
    told = model.lineage
    facts = (
        ("weights", short(told.weights)),
        ("dataset", f"{told.dataset.ref} {short(told.dataset.digest)}"),
        ("training", short(told.training_digest)),
        ("code", told.code_version),
    )
    return Thing(kind="model", name=model.ref, place=str(model.folder), facts=facts, fault=_model_fault(model))


def _model_fault(model: ModelFacts) -> str:
    for name, digest in model.lineage.files.items():
        path = model.folder / name
        if Path(name).name != name:
            return f"lineage.json names the file {name[:80]!r}, which is no plain name"
        if path.is_file() and file_sha256(path) != digest:
            return f"{name} has other bytes than lineage.json says"
    return ""  # what was not downloaded is no fault: a card and pictures are not needed to draw


def decision_thing(decision: Decision) -> Thing:
    """Return what was decided on one version."""
    facts = [("outcome", decision.outcome), ("why", decision.why)]
    facts += [("bits", f"{decision.challenger.bits:,.1f} per record")] if decision.challenger else []
    name = f"on {decision.dataset.ref} of {decision.time}"
    return Thing(
        kind="decision", name=name, place=f"champions/{decision.dataset.repo_id}/decisions.jsonl", facts=tuple(facts)
    )
