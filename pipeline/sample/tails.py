"""Tails, by style; they leave the rump to the right."""

from pipeline.sample.anatomy import Anatomy, flat, limb
from pipeline.sample.shapes import Ellipse, Knot, Layer, Tube
from pipeline.sample.traits import Part, Traits


def tail(part: Part, body: Anatomy, t: Traits) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Return a tail behind the body: thin, bushy, forked, burning, leafy, curled or clubbed."""
    x, y = body.rump
    end = (x + 34, y - 30 - 4 * t.growth)
    rod = Layer(shape=limb((x, y, 8), (x + 24, y + 4, 7), (end[0], y - 14, 6), (*end, 5)), colour=t.main)
    tip = _tip(part, end, 4 * t.growth)
    whole: dict[str, tuple[Knot, ...]] = {
        "thin": ((x, y, 9), (x + 26, y + 6, 8), (x + 40, y - 12, 6), (x + 36, y - 34, 4)),
        "bushy": ((x, y, 10), (x + 22, y - 4, 17), (x + 34, y - 26, 20), (x + 28, y - 50 - 4 * t.growth, 8)),
        "curled": ((x, y, 9), (x + 24, y, 8), (x + 32, y - 20, 8), (x + 14, y - 30, 7), (x + 8, y - 16, 6)),
    }
    if part.style in whole:
        return (Layer(shape=Tube(whole[part.style]), colour=part.colour),), ()
    return (rod, *tip), ()


def _tip(part: Part, end: tuple[int, int], more: int) -> tuple[Layer, ...]:
    """Return what sits at the end of a tail."""
    x, y = end
    if part.style == "burning":
        outer = flat(
            (x - 15, y + 10),
            (x - 16, y - 12),
            (x - 8, y - 8),
            (x, y - 36 - more),
            (x + 8, y - 12),
            (x + 15, y - 18),
            (x + 15, y + 10),
        )
        heart = flat((x - 6, y + 8), (x, y - 16), (x + 7, y + 8))
        bright = "yellow" if part.colour != "yellow" else "white"
        return Layer(shape=outer, colour=part.colour), Layer(shape=heart, colour=bright, edge=False)
    if part.style == "leafy":
        return (
            Layer(
                shape=flat((x, y + 10), (x - 20, y - 10), (x - 4, y - 38 - more), (x + 18, y - 14)), colour=part.colour
            ),
        )
    if part.style == "forked":
        return (
            Layer(
                shape=flat((x, y + 12), (x - 20, y - 20 - more), (x, y - 8), (x + 20, y - 20 - more)),
                colour=part.colour,
            ),
        )
    return (Layer(shape=Ellipse(x, y - 6, 15 + more // 3, 15 + more // 3), colour=part.colour),)
