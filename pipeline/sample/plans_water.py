"""Body plans of water and coil: fish, serpent, jelly."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, limb, skin
from pipeline.sample.shapes import AXIS, Ellipse, Layer
from pipeline.sample.traits import Traits


def fish(t: Traits) -> Anatomy:
    """A fish, seen from the side; its fins are in the second colour."""
    rx, ry = t.scale(52, 62, 0), t.scale(34, 52, 1)
    cx, cy = 84, 100
    fork = t.scale(24, 40, 2)
    tail = Layer(
        shape=flat((cx + rx - 16, cy), (cx + rx + 36, cy - fork), (cx + rx + 24, cy), (cx + rx + 36, cy + fork)),
        colour=t.second,
    )
    back = Layer(
        shape=flat(
            (cx - rx // 3, cy - ry + 12),
            (cx + t.scale(-6, 30, 3), cy - ry - t.scale(14, 28, 4)),
            (cx + rx * 3 // 4, cy - ry // 2),
        ),
        colour=t.second,
    )
    keel = Layer(
        shape=flat((cx, cy + ry - 10), (cx + 30, cy + ry + 20), (cx + rx * 2 // 3, cy + ry // 2)), colour=t.second
    )
    side = Layer(shape=flat((cx - 4, cy + 6), (cx + 30, cy + 2), (cx + 26, cy + 28)), colour=t.second)
    head = Ellipse(cx - rx // 2, cy, rx // 2, ry * 3 // 4)
    return Anatomy(
        torso=Ellipse(cx, cy, rx, ry),
        head=head,
        under=(tail, back, keel),
        trunk=(
            skin(Ellipse(cx, cy, rx, ry), t.main, edge=True),
            skin(limb((cx + 10, cy, ry - 14), (cx + rx - 4, cy, 10)), t.main),
        ),
        face=(side,),
        eyes=((cx - rx // 2, cy - ry // 4),),
        mouth=(cx - rx + 12, cy + ry // 4),
        rump=(cx + rx, cy),
        shoulder=(cx + 10, cy - ry + 12),
        belly=Ellipse(cx - 8, cy + ry, rx, ry * 3 // 5),
        legs_from=GROUND,
    )


def serpent(t: Traits) -> Anatomy:
    """A long body in coils without legs, seen from the side."""
    w = t.scale(15, 19, 0) + t.growth
    hx, hy = 56, t.scale(46, 66, 1) - 3 * t.growth
    coil = limb(
        (hx + 12, hy + 10, w - 2),
        (hx + 26, 96, w),
        (50, 128, w),
        (62, 156, w),
        (110, 160, w),
        (146, 150, w),
        (152, 126, w - 3),
        (136, 108, w - 8),
        (144, 88, 4),
    )
    if t.build[2] % 2:
        coil = limb(
            (hx + 8, hy + 10, w),
            (hx + 2, 100, w + 3),
            (70, 140, w + 3),
            (112, 158, w + 1),
            (158, 152, w - 2),
            (172, 128, w - 6),
            (164, 106, 4),
        )
    loop = skin(limb((80, 160, w + 2), (112, 146, w + 1), (140, 160, w)), t.main, edge=True)
    hr = t.scale(27, 33, 3) + 2 - 2 * t.growth
    return Anatomy(
        torso=Ellipse(96, 146, 56, 28),
        head=Ellipse(hx, hy, hr + 6, hr),
        trunk=(skin(coil, t.main), *((loop,) if t.build[4] % 2 else ())),
        face=(skin(Ellipse(hx, hy, hr + 4, hr), t.main, edge=True), skin(Ellipse(hx - hr + 4, hy + 8, 14, 13), t.main)),
        eyes=((hx - hr // 4, hy - 5),),
        mouth=(hx - hr + 2, hy + 14),
        rump=(150, 96),
        shoulder=(82, 110),
        belly=Ellipse(60, 128, 22, 60),
        legs_from=GROUND,
    )


_BELL = ((-100, 0), (-98, 34), (98, 34), (100, 0))


def jelly(t: Traits) -> Anatomy:
    """A floating bell with tentacles, seen from the front."""
    rx, ry = t.scale(56, 66, 0), t.scale(48, 58, 1) + 2 * t.growth
    cy, swing = 84, t.scale(5, 13, 2)
    arms = t.part("tentacles")
    count = arms.count if arms else 4
    strands = tuple(
        Layer(
            shape=limb(
                *(
                    (x + (swing if (j + i) % 2 else -swing) * (1 if x > AXIS else -1), cy + 22 + 16 * j, 7 - j)
                    for j in range(5)
                )
            ),
            colour=arms.colour if arms else t.second,
        )
        for i, x in enumerate(AXIS + (2 * i + 1 - count) * (rx - 12) // count for i in range(count))
    )
    rim = Layer(shape=limb((AXIS - rx + 8, cy + 24, 10), (AXIS + rx - 8, cy + 24, 10)), colour=t.second)
    dome = flat(*((AXIS + rx * u // 100, cy + 26 - (ry + 18) * v // 100) for u, v in _BELL))
    return Anatomy(
        torso=Ellipse(AXIS, cy, rx - 4, ry - 6),
        head=Ellipse(AXIS, cy - 2, rx, ry),
        under=strands,
        trunk=(
            skin(Ellipse(AXIS, cy, rx, ry), t.main),
            skin(dome, t.main),
            skin(Ellipse(AXIS, cy - 2, rx - 3, ry - 2), t.main),
            rim,
        ),
        eyes=((AXIS - 24, cy), (AXIS + 24, cy)),
        mouth=(AXIS, cy + 14),
        rump=(AXIS, cy + 20),
        shoulder=(AXIS - rx + 14, cy - 4),
        belly=None,
        legs_from=GROUND,
    )
