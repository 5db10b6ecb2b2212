"""CIELAB (sRGB, D65, 2°) and the table of nearest colours by ΔE 1976, exact for all 16.7 million colours.

The definition is scikit-image's `rgb2lab` in float64 and the lowest index among equals. The table is built in float32
and every near tie is decided again in float64.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

COLOURS = 1 << 24  # a colour's number is R + 256·G + 65536·B
NEAR = 0.25  # difference of squared distances below which float32 is not trusted (its error stays under 0.02)
CHUNK = 1 << 13  # colours at a time when the table is built
SRGB_LINEAR, LAB_LINEAR = 0.04045, 0.008856  # below these, sRGB and CIELAB are straight lines

Table = UInt8[np.ndarray, "16777216"]


def build_cie76(palette_rgb: UInt8[np.ndarray, "C 3"]) -> Table:
    """Return the index of the nearest palette colour for each colour R + 256·G + 65536·B."""
    lab = lab_of(palette_rgb)
    # |x - c|² = |x|² - 2 x·c + |c|²: the first term is the same for all c, the rest is one matrix product
    weights = np.concatenate([-2 * lab.T, (lab**2).sum(axis=1)[None]]).astype(np.float32)
    linear = linearised()
    table = np.empty(COLOURS, dtype=np.uint8)
    near: list[Int[np.ndarray, "n"]] = []
    for start in range(0, COLOURS, CHUNK):
        index = np.arange(start, start + CHUNK)
        distance = lab32(index, linear) @ weights
        best = distance.argmin(axis=1)
        table[start : start + CHUNK] = best
        limit = distance[np.arange(CHUNK), best] + np.float32(NEAR)
        near.append(index[(distance < limit[:, None]).sum(axis=1) > 1])
    for part in np.array_split(np.concatenate(near), 64):
        table[part] = nearest_exact(rgb_of(part), lab)
    return table


def lab_of(rgb: UInt8[np.ndarray, "n 3"]) -> Float64[np.ndarray, "n 3"]:
    """Return colours in CIELAB by scikit-image, which takes a second to import and is needed only for a new table."""
    from skimage.color import rgb2lab

    lab: Float64[np.ndarray, "n 3"] = rgb2lab(rgb[None].astype(np.float64) / 255)[0]
    return lab


def nearest_exact(rgb: UInt8[np.ndarray, "n 3"], lab: Float64[np.ndarray, "C 3"]) -> Int[np.ndarray, "n"]:
    """Return the nearest of the colours `lab` for each colour, in float64: the definition."""
    points = lab_of(rgb)
    nearest: Int[np.ndarray, "n"] = ((points[:, None] - lab) ** 2).sum(axis=2).argmin(axis=1)
    return nearest


def rgb_of(index: Int[np.ndarray, "n"]) -> UInt8[np.ndarray, "n 3"]:
    """Return the colours of their numbers."""
    return np.stack([index & 255, index >> 8 & 255, index >> 16], axis=1).astype(np.uint8)


def linearised() -> Float32[np.ndarray, "3 256 3"]:
    """Return each channel value's share of X, Y, Z over the white point, so that a colour is a sum of three rows."""
    value = np.arange(256) / 255
    linear = np.where(value > SRGB_LINEAR, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    to_xyz = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    white = np.array([0.95047, 1.0, 1.08883])
    table: Float32[np.ndarray, "3 256 3"] = (linear[None, :, None] * (to_xyz / white[:, None]).T[:, None, :]).astype(
        np.float32
    )
    return table


def lab32(index: Int[np.ndarray, "n"], linear: Float32[np.ndarray, "3 256 3"]) -> Float32[np.ndarray, "n 4"]:
    """Return L, a, b and 1 in float32."""
    xyz = linear[0][index & 255] + linear[1][index >> 8 & 255] + linear[2][index >> 16]
    f = np.where(xyz > LAB_LINEAR, np.cbrt(xyz), np.float32(7.787) * xyz + np.float32(16 / 116))
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z), np.ones_like(x)], axis=1)
