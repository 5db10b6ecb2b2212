"""Plots over versions as inline SVG: points on lines, and stacked columns; no script, nothing fetched."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from markupsafe import Markup

WIDTH, HEIGHT = 560, 300  # units of the view box; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 66, 18, 16, 34
TICKS, LABELS = 4, 7  # levels that are named, versions that are named
ROW = 20  # height of one row of the legend
LEAST = 0.04  # of the highest value, that a picture of lines spans at least
MILLION = 1e6
SMALL = 1e-6  # what is less is nothing
COLUMN = 0.62  # share of a version's room that its column takes
BAR = Markup('<rect class="bar s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One number of every version; None where it is not known."""

    name: str
    values: tuple[float | None, ...]
    dots: tuple[tuple[int, float], ...] = ()  # points without a line: place of the version, value


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What stands in one plot."""

    title: str
    unit: str
    versions: tuple[str, ...]
    series: tuple[Series, ...]
    stacked: bool = False
    from_zero: bool = False
    counts: bool = False  # whether all of its numbers are whole


def figure_svg(figure: Figure) -> Markup:
    """Return the plot; empty when none of its numbers is known."""
    values = _reached(figure)
    if not values:
        return Markup("")
    low, high = _span(values, from_zero=figure.stacked or figure.from_zero)
    named = len(figure.series) > 1
    tall = HEIGHT + (ROW * ceil(len(figure.series) / 3) if named else 0)
    ticks = _ticks(low, high, least=1.0 if figure.counts else 0.0)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    body = [_level(_y(tick, low, high), _tick(tick, step, high)) for tick in ticks]
    body += _versions(figure.versions)
    body += _columns(figure, high) if figure.stacked else _lines(figure, low, high)
    body += _legend(figure.series) if named else []
    head = Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, tall, f"{figure.title}, {figure.unit}"
    )
    return head + Markup("").join(body) + Markup("</svg>")


def _reached(figure: Figure) -> list[float]:
    """Return the heights that the picture must have room for."""
    if figure.stacked:
        every = zip(*(series.values for series in figure.series), strict=True)
        return [sum(value or 0.0 for value in column) for column in every]
    lines = [value for series in figure.series for value in series.values if value is not None]
    dots = [value for series in figure.series for _, value in series.dots]
    return [value for value in (*lines, *dots) if isfinite(value)]


def _span(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if from_zero:
        return 0.0, high * 1.06 if high > SMALL else 1.0
    room = max((high - low) * 0.12, (abs(high) * LEAST - (high - low)) / 2, SMALL)  # noise is not drawn as a mountain
    return max(low - room, 0.0) if low >= 0 else low - room, high + room


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Return round numbers between two bounds, at least so far apart.

    >>> _ticks(0.0, 8.5)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    rough = (high - low) / TICKS
    unit = 10.0 ** floor(log10(rough))
    step = max(next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.8), least)
    return [round(i * step, 9) for i in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def _tick(value: float, step: float, high: float) -> str:
    """Return a level's label, with the decimals that tell it from the next one; millions where the highest has them.

    >>> _tick(0.66, 0.01, 0.7), _tick(1500.0, 500.0, 2000.0), _tick(1.5e6, 5e5, 2e6)
    ('0.66', '1,500', '1.5M')
    """
    if high >= MILLION:
        return f"{value / MILLION:,g}M"
    return f"{value:,.{max(0, -floor(log10(step) + 1e-9))}f}"


def _x(place: int, count: int) -> float:
    room = (WIDTH - LEFT - RIGHT) / count
    return LEFT + room * (place + 0.5)


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _level(y: float, label: str) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
        '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
    ).format(LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y + 4, label)


def _versions(versions: Sequence[str]) -> list[Markup]:
    """Name the versions below the axis; of many, some, and always the last."""
    step = ceil(len(versions) / LABELS)
    named = [place for place in range(len(versions)) if (len(versions) - 1 - place) % step == 0]
    return [
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            _x(place, len(versions)), HEIGHT - BOTTOM + 18, versions[place]
        )
        for place in named
    ]


def _lines(figure: Figure, low: float, high: float) -> list[Markup]:
    count = len(figure.versions)
    drawn = []
    for kind, series in enumerate(figure.series):
        points = [(place, value) for place, value in enumerate(series.values) if value is not None and isfinite(value)]
        path = " ".join(f"{_x(place, count):.1f},{_y(value, low, high):.1f}" for place, value in points)
        if len(points) > 1:
            drawn.append(Markup('<polyline class="line s{}" points="{}"/>').format(kind, path))
        small = [(place, value, 2.6) for place, value in series.dots if isfinite(value)]
        for place, value, radius in [*((place, value, 3.6) for place, value in points), *small]:
            told = f"{figure.versions[place]}, {series.name}: {number(value)} {figure.unit}"
            drawn.append(
                Markup('<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
                    kind, _x(place, count), _y(value, low, high), radius, told
                )
            )
    return drawn


def _columns(figure: Figure, high: float) -> list[Markup]:
    count = len(figure.versions)
    wide = min((WIDTH - LEFT - RIGHT) / count * COLUMN, 70.0)
    drawn = []
    for place in range(count):
        below = 0.0
        for kind, series in enumerate(figure.series):
            value = series.values[place] or 0.0
            top, bottom = _y(below + value, 0.0, high), _y(below, 0.0, high)
            told = f"{figure.versions[place]}, {series.name}: {number(value)} {figure.unit}"
            box = (_x(place, count) - wide / 2, top, wide, max(bottom - top, 0.0))
            drawn.append(BAR.format(kind, *box, told))
            below += value
    return drawn


def _legend(series: Sequence[Series]) -> list[Markup]:
    drawn = []
    for kind, one in enumerate(series):
        x, y = LEFT + kind % 3 * 165, HEIGHT + 6 + kind // 3 * ROW
        drawn.append(Markup('<rect class="bar s{}" x="{}" y="{}" width="11" height="11" rx="2"/>').format(kind, x, y))
        drawn.append(Markup('<text x="{}" y="{}">{}</text>').format(x + 17, y + 10, one.name))
    return drawn


def number(value: float) -> str:
    """Return a number as short as it can be told.

    >>> [number(value) for value in (4049.83, 0.5, 12_000_000, 3)]
    ['4,050', '0.5', '12M', '3']
    """
    if abs(value) >= 1e7:  # noqa: PLR2004 - from here on, millions are easier to read
        return f"{value / 1e6:,.4g}M"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004
