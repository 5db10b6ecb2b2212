"""Shapes and layers: a creature before it is pixels.

Coordinates are whole design units on a square of 192; x grows to the right, y downwards, the axis of a front view is
x = 96. Everything is an integer, so that every machine draws the same bytes.
"""

from dataclasses import dataclass, replace

AXIS = 96
"""x of the middle line of a front view, in design units."""

Point = tuple[int, int]
Knot = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An upright ellipse: centre and half axes, in design units."""

    cx: int
    cy: int
    rx: int
    ry: int


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed polygon, filled by the even-odd rule."""

    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Tube:
    """A limb: discs of changing radius along a broken line of knots (x, y, radius)."""

    knots: tuple[Knot, ...]


@dataclass(frozen=True, slots=True)
class Eye:
    """An eye, drawn as a stamp of whole pixels; `reach` (design units) says how much room the head gives it."""

    cx: int
    cy: int
    reach: int
    style: str


@dataclass(frozen=True, slots=True)
class Mouth:
    """A mouth, drawn as a stamp of whole pixels."""

    cx: int
    cy: int
    style: str


Shape = Ellipse | Polygon | Tube | Eye | Mouth


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One shape in one colour, painted over the layers before it."""

    shape: Shape
    colour: str  # a key of RAMPS
    edge: bool = True  # ink the rim where it lies on other layers
    body: bool = False  # markings stick to it
    mark: bool = False  # recolours the body below and keeps its light
    lift: int = 0  # steps of the ramp to add; far limbs are darker


def mirrored(layer: Layer) -> Layer:
    """Reflect a layer in the axis x = 96."""
    shape = layer.shape
    if isinstance(shape, Polygon):
        return replace(layer, shape=Polygon(tuple((2 * AXIS - x, y) for x, y in shape.points)))
    if isinstance(shape, Tube):
        return replace(layer, shape=Tube(tuple((2 * AXIS - x, y, r) for x, y, r in shape.knots)))
    return replace(layer, shape=replace(shape, cx=2 * AXIS - shape.cx))


def twins(*layers: Layer) -> tuple[Layer, ...]:
    """Return each layer and its reflection: paired limbs of a front view."""
    return tuple(half for layer in layers for half in (layer, mirrored(layer)))


def extent(shape: Shape) -> tuple[int, int, int, int]:
    """Bounding box (left, top, right, bottom) of a shape, in design units."""
    if isinstance(shape, Ellipse):
        return shape.cx - shape.rx, shape.cy - shape.ry, shape.cx + shape.rx, shape.cy + shape.ry
    if isinstance(shape, Polygon):
        xs, ys = zip(*shape.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)
    if isinstance(shape, Tube):
        return (
            min(x - r for x, _, r in shape.knots),
            min(y - r for _, y, r in shape.knots),
            max(x + r for x, _, r in shape.knots),
            max(y + r for _, y, r in shape.knots),
        )
    return shape.cx, shape.cy, shape.cx, shape.cy
