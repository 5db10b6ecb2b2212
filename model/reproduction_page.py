"""The page and the figures of a reproduction: one HTML file that fetches nothing, and SVG files beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from model.bar_figures import standalone
from model.line_figures import stacked
from model.paper_protocol import PaperScores, PaperVariant
from model.paper_table import COLUMNS, loss_figures, reproduction_figures
from model.published import PAPER, PARAMETERS, PublishedScore, best_published
from model.reproduction import Reproduced, Reproduction
from pipeline.release import write_text
from pipeline.templating import html_environment

TEMPLATES = Path(__file__).parent / "templates"
PAGE, FIGURES = "reproduction.html", "figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of Table 1 on the page."""

    name: str
    published: PublishedScore | None = None  # None of a baseline
    variant: Reproduced | None = None  # None of a baseline, and of a row that was not trained
    paper: PaperScores | None = None  # of the last checkpoint, or the baseline
    parameters: int = 0

    @property
    def inside(self) -> PaperVariant | None:
        """The same without excerpts that go round."""
        variants = self.paper.variants if self.paper else ()
        return next((one for one in variants if one.reads == "excerpt" and not one.wrap), None)


def write_page(found: Reproduction, folder: Path) -> Path:
    """Write the page and its figures into a reproduction's folder; return the page."""
    bars, curves = reproduction_figures(found), loss_figures(found.variants)
    for heading, figure in zip(COLUMNS, bars, strict=True):
        write_text(folder / FIGURES / f"{heading.lower()}.svg", standalone(figure))
    if any(curves):
        write_text(folder / FIGURES / "losses.svg", standalone(stacked(curves)))
    page = folder / PAGE
    write_text(page, render_reproduction(found, bars, curves))
    return page


def render_reproduction(found: Reproduction, bars: tuple[Markup, ...], curves: tuple[Markup, ...]) -> str:
    """Return the page as HTML."""
    counted = next((one for one in found.baselines if one.name == "Counts2D"), None)
    ours = min(found.variants, key=lambda one: one.last.paper.hamming, default=None)
    return (
        html_environment(TEMPLATES)
        .get_template("reproduction.html.j2")
        .render(
            found=found,
            lines=list(_lines(found)),
            bars=[figure for figure in bars if figure],
            curves=[figure for figure in curves if figure],
            best=best_published(),
            counted=counted,
            ours=ours,
            published_sizes=PARAMETERS,
            minutes=sum(variant.seconds for variant in found.variants) / 60,
        )
    )


def _lines(found: Reproduction) -> Iterator[Line]:
    done = {variant.preset: variant for variant in found.variants}
    for row in PAPER:
        variant = done.get(row.preset)
        paper = variant.last.paper if variant else None
        size = variant.parameters if variant else 0
        yield Line(name=row.name, published=row, variant=variant, paper=paper, parameters=size)
    for counted in sorted(found.baselines, key=lambda one: one.paper.hamming):
        yield Line(name=counted.name, paper=counted.paper, parameters=counted.parameters)
