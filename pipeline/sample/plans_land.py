"""Body plans that walk: blob, beast, biped, golem."""

from pipeline.sample.anatomy import GROUND, Anatomy, flat, leg, limb, skin
from pipeline.sample.shapes import AXIS, Ellipse, Layer, twins
from pipeline.sample.traits import Traits


def blob(t: Traits) -> Anatomy:
    """A soft drop, dome or cushion, seen from the front."""
    rx, ry = t.scale(50, 68, 0), t.scale(42, 58, 1) + 2 * t.growth
    cy = GROUND - ry
    layers = [
        skin(Ellipse(AXIS, GROUND - 17, rx + t.scale(2, 14, 3), 17), t.main),
        skin(Ellipse(AXIS, cy, rx, ry), t.main),
    ]
    if t.scale(0, 2, 2) >= 1:
        lean = t.scale(-16, 16, 4)
        layers.insert(
            1,
            skin(
                limb((AXIS, cy - ry + 26, 30), (AXIS + lean // 3, cy - ry, 13), (AXIS + lean, cy - ry - 14, 4)), t.main
            ),
        )
    torso = Ellipse(AXIS, cy, rx, ry)
    return Anatomy(
        torso=torso,
        head=torso,
        trunk=tuple(layers),
        eyes=((AXIS - rx * 2 // 5, cy - 4), (AXIS + rx * 2 // 5, cy - 4)),
        mouth=(AXIS, cy + ry * 2 // 5),
        rump=(AXIS + rx - 10, GROUND - 24),
        shoulder=(AXIS - rx + 12, cy - 6),
        belly=Ellipse(AXIS, GROUND - 12, rx * 3 // 5, ry * 3 // 5),
    )


def beast(t: Traits) -> Anatomy:
    """A four-legged beast, seen from the side."""
    rx, ry = t.scale(42, 54, 0) + 2 * t.growth, t.scale(26, 34, 1)
    legs = t.scale(22, 44, 2) + 2 * t.growth
    cy = GROUND - legs - ry + 8
    hr = t.scale(28, 34, 3) + 4 - 4 * t.growth
    hx, hy = 100 - rx - t.scale(2, 10, 4), cy - t.scale(18, 44, 5)
    thick = t.scale(10, 14, 1)
    near = [leg(t, 100 - rx + 15, cy + 8, thick), leg(t, 100 + rx - 14, cy + 8, thick)]
    far = [leg(t, 100 - rx + 36, cy + 8, thick - 1, far=True), leg(t, 100 + rx - 36, cy + 8, thick - 1, far=True)]
    muzzle = t.scale(8, 16, 6)
    return Anatomy(
        torso=Ellipse(100, cy, rx, ry),
        head=Ellipse(hx, hy, hr, hr - 3),
        under=(*far[0], *far[1]),
        trunk=(
            *near[0],
            *near[1],
            skin(Ellipse(100, cy, rx, ry), t.main),
            skin(limb((100 - rx + 18, cy - 4, 22), (hx + 8, hy + 8, 20)), t.main),
        ),
        face=(
            skin(Ellipse(hx, hy, hr, hr - 3), t.main, edge=True),
            skin(Ellipse(hx - hr + 6, hy + hr // 3, muzzle, 12), t.belly or t.main),
            Layer(shape=Ellipse(hx - hr + 4 - muzzle // 2, hy + hr // 3 - 5, 5, 4), colour="black", edge=False),
        ),
        eyes=((hx - hr // 4, hy - 4),),
        mouth=(hx - hr + 8, hy + hr // 3 + 8),
        rump=(100 + rx - 6, cy - 8),
        shoulder=(92, cy - ry + 10),
        belly=Ellipse(96, cy + ry, rx * 4 // 5, ry * 3 // 5),
        legs_from=GROUND - legs // 2,
    )


def biped(t: Traits) -> Anatomy:
    """A creature on two legs with two arms, seen from the front."""
    hr = t.scale(34, 40, 0) + 6 - 5 * t.growth
    rx, ry = t.scale(28, 40, 1) + 2 * t.growth, t.scale(34, 42, 2) + 2 * t.growth
    legs = t.scale(14, 26, 3) + 3 * t.growth
    cy = GROUND - legs - ry + 10
    hy = cy - ry - hr + t.scale(16, 26, 4)
    hand = t.scale(-20, 22, 5)
    arm = twins(
        skin(
            limb(
                (AXIS - rx + 6, cy - ry // 2, 11), (AXIS - rx - 10, cy + hand // 3, 10), (AXIS - rx - 14, cy + hand, 12)
            ),
            t.main,
            edge=True,
        )
    )
    foot = twins(
        skin(limb((AXIS - rx // 2 - 2, cy + ry // 2, 14), (AXIS - rx // 2 - 4, GROUND - 12, 13)), t.main, edge=True),
        skin(Ellipse(AXIS - rx // 2 - 8, GROUND - 9, 17, 10), t.main),
    )
    return Anatomy(
        torso=Ellipse(AXIS, cy, rx, ry),
        head=Ellipse(AXIS, hy, hr + 3, hr),
        trunk=(*foot, skin(Ellipse(AXIS, cy, rx, ry), t.main, edge=True), *arm),
        face=(skin(Ellipse(AXIS, hy, hr + 3, hr), t.main, edge=True),),
        eyes=((AXIS - hr * 2 // 5 - 2, hy + 2), (AXIS + hr * 2 // 5 + 2, hy + 2)),
        mouth=(AXIS, hy + hr // 2 + 2),
        rump=(AXIS + rx - 8, cy + ry // 2),
        shoulder=(AXIS - rx + 8, cy - ry // 2),
        belly=Ellipse(AXIS, cy + 8, rx * 3 // 5, ry * 7 // 10),
        legs_from=GROUND - legs + 2,
    )


def golem(t: Traits) -> Anatomy:
    """A heavy figure of blocks, seen from the front."""
    w, top = t.scale(44, 54, 0) + 2 * t.growth, 70 - 4 * t.growth
    h = t.scale(20, 27, 1)
    slope, brow = (8, 32) if t.scale(0, 1, 2) == 0 else (0, 28)
    head = flat(
        (AXIS - h, top + 4), (AXIS - h + slope, top - brow), (AXIS + h - slope, top - brow), (AXIS + h, top + 4)
    )
    fist = t.scale(18, 25, 3)
    block = flat(
        (AXIS - w, top + 6),
        (AXIS - w + 12, top - 6),
        (AXIS + w - 12, top - 6),
        (AXIS + w, top + 6),
        (AXIS + w - 14, 146),
        (AXIS - w + 14, 146),
    )
    legs = twins(
        skin(flat((AXIS - 36, 134), (AXIS - 6, 134), (AXIS - 6, GROUND), (AXIS - 42, GROUND)), t.main, edge=True)
    )
    arms = twins(
        skin(limb((AXIS - w - 2, top + 14, 15), (AXIS - w - 12, top + 44, 12)), t.main, edge=True),
        skin(Ellipse(AXIS - w - 13, top + 62, fist, fist), t.second, edge=True),
    )
    crack = Layer(
        shape=limb((AXIS - 8, top + 14, 3), (AXIS + 6, top + 30, 3), (AXIS - 4, top + 46, 3)),
        colour=t.second,
        mark=True,
    )
    return Anatomy(
        torso=Ellipse(AXIS, top + 34, w - 8, 40),
        head=Ellipse(AXIS, top - 14, h, 20),
        trunk=(*legs, skin(block, t.main, edge=True), crack, *arms),
        face=(skin(head, t.main, edge=True),),
        eyes=((AXIS - h // 2 - 1, top - 12), (AXIS + h // 2 + 1, top - 12)),
        mouth=(AXIS, top),
        rump=(AXIS + w - 18, 140),
        shoulder=(AXIS - w + 14, top + 4),
        belly=Ellipse(AXIS, top + 52, w // 2, 22),
        legs_from=GROUND - 18,
    )
