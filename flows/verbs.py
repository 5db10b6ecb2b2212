"""What each command does with what it was given: resolve it, call the floor below, say what came of it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.console import counting, err, gate_table, out
from flows.errors import UsageError, given_by_user
from flows.reach import reached
from flows.server import start_guarded_server
from flows.settings import DataRoot
from pipeline import checks
from pipeline.build import build as build_release
from pipeline.build import require_replaceable
from pipeline.crawl.raw import RawStore
from pipeline.crawl.run import check_request
from pipeline.crawl.run import crawl as crawl_source
from pipeline.crawl.sources import Source, load_source
from pipeline.diff import diff as diff_releases
from pipeline.publish import FolderStore, Published, resolve
from pipeline.records import DatasetVersion
from pipeline.release import Release, blocking
from pipeline.shard_build import BuildConfig
from pipeline.verify import verify as verify_release

DONE, FAILED, GATE_SAID_NO = 0, 1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How `build` builds."""

    out: Path | None
    k: int
    palette: str
    workers: int
    offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """How `rebuild` rebuilds."""

    to: Path | None
    name: str | None
    k: int
    workers: int
    offline: bool
    contact: str | None
    override: "Override"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Gates that are let through, and why."""

    gates: tuple[str, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What `train` trains."""

    preset: str
    core: str
    seed: int


def _say(result: dict[str, object], text: str, *, as_json: bool) -> None:
    """Write a result to stdout: for a machine or for a person."""
    if as_json:
        out.print_json(json.dumps(result, default=str))
    else:
        out.print(text, soft_wrap=True, markup=False)


def _source(source: str) -> Source:
    with given_by_user():
        return load_source(source)


def _release(reference: str, root: DataRoot) -> Release:
    with given_by_user():
        release = resolve(reference, root.releases)
    told = f"{reference} is {release.version.ref}, digest {release.manifest.digest[:12]}"
    err.print(told, style="dim", markup=False, soft_wrap=True)
    return release


def _dataset_name(source: Source, given: str | None = None) -> str:
    return given or f"pixelbytes/{source.name}"


def crawl(root: DataRoot, source: str, limit: int | None, contact: str | None, *, as_json: bool) -> int:
    """Bring the raw store of a source up to date."""
    known = _source(source)
    with given_by_user():
        check_request(known, limit, None, contact)
    store = RawStore(root.raw(known.name))
    with reached(known) as proxy:
        done = crawl_source(known, store, limit=limit, proxy=proxy, contact=contact)
    report = asdict(done.report) if done.report else {}
    told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in report.items() if count)
    _say({"crawl": done.name, **report}, f"crawl {done.name} of {known.name}: {told}", as_json=as_json)
    return DONE


def build(root: DataRoot, source: str, how: BuildOptions, *, as_json: bool) -> int:
    """Build a release folder."""
    known = _source(source)
    with given_by_user():
        config = BuildConfig(k=how.k, palette=how.palette)
        config.vocabulary()
        if how.out:
            require_replaceable(how.out)
    store = RawStore(root.raw(known.name))
    if not how.offline:
        with reached(known) as proxy:
            crawl_source(known, store, proxy=proxy)
    name = _dataset_name(known)
    target = how.out or root.built(name)
    with counting(f"building {name}", "records") as progress:
        release = build_release(known, store, target, name=name, config=config, workers=how.workers, progress=progress)
    manifest = release.manifest
    text = f"{sum(manifest.counts.values()):,} records at {release.folder} (digest {manifest.digest[:12]})"
    if manifest.quarantine:
        text += f"; dropped: {', '.join(f'{n} at {stage}' for stage, n in manifest.quarantine.items())}"
    _say({"folder": str(release.folder), "digest": manifest.digest, "counts": manifest.counts}, text, as_json=as_json)
    return DONE


def check(root: DataRoot, release: str, against: str | None, allowed: Override, *, as_json: bool) -> int:
    """Ask every gate; a published release is never written to."""
    found = _release(release, root)
    gates = checks.check(found, _release(against, root) if against else None)
    with given_by_user():
        for name in allowed.gates:
            gates = checks.override(gates, name, allowed.because)
    if found.manifest.version == "unreleased":
        found.with_manifest(gates=gates)
    if as_json:
        out.print_json(json.dumps([asdict(gate) for gate in gates]))
    else:
        out.print(gate_table(gates))
    return GATE_SAID_NO if blocking(gates) else DONE


def verify(root: DataRoot, release: str, *, as_json: bool) -> int:
    """Recompute every digest."""
    found = _release(release, root)
    faults = verify_release(found)
    text = "\n".join(faults) if faults else f"every digest of {found.version.ref} holds"
    _say({"release": found.version.ref, "faults": list(faults)}, text, as_json=as_json)
    return FAILED if faults else DONE


def inspect(root: DataRoot, release: str, record: str | None) -> int:
    """Show one record: sprite, text, tokens and one window."""
    from flows.anatomy import anatomy

    found = _release(release, root)
    with given_by_user():
        shown = anatomy(found, record)
    out.print(shown)
    return DONE


def rebuild(root: DataRoot, source: str, how: RebuildOptions, *, as_json: bool) -> int:
    """Run the flow that rebuilds a dataset."""
    known = _source(source)
    with given_by_user():
        BuildConfig(k=how.k)
        if not how.offline:
            check_request(known, None, None, how.contact)
        if how.override.gates and not how.override.because.strip():
            raise UsageError("a gate is only let through with a reason: add --because TEXT.")
        FolderStore(root.releases).folder(_dataset_name(known, how.name))
    from flows.rebuild_dataset import rebuild_dataset

    start_guarded_server()
    published = rebuild_dataset(
        source,
        _dataset_name(known, how.name),
        how.k,
        data=str(root.root),
        store=str(how.to) if how.to else None,
        workers=how.workers,
        offline=how.offline,
        contact=how.contact,
        allow=how.override.gates,
        because=how.override.because,
    )
    _say_published(published, as_json=as_json)
    return DONE


