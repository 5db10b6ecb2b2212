"""The statistics of a release as small pictures: quiet, sharp, and the same bytes for the same release."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from palettes.palette import Palette
from pipeline.cards.statistics import Statistics, Tally
from pipeline.sheet import to_png

if TYPE_CHECKING:  # matplotlib takes a second to import, and only a card needs it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (4.6, 2.7)  # inches
PLACE = (0.14, 0.17, 0.825, 0.64)  # of the axes in the figure: left, bottom, width, height
DPI = 200  # twice what a page shows
PAPER, INK, QUIET, RULE, FILL, PALE = "#fcfbf8", "#22262b", "#5b626b", "#dedbd2", "#3f6a9a", "#d3e0ed"
BINS = 36  # bars of a histogram at most
_STYLE: dict[str, object] = {
    "figure.facecolor": PAPER, "axes.facecolor": PAPER, "axes.edgecolor": RULE, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.labelcolor": QUIET, "axes.labelsize": 7.5, "axes.titlelocation": "left", "axes.titlesize": 9.0,
    "axes.titleweight": "bold", "axes.titlecolor": INK, "axes.titlepad": 16.0, "axes.unicode_minus": False,
    "xtick.color": RULE, "ytick.color": RULE, "xtick.labelcolor": QUIET, "ytick.labelcolor": QUIET,
    "xtick.labelsize": 7.0, "ytick.labelsize": 7.0, "ytick.major.size": 0.0, "xtick.major.size": 2.5,
    "grid.color": RULE, "grid.linewidth": 0.6, "text.color": QUIET, "font.size": 7.0,
}  # fmt: skip
_TOKENS, _SIGNS = "tokens of a record", "characters"
Panel = Callable[["Axes"], None]


def plots(found: Statistics, palette: Palette, max_side: int) -> dict[str, bytes]:
    """Return the plots by file name, as PNG: lengths of records and captions, use of the palette, sizes of sprites.

    There is none of what was never seen, as in a release without its texts or pictures.
    """
    panels: dict[str, tuple[Tally, Panel]] = {
        "record-lengths.png": (found.lengths, lambda at: _histogram(at, found.lengths, "Record length", _TOKENS)),
        "caption-lengths.png": (found.captions, lambda at: _histogram(at, found.captions, "Caption length", _SIGNS)),
        "palette-use.png": (found.colours, lambda at: _palette(at, found.palette_use, palette)),
        "sprite-sizes.png": (found.colours, lambda at: _sizes(at, found.sizes, max_side)),
    }
    with _fixed_style():
        return {name: _drawn(panel) for name, (tally, panel) in panels.items() if tally.seen}


@contextmanager
def _fixed_style() -> Iterator[None]:
    """Let no setting of the reader's own matplotlib reach a plot."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]  # its keys are a union of all names
        yield


def _drawn(panel: Panel) -> bytes:
    """Draw one panel on a canvas of its own; pyplot, which keeps figures and looks for a screen, is not asked."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes(PLACE)
    panel(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_ticklabels()  # makes them
    _fix_fonts(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return to_png(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]


def _fix_fonts(figure: "Figure") -> None:
    """Take the fonts that came with matplotlib, whatever else of their name the system has."""
    import matplotlib as mpl
    from matplotlib.text import Text

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for text in figure.findobj(Text):
        bold = text.get_fontweight() == "bold"
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        text.get_fontproperties().set_file(str(folder / name))


def _titled(axes: "Axes", title: str, below: str) -> None:
    axes.set_title(title)
    axes.annotate(below, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=7)


def _histogram(axes: "Axes", tally: Tally, title: str, unit: str) -> None:
    """Draw how many records have which length, in bars of equal whole width."""
    low, middle, high = (tally.quantile(share) for share in (0.05, 0.5, 0.95))
    _titled(axes, title, f"median {middle:,}, 90 % between {low:,} and {high:,}")
    starts, counts, width = binned(tally)
    axes.bar(starts, counts, width=width * 0.92, align="edge", color=FILL, linewidth=0)
    axes.axvline(middle + 0.5, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
    axes.set_xlabel(unit)
    axes.set_ylabel("records")
    axes.grid(axis="y")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if float(value).is_integer() else "")


def binned(tally: Tally) -> tuple[Int64[np.ndarray, "b"], Int64[np.ndarray, "b"], int]:
    """Return where the bars of a histogram begin, how much each holds, and how wide they are: a whole number.

    >>> binned(Tally().plus(np.array([3, 3, 5])))
    (array([3, 4, 5]), array([2, 0, 1]), 1)
    """
    low, high = tally.quantile(0.0), tally.quantile(1.0)
    width = -(-(high - low + 1) // BINS)
    seen = np.zeros(-(-(high - low + 1) // width) * width, dtype=np.int64)
    found = tally.counts[low : high + 1]
    seen[: len(found)] = found
    return low + width * np.arange(len(seen) // width), seen.reshape(-1, width).sum(axis=1), width


def _palette(axes: "Axes", use: Int64[np.ndarray, "C"], palette: Palette) -> None:
    """Draw the share of each colour among the pixels, in the colour itself, the commonest first."""
    share: Float64[np.ndarray, "C"] = 100 * use / max(1, int(use.sum()))
    order = np.argsort(-share, kind="stable")
    used = int((use > 0).sum())
    _titled(axes, "Use of the palette", f"{used} of {len(palette)} colours, each bar in its own")
    floor = 10.0 ** np.floor(np.log10(share[share > 0].min(initial=1.0))) / 2
    heights = np.where(share[order] > 0, share[order], floor)  # an unused colour has no height
    axes.bar(
        np.arange(len(palette)), heights - floor, width=0.86, bottom=floor,
        color=palette.rgb[order] / 255.0, edgecolor="#8f8b80", linewidth=0.4,
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(floor, 160.0)
    ticks = [tick for tick in (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0) if tick >= floor]
    axes.set_yticks(ticks, [f"{tick:g} %" for tick in ticks])
    axes.yaxis.minorticks_off()
    axes.set_xticks([])
    axes.set_xlim(-0.8, len(palette) - 0.2)
    axes.set_xlabel("colours, by how many pixels they have")
    axes.set_ylabel("share of the pixels")
    axes.grid(axis="y")


def _sizes(axes: "Axes", sizes: Int64[np.ndarray, "_ _"], max_side: int) -> None:
    """Draw how many sprites have which height and width: the darker a cell, the more."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    h, w = np.nonzero(sizes)
    most = int(sizes.max())
    _titled(axes, "Sizes of the sprites", f"{len(h)} sizes; the darkest cell holds {most:,} sprites")
    low = max(0, min(int(h.min(initial=max_side)), int(w.min(initial=max_side))) - 2)
    high = max(max_side, int(h.max(initial=1)), int(w.max(initial=1)))
    cells = sizes[low : high + 1, low : high + 1].astype(np.float64)
    cells[cells == 0] = np.nan
    shades = LinearSegmentedColormap.from_list("shades", [PALE, FILL, INK])
    edges = np.arange(low, high + 2) - 0.5
    axes.pcolormesh(
        edges, edges, cells, cmap=shades, norm=PowerNorm(0.5, 0, max(1, most)), edgecolors=PAPER, linewidth=0.6
    )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(edges[0], edges[-1])
    step = max(1, round((high - low) / 5))
    ticks = range(high, low - 1, -step)
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlabel("width in px")
    axes.set_ylabel("height in px")
