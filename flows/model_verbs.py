"""What the commands about models and pages do with what they were given."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.console import out, say
from flows.errors import DONE, UsageError, given_by_user
from flows.server import start_guarded_server
from flows.settings import DataRoot
from flows.verbs import open_release
from pipeline.records import DatasetVersion
from pipeline.release import Release

COMMIT = re.compile(r"[0-9a-f]{40}")  # of a hub; a folder's revision is a digest, which is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What `train` trains."""

    preset: str
    core: str
    seed: int


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


def train(root: DataRoot, dataset: str, how: TrainOptions, *, as_json: bool) -> int:
    """Run the flow that trains on one version."""
    from model.presets import preset_of

    found = open_release(dataset, root)
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
    say({"run": run, "dataset": found.version.ref}, f"the run: {run}\nthe page: {run / 'report.html'}", as_json=as_json)
    return DONE


def evaluate(root: DataRoot, checkpoint: Path, dataset: str | None, *, as_json: bool) -> int:
    """Score a checkpoint beside the baselines."""
    from model.checkpoint import read_info
    from model.evaluate import evaluation_table, write_evaluation
    from model.runs import checkpoint_of, evaluate_checkpoint, evaluate_run

    with given_by_user():
        folder = checkpoint_of(checkpoint)
        info = read_info(folder)
    release = open_release(dataset or _name_of(info.dataset, root), root)
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
        release = release_of(run, root)
        page = run_page(release, run, root, target)
    else:
        release = open_release(run_or_release, root)
        page = release_page(
            release, root, target or root.root / "pages" / f"{release.manifest.name}-{release.manifest.version}.html"
        )
    out.print(f"the page: {page}", soft_wrap=True, markup=False)
    return DONE


def release_of(run: Path, root: DataRoot) -> Release:
    """Return the release that a run was trained on; RuntimeError when what has its name is another by now."""
    from model.checkpoint import read_info
    from model.runs import checkpoint_of

    with given_by_user():
        info = read_info(checkpoint_of(run))
    release = open_release(_name_of(info.dataset, root), root)
    _require_same(release, info.dataset)
    return release


def _name_of(trained_on: DatasetVersion, root: DataRoot) -> str:
    """Return what names the release that a checkpoint was trained on: where it was read from the Hub, else its ref."""
    if not COMMIT.fullmatch(trained_on.revision):
        return trained_on.ref
    pulled = root.places.cache / trained_on.repo_id / trained_on.revision
    return str(pulled) if pulled.is_dir() else f"hub:{trained_on.ref}"


def _require_same(release: Release, trained_on: DatasetVersion) -> None:
    """Refuse a release of the same name and version, but other content, than the one a checkpoint was trained on."""
    if release.manifest.digest != trained_on.digest:
        raise RuntimeError(
            f"{release.version.ref} has digest {release.manifest.digest[:12]}, but the checkpoint was trained on "
            f"{trained_on.digest[:12]}: it is another dataset of that name; name the release to use."
        )
