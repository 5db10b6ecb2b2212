"""RGB to palette indices: the nearest colour in CIELAB, exact for all 16.7 million colours, by table; or by dithering.

Distances are ΔE 1976 (the default: the straight distance in CIELAB) and CIEDE2000; their definitions are scikit-image's
functions in float64 and the lowest index among equals. A table is built once for a palette and a distance, and kept on
disk: ΔE 1976 takes a few seconds, CIEDE2000 up to a minute.
"""

import os
import tempfile
import zlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8, UInt32

from palettes.palette import Palette
from pipeline.ciede2000 import build_ciede2000
from pipeline.cielab import COLOURS, Table, build_cie76, nearest_exact
from pipeline.dither import bayer, floyd_steinberg
from pipeline.recipe import Distance, Dither

__all__ = [
    "COLOURS",
    "TABLE_VERSION",
    "build_table",
    "cache_folder",
    "nearest_exact",
    "nearest_packed",
    "nearest_table",
    "quantize",
]

TABLE_VERSION = 1  # of the definitions above; part of the cache's file name
BLOCK = 1 << 15  # pixels at a time when it is used: what fits the nearest cache
_FILES = {"cie76": "nearest-cielab", "ciede2000": "nearest-ciede2000"}
_BUILD = {"cie76": build_cie76, "ciede2000": build_ciede2000}


def quantize(
    rgb: UInt8[np.ndarray, "h w 3"], palette: Palette, distance: Distance = "cie76", dither: Dither = "none"
) -> UInt8[np.ndarray, "h w"]:
    """Return for each pixel the index of the palette's nearest colour; dithering mixes what the palette lacks."""
    table = _table(palette, distance)
    if dither == "floyd-steinberg":
        return floyd_steinberg(rgb, palette.rgb, table)
    if dither == "bayer":
        rgb = bayer(rgb, palette.rgb)
    if rgb.size <= 3 * BLOCK:
        return _look_up(rgb, table)
    step = max(1, BLOCK // rgb.shape[1])
    return np.concatenate([_look_up(rgb[top : top + step], table) for top in range(0, len(rgb), step)])


def nearest_packed(
    packed: UInt32[np.ndarray, "*shape"], palette: Palette, distance: Distance = "cie76"
) -> UInt8[np.ndarray, "*shape"]:
    """Return the index of the nearest colour for colours R + 256·G + 65536·B; what is above these bits is ignored."""
    return _table(palette, distance).take((packed & (COLOURS - 1)).astype(np.intp), mode="wrap")


def _table(palette: Palette, distance: Distance) -> Table:
    return nearest_table(palette.digest, palette.rgb.tobytes(), distance)


def build_table(palette_rgb: UInt8[np.ndarray, "C 3"], distance: Distance = "cie76") -> Table:
    """Return the index of the nearest palette colour for each colour R + 256·G + 65536·B."""
    return _BUILD[distance](palette_rgb)


def _look_up(rgb: UInt8[np.ndarray, "h w 3"], table: Table) -> UInt8[np.ndarray, "h w"]:
    # R, G, B and a filler byte read as one little-endian number: the index, without arithmetic per channel
    packed = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2RGBA).view("<u4")[..., 0]
    packed &= COLOURS - 1
    return table.take(packed.astype(np.intp), mode="wrap")


@lru_cache(maxsize=4)
def nearest_table(digest: str, colours: bytes, distance: Distance = "cie76") -> Table:
    """Return the table of a palette (R + 256·G + 65536·B → index), from the cache folder when it is there.

    Colours come as bytes so that the result can be cached by value. A damaged cache file is built again.
    """
    path = cache_folder() / f"{_FILES[distance]}-v{TABLE_VERSION}-{digest}.z"
    try:
        table = np.frombuffer(zlib.decompress(path.read_bytes(), bufsize=COLOURS), dtype=np.uint8)
        if len(table) == COLOURS:
            return table
    except (OSError, zlib.error):
        pass  # not there, or damaged: both end in building it
    table = build_table(np.frombuffer(colours, dtype=np.uint8).reshape(-1, 3), distance)
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
