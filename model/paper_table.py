"""An evaluation, or a reproduction, under the paper's metrics, beside what was published: as tables and as figures."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup
from rich.box import SIMPLE_HEAD
from rich.table import Table

from model.bar_figures import Bar, Bars, bars_svg
from model.evaluate import Evaluation, ModelScore
from model.line_figures import Lines, lines_svg
from model.paper_protocol import PaperScores, PaperVariant
from model.published import PAPER, PublishedScore, best_published
from model.reproduction import Pace, Reproduced, Reproduction

PARTS = ("shape", "pixels", "row ends", "caption")
COLUMNS = ("Hamming", "cosine", "BLEU")
ROOM = 215  # units for the longest name of a variant
NETWORK, COUNTING = 0.5, 0.22  # shades of their bars
MINUTE, HOUR = 60.0, 3600.0


def paper_table(evaluation: Evaluation) -> Table:
    """Return the paper's table with the models evaluated below it; without paper metrics only what was published.

    Less Hamming is better, more of the others; ± is the deviation over excerpts. The columns after the three are what
    the paper did not tell: tokens themselves that were right, and Hamming without excerpts that go round.
    """
    on = evaluation.dataset
    table = Table(title=f"{on.ref}, {on.split}: the paper's metrics, beside its own table", title_justify="left")
    table.add_column("model", no_wrap=True)
    for heading in (*COLUMNS, "centre", "text", "other", "not round", "whole record"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in PAPER:
        table.add_row(row.name, *(f"{value:.3f}" for value in (row.hamming, row.cosine, row.bleu)), style="dim")
    table.add_section()
    for name, paper in _scored(evaluation):
        deviations = [f" ± {value:.3f}" for value in paper.std] or [""] * len(COLUMNS)
        means = (paper.hamming, paper.cosine, paper.bleu)
        table.add_row(
            name,
            *(f"{mean:.3f}{deviation}" for mean, deviation in zip(means, deviations, strict=True)),
            f"{paper.centre_accuracy:.1%}",
            *((f"{paper.text_accuracy:.1%}", f"{paper.other_accuracy:.1%}") if paper.excerpts else ("", "")),
            *(f"{one.hamming:.3f}" if one else "" for one in (_variant(paper, "excerpt"), _variant(paper, "record"))),
        )
    return table


def reproduction_table(found: Reproduction) -> Table:
    """Return Table 1 again: what was published, the last checkpoint, the best on validation; baselines below.

    Three numbers are Hamming, cosine and BLEU. The columns after them are of the last checkpoint, which is the one that
    the paper judged: right tokens, and Hamming of the excerpts that do not go round.
    """
    on = found.dataset
    title = f"{on.ref}, {on.split}: the paper's table again, epochs: {found.epochs}; Hamming, cosine, BLEU"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("variant", no_wrap=True)
    for heading in ("weights", "published", "last", "best", "epoch", "centre", "text", "other", "not round"):
        table.add_column(heading, justify="right", no_wrap=True)
    done = {variant.preset: variant for variant in found.variants}
    for row in PAPER:
        published = f"{row.hamming:.3f} {row.cosine:.3f} {row.bleu:.3f}"
        if row.preset in done:
            variant = done[row.preset]
            judged = (published, _three(variant.last.paper), _three(variant.best.paper), str(variant.best.epoch))
            table.add_row(row.name, f"{variant.parameters:,}", *judged, *_hidden(variant.last.paper))
        else:
            table.add_row(row.name, "", published, style="dim")
    table.add_section()
    for counted in sorted(found.baselines, key=lambda one: one.paper.hamming):
        table.add_row(
            counted.name, f"{counted.parameters:,}", "", _three(counted.paper), "", "", *_hidden(counted.paper)
        )
    return table


def plan_table(paces: Sequence[Pace]) -> Table:
    """Return what a reproduction would take, variant by variant."""
    table = Table(title="What it would take here, as this machine is now", title_justify="left")
    table.add_column("variant", no_wrap=True)
    for heading in ("parameters", "steps", "a step", "in all"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pace in paces:
        step = f"{pace.step_seconds * 1000:,.0f} ms"
        table.add_row(pace.preset, f"{pace.parameters:,}", f"{pace.steps:,}", step, duration(pace.seconds))
    table.add_section()
    steps = sum(pace.steps for pace in paces)
    table.add_row(f"in all, {len(paces)}", "", f"{steps:,}", "", duration(sum(pace.seconds for pace in paces)))
    return table


def duration(seconds: float) -> str:
    """Return a time that a person can plan by.

    >>> duration(40.0), duration(600.0), duration(40_000.0)
    ('40 s', '10 min', '11.1 h')
    """
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def reproduction_figures(found: Reproduction) -> tuple[Markup, ...]:
    """Return a figure for each metric: the last checkpoint of each variant and the baselines, best first.

    A line across a variant's bar is what was published of it.
    """
    published = {row.preset: row for row in PAPER}
    figures = []
    for heading, key in zip(COLUMNS, ("hamming", "cosine", "bleu"), strict=True):
        rows = [(one.published, one.last.paper, published[one.preset]) for one in found.variants]
        all_rows = [*rows, *((one.name, one.paper, None) for one in found.baselines)]
        all_rows.sort(key=lambda row: float(getattr(row[1], key)), reverse=key != "hamming")
        bars = tuple(
            Bar(
                name=name,
                amounts=(float(getattr(paper, key)),),
                told=f"{getattr(paper, key):.3f}",
                mark=float(getattr(row, key)) if row else None,
                shade=NETWORK if row else COUNTING,
            )
            for name, paper, row in all_rows
        )
        better = "less" if key == "hamming" else "more"
        label = f"{heading} of the last checkpoints, {better} is better; the lines across: as published"
        figures.append(bars_svg(Bars(bars=bars, label=label, names=ROOM)))
    return tuple(figures)


def loss_figures(variants: Sequence[Reproduced]) -> tuple[Markup, ...]:
    """Return a small plot for each variant: bits per scored token by epoch, of training and, dashed, of validation."""
    return tuple(
        lines_svg(Lines(title=variant.published, drawn=variant.train_curve, dashed=variant.validation_curve))
        for variant in variants
    )


def _three(paper: PaperScores) -> str:
    return f"{paper.hamming:.3f} {paper.cosine:.3f} {paper.bleu:.3f}"


def _hidden(paper: PaperScores) -> tuple[str, ...]:
    """Return what the three metrics hide: right tokens in all, of text, of the others; Hamming without going round."""
    inside = _variant(paper, "excerpt")
    shares = (paper.centre_accuracy, paper.text_accuracy, paper.other_accuracy)
    return (*(f"{share:.1%}" for share in shares), f"{inside.hamming:.3f}" if inside else "")


def bits_figure(evaluation: Evaluation) -> Markup:
    """Return bits per record by part, a bar for each model, the best first."""
    rows = sorted(evaluation.models, key=lambda row: row.bits_per_record.total)
    bars = tuple(Bar(name=row.name, amounts=_parts(row), told=f"{row.bits_per_record.total:,.0f}") for row in rows)
    return bars_svg(Bars(bars=bars, legend=PARTS, label="bits per record by part, less is better"))


def paper_figures(evaluation: Evaluation) -> tuple[Markup, ...]:
    """Return a figure for each of the three metrics: the models evaluated, and the best and the worst published.

    Empty when the evaluation did not measure them.
    """
    scored = list(_scored(evaluation))
    if not scored:
        return ()
    marks = (best_published(), _worst_published())
    figures = []
    for heading, key in zip(COLUMNS, ("hamming", "cosine", "bleu"), strict=True):
        values = [(name, float(getattr(paper, key))) for name, paper in scored]
        values += [(mark.name, float(getattr(mark, key))) for mark in marks]
        values.sort(key=lambda pair: pair[1], reverse=key != "hamming")
        bars = tuple(Bar(name=name, amounts=(value,), told=f"{value:.3f}") for name, value in values)
        better = "less" if key == "hamming" else "more"
        figures.append(bars_svg(Bars(bars=bars, label=f"{heading} under the paper's protocol, {better} is better")))
    return tuple(figures)


def _worst_published() -> PublishedScore:
    return PublishedScore(
        name="worst of the paper's 15",
        core="rnn",
        hamming=max(row.hamming for row in PAPER),
        cosine=min(row.cosine for row in PAPER),
        bleu=min(row.bleu for row in PAPER),
    )


def _scored(evaluation: Evaluation) -> Iterator[tuple[str, PaperScores]]:
    """Yield what has paper metrics, least Hamming first."""
    found = [(row.name, row.paper) for row in evaluation.models if row.paper is not None]
    yield from sorted(found, key=lambda pair: pair[1].hamming)


def _variant(paper: PaperScores, reads: str) -> PaperVariant | None:
    return next((one for one in paper.variants if one.reads == reads and not one.wrap), None)


def _parts(row: ModelScore) -> tuple[float, ...]:
    bits = row.bits_per_record
    return bits.shape, bits.pixels, bits.row_ends, bits.caption
