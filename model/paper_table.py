"""An evaluation under the paper's metrics, beside what was published, as a table and as a figure."""

from collections.abc import Iterator

from markupsafe import Markup
from rich.table import Table

from model.bar_figures import Bar, Bars, bars_svg
from model.evaluate import Evaluation, ModelScore
from model.paper_protocol import PaperScores, PaperVariant
from model.published import PAPER, PublishedScore, best_published

PARTS = ("shape", "pixels", "row ends", "caption")
COLUMNS = ("Hamming", "cosine", "BLEU")


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
