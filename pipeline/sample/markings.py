"""Markings: belly patches, spots, stripes, masks, socks and bands. They recolour the body and keep its light."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, limb
from pipeline.sample.shapes import Ellipse, Layer, Polygon, Tube
from pipeline.sample.traits import Traits

Layers = tuple[Layer, ...]


def markings(t: Traits, body: Anatomy) -> tuple[Layers, Layers]:
    """Return the markings on the trunk and those on the face."""
    belly = (Layer(shape=body.belly, colour=t.belly, mark=True),) if t.belly and body.belly else ()
    if t.marking == "mask":
        return belly, _mask(t, body)
    return (*belly, *(_mark(shape, t.marking_colour) for shape in _fields(t, body))), ()


def _fields(t: Traits, body: Anatomy) -> tuple[Ellipse | Polygon | Tube, ...]:
    """Return the shapes of a marking on the trunk."""
    o, front = body.torso, t.facing == "front"
    if t.marking == "spots":
        places = _SPOTS[t.build[7] % 3]
        return tuple(Ellipse(o.cx + o.rx * u // 100, o.cy + o.ry * v // 100, 9 + s, 9 + s) for u, v, s in places)
    if t.marking == "stripes":
        return _stripes(o, front=front)
    if t.marking == "band":
        return (_box(0, o.cy + 4, 192, o.cy + 24) if front else _box(o.cx - 4, 0, o.cx + 18, 192),)
    if t.marking == "socks":
        return (_box(0, body.legs_from, 192, GROUND + 8),)
    return (Ellipse(o.cx + 6, o.cy - o.ry, o.rx * 3 // 4, o.ry * 3 // 4),) if t.marking == "saddle" else ()


def _box(left: int, top: int, right: int, bottom: int) -> Polygon:
    """Return a rectangle."""
    return flat((left, top), (right, top), (right, bottom), (left, bottom))


def _mark(shape: Ellipse | Polygon | Tube, colour: str) -> Layer:
    """Return a marking."""
    return Layer(shape=shape, colour=colour, mark=True)


def _stripes(o: Ellipse, *, front: bool) -> tuple[Tube, ...]:
    """Upright stripes on a flank; bars from both sides in a front view."""
    if front:
        heights = [(o.cy + d, side) for d in (-22, 2, 26) for side in (-1, 1)]
        return tuple(
            limb((o.cx + side * (o.rx * 11 // 10), y - 4, 6), (o.cx + side * (o.rx * 45 // 100), y + 2, 3))
            for y, side in heights
        )
    return tuple(
        limb((o.cx + o.rx * u // 100, o.cy - o.ry - 4, 6), (o.cx + o.rx * u // 100 + 4, o.cy + o.ry * v // 100, 4))
        for u, v in ((-50, 10), (-10, 40), (30, 40), (68, 10))
    )


def _mask(t: Traits, body: Anatomy) -> Layers:
    """A dark or bright field around the eyes."""
    h, c = body.head, t.marking_colour
    y = body.eyes[0][1]
    if t.facing == "front":
        return (_mark(Ellipse(h.cx, y, h.rx * 9 // 10, max(14, h.ry * 2 // 5)), c),)
    return (_mark(Ellipse(body.eyes[0][0] - 4, y, h.rx * 3 // 4, max(13, h.ry * 2 // 5)), c),)


_SPOTS = (
    ((-62, -10, 4), (-20, -62, 2), (30, -40, 5), (62, 8, 2), (-46, 52, 1), (34, 44, 3)),
    ((-56, -40, 3), (0, -70, 5), (54, -40, 3), (-72, 14, 1), (72, 14, 1), (10, 30, 2)),
    ((-34, -56, 6), (44, -46, 3), (68, 22, 4), (-70, 20, 3), (0, 52, 2)),
)
