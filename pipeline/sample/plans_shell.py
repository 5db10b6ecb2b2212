"""Body plans under a shell, seen from the side: turtle, snail."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, limb, skin
from pipeline.sample.shapes import Ellipse, Layer
from pipeline.sample.traits import Traits

_DOME = (
    (-100, 0),
    (-98, 30),
    (-88, 56),
    (-66, 80),
    (-36, 95),
    (0, 100),
    (36, 95),
    (66, 80),
    (88, 56),
    (98, 30),
    (100, 0),
)


def _plates(t: Traits, rx: int, ry: int, base: int) -> tuple[Layer, ...]:
    """Return dark seams on a dome."""
    seams = (
        limb((104 + x * rx // 100, base - ry * a // 100, 3), (104 + x * rx // 150, base - ry * b // 100, 3))
        for x, a, b in ((-45, 12, 74), (45, 12, 74), (0, 12, 90))
    )
    return tuple(skin(seam, t.main, lift=-1) for seam in seams)


def turtle(t: Traits) -> Anatomy:
    """A domed walker, seen from the side: the dome in the main colour, the skin in the second."""
    rx, ry = t.scale(60, 68, 0), t.scale(58, 72, 1) + 3 * t.growth
    base, hr = 154, t.scale(20, 24, 2) + 4 - 2 * t.growth
    hx, hy = 104 - rx - hr // 2 - 4, base - t.scale(14, 34, 3)
    dome = flat(*((104 + rx * u // 100, base + 2 - ry * v // 100) for u, v in _DOME))
    feet = [
        skin(limb((x, base, 12), (x - 3, GROUND - 11, 12)), t.second, edge=True) for x in (104 - rx + 18, 104 + rx - 22)
    ]
    far = [
        skin(limb((x, base, 11), (x - 3, GROUND - 15, 11)), t.second, edge=True, lift=-1)
        for x in (104 - rx + 46, 104 + rx - 50)
    ]
    tip = Layer(
        shape=flat((104 + rx - 12, base - 8), (104 + rx + 20, base + 6), (104 + rx - 12, base + 8)), colour=t.second
    )
    return Anatomy(
        torso=Ellipse(104, base - ry // 2, rx - 8, ry // 2),
        head=Ellipse(hx, hy, hr, hr - 2),
        under=(*far, tip),
        trunk=(
            skin(limb((104 - rx + 20, base - 8, 15), (hx + 6, hy + 6, 15)), t.second),
            *feet,
            skin(dome, t.main, edge=True),
            *(_plates(t, rx, ry, base) if t.build[4] % 2 else ()),
            Layer(shape=limb((104 - rx, base, 4), (104 + rx, base, 4)), colour=t.belly or t.second),
        ),
        face=(Layer(shape=Ellipse(hx, hy, hr, hr - 2), colour=t.second),),
        eyes=((hx - hr // 4, hy - 4),),
        mouth=(hx - hr // 2, hy + hr // 2),
        rump=(104 + rx - 8, base),
        shoulder=(110, base - ry + 14),
        legs_from=GROUND - 16,
    )


_COIL = (
    (-2, 66),
    (-44, 48),
    (-62, 4),
    (-38, -40),
    (6, -54),
    (46, -26),
    (46, 18),
    (12, 38),
    (-22, 20),
    (-22, -10),
    (4, -20),
    (16, 2),
)


def snail(t: Traits) -> Anatomy:
    """A crawler with a coiled house, seen from the side: the house in the main colour, the foot in the second."""
    r = t.scale(54, 62, 0) + 2 * t.growth
    cx, cy = 118, 164 - r
    hx, hy = 44, t.scale(104, 124, 1)
    foot = limb((hx + 4, hy + 10, 15), (hx + 8, 158, 15), (120, 166, 11), (174, 173, 4))
    stalk = [
        Layer(shape=limb((hx + x, hy, 5), (hx + x - 4, hy - 34 - t.growth * 3, 5)), colour=t.second) for x in (12, -8)
    ]
    coil = tuple(
        Layer(
            shape=limb(*((cx + r * u // 100, cy + r * v // 100, 3) for u, v in _COIL)),
            colour=t.belly or t.second,
            mark=True,
        )
        for _ in range(1)
    )
    return Anatomy(
        torso=Ellipse(cx, cy, r - 6, r - 6),
        head=Ellipse(hx, hy - 8, 20, 20),
        under=(stalk[0],),
        trunk=(skin(foot, t.second), skin(Ellipse(cx, cy, r, r), t.main, edge=True), *coil),
        face=(Layer(shape=Ellipse(hx, hy + 4, 20, 20), colour=t.second, edge=False), stalk[1]),
        eyes=((hx - 10, hy - 38 - t.growth * 3), (hx + 12, hy - 38 - t.growth * 3)),
        mouth=(hx - 8, hy + 12),
        rump=(172, 168),
        shoulder=(cx, cy - r + 12),
        legs_from=GROUND,
    )
