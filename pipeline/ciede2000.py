"""The table of nearest colours by CIEDE2000: Sharma, Wu and Dalal, Color Research and Application 30 (2005).

The definition is scikit-image's `deltaE_ciede2000(colour, palette colour)` in float64, lowest index among equals. That
is 922 million distances for 55 colours, a quarter of an hour. So the cube of colours is cut into blocks of 8×8×8: at 27
places of each block, distances to all palette colours say which of them can be nearest in it. Those few are compared
in float32, and what is close to a tie is decided by the definition: together some 20 seconds.
"""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8

from pipeline.cielab import COLOURS, lab_of, rgb_of

SIDE = 8  # of a block, in steps of a channel
SLACK = 1.0  # ΔE that a distance inside a block may lie beyond those at its 27 places
NEAR = 0.1  # ΔE below which two colours count as tied; greys have no hue, and float32 guesses theirs
ROWS = 1 << 14  # colours at a time
_25_7 = 25.0**7


def delta_e(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return CIEDE2000 between colours of CIELAB, in the precision they come in; the last axis holds L, a and b.

    The same formula as scikit-image's, but hues are kept as directions: one arc tangent is left of all its angles.
    """
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(a, -1, 0), np.moveaxis(b, -1, 0)
    mean7 = ((np.sqrt(a1 * a1 + b1 * b1) + np.sqrt(a2 * a2 + b2 * b2)) / 2) ** 7
    stretch = 1.5 - np.sqrt(mean7 / (mean7 + _25_7)) / 2
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.sqrt(a1 * a1 + b1 * b1), np.sqrt(a2 * a2 + b2 * b2)
    mean = (c1 + c2) / 2
    # twice the product of chromas less twice the dot product: ΔH², whose sign is the turn from the first to the second
    d_hue = np.copysign(np.sqrt(np.maximum(0, 2 * (c1 * c2 - a1 * a2 - b1 * b2))), a1 * b2 - a2 * b1)
    cos, sin = a1 * c2 + a2 * c1, b1 * c2 + b2 * c1  # the direction half-way between both hues
    length = np.maximum(np.sqrt(cos * cos + sin * sin), 1e-12)
    cos, sin = cos / length, sin / length
    shade, turn = _hue_weights(cos, sin)
    s_l = 1 + 0.015 * (light := ((l1 + l2) / 2 - 50) ** 2) / np.sqrt(20 + light)
    mean7 = mean**7
    cross = -2 * np.sqrt(mean7 / (mean7 + _25_7)) * turn
    light, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / (1 + 0.045 * mean), d_hue / (1 + 0.015 * mean * shade)
    delta: np.ndarray = np.sqrt(np.maximum(0, light**2 + chroma**2 + hue**2 + cross * chroma * hue))
    return delta


def _hue_weights(cos: np.ndarray, sin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return T and the sine of the turn 2Δθ of a mean hue given by its cosine and sine."""
    cos2, sin2 = cos * cos - sin * sin, 2 * sin * cos
    cos3, sin3 = cos2 * cos - sin2 * sin, sin2 * cos + cos2 * sin
    cos4, sin4 = cos2 * cos2 - sin2 * sin2, 2 * sin2 * cos2

    def shifted(c: np.ndarray, s: np.ndarray, degrees: float) -> np.ndarray:
        angle = np.deg2rad(degrees)
        cosine: np.ndarray = c * c.dtype.type(np.cos(angle)) - s * s.dtype.type(np.sin(angle))
        return cosine

    shade = 1 - 0.17 * shifted(cos, sin, -30.0) + 0.24 * cos2 + 0.32 * shifted(cos3, sin3, 6.0)
    shade = shade - 0.20 * shifted(cos4, sin4, -63.0)
    degrees = np.rad2deg(np.arctan2(sin, cos)) % 360
    return shade, np.sin(np.deg2rad(60 * np.exp(-(((degrees - 275) / 25) ** 2))))


def build_ciede2000(palette_rgb: UInt8[np.ndarray, "C 3"]) -> UInt8[np.ndarray, "16777216"]:
    """Return the index of the nearest palette colour for each colour R + 256·G + 65536·B, in up to a minute."""
    lab = lab_of(palette_rgb)
    table = np.empty(COLOURS, dtype=np.uint8)
    close = []
    steps = np.arange(0, 256, SIDE)
    inside = _numbers(*np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij"))
    places = _numbers(*np.meshgrid(*[np.array([0, SIDE // 2, SIDE - 1])] * 3, indexing="ij"))
    for blue in steps:
        blocks = _numbers(*np.meshgrid(steps, steps, [blue], indexing="ij"))
        nearest = _candidates(blocks, places, lab)
        for those in np.unique(nearest, axis=0):
            members = blocks[(nearest == those).all(axis=1)]
            index = (members[:, None] + inside).reshape(-1)
            which = np.flatnonzero(those).astype(np.uint8)
            if len(which) == 1:
                table[index] = which[0]
                continue
            for part in np.array_split(index, len(index) // ROWS + 1):
                best, tied = _nearest(part, lab, which)
                table[part] = best
                close.append(part[tied])
    for part in np.array_split(np.concatenate(close), 256) if close else ():
        table[part] = nearest_ciede2000(rgb_of(part), lab)
    return table


def _numbers(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> Int[np.ndarray, "n"]:
    numbers: Int[np.ndarray, "n"] = (red + 256 * green + 65536 * blue).reshape(-1)
    return numbers


def _candidates(
    blocks: Int[np.ndarray, "n"], places: Int[np.ndarray, "p"], lab: Float64[np.ndarray, "C 3"]
) -> Bool[np.ndarray, "n C"]:
    """Tell which palette colours can be nearest somewhere in each block."""
    points = lab_of(rgb_of((blocks[:, None] + places).reshape(-1))).astype(np.float32)
    least, most = [], []
    for colour in lab.astype(np.float32):
        distance = delta_e(points, colour).reshape(len(blocks), len(places))
        least.append(distance.min(axis=1))
        most.append(distance.max(axis=1))
    bound = np.min(most, axis=0) + 2 * SLACK
    possible: Bool[np.ndarray, "n C"] = (np.array(least) <= bound).T
    return possible


def _nearest(
    index: Int[np.ndarray, "n"], lab: Float64[np.ndarray, "C 3"], which: UInt8[np.ndarray, "c"]
) -> tuple[UInt8[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """Return the nearest of some palette colours in float32, and where a second one is almost as near."""
    points = lab_of(rgb_of(index)).astype(np.float32)
    few = lab[which].astype(np.float32)
    distances: Float32[np.ndarray, "c n"] = np.stack([delta_e(points, colour) for colour in few])
    best = distances.argmin(axis=0)
    tied = (distances < distances.min(axis=0) + np.float32(NEAR)).sum(axis=0) > 1
    return which[best], tied


def nearest_ciede2000(rgb: UInt8[np.ndarray, "n 3"], lab: Float64[np.ndarray, "C 3"]) -> Int[np.ndarray, "n"]:
    """Return the nearest of the colours `lab` for each colour by scikit-image: the definition."""
    from skimage import color

    nearest: Int[np.ndarray, "n"] = color.deltaE_ciede2000(  # type: ignore[no-untyped-call]  # scikit-image ships no types for it
        lab_of(rgb)[:, None], lab[None]
    ).argmin(axis=1)
    return nearest
