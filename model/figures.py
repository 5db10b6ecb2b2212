"""Curves as inline SVG, drawn with the page's own colours: no script, no font, nothing fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite, log10

from markupsafe import Markup, escape

WIDTH, HEIGHT = 540, 310  # units of the view box; the page scales it
LEFT, TOP, BOTTOM = 62, 14, 46  # room for axes
NAMED, PLAIN = 118, 22  # room on the right, with level names and without
LABEL_GAP = 16  # units between two level labels
HEADROOM = 1.7  # levels above this multiple of the lowest value are out of the picture
TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A horizontal line with a name."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of the curve that is pointed out."""

    x: float
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points joined by a line, what the axes say, levels to compare with, and a point to point out."""

    points: tuple[tuple[float, float], ...]
    x_label: str
    y_label: str
    levels: tuple[Level, ...] = ()
    mark: Mark | None = None


def curve_svg(curve: Curve) -> Markup:
    """Return the plot as SVG; empty when fewer than two finite points are there."""
    points = [(x, y) for x, y in curve.points if isfinite(x) and isfinite(y)]
    if len(points) < 2:  # noqa: PLR2004 - one point is no curve
        return Markup("")
    lowest = min([y for _, y in points] + [level.value for level in curve.levels])
    levels = [level for level in curve.levels if level.value <= lowest * HEADROOM]
    low, high = _span([y for _, y in points], [level.value for level in levels])
    x_high = max(x for x, _ in points) or 1.0

    edge = WIDTH - (NAMED if levels else PLAIN)

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = x / x_high, (y - low) / (high - low)
        return LEFT + across * (edge - LEFT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    path = " ".join(f"{x - LEFT:.1f},{y - TOP:.1f}" for x, y in (place(*point) for point in points))
    end_x, end_y = place(*points[-1])
    body = [
        *(_horizontal(place(0.0, tick)[1], _number(tick), edge) for tick in _ticks(low, high)),
        *(_vertical(place(tick, low)[0], _number(tick)) for tick in _ticks(0.0, x_high)),
        *_level_lines(levels, [place(0.0, level.value)[1] for level in levels], edge),
        # an inner svg cuts off what lies above the axes
        Markup('<svg x="{}" y="{}" width="{}" height="{}"><polyline class="curve" points="{}"/></svg>').format(
            LEFT, TOP, edge - LEFT, HEIGHT - TOP - BOTTOM, path
        ),
        *([_marked(curve.mark, place(curve.mark.x, low)[0])] if curve.mark and 0 <= curve.mark.x <= x_high else []),
        Markup('<rect class="tip" x="{:.1f}" y="{:.1f}" width="8" height="8"/>').format(end_x - 4, end_y - 4),
        Markup('<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (LEFT + edge) / 2, HEIGHT - 8, curve.x_label
        ),
        Markup('<text class="axis" transform="translate(15 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            (HEIGHT - BOTTOM + TOP) / 2, curve.y_label
        ),
    ]
    told = f"{curve.y_label} against {curve.x_label}: from {points[0][1]:,.2f} to {points[-1][1]:,.2f}"
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, told, Markup("").join(body)
    )


def _span(values: list[float], levels: list[float]) -> tuple[float, float]:
    """Return the bounds of the y axis: the first values of a run may leave it at the top."""
    settled = sorted(values)[: max(2, len(values) * 9 // 10)]
    low, high = min(settled + levels), max(settled + levels)
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between the bounds.

    >>> _ticks(0.0, 10.0)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / TICKS
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.99)
    first = int(-(-low // step))
    return [i * step for i in range(first, int(high // step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}".rstrip("0")


def _horizontal(y: float, label: str, edge: int) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(LEFT, edge, y, y, LEFT - 8, y + 4, label)


def _vertical(x: float, label: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x, HEIGHT - BOTTOM + 18, label)


def _marked(mark: Mark, x: float) -> Markup:
    """Draw a line up from the axis; its words stand on the side where there is room."""
    left = x > (LEFT + WIDTH) / 2
    return Markup(
        '<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
        '<text x="{3:.1f}" y="{4}" text-anchor="{5}">{6}</text>'
    ).format(x, TOP, HEIGHT - BOTTOM, x + (-6 if left else 6), TOP + 12, "end" if left else "start", mark.told)


def _level_lines(levels: Sequence[Level], heights: Sequence[float], edge: int) -> list[Markup]:
    """Draw the levels; their labels keep LABEL_GAP between them, from the lowest line up."""
    out, ceiling = [], float("inf")
    for level, y in sorted(zip(levels, heights, strict=True), key=lambda pair: -pair[1]):
        ceiling = min(y, ceiling - LABEL_GAP)
        line = Markup('<line class="level" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, edge, y, y)
        label = Markup('<text class="name" x="{}" y="{:.1f}">{}</text>').format(
            edge + 8, ceiling + 4, escape(f"{level.name} {level.value:,.0f}")
        )
        out.append(line + label)
    return out
