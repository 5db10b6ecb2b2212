"""Two curves in one plot as inline SVG, such as training and validation: the second one dashed; nothing is fetched."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, isfinite, log10

from markupsafe import Markup

WIDTH, HEIGHT = 300, 200  # units of the view box; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 42, 10, 26, 34
TICKS = 4
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What stands in one small plot; a curve of one point is drawn as a dot."""

    title: str
    drawn: Points
    dashed: Points
    x_label: str = "epochs"


def lines_svg(figure: Lines) -> Markup:
    """Return the plot as SVG; empty without a finite point."""
    curves = {"curve": _finite(figure.drawn), "curve other": _finite(figure.dashed)}
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return Markup("")
    low, high = min(y for _, y in points), max(y for _, y in points)
    low, high = (low, high) if high > low else (low - 1, high + 1)
    right = max(x for x, _ in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        up = (y - low) / (high - low)
        return LEFT + x / right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    body = [Markup('<text x="{}" y="14">{}</text>').format(LEFT, figure.title)]
    body += [_level(place(0.0, tick)[1], f"{tick:g}") for tick in _ticks(low, high)]
    body += [_epoch(place(tick, low)[0], f"{tick:g}") for tick in _ticks(0.0, right) if tick == int(tick)]
    body += [_curve(kind, [place(*point) for point in curve]) for kind, curve in curves.items() if curve]
    body.append(
        Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH - RIGHT, HEIGHT - 4, figure.x_label)
    )
    ends = [
        f"{name} ends at {curve[-1][1]:.2f}"
        for name, curve in zip(("line", "dashes"), curves.values(), strict=True)
        if curve
    ]
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}: {}">{}</svg>').format(
        WIDTH, HEIGHT, figure.title, ", ".join(ends), Markup("").join(body)
    )


def stacked(figures: Iterable[Markup], across: int = 3) -> Markup:
    """Return several small plots as one figure, so many side by side."""
    drawn = [figure for figure in figures if figure]
    rows = -(-len(drawn) // across)
    inner = Markup("").join(
        Markup('<svg x="{}" y="{}" width="{}" height="{}">{}</svg>').format(
            i % across * WIDTH, i // across * HEIGHT, WIDTH, HEIGHT, figure
        )
        for i, figure in enumerate(drawn)
    )
    return Markup('<svg class="plot" viewBox="0 0 {} {}">{}</svg>').format(across * WIDTH, max(1, rows) * HEIGHT, inner)


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if isfinite(x) and isfinite(y)]


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two bounds.

    >>> _ticks(0.0, 8.0)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    rough = (high - low) / TICKS
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.99)
    return [round(i * step, 9) for i in range(int(-(-low // step)), int(high // step) + 1)]


def _level(y: float, label: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, label)


def _epoch(x: float, label: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x, HEIGHT - BOTTOM + 15, label)


def _curve(kind: str, points: list[tuple[float, float]]) -> Markup:
    if len(points) == 1:
        return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(kind, *points[0])
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(kind, path)