def publish(root: DataRoot, release: str, to: Path | None, *, as_json: bool) -> int:
    """Publish a checked build; its release event goes out as after a rebuild."""
    found = _release(release, root)
    store = to or root.releases
    with given_by_user():
        title = load_source(found.manifest.source).title
    from flows.rebuild_dataset import publish_dataset

    start_guarded_server()
    _say_published(publish_dataset(str(found.folder), title, str(store)), as_json=as_json)
    return DONE


def _say_published(published: Published, *, as_json: bool) -> None:
    changes = published.release.manifest.diff
    text = (
        f"published {published.version.ref} at {published.release.folder}: {len(changes.added)} added, "
        f"{len(changes.changed)} changed, {len(changes.removed)} removed"
        if published.new
        else f"nothing changed since {published.version.ref}: no new version"
    )
    result: dict[str, object] = {**asdict(published.version), "new": published.new, "folder": published.release.folder}
    _say(result, text, as_json=as_json)


def train(root: DataRoot, dataset: str, how: TrainOptions, *, as_json: bool) -> int:
    """Run the flow that trains on one version."""
    from model.presets import preset_of

    found = _release(dataset, root)
    with given_by_user():
        preset_of(how.preset, how.core, how.seed)
        if found.manifest.version == "unreleased":
            raise UsageError(
                f"{dataset} was never published: training names a version; run `pixelbytes rebuild` first."
            )
    from flows.train_model import train_model

    start_guarded_server()
    run = train_model(
        found.version.repo_id,
        found.version.tag,
        found.version.digest,
        str(found.folder.resolve()),
        data=str(root.root),
        preset=how.preset,
        core=how.core,
        seed=how.seed,
    )
    _say(
        {"run": run, "dataset": found.version.ref}, f"the run: {run}\nthe page: {run / 'report.html'}", as_json=as_json
    )
    return DONE


def evaluate(root: DataRoot, checkpoint: Path, dataset: str | None, *, as_json: bool) -> int:
    """Score a checkpoint beside the baselines."""
    from model.evaluate import evaluation_table, write_evaluation
    from model.runs import checkpoint_of, evaluate_checkpoint, evaluate_run, info_of

    with given_by_user():
        folder = checkpoint_of(checkpoint)
        info = info_of(folder)
    release = _release(dataset or info.dataset.ref, root)
    run = folder.parent.parent
    if dataset is None:
        _require_same(release, info.dataset)
    same = release.version.digest == info.dataset.digest
    if same and folder.name == "best" and (run / "config.json").is_file():
        evaluation = evaluate_run(release, run)
    else:
        evaluation = evaluate_checkpoint(release, folder)
        write_evaluation(evaluation, folder / f"evaluation-{release.version.tag}-{release.version.digest[:8]}.json")
    if as_json:
        out.print_json(json.dumps(asdict(evaluation)))
    else:
        out.print(evaluation_table(evaluation))
    return DONE


def report(root: DataRoot, run_or_release: str, target: Path | None) -> int:
    """Write the page of a run or a release."""
    from flows.pages import release_page, run_page

    run = Path(run_or_release)
    if (run / "checkpoints").is_dir():
        from model.runs import info_of

        with given_by_user():
            info = info_of(run / "checkpoints" / "best")
        release = _release(info.dataset.ref, root)
        _require_same(release, info.dataset)
        page = run_page(release, run, root, target)
    else:
        release = _release(run_or_release, root)
        page = release_page(
            release, root, target or root.root / "pages" / f"{release.manifest.name}-{release.manifest.version}.html"
        )
    out.print(f"the page: {page}", soft_wrap=True, markup=False)
    return DONE


def _require_same(release: Release, trained_on: DatasetVersion) -> None:
    """Refuse a release of the same name and version, but other content, than the one a checkpoint was trained on."""
    if release.manifest.digest != trained_on.digest:
        raise RuntimeError(
            f"{release.version.ref} has digest {release.manifest.digest[:12]}, but the checkpoint was trained on "
            f"{trained_on.digest[:12]}: it is another dataset of that name; name the release to use."
        )


def diff(root: DataRoot, old: str, new: str, *, as_json: bool) -> int:
    """Compare two releases."""
    changes = diff_releases(_release(old, root), _release(new, root))
    rows = asdict(changes)
    text = (
        "\n".join(f"{what} {len(ids)}: {', '.join(ids[:20])}" for what, ids in rows.items() if ids) or "no difference"
    )
    _say({what: list(ids) for what, ids in rows.items()}, text, as_json=as_json)
    return DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How `generate` draws."""

    count: int
    out: Path
    seed: int
    temperature: float
    scale: int


def generate(checkpoint: Path, caption: str | None, picture: Path | None, how: DrawOptions) -> int:
    """Draw with a checkpoint, and keep pictures, texts and a contact sheet."""
    from flows.drawing import draw
    from model.generate import SampleConfig
    from model.runs import checkpoint_of

    if caption is not None and picture is not None:
        raise UsageError("give --caption or --picture, not both: a record is begun by one of them.")
    if how.count < 1 or how.scale < 1:
        raise UsageError(f"--count is {how.count} and --scale {how.scale}: both must be at least 1.")
    if how.out.exists() and not how.out.is_dir():
        raise UsageError(f"--out {how.out} is a file: give a folder.")
    with given_by_user():
        folder = checkpoint_of(checkpoint)
        SampleConfig(temperature=how.temperature, seed=how.seed)
    draw(folder, caption, picture, how)
    return DONE
