"""Few colours for many: k-means, seeded, the same on every machine."""

import numpy as np
from jaxtyping import Float64, Int, UInt8

ROUNDS = 32  # of moving the centres; sprites settle in fewer


def reduce_to(rgb: UInt8[np.ndarray, "n 3"], count: int, seed: int) -> UInt8[np.ndarray, "n 3"]:
    """Return each colour replaced by one of at most `count`, the means of its cluster.

    Clusters are found among the different colours, weighted by how often they occur, in sRGB: in its steps, not in
    light, as the eye sees them. Sums are whole numbers and distances sums of three terms in a fixed order, so that no
    machine rounds differently. Colours that are few enough stay what they are.
    """
    colours, which, weights = np.unique(rgb, axis=0, return_inverse=True, return_counts=True)
    if len(colours) <= count:
        return rgb
    points = colours.astype(np.float64)
    centres = _first_centres(points, weights, count, seed)
    nearest = _nearest(points, centres)
    for _ in range(ROUNDS):
        total = np.bincount(nearest, weights, count)
        sums = [np.bincount(nearest, weights * points[:, channel], count) for channel in range(3)]
        full = total > 0  # an emptied cluster keeps its centre
        centres[full] = np.stack(sums, axis=1)[full] / total[full, None]
        moved = _nearest(points, centres)
        if np.array_equal(moved, nearest):
            break
        nearest = moved
    reduced: UInt8[np.ndarray, "n 3"] = np.rint(centres).astype(np.uint8)[nearest[which.reshape(-1)]]
    return reduced


def _first_centres(
    points: Float64[np.ndarray, "n 3"], weights: Int[np.ndarray, "n"], count: int, seed: int
) -> Float64[np.ndarray, "count 3"]:
    """Draw centres far from one another: each by its squared distance to those before (k-means++)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    centres = np.empty((count, 3))
    chance = weights.astype(np.float64)
    for index in range(count):
        sums = np.add.accumulate(chance)  # one after the other: the same on every machine
        centres[index] = points[np.searchsorted(sums, rng.random() * sums[-1], side="right")]
        far = _squares(points, centres[index])
        chance = weights * far if index == 0 else np.minimum(chance, weights * far)
    return centres


def _nearest(points: Float64[np.ndarray, "n 3"], centres: Float64[np.ndarray, "k 3"]) -> Int[np.ndarray, "n"]:
    nearest: Int[np.ndarray, "n"] = _squares(points[:, None], centres).argmin(axis=1)
    return nearest


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    red, green, blue = ((a[..., channel] - b[..., channel]) ** 2 for channel in range(3))
    squares: np.ndarray = red + green + blue
    return squares
