"""Body plans that grow: bloom, cap."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, limb, skin
from pipeline.sample.shapes import AXIS, Ellipse, Layer, twins
from pipeline.sample.traits import Traits

_SIX = ((0, -100), (-87, -50), (87, -50), (-87, 50), (87, 50), (0, 100))


_EIGHT = ((0, -100), (-71, -71), (71, -71), (-100, 0), (100, 0), (-71, 71), (71, 71), (0, 100))


def bloom(t: Traits) -> Anatomy:
    """A walking flower, seen from the front: head and foot in the main colour, petals and leaves are parts."""
    r = t.scale(33, 39, 0)
    hy = 76
    petals, leaves = t.part("petals"), t.part("leaves")
    ring: tuple[Layer, ...] = ()
    if petals:
        reach = r + t.scale(4, 12, 1)
        places = _EIGHT if petals.count == 8 else _SIX  # noqa: PLR2004 - the two rings there are
        size = 22 if petals.count == 8 else 27  # noqa: PLR2004
        ring = tuple(
            Layer(shape=Ellipse(AXIS + reach * u // 100, hy + reach * v // 100, size, size), colour=petals.colour)
            for u, v in places
        )
    stem = skin(limb((AXIS, hy + 20, 14), (AXIS, 140, 15)), t.main, edge=True)
    bulb = skin(Ellipse(AXIS, 152, t.scale(28, 40, 2), 24), t.main, edge=True)
    fronds: tuple[Layer, ...] = ()
    if leaves:
        tip = t.scale(-26, 14, 3)
        fronds = twins(
            Layer(
                shape=flat((AXIS - 8, 138), (AXIS - 34, 112 + tip // 2), (AXIS - 70, 122 + tip), (AXIS - 44, 146)),
                colour=leaves.colour,
            )
        )
    return Anatomy(
        torso=Ellipse(AXIS, 152, 34, 22),
        head=Ellipse(AXIS, hy, r, r),
        under=ring,
        trunk=(stem, bulb, *fronds),
        face=(skin(Ellipse(AXIS, hy, r + 2, r + 2), t.main, edge=True),),
        eyes=((AXIS - 16, hy - 2), (AXIS + 16, hy - 2)),
        mouth=(AXIS, hy + 18),
        rump=(AXIS + 24, 156),
        shoulder=(AXIS - 14, 130),
        belly=Ellipse(AXIS, 158, 20, 16),
        legs_from=GROUND,
    )


_CAP = (
    (-100, 0),
    (-100, 22),
    (-88, 54),
    (-64, 80),
    (-34, 95),
    (0, 100),
    (34, 95),
    (64, 80),
    (88, 54),
    (100, 22),
    (100, 0),
)


def cap(t: Traits) -> Anatomy:
    """A walking mushroom, seen from the front: the cap in the main colour, the stem in the second."""
    rx, ry = t.scale(66, 76, 0), t.scale(58, 70, 1)
    base = 112
    dome = flat(*((AXIS + rx * u // 100, base - ry * v // 100) for u, v in _CAP))
    stem = limb((AXIS, base, t.scale(28, 32, 2)), (AXIS, 146, t.scale(29, 35, 2)))
    feet = twins(Layer(shape=Ellipse(AXIS - 22, GROUND - 8, 17, 10), colour=t.second))
    return Anatomy(
        torso=Ellipse(AXIS, base - ry // 2, rx - 10, ry // 2 + 6),
        head=Ellipse(AXIS, base - ry // 2, rx - 24, ry // 2),
        under=feet,
        trunk=(
            Layer(shape=stem, colour=t.second),
            skin(dome, t.main, edge=True),
            skin(Ellipse(AXIS, base - 8, rx - 2, 14), t.main),
        ),
        eyes=((AXIS - 15, 140), (AXIS + 15, 140)),
        mouth=(AXIS, 156),
        rump=(AXIS + 30, 156),
        shoulder=(AXIS - 26, 130),
        legs_from=GROUND,
    )
