"""Body plans that fly or hover: bird, bat, ghost."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, limb, skin
from pipeline.sample.shapes import AXIS, Ellipse, Layer, twins
from pipeline.sample.traits import Traits


def bird(t: Traits) -> Anatomy:
    """A bird, seen from the side; its beak and feet have the colour of the part `beak`."""
    beak = t.part("beak")
    horny = beak.colour if beak else t.second
    r, hr = t.scale(38, 48, 0) + 2 * t.growth, t.scale(27, 33, 1) + 4 - 2 * t.growth
    legs = t.scale(10, 30, 2) + 3 * t.growth
    cy = GROUND - legs - r + 6
    hx, hy = 104 - r, cy - t.scale(24, 54, 3) - 3 * t.growth
    length = t.scale(18, 32, 4)
    feet = tuple(
        Layer(shape=limb((x, cy + r - 10, 5), (x, GROUND - 5, 5), (x - 14, GROUND - 4, 4)), colour=horny, lift=lift)
        for x, lift in ((98, 0), (120, -1))
    )
    x = 112 + r
    plumes = flat((x - 18, cy - 12), (x + 34, cy - t.scale(30, 6, 5)), (x + 30, cy + 8), (x - 14, cy + 16))
    bill = Layer(
        shape=flat((hx - hr + 7, hy - 7), (hx - hr - length, hy + 5 + t.scale(0, 8, 6)), (hx - hr + 8, hy + 13)),
        colour=horny,
    )
    return Anatomy(
        torso=Ellipse(110, cy, r + 4, r),
        head=Ellipse(hx, hy, hr, hr),
        under=(*feet, skin(plumes, t.second, edge=True)),
        trunk=(
            skin(Ellipse(110, cy, r + 4, r), t.main),
            skin(limb((100, cy - 8, r - 10), (hx + 4, hy + 4, hr - 6)), t.main),
        ),
        face=(bill, skin(Ellipse(hx, hy, hr, hr), t.main)),
        eyes=((hx - hr // 4, hy - 4),),
        rump=(112 + r - 4, cy),
        shoulder=(108, cy - 12),
        belly=Ellipse(90, cy + r // 2 + 4, r * 3 // 4, r * 2 // 3),
        legs_from=GROUND,
    )


def bat(t: Traits) -> Anatomy:
    """A round flyer between its two wings, seen from the front; the wings are a part."""
    r = t.scale(42, 48, 0) + t.growth
    cy = 104
    feet = twins(Layer(shape=limb((AXIS - 14, cy + r - 8, 6), (AXIS - 16, cy + r + 10, 6)), colour=t.second))
    return Anatomy(
        torso=Ellipse(AXIS, cy, r, r),
        head=Ellipse(AXIS, cy, r, r),
        under=feet,
        trunk=(skin(Ellipse(AXIS, cy, r, r + t.scale(0, 8, 1)), t.main, edge=True),),
        eyes=((AXIS - 18, cy - 6), (AXIS + 18, cy - 6)),
        mouth=(AXIS, cy + 16),
        rump=(AXIS + 10, cy + r - 8),
        shoulder=(AXIS - r + 12, cy),
        belly=Ellipse(AXIS, cy + r * 3 // 4, r * 3 // 5, r // 2),
        legs_from=GROUND,
    )


def ghost(t: Traits) -> Anatomy:
    """A hovering shroud with a ragged hem, seen from the front."""
    rx = t.scale(44, 54, 0)
    top, hem = 30, 150
    teeth = t.scale(3, 5, 1)
    left, width = AXIS - rx - 6, 2 * rx + 12
    rags = [(left + i * width // (2 * teeth), hem + (24 if i % 2 else -4)) for i in range(1, 2 * teeth)]
    points = [(AXIS - rx, top + rx), (left, hem), *rags, (left + width, hem), (AXIS + rx, top + rx)]
    arms = twins(
        skin(
            limb(
                (AXIS - rx + 4, 104, 13),
                (AXIS - rx - 16, 100 - t.scale(0, 24, 2), 10),
                (AXIS - rx - 24, 106 - t.scale(0, 40, 2), 7),
            ),
            t.main,
            edge=True,
        )
    )
    return Anatomy(
        torso=Ellipse(AXIS, 112, rx, 46),
        head=Ellipse(AXIS, top + rx, rx, rx),
        trunk=(*arms, skin(flat(*points), t.main), skin(Ellipse(AXIS, top + rx, rx, rx), t.main)),
        eyes=((AXIS - rx * 2 // 5, top + rx), (AXIS + rx * 2 // 5, top + rx)),
        mouth=(AXIS, top + rx + rx // 2),
        rump=(AXIS + rx - 10, 140),
        shoulder=(AXIS - rx + 12, 96),
        belly=Ellipse(AXIS, 136, rx * 3 // 5, 28),
        legs_from=GROUND,
    )
