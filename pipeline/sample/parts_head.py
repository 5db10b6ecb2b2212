"""Parts of the head: ears, horns, antennae, crests, sprouts, flames, manes, tusks.

Each painter returns the layers behind the body and the layers before it. Side views face left.
"""

from dataclasses import replace

from pipeline.sample.anatomy import Anatomy, flat, limb
from pipeline.sample.painting import Painted, flipped, moved, on
from pipeline.sample.shapes import Ellipse, Layer, twins
from pipeline.sample.traits import Part, Traits


def ears(part: Part, body: Anatomy, t: Traits) -> Painted:
    """Two ears on the head: pointed, round, long or floppy."""
    h = body.head
    dx, top, size = h.rx * 3 // 5, h.cy - h.ry * 3 // 5, 20 + h.ry // 5
    if part.style == "round":
        one = on(Ellipse(h.cx - dx - 4, top - size // 3, size * 3 // 4, size * 3 // 4), part)
    elif part.style == "long":
        one = on(limb((h.cx - dx + 6, top + 6, 11), (h.cx - dx - 2, top - size - 12, 11)), part)
    elif part.style == "floppy":
        one = on(limb((h.cx - dx + 2, top + 4, 9), (h.cx - dx - 16, top + 8, 11), (h.cx - dx - 20, top + 30, 12)), part)
    else:
        one = on(flat((h.cx - dx - 16, top + 16), (h.cx - dx - 12, top - size - 4), (h.cx - dx + 18, top + 2)), part)
    if t.facing == "front":
        return twins(one) if part.style != "floppy" else (), twins(one) if part.style == "floppy" else ()
    return _pair(one, h, part)


def _pair(one: Layer, head: Ellipse, part: Part) -> Painted:
    """Place a part of a left-facing head twice: the far one in front of it and darker, the near one behind the brow."""
    far = moved(one, head.rx // 4)
    near = moved(flipped(one, head.cx), head.rx // 8)
    return (replace(far, lift=-1),), (near,) if part.count == 2 else ()  # noqa: PLR2004 - a pair


def horns(part: Part, body: Anatomy, t: Traits) -> Painted:
    """One horn or two, straight or curved."""
    h = body.head
    top, size = h.cy - h.ry, 22 + 5 * t.growth
    if part.count == 1:
        lean = 0 if t.facing == "front" else -size * 3 // 5
        x = h.cx if t.facing == "front" else h.cx - h.rx // 3
        return (), (on(flat((x - 11, top + 8), (x + lean, top - size - 6), (x + 11, top + 8)), part),)
    x = h.cx - h.rx * 11 // 20
    if part.style == "curved":
        one = on(
            limb((x, top + 10, 10), (x - 16, top - 4, 8), (x - 16, top - size + 4, 6), (x - 6, top - size - 8, 3)), part
        )
    else:
        one = on(flat((x - 12, top + 14), (x - 18, top - size), (x + 10, top + 6)), part)
    if t.facing == "front":
        return (), twins(one)
    back = moved(flipped(one, h.cx), -h.rx // 4)
    return (replace(moved(back, -h.rx // 2), lift=-1),), (back,)


def antennae(part: Part, body: Anatomy, t: Traits) -> Painted:
    """Two thin feelers with a knob."""
    h = body.head
    up = -1 if t.plan != "beetle" else 1
    y = h.cy + up * (h.ry - 4)
    end = y + up * (24 + 3 * t.growth)
    x = h.cx - h.rx // 3
    pieces = (
        on(limb((x, y, 4), (x - 6, (y + end) // 2, 4), (x - 14, end, 4)), part),
        on(Ellipse(x - 15, end, 9, 9), part),
    )
    if t.facing == "front":
        return (), twins(*pieces)
    return tuple(moved(p, h.rx // 2) for p in pieces), pieces


def crest(part: Part, body: Anatomy, t: Traits) -> Painted:
    """A jagged crest over the head."""
    h = body.head
    top, size = h.cy - h.ry, 20 + 4 * t.growth
    if t.facing == "front":
        points = (
            (-26, 16),
            (-34, -8),
            (-16, 0),
            (-14, -size),
            (0, -6),
            (0, -size - 10),
            (10, -6),
            (16, -size),
            (18, 0),
            (34, -8),
            (26, 16),
        )
        return (on(flat(*((h.cx + x, top + y) for x, y in points)), part),), ()
    ragged = ((-20, 8), (-14, -size), (0, -2), (10, -size - 4), (16, 2), (34, -size + 6), (28, 12), (46, 6), (30, 36))
    return (on(flat(*((h.cx + x, top + y) for x, y in ragged)), part),), ()


def sprout(part: Part, body: Anatomy, t: Traits) -> Painted:
    """A stalk with two leaves on the head."""
    h = body.head
    top, size = h.cy - h.ry, 17 + 3 * t.growth
    stalk = on(limb((h.cx, top + 6, 5), (h.cx, top - 14, 5)), part)
    leaf = (
        flat(
            (h.cx, top - 12),
            (h.cx - size, top - 16 - size),
            (h.cx - 2 * size, top - 12 - size // 2),
            (h.cx - size, top - 4),
        ),
        flat(
            (h.cx, top - 12),
            (h.cx + size, top - 16 - size),
            (h.cx + 2 * size, top - 12 - size // 2),
            (h.cx + size, top - 4),
        ),
    )
    return (), (stalk, on(leaf[0], part), on(leaf[1], part))


def flame(part: Part, body: Anatomy, t: Traits) -> Painted:
    """A flame over the head, with a bright heart."""
    h = body.head
    top, size = h.cy - h.ry, 26 + 5 * t.growth
    outer = (
        (-24, 14),
        (-26, -10),
        (-14, -4),
        (-8, -size - 10),
        (6, -size + 8),
        (14, -size - 2),
        (16, -8),
        (26, -14),
        (24, 14),
    )
    inner = ((-10, 12), (-8, -8), (0, -size + 12), (8, -8), (10, 12))
    x = h.cx if t.facing == "front" else h.cx + 6
    heart = Layer(
        shape=flat(*((x + a, top + b) for a, b in inner)),
        colour="yellow" if part.colour != "yellow" else "white",
        edge=False,
    )
    return (on(flat(*((x + a, top + b) for a, b in outer)), part), heart), ()


def mane(part: Part, body: Anatomy, t: Traits) -> Painted:
    """A ruff of thick hair around the head."""
    h = body.head
    reach = (h.rx * 9 // 10, h.ry * 9 // 10)
    shift = 0 if t.facing == "front" else h.rx // 3
    tufts = tuple(
        on(Ellipse(h.cx + shift + reach[0] * u // 100, h.cy + 5 + reach[1] * v // 100, 16, 16), part)
        for u, v in ((0, -90), (-70, -60), (70, -60), (-95, 10), (95, 10), (-64, 74), (64, 74), (0, 96))
    )
    return (), tufts


def tusks(part: Part, body: Anatomy, t: Traits) -> Painted:
    """Two tusks that rise from the corners of the mouth."""
    if body.mouth is None:
        raise ValueError(f"a {t.plan} has no mouth to hold tusks: give the part to a plan with a mouth.")
    x, y = body.mouth
    one = on(flat((x - 18, y + 8), (x - 19, y - 12), (x - 7, y + 6)), part)
    return (), twins(one) if t.facing == "front" else (one, replace(moved(one, 20), lift=0))
