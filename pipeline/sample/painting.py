"""What the painters of parts share: colouring, reflecting and moving a layer."""

from dataclasses import replace

from pipeline.sample.shapes import Ellipse, Layer, Polygon, Tube
from pipeline.sample.traits import Part

Layers = tuple[Layer, ...]
Painted = tuple[Layers, Layers]


def on(shape: Ellipse | Polygon | Tube, part: Part, lift: int = 0) -> Layer:
    """Return a layer in the colour of a part."""
    return Layer(shape=shape, colour=part.colour, lift=lift)


def flipped(layer: Layer, axis: int) -> Layer:
    """Reflect a layer in a vertical line."""
    shape = layer.shape
    if isinstance(shape, Polygon):
        return replace(layer, shape=Polygon(tuple((2 * axis - x, y) for x, y in shape.points)))
    if isinstance(shape, Tube):
        return replace(layer, shape=Tube(tuple((2 * axis - x, y, r) for x, y, r in shape.knots)))
    return replace(layer, shape=replace(shape, cx=2 * axis - shape.cx))


def moved(layer: Layer, right: int, down: int = 0) -> Layer:
    """Move a layer."""
    shape = layer.shape
    if isinstance(shape, Polygon):
        return replace(layer, shape=Polygon(tuple((x + right, y + down) for x, y in shape.points)))
    if isinstance(shape, Tube):
        return replace(layer, shape=Tube(tuple((x + right, y + down, r) for x, y, r in shape.knots)))
    return replace(layer, shape=replace(shape, cx=shape.cx + right, cy=shape.cy + down))
