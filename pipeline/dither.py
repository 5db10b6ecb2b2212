"""Dithering: colours that a palette lacks, mixed by neighbouring pixels. For photographs; drawn sprites need none.

Both ways work on sRGB values, as pixel artists' tools do: steps of sRGB are about even to the eye, and sprites of 25 px
are looked at one pixel at a time, not from where they would blend as light. Both give the same result everywhere:
there is no chance in them and no fraction.
"""

import numpy as np
from jaxtyping import UInt8

BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # of 16


def bayer(rgb: UInt8[np.ndarray, "h w 3"], palette_rgb: UInt8[np.ndarray, "C 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture with a 4×4 ordered pattern added, of which each pixel then takes the nearest colour.

    The pattern's mean is 0 and its height is the palette's widest gap: from the loneliest colour to the one nearest to
    it, both by the largest difference of a channel. The median gap, less than half as wide for the NES's clustered
    colours, left three quarters of a grey ramp's error.
    """
    height, width = rgb.shape[:2]
    colours = palette_rgb.astype(np.int64)
    apart = np.abs(colours[:, None] - colours).max(axis=2)
    np.fill_diagonal(apart, 256)
    step = int(apart.min(axis=1).max())
    pattern = np.tile((2 * BAYER - 15) * step // 32, (height // 4 + 1, width // 4 + 1))[:height, :width]
    patterned: UInt8[np.ndarray, "h w 3"] = np.clip(rgb.astype(np.int64) + pattern[..., None], 0, 255).astype(np.uint8)
    return patterned


def floyd_steinberg(
    rgb: UInt8[np.ndarray, "h w 3"], palette_rgb: UInt8[np.ndarray, "C 3"], table: UInt8[np.ndarray, "16777216"]
) -> UInt8[np.ndarray, "h w"]:
    """Return palette indices such that each pixel's error is made up for by the pixels after it.

    7/16 of it goes to the right, 3/16, 5/16 and 1/16 below; errors are kept in sixteenths, as whole numbers. Rows run
    from left to right. A wanted colour outside of 0 to 255 is cut before its nearest is looked up, its error after, so
    that nothing runs away.
    """
    height, width = rgb.shape[:2]
    colours: list[list[int]] = palette_rgb.tolist()
    look = table.data
    indices = bytearray()
    above = [[0, 0, 0] for _ in range(width + 2)]  # errors from the row above, one place to the right
    for row in rgb.tolist():
        below = [[0, 0, 0] for _ in range(width + 2)]
        right = [0, 0, 0]
        for x, pixel in enumerate(row):
            wanted = [min(255, max(0, pixel[c] + (above[x + 1][c] + right[c] + 8 >> 4))) for c in range(3)]
            index = look[wanted[0] | wanted[1] << 8 | wanted[2] << 16]
            indices.append(index)
            for c in range(3):
                error = wanted[c] - colours[index][c]
                right[c] = 7 * error
                below[x][c] += 3 * error
                below[x + 1][c] += 5 * error
                below[x + 2][c] += error
        above = below
    return np.frombuffer(bytes(indices), dtype=np.uint8).reshape(height, width)
