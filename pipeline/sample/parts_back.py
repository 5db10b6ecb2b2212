"""Parts of back and sides: wings, spikes, crystals, sails.

Each painter returns the layers behind the body and the layers before it. Side views face left.
"""

from dataclasses import replace
from typing import Final

from pipeline.sample.anatomy import Anatomy, flat
from pipeline.sample.painting import Painted, on
from pipeline.sample.shapes import Ellipse, Layer, Point, Polygon, twins
from pipeline.sample.traits import Part, Traits


def _span(root: Point, points: tuple[Point, ...], size: int) -> Polygon:
    """Return a polygon of points given in hundredths of `size` from a root."""
    return Polygon(tuple((root[0] + x * size // 100, root[1] + y * size // 100) for x, y in points))


_WINGS: Final[dict[str, tuple[Point, ...]]] = {  # leaning away to the left, root at the origin
    "feathered": (
        (14, 14),
        (-18, -42),
        (-52, -66),
        (-96, -72),
        (-84, -48),
        (-94, -40),
        (-76, -20),
        (-84, -8),
        (-58, 2),
        (-60, 16),
        (-24, 22),
    ),
    "leathery": (
        (14, 12),
        (-22, -60),
        (-50, -74),
        (-104, -58),
        (-82, -36),
        (-98, 6),
        (-70, -2),
        (-58, 26),
        (-36, 10),
        (-10, 28),
    ),
}


def wings(part: Part, body: Anatomy, t: Traits) -> Painted:
    """Wings: a pair in a front view, one behind the other in a side view."""
    size = (46 if t.plan == "bat" else 62) + 8 * t.growth
    root = body.shoulder
    if part.style == "papery":
        shapes = (
            Ellipse(root[0] - size * 58 // 100, root[1] - size * 34 // 100, size * 56 // 100, size * 50 // 100),
            Ellipse(root[0] - size * 42 // 100, root[1] + size * 46 // 100, size * 42 // 100, size * 40 // 100),
        )
        if t.facing == "front":
            spots = tuple(
                Layer(shape=replace(s, rx=s.rx // 3, ry=s.ry // 3), colour=t.second if t.plan == "moth" else t.main)
                for s in shapes
            )
            return twins(*(on(shape, part) for shape in reversed(shapes)), *spots), ()
        upper = replace(shapes[0], cx=root[0] + size // 3)
        return (on(replace(upper, cx=upper.cx - 16, cy=upper.cy - 4), part, -1),), (on(upper, part),)
    points = _WINGS[part.style]
    if t.facing == "front":
        return twins(on(_span(root, points, size), part)), ()
    turned = tuple((-x, y) for x, y in points)
    if t.plan == "bird":
        folded = tuple((-x * 3 // 4, (y + 40) * 2 // 3) for x, y in points)
        return (), (on(_span((root[0] - 10, root[1] - 6), folded, size + 14), part),)
    return (on(_span((root[0] - 14, root[1]), turned, size - 6), part, -1),), (on(_span(root, turned, size), part),)


def spikes(part: Part, body: Anatomy, t: Traits) -> Painted:
    """A row of spikes along the back, or around the sides of a front view."""
    o, size = body.torso, 20 + 4 * t.growth
    if t.facing == "front":
        row = tuple(
            _spike((o.cx + o.rx * u // 100, o.cy + o.ry * v // 100), u, v, size)
            for u, v in ((-94, -34), (-98, 12), (-66, -74))
        )
        return twins(*(on(shape, part) for shape in row)), ()
    places = (
        ((-58, -80), (-20, -98), (20, -98), (58, -80)) if t.plan != "serpent" else ((30, -84), (62, -66), (-4, -92))
    )
    return tuple(
        on(_spike((o.cx + o.rx * u // 100, o.cy + o.ry * v // 100), u // 2, v, size), part) for u, v in places
    ), ()


def _spike(root: Point, u: int, v: int, size: int) -> Polygon:
    """Return a triangle that points from a root along (u, v), in hundredths of `size`."""
    x, y = root
    return flat(
        (x - v * 14 // 100, y + u * 14 // 100),
        (x + u * size // 100, y + v * size // 100),
        (x + v * 14 // 100, y - u * 14 // 100),
        (x - u // 5, y - v // 5),
    )


def crystals(part: Part, body: Anatomy, t: Traits) -> Painted:
    """Three crystals growing out of back or shoulders."""
    o, size = body.torso, 30 + 5 * t.growth
    if t.facing == "front":
        x, y = o.cx - o.rx * 3 // 4, o.cy - o.ry * 3 // 5
        tips = (_gem(x, y, -14, size), _gem(x - 12, y + 14, -24, size * 3 // 4))
        return twins(*(on(tip, part) for tip in tips)), ()
    x, y = o.cx + 8, o.cy - o.ry + 10
    return (
        on(_gem(x - 22, y, -12, size * 3 // 4), part),
        on(_gem(x + 24, y + 2, 14, size * 3 // 4), part),
        on(_gem(x, y, 2, size), part),
    ), ()


def _gem(x: int, y: int, lean: int, size: int) -> Polygon:
    """Return a crystal standing at (x, y)."""
    return flat(
        (x - 9, y + 6),
        (x - 11 + lean // 2, y - size * 2 // 3),
        (x + lean, y - size),
        (x + 11 + lean // 2, y - size * 2 // 3),
        (x + 9, y + 6),
    )


def sail(part: Part, body: Anatomy, t: Traits) -> Painted:
    """A tall fin along the back, or one to either side of the head of a front view."""
    o, size = body.torso, 30 + 6 * t.growth
    if t.facing == "front":
        h = body.head
        fan = ((0, 18), (-size, 2), (-size + 10, -6), (-size + 2, -24), (-size + 16, -20), (-size // 2, -38), (2, -12))
        return twins(on(flat(*((h.cx - h.rx + 6 + x, h.cy + y) for x, y in fan)), part)), ()
    top = o.cy - o.ry
    points = (
        (-36, 14),
        (-26, -size // 2),
        (-12, -size // 3),
        (2, -size),
        (12, -size * 2 // 3),
        (28, -size * 3 // 4),
        (40, 16),
    )
    return (on(flat(*((o.cx + x, top + y) for x, y in points)), part),), ()
