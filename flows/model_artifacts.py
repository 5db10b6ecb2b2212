"""Texts about models for Prefect's pages, as Markdown: what was trained, what it pays, and who reigns."""

from math import isfinite
from pathlib import Path

from flows.champion.champions import Decision
from flows.dataset_artifacts import facts_of, hidden, hub_page, picture, table, words
from model.evaluate import Evaluation, read_evaluation
from model.figures import Curve, curve_svg
from model.history import Moment, read_history
from model.report_data import LogRow, read_log
from model.runs import EVALUATION, read_samples
from pipeline.cards.markdown import code, credit
from pipeline.release import Release
from pipeline.sheet import contact_sheet

MODELS = 30  # rows of a table
SPRITES, COLUMNS, SCALE = 48, 12, 3  # of the sheet: how many, in a row, screen pixels a pixel
POINTS = 400  # of a curve: more would not be seen
MAX_WHY = 600  # characters


def run_text(run: Path, release: Release) -> str:
    """Return what was trained on a release: models with their bits, curves, what the network draws, where it lies."""
    parts = [f"# {code(run.name)}", f"Trained on {facts_of(release.manifest)}."]
    if (run / EVALUATION).is_file():
        parts += ["## Models", _models(read_evaluation(run / EVALUATION))]
    parts += _curves(run)
    drawn = [one.sprite for one in read_samples(run).from_nothing[:SPRITES]]
    if drawn and hidden(release):
        parts += ["## Drawn from nothing", "The dataset is private, so its model's drawings are not shown here."]
    elif drawn:
        sheet = contact_sheet(drawn, release.palette.rgb, COLUMNS, SCALE)
        parts += ["## Drawn from nothing", picture(sheet, "png", "sprites that the network drew")]
    page = run / "report.html"
    where = f"The page of the run is {code(str(page))}." if page.is_file() else f"The run lies in {code(str(run))}."
    return "\n\n".join([*parts, "## Where", where]) + "\n"


def decision_text(decision: Decision) -> str:
    """Return what was decided on a version: who was better, by how much, and who reigns now."""
    dataset, before, model = decision.dataset, decision.champion_before, decision.model
    head = f"# {decision.outcome.capitalize()}: {code(f'{dataset.repo_id}@{dataset.tag}')}"
    parts = [head, words(decision.why, MAX_WHY)]
    rows = []
    if decision.challenger is not None:
        one = decision.challenger
        rows.append(("challenger", f"{words(one.name)} ({code(one.run)})", _bits(one.bits)))
    if before is not None:
        rows.append(("champion before", code(before.ref), _bits(before.bits)))
    if rows:
        parts.append(table(("", "model", "bits per record, test split"), rows))
    if decision.paired is not None:
        paired = decision.paired
        low, high = paired.ci95
        less = "less" if paired.difference_bits < 0 else "more"
        parts.append(
            f"{words(paired.a)} pays {abs(paired.difference_bits):,.2f} bits {less} per record than {words(paired.b)} "
            f"(difference {low:+,.2f} to {high:+,.2f} with 95 % confidence, p = {paired.p_value:.3g})."
        )
    if decision.candidates:
        found = sorted(decision.candidates, key=lambda one: one.validation_bits)[:MODELS]
        cells = [(words(one.name), code(one.preset), f"{one.seed}", _bits(one.validation_bits)) for one in found]
        parts += ["## Candidates", table(("model", "preset", "seed", "bits per record, validation split"), cells)]
    if model is not None:
        name, _, tag = model.ref.partition("@")
        page = f"\n\nOn the Hub: {credit(hub_page(name, tag, ''))}" if model.revision else ""
        parts += ["## Reigns now", f"{code(model.ref)} in {code(model.folder)}{page}"]
    return "\n\n".join([*parts, f"Decided {code(decision.time)}, dataset digest {code(dataset.digest)}."]) + "\n"


def _models(evaluation: Evaluation) -> str:
    rows = [
        (
            f"**{words(one.name)}**" if one.kind == "network" else words(one.name),
            one.kind,
            f"{one.parameters:,}",
            _bits(one.bits_per_record.total),
            f"{one.bits_per_record.ci95[0]:,.1f} to {one.bits_per_record.ci95[1]:,.1f}",
            f"{one.bits_per_pixel:.3f}",
            f"{one.bits_per_character:.3f}",
        )
        for one in sorted(evaluation.models, key=lambda one: one.bits_per_record.total)[:MODELS]
    ]
    head = ("model", "kind", "parameters", "bits/record", "95 %", "bits/pixel", "bits/char")
    return table(head, rows)


def _curves(run: Path) -> list[str]:
    from model.bar_figures import standalone

    log = read_log(run / "log.jsonl") if (run / "log.jsonl").is_file() else ()
    history = read_history(run)
    drawn = (
        curve_svg(Curve(points=points, x_label="training steps", y_label=label))
        for points, label in (
            (_points(log, "validation_bits"), "validation, bits per record"),
            (_points(history or log, "train_bits"), "training, bits per token"),
        )
    )
    figures = [picture(standalone(figure).encode(), "svg+xml", "training curve") for figure in drawn if figure]
    return ["## Curves", *figures] if figures else []


def _points(rows: "tuple[LogRow, ...] | list[Moment]", name: str) -> tuple[tuple[float, float], ...]:
    """Return the points of a curve, evenly thinned out, its last one kept."""
    found = [(float(row.step), float(value)) for row in rows if (value := getattr(row, name)) is not None]
    step = -(-len(found) // POINTS) or 1
    return tuple(found[::-step][::-1])


def _bits(value: float | None) -> str:
    return f"{value:,.1f}" if value is not None and isfinite(value) else "unknown"
