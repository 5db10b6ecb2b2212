"""What the commands about models and pages do with what they were given."""

from dataclasses import dataclass, replace
from pathlib import Path

from flows.console import out
from flows.errors import DONE, UsageError, given_by_user
from flows.model_names import reference_of, require_same, short_name
from flows.settings import DataRoot
from flows.verbs import open_release
from pipeline.release import Release

LONGEST = 1400  # bytes of a caption that is written


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
    folder = how.out or root.root / "generated" / f"{short_name(checkpoint)}-{given.what}-s{how.seed}"
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
    release = open_release(reference_of(info.dataset, root), root)
    require_same(release, info.dataset)
    return release
