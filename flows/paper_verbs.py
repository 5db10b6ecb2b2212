"""What `pixelbytes reproduce` does: measure, train, judge, and show the paper's table again."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.console import err, out
from flows.errors import DONE, UsageError, given_by_user
from flows.settings import DataRoot
from flows.verbs import open_release
from model.paper_table import duration, plan_table, reproduction_table
from model.presets import Preset
from model.reproduction import (
    REPRODUCTION,
    Pace,
    chosen_presets,
    read_reproduction,
    reproduction_folder,
    require_splits,
)
from pipeline.release import Release

WIDEST = 1000  # columns that a table may take


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceOptions:
    """What is reproduced, and how long each variant is trained."""

    epochs: int
    only: tuple[str, ...] = ()
    seed: int = 0
    dry_run: bool = False


def reproduce(root: DataRoot, dataset: str, how: ReproduceOptions, *, as_json: bool) -> int:
    """Reproduce the table, or tell what that would take."""
    with given_by_user():
        presets = chosen_presets(how.only, how.epochs, how.seed)
    release = open_release(dataset, root)
    if release.manifest.version == "unreleased":
        raise UsageError(
            f"{dataset} was never published: a reproduction names a version; run `pixelbytes rebuild` first."
        )
    with given_by_user():
        require_splits(release)
    if how.dry_run:
        return _plan(release, root, presets, as_json=as_json)
    page = reproduce_paper(release, root, presets)
    found = read_reproduction(page.parent / REPRODUCTION)
    if as_json:
        out.print_json(json.dumps({"page": str(page), **asdict(found)}))
    else:
        _print_whole(reproduction_table(found))
        out.print(f"the page: {page}", soft_wrap=True, markup=False)
    return DONE


def reproduce_paper(release: Release, root: DataRoot, presets: Sequence[Preset]) -> Path:
    """Train and judge some rows of the paper's table, or go on with it; return the page.

    ValueError when a split of the release is empty or the recipes' device is not here; TrainingStopped when it is asked
    to end: the same call goes on.
    """
    from model.progress import progress_bar
    from model.reproducing import Ground
    from model.reproducing import reproduce as run
    from model.reproduction_page import write_page
    from model.train import OnProgress

    recipe = presets[0].train
    folder = reproduction_folder(release, root.root / "reproductions", recipe.epochs, recipe.seed)
    numbers = {preset.name: f"{n} of {len(presets)}" for n, preset in enumerate(presets, start=1)}

    def shown(preset: Preset) -> AbstractContextManager[OnProgress]:
        err.print(f"{preset.name} ({numbers[preset.name]}): {preset.about}", markup=False, soft_wrap=True)
        return progress_bar(err)

    run(Ground.of(release, folder), presets, shown, lambda found: write_page(found, folder))
    return folder / "reproduction.html"


def _plan(release: Release, root: DataRoot, presets: Sequence[Preset], *, as_json: bool) -> int:
    from model.pace import measured_pace
    from model.reproducing import Ground

    recipe = presets[0].train
    folder = reproduction_folder(release, root.root / "reproductions", recipe.epochs, recipe.seed)
    ground = Ground.of(release, folder)
    paces: list[Pace] = []
    for preset in presets:
        err.print(f"measuring {preset.name}", style="dim", markup=False)
        paces.append(measured_pace(ground.data, preset))
    finished = [one.preset for one in ground.results()]
    if as_json:
        told = [{**asdict(pace), "steps": pace.steps, "seconds": pace.seconds} for pace in paces]
        out.print_json(json.dumps({"folder": str(folder), "finished": finished, "variants": told}))
        return DONE
    _print_whole(plan_table(paces))
    left = sum(pace.seconds for pace in paces if pace.preset not in finished)
    done = f"; finished already: {', '.join(finished)}, so {duration(left)} are left" if finished else ""
    out.print(f"nothing was trained; it would lie in {folder}{done}", soft_wrap=True, markup=False)
    return DONE


def _print_whole(table: Table) -> None:
    """Print a table as wide as it is: a line that a narrow terminal folds is read more easily than a cut number."""
    width = max(out.width, out.measure(table, options=out.options.update(max_width=WIDEST)).maximum)
    Console(file=out.file, width=width, highlight=False, emoji=False).print(table)
