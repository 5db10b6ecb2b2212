"""RGB to palette indices: the nearest colour in CIELAB (ΔE 1976), exact for all 16.7 million colours, by table.

The definition is scikit-image's `rgb2lab` (sRGB, D65, 2°) in float64 and the lowest index among equals. The table is
built in float32 and every near tie is decided again in float64; it is kept on disk by the palette's digest.
"""

import os
import tempfile
import zlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

from palettes.palette import Palette

COLOURS = 1 << 24
TABLE_VERSION = 1  # of the definition above; part of the cache's file name
NEAR = 0.25  # difference of squared distances below which float32 is not trusted (its error stays under 0.02)
CHUNK = 1 << 13  # colours at a time when the table is built
BLOCK = 1 << 15  # pixels at a time when it is used: what fits the nearest cache
SRGB_LINEAR, LAB_LINEAR = 0.04045, 0.008856  # below these, sRGB and CIELAB are straight lines

Table = UInt8[np.ndarray, "16777216"]


def quantize(rgb: UInt8[np.ndarray, "h w 3"], palette: Palette) -> UInt8[np.ndarray, "h w"]:
    """Return for each pixel the index of the palette's nearest colour."""
    table = nearest_table(palette.digest, palette.rgb.tobytes())
    if rgb.size <= 3 * BLOCK:
        return _look_up(rgb, table)
    step = max(1, BLOCK // rgb.shape[1])
    return np.concatenate([_look_up(rgb[top : top + step], table) for top in range(0, len(rgb), step)])


def _look_up(rgb: UInt8[np.ndarray, "h w 3"], table: Table) -> UInt8[np.ndarray, "h w"]:
    # R, G, B and a filler byte read as one little-endian number: the index, without arithmetic per channel
    packed = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2RGBA).view("<u4")[..., 0]
    packed &= COLOURS - 1
    return table.take(packed.astype(np.intp), mode="wrap")


@lru_cache(maxsize=4)
def nearest_table(digest: str, colours: bytes) -> Table:
    """Return the table of a palette (R + 256·G + 65536·B → index), from the cache folder when it is there.

    Colours come as bytes so that the result can be cached by value. A damaged cache file is built again.
    """
    path = cache_folder() / f"nearest-cielab-v{TABLE_VERSION}-{digest}.z"
    try:
        table = np.frombuffer(zlib.decompress(path.read_bytes(), bufsize=COLOURS), dtype=np.uint8)
        if len(table) == COLOURS:
            return table
    except (OSError, zlib.error):
        pass  # not there, or damaged: both end in building it
    table = build_table(np.frombuffer(colours, dtype=np.uint8).reshape(-1, 3))
    _keep(path, zlib.compress(table.tobytes(), 1))
    return table


def cache_folder() -> Path:
    """Return where tables are kept: PIXELBYTES_CACHE, or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pixelbytes"
    return Path(os.environ.get("PIXELBYTES_CACHE", default))


def _keep(path: Path, body: bytes) -> None:
    """Write the cache file whole or not at all; a folder that cannot be written only costs the next start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(body)
        Path(file.name).replace(path)
    except OSError:
        return


def build_table(palette_rgb: UInt8[np.ndarray, "C 3"]) -> Table:
    """Return the index of the nearest palette colour for each colour R + 256·G + 65536·B."""
    lab = lab_of(palette_rgb)
    # |x - c|² = |x|² - 2 x·c + |c|²: the first term is the same for all c, the rest is one matrix product
    weights = np.concatenate([-2 * lab.T, (lab**2).sum(axis=1)[None]]).astype(np.float32)
    linear = _linearised()
    table = np.empty(COLOURS, dtype=np.uint8)
    near: list[Int[np.ndarray, "n"]] = []
    for start in range(0, COLOURS, CHUNK):
        index = np.arange(start, start + CHUNK)
        distance = _lab32(index, linear) @ weights
        best = distance.argmin(axis=1)
        table[start : start + CHUNK] = best
        limit = distance[np.arange(CHUNK), best] + np.float32(NEAR)
        near.append(index[(distance < limit[:, None]).sum(axis=1) > 1])
    for part in np.array_split(np.concatenate(near), 64):
        table[part] = nearest_exact(_rgb_of(part), lab)
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


def _rgb_of(index: Int[np.ndarray, "n"]) -> UInt8[np.ndarray, "n 3"]:
    return np.stack([index & 255, index >> 8 & 255, index >> 16], axis=1).astype(np.uint8)


def _linearised() -> Float32[np.ndarray, "3 256 3"]:
    """Return each channel value's share of X, Y, Z over the white point, so that a colour is a sum of three rows."""
    value = np.arange(256) / 255
    linear = np.where(value > SRGB_LINEAR, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)
    to_xyz = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    white = np.array([0.95047, 1.0, 1.08883])
    table: Float32[np.ndarray, "3 256 3"] = (linear[None, :, None] * (to_xyz / white[:, None]).T[:, None, :]).astype(
        np.float32
    )
    return table


def _lab32(index: Int[np.ndarray, "n"], linear: Float32[np.ndarray, "3 256 3"]) -> Float32[np.ndarray, "n 4"]:
    """Return L, a, b and 1 in float32."""
    xyz = linear[0][index & 255] + linear[1][index >> 8 & 255] + linear[2][index >> 16]
    f = np.where(xyz > LAB_LINEAR, np.cbrt(xyz), np.float32(7.787) * xyz + np.float32(16 / 116))
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z), np.ones_like(x)], axis=1)
