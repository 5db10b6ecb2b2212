"""What the commands about models and pages do with what they were given."""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from flows.console import out, say
from flows.errors import DONE, UsageError, given_by_user
from flows.server import start_guarded_server
from flows.settings import DataRoot
from flows.verbs import open_release
from pipeline.records import DatasetVersion
from pipeline.release import Release

LONGEST = 1400  # bytes of a caption that is written
COMMIT = re.compile(r"[0-9a-f]{40}")  # of a hub; a folder's revision is a digest, which is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What `train` trains."""

    preset: str
    core: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateOptions:
    """What `generate` draws, and how: as it was given."""

    caption: str | None
    picture: Path | None
    complete: Path | None
    rows: int | None
    count: int
    out: Path | None
    seed: int
    first: int | None
    temperature: float
    top_k: int | None
    top_p: float
    scale: int


def generate(root: DataRoot, checkpoint: str, how: GenerateOptions, *, as_json: bool) -> int:
    """Draw with a model, and keep pictures, texts, a contact sheet and a list of them."""
    from flows.begun import Given, begin
    from flows.drawing import Artist, DrawOptions, draw
    from flows.known_models import open_model, recipe_of
    from model.picking import SampleConfig

    if how.count < 1 or how.scale < 1 or (how.first or 0) < 0:
        raise UsageError(
            f"--count is {how.count}, --scale {how.scale} and --first {how.first or 0}: give at least 1, 1 and 0."
        )
    given = Given(caption=how.caption, picture=how.picture, complete=how.complete, rows=how.rows)
    folder = how.out or root.root / "generated" / f"{_short_name(checkpoint)}-{given.what}-s{how.seed}"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file: give a folder.")
    with given_by_user():
        config = SampleConfig(
            temperature=how.temperature, top_k=how.top_k, top_p=how.top_p, seed=how.seed, max_caption=LONGEST
        )
    network, info = open_model(checkpoint, root)
    recipe = recipe_of(info, root)
    begun = begin(given, info.vocabulary, recipe)
    draw(
        Artist(name=checkpoint, network=network, vocabulary=info.vocabulary),
        begun,
        DrawOptions(
            count=how.count,
            out=folder,
            first=how.first,
            scale=how.scale,
            config=replace(config, max_side=recipe.max_side),
        ),
        as_json=as_json,
    )
    return DONE


def _short_name(checkpoint: str) -> str:
    """Return what a model is called in the name of a folder."""
    if checkpoint.startswith("hub:"):
        return checkpoint.removeprefix("hub:").replace("/", "-").replace("@", "-")
    path = Path(checkpoint).resolve()
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.name


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
