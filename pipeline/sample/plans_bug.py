"""Body plans in armour or silk: moth, beetle, spider, crab."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, limb, skin
from pipeline.sample.shapes import AXIS, Ellipse, Layer, Point, twins
from pipeline.sample.traits import Traits


def moth(t: Traits) -> Anatomy:
    """A furry insect spread out, seen from the front; the wings are a part.

    They are in the main colour, the body in the second.
    """
    r = t.scale(27, 33, 0)
    length = t.scale(36, 50, 1)
    hy = 78
    legs = twins(
        *(
            Layer(shape=limb((AXIS - 14, hy + 40 + 14 * i, 4), (AXIS - 34, hy + 50 + 16 * i, 4)), colour=t.main)
            for i in range(3)
        )
    )
    trunk = limb((AXIS, hy + 20, r), (AXIS, hy + 34 + length, r - 4), (AXIS, hy + 50 + length, r // 2))
    return Anatomy(
        torso=Ellipse(AXIS, hy + 46, r, length),
        head=Ellipse(AXIS, hy, r + 6, r + 3),
        trunk=(*legs, skin(trunk, t.second, edge=True)),
        face=(skin(Ellipse(AXIS, hy, r + 8, r + 4), t.second, edge=True),),
        eyes=((AXIS - 17, hy), (AXIS + 17, hy)),
        mouth=(AXIS, hy + 16),
        rump=(AXIS + 6, hy + 50 + length),
        shoulder=(AXIS - r + 14, hy + 40),
        belly=Ellipse(AXIS, hy + 66, r * 3 // 5, length - 10),
        legs_from=GROUND,
    )


def beetle(t: Traits) -> Anatomy:
    """A six-legged beetle, seen from above with its head down."""
    rx, ry = t.scale(48, 56, 0), t.scale(50, 58, 1) + 2 * t.growth
    cy, hr = 86, t.scale(27, 33, 2)
    hy = cy + ry + hr - 18
    legs = twins(
        *(
            Layer(
                shape=limb((AXIS - rx + 12, y, 7), (AXIS - rx - 16, y + d, 7), (AXIS - rx - 24, y + d + 16, 5)),
                colour=t.second,
            )
            for y, d in ((cy - 26, -14), (cy + 6, -2), (cy + 34, 6))
        )
    )
    seam = Layer(shape=limb((AXIS, cy - ry, 3), (AXIS, cy + ry, 3)), colour=t.second, edge=False)
    return Anatomy(
        torso=Ellipse(AXIS, cy, rx, ry),
        head=Ellipse(AXIS, hy, hr + 4, hr),
        under=legs,
        trunk=(skin(Ellipse(AXIS, cy, rx, ry), t.main, edge=True), seam),
        face=(Layer(shape=Ellipse(AXIS, hy, hr + 4, hr), colour=t.second),),
        eyes=((AXIS - 17, hy + 2), (AXIS + 17, hy + 2)),
        rump=(AXIS + 10, cy - ry + 8),
        shoulder=(AXIS - rx + 14, cy - 20),
        legs_from=GROUND,
    )


def spider(t: Traits) -> Anatomy:
    """A round creature on eight legs, seen from the front."""
    r = t.scale(52, 60, 0) + 2 * t.growth
    cy = 112
    knees = t.scale(20, 44, 1)
    legs = twins(
        *(
            skin(
                limb(
                    (AXIS - r + 18, cy + 12 * i - 14, 6),
                    (AXIS - r - 12 + 3 * i, cy - knees + 18 * i, 6),
                    (AXIS - r - 34 + 9 * i, cy + 34 + 9 * i, 4),
                ),
                t.second,
                edge=True,
            )
            for i in range(4)
        )
    )
    extra = twins(Layer(shape=Ellipse(AXIS - 12, cy - 22, 5, 5), colour=t.eye, edge=False))
    return Anatomy(
        torso=Ellipse(AXIS, cy, r, r - 4),
        head=Ellipse(AXIS, cy, r, r - 4),
        under=legs,
        trunk=(skin(Ellipse(AXIS, cy, r, r - 4), t.main, edge=True),),
        face=extra,
        eyes=((AXIS - 19, cy + 2), (AXIS + 19, cy + 2)),
        mouth=(AXIS, cy + 24),
        rump=(AXIS + r - 12, cy + 10),
        shoulder=(AXIS - r + 16, cy - 14),
        belly=Ellipse(AXIS, cy + r * 3 // 4, r * 3 // 5, r // 2),
        legs_from=GROUND,
    )


def crab(t: Traits) -> Anatomy:
    """A broad creature with pincers and six legs, seen from the front."""
    rx, ry = t.scale(50, 58, 0), t.scale(32, 40, 1) + 2 * t.growth
    cy = 128
    lift = t.scale(0, 40, 3)
    stalks = (
        twins(skin(limb((AXIS - 20, cy - ry + 8, 7), (AXIS - 22, cy - ry - 12, 8)), t.main, edge=True))
        if t.build[4] % 2
        else ()
    )
    ey = cy - ry - 14 if stalks else cy - 6
    return Anatomy(
        torso=Ellipse(AXIS, cy, rx, ry),
        head=Ellipse(AXIS, cy, rx, ry),
        under=_crab_legs(t, rx, cy),
        trunk=(*stalks, skin(Ellipse(AXIS, cy, rx, ry), t.main, edge=True)),
        face=_pincers(t, (AXIS - rx - 16, cy - 18 - lift), rx, cy),
        eyes=((AXIS - 22, ey), (AXIS + 22, ey)),
        mouth=(AXIS, cy + ry // 2 - 2),
        rump=(AXIS + rx - 8, cy + 10),
        shoulder=(AXIS - rx + 16, cy - 10),
        belly=Ellipse(AXIS, cy + ry - 4, rx * 3 // 5, ry // 2),
        legs_from=GROUND - 16,
    )


def _crab_legs(t: Traits, rx: int, cy: int) -> tuple[Layer, ...]:
    """Return six legs that bend under the body."""
    knots = (
        (
            (AXIS - rx + 22 - i * 2, cy + 14 + 5 * i, 7),
            (AXIS - rx - 14 + 12 * i, cy + 22 + 6 * i, 7),
            (AXIS - rx - 18 + 15 * i, GROUND - 6, 5),
        )
        for i in range(3)
    )
    return twins(*(skin(limb(*leg), t.main, edge=True) for leg in knots))


def _pincers(t: Traits, tip: Point, rx: int, cy: int) -> tuple[Layer, ...]:
    """Return two arms with open pincers; `tip` is the middle of the left one."""
    (x, y), claw = tip, t.scale(20, 27, 2) + 2 * t.growth
    arm = limb((AXIS - rx + 14, cy - 6, 9), (AXIS - rx - 12, (cy + y) // 2 + 13, 9), (x, y + 10, 9))
    gap = flat((x - 2, y + 2), (x - 4, y - claw - 8), (x + 14, y - claw - 8))
    return twins(
        skin(arm, t.main, edge=True),
        skin(Ellipse(x, y, claw, claw), t.second, edge=True),
        Layer(shape=gap, colour="black", edge=False, lift=-1),
    )
