"""What a body plan hands to the parts: its layers and the places where parts are fastened."""

from dataclasses import dataclass

from pipeline.sample.shapes import Ellipse, Knot, Layer, Point, Polygon, Tube
from pipeline.sample.traits import Traits

GROUND = 176
"""y of the ground, in design units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Anatomy:
    """A bare body: layers from back to front, and anchors in design units. Side views face left."""

    torso: Ellipse
    head: Ellipse
    under: tuple[Layer, ...] = ()  # far limbs, behind the torso
    trunk: tuple[Layer, ...] = ()  # torso and near limbs: markings stick to them
    face: tuple[Layer, ...] = ()  # head, snout, beak
    eyes: tuple[Point, ...] = ()
    mouth: Point | None = None
    rump: Point = (96, 140)  # root of a tail
    shoulder: Point = (96, 100)  # root of wings
    belly: Ellipse | None = None
    legs_from: int = 160  # y below which socks are


def skin(shape: Ellipse | Polygon | Tube, colour: str, *, edge: bool = False, lift: int = 0) -> Layer:
    """Return a layer of the body itself."""
    return Layer(shape=shape, colour=colour, edge=edge, body=True, lift=lift)


def limb(*knots: Knot) -> Tube:
    """Return a tube through the knots (x, y, radius)."""
    return Tube(knots)


def flat(*points: Point) -> Polygon:
    """Return a polygon through the points."""
    return Polygon(points)


def leg(t: Traits, x: int, top: int, radius: int, *, far: bool = False) -> tuple[Layer, ...]:
    """Return a standing leg with a foot that points left."""
    lift = -1 if far else 0
    y = GROUND - radius - (5 if far else 0)
    return (skin(limb((x, top, radius), (x, y, radius), (x - 3, y, radius + 1)), t.main, edge=True, lift=lift),)
