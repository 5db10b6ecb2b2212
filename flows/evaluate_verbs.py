"""What `evaluate` does with what it was given: open models, judge them side by side, keep and show the answer."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from flows.console import err, out, working
from flows.errors import DONE, UsageError, given_by_user
from flows.known_models import KnownModel, know, side_by_side
from flows.model_names import reference_of, require_same, short_name
from flows.settings import DataRoot
from flows.verbs import open_release
from model.evaluate import Evaluation, evaluation_table, write_evaluation
from model.evaluation_page import write_figures
from model.evaluation_tables import drawn_table, narrow_table, pairs_table
from model.judging import Extras, judge
from model.paper_table import paper_table
from model.runs import EVALUATION, evaluate_run
from model.tensor_files import weights_digest
from pipeline.release import Release

WIDE = 140  # characters that no table of ours exceeds, with names of moderate length
WIDE_ENOUGH = 122  # for the table of bits with all its columns


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What `evaluate` measures beside bits, of which other models too, and where it draws figures."""

    beside: tuple[str, ...] = ()
    paper: bool = False
    validity: int = 0
    memorisation: int = 0
    plots: Path | None = None


def evaluate(root: DataRoot, checkpoint: str, dataset: str | None, how: EvaluateOptions, *, as_json: bool) -> int:
    """Score one or several models beside the baselines."""
    with given_by_user():
        extras = Extras(paper="all" if how.paper else "none", validity=how.validity, memorisation=how.memorisation)
    if how.plots and how.plots.exists() and not how.plots.is_dir():
        raise UsageError(f"--plots {how.plots} is a file: give a folder.")
    models = [know(reference, root) for reference in (checkpoint, *how.beside)]
    trained_on = models[0].dataset
    release = open_release(dataset or reference_of(trained_on, root), root)
    if dataset is None:
        require_same(release, trained_on)
    evaluation, path = _judged(release, models, extras, root)
    err.print(f"kept in {path}", style="dim", markup=False, soft_wrap=True)
    if how.plots:
        page = write_figures(evaluation, release.palette, how.plots)
        err.print(f"the page: {page}", markup=False, soft_wrap=True)
    _show(evaluation, as_json=as_json)
    return DONE


def _judged(release: Release, models: Sequence[KnownModel], extras: Extras, root: DataRoot) -> tuple[Evaluation, Path]:
    """Return the evaluation and the file that holds it: a run's own where it is one run, on the release of its own."""
    first = models[0]
    same = release.version.digest == first.dataset.digest
    if len(models) == 1 and first.run and same:
        with working(f"judging {first.run.name}"):
            return evaluate_run(release, first.run, extras), first.run / EVALUATION
    with given_by_user():
        asked = side_by_side(models, release)
    if len(models) > 1:
        for model, known in zip(asked, models, strict=True):
            err.print(f"{model.name} is {known.reference}", style="dim", markup=False, soft_wrap=True)
    with working(f"judging {', '.join(model.name for model in asked)}"):
        evaluation = judge(release, asked, extras)
    if first.network is not None:
        evaluation = replace(evaluation, weights=weights_digest(first.network.state_dict()))
    path = _place(release, models, root)
    write_evaluation(evaluation, path)
    return evaluation, path


def _place(release: Release, models: Sequence[KnownModel], root: DataRoot) -> Path:
    """Return the file for an evaluation that is no run's own: beside a single checkpoint, else in the data root."""
    first, on = models[0], f"{release.version.tag}-{release.version.digest[:8]}"
    if len(models) == 1 and first.is_checkpoint:
        return first.folder / f"evaluation-{on}.json"
    others = "".join(f"\n{model.folder.resolve()}" for model in models[1:])
    mark = f"-beside-{hashlib.sha256(others.encode()).hexdigest()[:8]}" if others else ""
    return root.root / "evaluations" / f"{short_name(first.reference)}{mark}-{on}.json"


def _show(evaluation: Evaluation, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(asdict(evaluation)))
        return
    # a file or a pipe has no width to keep to
    wide = out if out.is_terminal else Console(width=max(out.width, WIDE), highlight=False, emoji=False)
    whole = wide.width >= WIDE_ENOUGH
    tables = [evaluation_table(evaluation) if whole else narrow_table(evaluation), pairs_table(evaluation)]
    if any(row.paper for row in evaluation.models):
        tables.append(paper_table(evaluation))
    if drawn := drawn_table(evaluation):
        tables.append(drawn)
    for table in tables:
        wide.print(table)
