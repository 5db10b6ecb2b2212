"""Horizontal bars as inline SVG, drawn with the page's own colours where it has them: no script, nothing fetched."""

from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

WIDTH = 540  # units of the view box; the page scales it
NAMES, NUMBERS = 170, 62  # room on the left and on the right
ROW, THICK, TOP = 24, 14, 30  # from bar to bar, of a bar, above the first
SHADES = (0.35, 1.0, 0.6, 0.2)  # of the page's ink, one for each piece of a bar
LETTER = 7  # units that a letter of the legend takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: its pieces end to end, and what stands after it."""

    name: str
    amounts: tuple[float, ...]
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Bars from one zero line, what they show, and what their pieces are called."""

    bars: tuple[Bar, ...]
    label: str
    legend: tuple[str, ...] = ()


def bars_svg(figure: Bars) -> Markup:
    """Return the figure as SVG; empty without bars.

    ValueError for an amount that is negative or no number, and for more pieces than there are shades.
    """
    amounts = [amount for bar in figure.bars for amount in bar.amounts]
    bad = [amount for amount in amounts if not (isfinite(amount) and amount >= 0)]
    if bad:
        raise ValueError(f"a bar cannot be {bad[0]} long: give finite amounts from 0 up.")
    if max((len(bar.amounts) for bar in figure.bars), default=0) > len(SHADES):
        raise ValueError(f"a bar has more than {len(SHADES)} pieces: add up some of them.")
    if not figure.bars:
        return Markup("")
    longest = max(sum(bar.amounts) for bar in figure.bars) or 1.0
    height = TOP + ROW * len(figure.bars) + (ROW if figure.legend else 0)
    body = [Markup('<text x="0" y="14">{}</text>').format(figure.label)]
    body += [_drawn(bar, TOP + ROW * i, (WIDTH - NAMES - NUMBERS) / longest) for i, bar in enumerate(figure.bars)]
    body.append(_legend(figure.legend, height - ROW + THICK))
    told = "; ".join(f"{bar.name} {bar.told}" for bar in figure.bars)
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}: {}">{}</svg>').format(
        WIDTH, height, figure.label, told, Markup("").join(body)
    )


def _drawn(bar: Bar, y: int, unit: float) -> Markup:
    out = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(NAMES - 8, y + THICK - 2, bar.name)
    x = float(NAMES)
    for amount, shade in zip(
        bar.amounts, SHADES[: len(bar.amounts)] if len(bar.amounts) > 1 else SHADES[1:], strict=False
    ):
        out += _piece(x, y, amount * unit, shade)
        x += amount * unit
    return out + Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + 6, y + THICK - 2, bar.told)


def _piece(x: float, y: int, width: float, shade: float) -> Markup:
    return Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="currentColor" fill-opacity="{}"/>').format(
        x, y, width, THICK, shade
    )


def _legend(names: tuple[str, ...], y: int) -> Markup:
    out, x = Markup(""), float(NAMES)
    for name, shade in zip(names, SHADES, strict=False):
        out += _piece(x, y - THICK + 2, float(THICK), shade)
        out += Markup('<text x="{:.1f}" y="{}">{}</text>').format(x + THICK + 5, y, name)
        x += THICK + 16 + LETTER * len(name)
    return out
