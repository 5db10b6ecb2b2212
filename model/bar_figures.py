"""Horizontal bars as inline SVG, drawn with the page's own colours where it has them: no script, nothing fetched.

`standalone` makes a file of such a figure, with colours of its own.
"""

from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

WIDTH = 540  # units of the view box; the page scales it
NAMES, NUMBERS = 170, 62  # room on the left and on the right
ROW, THICK, TOP = 24, 14, 30  # from bar to bar, of a bar, above the first
SHADES = (0.35, 1.0, 0.6, 0.2)  # of the page's ink, one for each piece of a bar
LETTER = 7  # units that a letter of the legend takes
FONT = "system-ui,sans-serif"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its pieces end to end, and what stands after it."""

    name: str
    amounts: tuple[float, ...]
    told: str
    mark: float | None = None  # where a line crosses it, such as what others measured
    shade: float = 1.0  # of a bar of one piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars from one zero line, what they show, and what their pieces are called."""

    bars: tuple[Bar, ...]
    label: str
    legend: tuple[str, ...] = ()
    names: int = NAMES  # room for the names, in units


def bars_svg(figure: Bars) -> Markup:
    """Return the figure as SVG; empty without bars.

    ValueError for an amount that is negative or no number, and for more pieces than there are shades.
    """
    marks = [bar.mark for bar in figure.bars if bar.mark is not None]
    amounts = [amount for bar in figure.bars for amount in bar.amounts] + marks
    bad = [amount for amount in amounts if not (isfinite(amount) and amount >= 0)]
    if bad:
        raise ValueError(f"a bar cannot be {bad[0]} long: give finite amounts from 0 up.")
    if max((len(bar.amounts) for bar in figure.bars), default=0) > len(SHADES):
        raise ValueError(f"a bar has more than {len(SHADES)} pieces: add up some of them.")
    if not figure.bars:
        return Markup("")
    longest = max([*marks, *(sum(bar.amounts) for bar in figure.bars)]) or 1.0
    unit = (WIDTH - figure.names - NUMBERS) / longest
    height = TOP + ROW * len(figure.bars) + (ROW if figure.legend else 0)
    body = [Markup('<text x="0" y="14">{}</text>').format(figure.label)]
    body += [_drawn(bar, (figure.names, TOP + ROW * i), unit) for i, bar in enumerate(figure.bars)]
    body.append(_legend(figure.legend, figure.names, height - ROW + THICK))
    told = "; ".join(f"{bar.name} {bar.told}" for bar in figure.bars)
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}: {}">{}</svg>').format(
        WIDTH, height, figure.label, told, Markup("").join(body)
    )


def standalone(figure: Markup) -> str:
    """Return a figure as an SVG file: it needs no page around it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" style="background:#fff;color:#24221e;font:12px {FONT};fill:#24221e" '
    )
    style = (
        "<style>.grid{stroke:#e4dfd3}.curve{fill:none;stroke:#b23a48;stroke-width:2.5}"
        ".other{stroke:#5b8c85;stroke-dasharray:5 4}</style>"
    )
    before, start, rest = str(figure).partition("<svg ")
    tag, end, body = rest.partition(">")
    return f"{before}{head if start else ''}{tag}{end}{style if end else ''}{body}\n"


def _drawn(bar: Bar, at: tuple[int, int], unit: float) -> Markup:
    zero, y = at
    out = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(zero - 8, y + THICK - 2, bar.name)
    x = float(zero)
    for amount, shade in zip(bar.amounts, SHADES if len(bar.amounts) > 1 else (bar.shade,), strict=False):
        out += _piece(x, y, amount * unit, shade)
        x += amount * unit
    if bar.mark is not None:
        place = zero + bar.mark * unit
        out += Markup(
            '<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" stroke="currentColor" stroke-width="2"/>'
        ).format(place, y - 3, y + THICK + 3)
        x = max(x, place)
    return out + Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + 6, y + THICK - 2, bar.told)


def _piece(x: float, y: int, width: float, shade: float) -> Markup:
    return Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="currentColor" fill-opacity="{}"/>').format(
        x, y, width, THICK, shade
    )


def _legend(names: tuple[str, ...], zero: int, y: int) -> Markup:
    out, x = Markup(""), float(zero)
    for name, shade in zip(names, SHADES, strict=False):
        out += _piece(x, y - THICK + 2, float(THICK), shade)
        out += Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + THICK + 5, y, name)
        x += THICK + 16 + LETTER * len(name)
    return out
