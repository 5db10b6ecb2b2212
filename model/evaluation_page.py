"""An evaluation as files to look at: a page of its own, and each figure as SVG."""

from pathlib import Path

from model.bar_figures import standalone
from model.evaluate import Evaluation
from model.paper_table import bits_figure, paper_figures
from model.render import render_report
from model.report_data import ReportData
from palettes.palette import Palette
from pipeline.release import write_text

PAGE = "evaluation.html"
PAPER_FILES = ("hamming.svg", "cosine.svg", "bleu.svg")


def write_figures(evaluation: Evaluation, palette: Palette, folder: Path) -> Path:
    """Write `bits.svg`, the paper's three figures where they were measured, and a page with all; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    papers = dict(zip(PAPER_FILES, paper_figures(evaluation), strict=False))
    figures = {"bits.svg": bits_figure(evaluation)} | papers
    for name, figure in figures.items():
        write_text(folder / name, standalone(figure))
    on = evaluation.dataset
    data = ReportData(title=f"Models on {on.ref}, {on.split}", palette=palette, evaluation=evaluation)
    write_text(folder / PAGE, render_report(data))
    return folder / PAGE
