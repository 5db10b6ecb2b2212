"""Layers to pixels: masks, light from the upper left, ink outlines; integers only.

H, W: native pixels of the canvas. A ramp plane holds places in RAMPS (-1 where nothing is), a step plane 0 ink … 4.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from pipeline.sample.colours import DARK, HIGH, INK, LIGHT, MID, PALETTE, RAMP_INDEX
from pipeline.sample.shapes import AXIS, Ellipse, Eye, Layer, Mouth, Polygon, Shape, Tube, extent
from pipeline.sample.stamps import Stamp, eye_stamp, mouth_stamp

FINE = 16
"""Grid coordinates are 1/16 of a design unit."""

_BORDER = 2  # one pixel for the outline, one for shapes that the least width pushes out
_STEPS = 6  # discs between two knots of a tube
_TABLE = np.array([(*rgb, 255) for rgb in PALETTE] + [(0, 0, 0, 0)], dtype=np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where the pixels of a canvas lie on the design square."""

    xs: Int64[np.ndarray, "W"]  # centres of columns, 1/16 units
    ys: Int64[np.ndarray, "H"]  # centres of rows, 1/16 units
    pixel: int  # side of a pixel, 1/16 units

    def column(self, x: int) -> int:
        """Column of the pixel that holds design coordinate x."""
        return int((x * FINE - self.xs[0]) // self.pixel + (((x * FINE - self.xs[0]) % self.pixel) * 2 >= self.pixel))

    def row(self, y: int) -> int:
        """Row of the pixel that holds design coordinate y."""
        return int((y * FINE - self.ys[0]) // self.pixel + (((y * FINE - self.ys[0]) % self.pixel) * 2 >= self.pixel))


def fit_frame(layers: tuple[Layer, ...], side: int, *, centred: bool) -> Frame:
    """Return the frame in which the layers, with their outline, are `side` pixels on the longer side.

    `centred` keeps the frame symmetric about the axis, so that a front view comes out symmetric.
    """
    boxes = np.array([extent(layer.shape) for layer in layers if not layer.mark], dtype=np.int64)
    left, top = boxes[:, :2].min(axis=0).tolist()
    right, bottom = boxes[:, 2:].max(axis=0).tolist()
    if centred:
        half = max(AXIS - left, right - AXIS)
        left, right = AXIS - half, AXIS + half
    inner = side - 2
    pixel = -(-max(right - left, bottom - top) * FINE // inner)
    return Frame(xs=_centres(left, right, pixel), ys=_centres(top, bottom, pixel), pixel=pixel)


def _centres(low: int, high: int, pixel: int) -> Int64[np.ndarray, "n"]:
    """Return the centres of the pixels that cover low…high, border included, placed evenly."""
    count = max(1, -(-(high - low) * FINE // pixel)) + 2 * _BORDER
    return (2 * np.arange(count, dtype=np.int64) + 1 - count) * pixel // 2 + (low + high) * FINE // 2


def mask_of(shape: Shape, frame: Frame) -> Bool[np.ndarray, "H W"]:
    """Return the pixels whose centre lies in the shape; nothing gets thinner than about a pixel."""
    x, y = frame.xs[None, :], frame.ys[:, None]
    least = frame.pixel * 11 // 20
    if isinstance(shape, Ellipse):
        rx, ry = max(shape.rx * FINE, least), max(shape.ry * FINE, least)
        inside: Bool[np.ndarray, "H W"] = ((x - shape.cx * FINE) * ry) ** 2 + ((y - shape.cy * FINE) * rx) ** 2 <= (
            rx * ry
        ) ** 2
        return inside
    if isinstance(shape, Tube):
        discs = _discs(shape, least)
        far = (x[None] - discs[:, 0, None, None]) ** 2 + (y[None] - discs[:, 1, None, None]) ** 2
        covered: Bool[np.ndarray, "H W"] = (far <= discs[:, 2, None, None] ** 2).any(axis=0)
        return covered
    if isinstance(shape, Polygon):
        return _inside(np.array(shape.points, dtype=np.int64) * FINE, x, y)
    return np.zeros((frame.ys.size, frame.xs.size), dtype=bool)


def _discs(tube: Tube, least: int) -> Int64[np.ndarray, "n 3"]:
    """Return the discs (x, y, r) along a tube, in 1/16 units."""
    knots = np.array(tube.knots, dtype=np.int64) * FINE
    share = np.arange(_STEPS, dtype=np.int64)[None, :, None]
    between = (knots[:-1, None] * (_STEPS - share) + knots[1:, None] * share) // _STEPS
    discs = np.concatenate([between.reshape(-1, 3), knots[-1:]])
    discs[:, 2] = np.maximum(discs[:, 2], least)
    return discs


def _inside(
    points: Int64[np.ndarray, "n 2"], x: Int64[np.ndarray, "1 W"], y: Int64[np.ndarray, "H 1"]
) -> Bool[np.ndarray, "H W"]:
    """Even-odd rule, by the sign of cross products."""
    px, py = points[:, 0, None, None], points[:, 1, None, None]
    qx, qy = np.roll(px, -1, axis=0), np.roll(py, -1, axis=0)
    crosses = (py > y) != (qy > y)
    side = (qx - px) * (y - py) - (qy - py) * (x - px)
    odd: Bool[np.ndarray, "H W"] = np.logical_xor.reduce(crosses & ((side > 0) == (qy > py)), axis=0)
    return odd


def _shift(mask: Bool[np.ndarray, "H W"], down: int, right: int) -> Bool[np.ndarray, "H W"]:
    """Return the mask moved by whole pixels; what comes in is empty."""
    height, width = mask.shape
    moved = np.zeros_like(mask)
    moved[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = mask[
        max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return moved


def _grown(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Return the mask and its four neighbours."""
    grown: Bool[np.ndarray, "H W"] = (
        mask | _shift(mask, 1, 0) | _shift(mask, -1, 0) | _shift(mask, 0, 1) | _shift(mask, 0, -1)
    )
    return grown


def _light(shape: Shape, mask: Bool[np.ndarray, "H W"], frame: Frame) -> Int64[np.ndarray, "H W"]:
    """Return the step of each pixel of a shape: crescents on ellipses, lit and shaded rims on the rest."""
    if isinstance(shape, Ellipse) and min(shape.rx, shape.ry) * FINE >= 2 * frame.pixel:
        u = (frame.xs[None, :] - shape.cx * FINE) * 64 // (shape.rx * FINE)
        v = (frame.ys[:, None] - shape.cy * FINE) * 64 // (shape.ry * FINE)
        step = np.where((u + 9) ** 2 + (v + 12) ** 2 <= 62**2, MID, DARK)
        step = np.where((u + 17) ** 2 + (v + 21) ** 2 <= 37**2, LIGHT, step)
        big = min(shape.rx, shape.ry) * FINE >= 5 * frame.pixel
        return np.where(big & ((u + 25) ** 2 + (v + 31) ** 2 <= 13**2), HIGH, step)
    depth = 1 if frame.xs.size + frame.ys.size < 80 else 2  # noqa: PLR2004 - rims of two pixels on big canvases
    step = np.where(_shift(mask, -depth, -depth), MID, DARK)
    return np.where(_shift(mask, depth, depth), step, np.where(step == DARK, MID, LIGHT))


@dataclass(frozen=True, slots=True)
class _Planes:
    """The picture while it is painted."""

    ramp: Int64[np.ndarray, "H W"]
    step: Int64[np.ndarray, "H W"]
    body: Bool[np.ndarray, "H W"]


def _paint(planes: _Planes, layer: Layer, frame: Frame) -> None:
    """Paint one layer over what is there."""
    if isinstance(layer.shape, Eye):
        _press(planes, eye_stamp(layer.shape, frame.pixel), layer, frame)
        return
    if isinstance(layer.shape, Mouth):
        _press(planes, mouth_stamp(layer.shape), layer, frame)
        return
    mask = mask_of(layer.shape, frame)
    if layer.mark:
        planes.ramp[mask & planes.body] = RAMP_INDEX[layer.colour]
        return
    step = _light(layer.shape, mask, frame)
    if layer.edge:
        rim = _grown(mask) & ~mask & (planes.ramp >= 0)
        planes.step[rim] = INK
    planes.ramp[mask] = RAMP_INDEX[layer.colour]
    planes.step[mask] = np.clip(step + layer.lift, DARK, HIGH)[mask]
    planes.body[mask] = layer.body


def _press(planes: _Planes, stamp: Stamp, layer: Layer, frame: Frame) -> None:
    """Press a stamp of whole pixels; left of the axis it is anchored at its left edge, right of it at its right."""
    height, width = len(stamp), len(stamp[0])
    shape = layer.shape
    if not isinstance(shape, Eye | Mouth):
        raise TypeError(f"{type(shape).__name__} is not a stamp: give an Eye or a Mouth.")
    top = frame.row(shape.cy) - height // 2
    left = frame.column(shape.cx) - width // 2
    if shape.cx > AXIS:  # mirror of the column on the other side, so that faces are symmetric
        left = (
            frame.xs.size - (frame.column(2 * AXIS - shape.cx) - width // 2) - width
            if frame_is_centred(frame)
            else left
        )
    for down, line in enumerate(stamp):
        for right, ink in enumerate(line):
            place = top + down, left + right
            if ink == "." or not (0 <= place[0] < planes.ramp.shape[0] and 0 <= place[1] < planes.ramp.shape[1]):
                continue
            name, step = _INKS.get(ink, (layer.colour, MID))
            planes.ramp[place] = RAMP_INDEX[name or layer.colour]
            planes.step[place] = step
            planes.body[place] = False


_INKS = {"K": ("black", INK), "W": ("white", HIGH), "I": ("", MID), "L": ("", LIGHT), "D": ("", DARK), "O": ("", INK)}


def frame_is_centred(frame: Frame) -> bool:
    """Tell whether the frame is symmetric about the axis."""
    return abs(int(frame.xs[0] + frame.xs[-1]) - 2 * AXIS * FINE) <= 1


def render(layers: tuple[Layer, ...], side: int, *, centred: bool) -> UInt8[np.ndarray, "H W 4"]:
    """Draw the layers with an ink outline, cropped to what is opaque plus a transparent rim of one pixel."""
    frame = fit_frame(layers, side, centred=centred)
    shape = (frame.ys.size, frame.xs.size)
    planes = _Planes(np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool))
    for layer in layers:
        _paint(planes, layer, frame)
    _outline(planes)
    filled = planes.ramp >= 0
    index = np.where(filled, planes.ramp * 5 + planes.step, len(PALETTE))
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    cropped = index[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sprite: UInt8[np.ndarray, "H W 4"] = _TABLE[np.pad(cropped, 1, constant_values=len(PALETTE))]
    return sprite


def _outline(planes: _Planes) -> None:
    """Ink the empty neighbours of the figure, each in the ink of the ramp it touches."""
    filled = planes.ramp >= 0
    for down, right in ((1, 0), (0, 1), (0, -1), (-1, 0)):
        here = _shift(filled, down, right) & (planes.ramp < 0)
        source = np.roll(planes.ramp, (down, right), axis=(0, 1))
        planes.ramp[here & ~filled] = source[here & ~filled]
        planes.step[here & ~filled] = INK
