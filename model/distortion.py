"""How far pictures are from one another: CIELAB ΔE 1976 at every pixel, in means over pixels and the worst record.

Pictures have their shape in px and three channels: red, green and blue, or L, a and b.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, UInt8

from pipeline.pixelize import PictureError, pixelize
from pipeline.recipe import TRANSFORM_VERSION, PictureRecipe
from pipeline.records import Split
from pipeline.release import Manifest, Release

Lab = Float64[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """ΔE between two pictures of each of some records."""

    mean: float  # over all pixels
    worst: float  # the largest mean of one record
    worst_record: str  # its id; empty where nothing differs
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """The pictures of a split as they were before quantization, small and in RGB, and why some or all are lacking."""

    pictures: Mapping[str, UInt8[np.ndarray, "_ _ 3"]] = field(default_factory=dict)  # by record id
    lacking: str = "no raw store was given"  # empty when all are there


def distortion(pairs: Iterable[tuple[str, Lab, Lab]]) -> Distortion:
    """Return ΔE over (record id, one picture, the other).

    ValueError when there is none, or two pictures are not of one shape.

    >>> distortion([("a", np.zeros((1, 2, 3)), np.array([[[3.0, 0, 4], [0, 0, 0]]]))])
    Distortion(mean=2.5, worst=2.5, worst_record='a', records=1)
    """
    sums, pixels, names = [], [], []
    for name, one, other in pairs:
        if one.shape != other.shape:
            raise ValueError(f"the pictures of {name} are {one.shape[:2]} and {other.shape[:2]}: ΔE needs one shape.")
        sums.append(float(np.linalg.norm(one - other, axis=2).sum()))
        pixels.append(one.shape[0] * one.shape[1])
        names.append(name)
    if not names:
        raise ValueError("there are no pictures to compare: give at least one pair.")
    means = np.array(sums) / np.array(pixels)
    worst = int(means.argmax())
    return Distortion(
        mean=sum(sums) / sum(pixels),
        worst=float(means[worst]),
        worst_record=names[worst] if means[worst] else "",
        records=len(names),
    )


def lab_of(rgb: UInt8[np.ndarray, "_ _ 3"]) -> Lab:
    """Return a picture's colours in CIELAB (sRGB, D65), by scikit-image, which takes a second to import."""
    from skimage.color import rgb2lab

    lab: Lab = rgb2lab(rgb.astype(np.float64) / 255)
    return lab


def read_originals(release: Release, split: Split, body_of: Callable[[str], bytes | None]) -> Originals:
    """Return the pictures of a split as the release's own recipe makes them, before their colours are reduced.

    `body_of` gives the raw picture of a SHA-256, None when it is not there. A picture that comes out in another shape
    than the release's sprite was made by other steps: it is left out, and `lacking` counts it.
    """
    recipe = recipe_of(release.manifest)
    if isinstance(recipe, str):
        return Originals(lacking=recipe)
    told = release.table("records", split, ["id", "sha256"])
    drawn = release.table("tokens", split, ["h", "w"])
    shapes = list(zip(drawn["h"].to_pylist(), drawn["w"].to_pylist(), strict=True))
    pictures: dict[str, UInt8[np.ndarray, "_ _ 3"]] = {}
    absent: list[str] = []
    other: list[str] = []
    for name, sha256, shape in zip(told["id"].to_pylist(), told["sha256"].to_pylist(), shapes, strict=True):
        body = body_of(sha256)
        small = None if body is None else _small(body, recipe)
        if small is not None and small.shape[:2] == shape:
            pictures[name] = small
        else:
            (absent if body is None else other).append(name)
    return Originals(pictures=pictures, lacking=_lacking(absent, other, len(shapes)))


def recipe_of(manifest: Manifest) -> PictureRecipe | str:
    """Return how the pictures of a release were made but for the reduction of their colours, or why none can tell."""
    made_by = manifest.transform["version"]
    if made_by != TRANSFORM_VERSION:
        return f"the release was made by transform {made_by}, and this is {TRANSFORM_VERSION}: build it again"
    return replace(manifest.config().pictures, colours=0)  # k-means loses colours too


def _small(body: bytes, recipe: PictureRecipe) -> UInt8[np.ndarray, "_ _ 3"] | None:
    try:
        return pixelize(body, recipe)
    except PictureError:
        return None  # it became a sprite once, so the steps have changed since


def _lacking(absent: Sequence[str], other: Sequence[str], total: int) -> str:
    told = []
    if absent:
        told.append(f"the raw store lacks the pictures of {len(absent)} of {total} records, {absent[0]} first")
    if other:
        told.append(f"{len(other)} of {total} come out in another shape than the release's, {other[0]} first")
    return "; ".join(told)
