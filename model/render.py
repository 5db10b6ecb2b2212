"""One self-contained page per run or release: nothing is fetched, nothing runs, and no word of a wiki is trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from model.evaluate import ModelScore
from model.evaluation_tables import shown_pairs, told_chance, verdict
from model.figures import Curve, Level, Mark, curve_svg
from model.history import Moment
from model.paper_table import paper_figures
from model.pictures import Sprite, contact_sheet, data_uri, sprite_png, terminal_sprite
from model.published import PAPER
from model.report_data import Anatomy, LogRow, ReportData
from palettes.palette import Palette
from palettes.vocabulary import FIRST_COLOUR, LF, NUL, SEPARATORS, TAB, Vocabulary
from pipeline.templating import html_environment
from pipeline.tokenizer import Part, grids, parts
from pipeline.windows import causal_mask, record_windows

__all__ = ["ReportData", "contact_sheet", "render_report", "sprite_png", "terminal_sprite"]

TEMPLATES = Path(__file__).parent / "templates"
MAX_CHIPS = 400  # text tokens of the record taken apart that are shown
SHOWN_SIGNS = {NUL: "", TAB: "⇥", LF: "⏎", 3: "␣"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One token on the page."""

    label: str
    kind: str  # class of the style sheet: colour, byte, end, hidden, outside
    colour: str = ""  # #rrggbb of a pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class AnatomyView:
    """A record taken apart, ready to be drawn."""

    name: str
    sprite: Sprite
    shape: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: tuple[Cell, ...]
    cut: int  # caption tokens not shown
    window: tuple[Cell, ...]
    k: int
    at: int  # position of the window's centre
    place: tuple[int, int]  # its row and column
    length: int


def render_report(data: ReportData) -> str:
    """Return the page as HTML; parts without data have no section."""
    environment = html_environment(TEMPLATES)
    rgb = data.palette.rgb
    environment.filters["picture"] = lambda sprite: data_uri(sprite_png(sprite, rgb))
    environment.filters["uri"] = data_uri
    environment.filters["verdict"], environment.filters["chance"] = verdict, told_chance
    return environment.get_template("report.html.j2").render(
        data=data,
        anatomy=anatomy_view(data.anatomy, data.palette) if data.anatomy else None,
        curves=[svg for svg in map(curve_svg, _curves(data)) if svg],
        strip=np.arange(len(rgb), dtype=np.uint8)[None, :],
        scores=sorted(data.evaluation.models, key=lambda row: row.bits_per_record.total) if data.evaluation else [],
        pairs=shown_pairs(data.evaluation) if data.evaluation else (),
        papers=_papers(data),
        published=sorted(PAPER, key=lambda row: row.hamming),
        figures=paper_figures(data.evaluation) if data.evaluation else (),
        lead=_lead(data),
        last=data.log[-1] if data.log else None,
    )


def anatomy_view(anatomy: Anatomy, palette: Palette) -> AnatomyView:
    """Take an image-first record apart; ValueError when it is not well formed."""
    vocabulary = Vocabulary(palette=palette)
    shape, image, caption = grids(anatomy.ids)
    at = _liveliest(anatomy.ids, anatomy.k) if anatomy.at is None else anatomy.at
    if not 0 <= at < len(anatomy.ids):
        raise ValueError(f"position {at} is outside the record's {len(anatomy.ids)} tokens: choose one inside.")
    window = record_windows([shape, image, caption], anatomy.k)[at]
    shown = caption.ravel()[:MAX_CHIPS]
    row, column = divmod(max(at - shape.size, 0), image.shape[1])
    return AnatomyView(
        name=anatomy.name,
        sprite=image[:, :-1] - np.uint8(FIRST_COLOUR),
        shape=_cells(shape.ravel(), vocabulary),
        rows=tuple(_cells(line, vocabulary) for line in image),
        caption=_cells(shown, vocabulary),
        cut=caption.size - len(shown),
        window=_window_cells(window, vocabulary),
        k=anatomy.k,
        at=at,
        place=(row, column),
        length=len(anatomy.ids),
    )


def _cells(ids: UInt8[np.ndarray, "n"], vocabulary: Vocabulary) -> tuple[Cell, ...]:
    return tuple(_cell(token, vocabulary) for token in ids.tolist())


def _cell(token: int, vocabulary: Vocabulary) -> Cell:
    name = vocabulary.name(token)
    if vocabulary.is_colour(token):
        return Cell(label=name, kind="colour", colour=name)
    kind = "end" if token in SEPARATORS else "outside" if token == NUL else "byte"
    return Cell(label=SHOWN_SIGNS.get(token, name), kind=kind)


def _window_cells(window: UInt8[np.ndarray, "k k"], vocabulary: Vocabulary) -> tuple[Cell, ...]:
    """Return a window's cells, row by row; what is not read yet is told apart from what does not exist."""
    seen = causal_mask(len(window)).ravel().tolist()
    return tuple(
        _cell(token, vocabulary) if visible else Cell(label="", kind="hidden")
        for token, visible in zip(window.ravel().tolist(), seen, strict=True)
    )


def _liveliest(ids: UInt8[np.ndarray, "L"], k: int) -> int:
    """Return the pixel whose window shows the most colours, so that the picture of it says something."""
    windows = record_windows(grids(ids), k).reshape(len(ids), -1)
    ordered = np.sort(windows, axis=1)
    colours = ((np.diff(ordered, axis=1) > 0) & (ordered[:, 1:] >= FIRST_COLOUR)).sum(axis=1)
    full = (windows > 0).sum(axis=1) == int(causal_mask(k).sum())  # nothing of it lies outside the picture
    return int(np.argmax(np.where(parts(ids) == Part.PIXELS, colours + full * k * k, -1)))


def _curves(data: ReportData) -> Sequence[Curve]:
    levels: tuple[Level, ...] = ()
    if data.evaluation:
        rows = [row for row in data.evaluation.models if row.kind == "baseline"]
        levels = tuple(Level(name=row.name, value=row.bits_per_record.total) for row in rows)
    validation, steps = _points(data.log, "validation_bits"), "training steps"
    best = min(validation, key=lambda point: point[1], default=None)
    return (
        Curve(
            points=validation,
            x_label=steps,
            y_label="validation, bits per record",
            levels=levels,
            mark=Mark(x=best[0], told=f"kept: {best[1]:,.0f} at step {best[0]:,.0f}") if best else None,
        ),
        Curve(
            points=_points(data.history or data.log, "train_bits"), x_label=steps, y_label="training, bits per token"
        ),
    )


def _points(log: Sequence[LogRow | Moment], name: str) -> tuple[tuple[float, float], ...]:
    return tuple((float(row.step), float(getattr(row, name))) for row in log if getattr(row, name) is not None)


def _papers(data: ReportData) -> list[ModelScore]:
    """Return the models that were measured under the paper's metrics, least Hamming first."""
    rows = [(row.paper.hamming, row) for row in (data.evaluation.models if data.evaluation else ()) if row.paper]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _lead(data: ReportData) -> float | None:
    """Return by what share the best network pays less than the best baseline; negative when it pays more."""
    models = data.evaluation.models if data.evaluation else ()
    totals = {
        kind: [row.bits_per_record.total for row in models if row.kind == kind] for kind in ("network", "baseline")
    }
    if not all(totals.values()):
        return None
    return 1 - min(totals["network"]) / min(totals["baseline"])
