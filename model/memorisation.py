"""Whether sampled sprites are new: the nearest training sprite of each, and how near real held-out sprites come.

Agreement of two sprites is the share of cells that hold the same colour when both are laid centre on centre; a cell
that only one of them covers disagrees. Axes: Q sprites asked about, N training sprites, S side of the common canvas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

Sprite = UInt8[np.ndarray, "_ _"]  # palette indices
OUTSIDE = 255  # on the canvas: the sprite does not reach there; no palette has so many colours
CELLS_AT_ONCE = 2**26  # compared in one go, one byte each
NEAR = 0.05  # share of real held-out sprites that come at least as near as `near_line`


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The training sprite that each sprite agrees with most."""

    agreement: Float64[np.ndarray, "Q"]  # 0 to 1; 1 is an exact copy
    place: Int64[np.ndarray, "Q"]  # which training sprite
    mirrored: Bool[np.ndarray, "Q"]  # it agrees more with the mirror image

    @property
    def copies(self) -> int:
        """Count exact copies, mirrored ones included."""
        return int((self.agreement == 1).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Memorisation:
    """Sampled sprites against the training split, beside what real sprites of another split score there."""

    sampled: int
    copies: int  # sampled sprites that are training sprites, or their mirror images
    mean_agreement: float
    quantiles: tuple[float, float, float]  # of the agreement: a quarter, a half, three quarters lie below
    held_out: int
    held_out_copies: int
    held_out_mean_agreement: float
    held_out_quantiles: tuple[float, float, float]
    nearer_than_real: (
        float  # share of samples beyond the agreement that 5 % of held-out sprites exceed; 0.05 is natural
    )
    palette_distance: float  # between the colours of samples and of held-out sprites


def memorisation(sampled: Sequence[Sprite], train: Sequence[Sprite], held_out: Sequence[Sprite]) -> Memorisation:
    """Compare sampled with training sprites; ValueError when one of the three is empty."""
    found, real = nearest_sprites(sampled, train), nearest_sprites(held_out, train)
    line = float(np.quantile(real.agreement, 1 - NEAR))
    return Memorisation(
        sampled=len(sampled),
        copies=found.copies,
        mean_agreement=float(found.agreement.mean()),
        quantiles=_quarters(found.agreement),
        held_out=len(held_out),
        held_out_copies=real.copies,
        held_out_mean_agreement=float(real.agreement.mean()),
        held_out_quantiles=_quarters(real.agreement),
        nearer_than_real=float((found.agreement > line).mean()),
        palette_distance=palette_distance(sampled, held_out),
    )


def nearest_sprites(asked: Sequence[Sprite], train: Sequence[Sprite]) -> Nearest:
    """Return the nearest training sprite of each; of equally near ones the first, unmirrored before mirrored."""
    if not len(asked) or not len(train):
        raise ValueError(f"{len(asked)} sprites and {len(train)} of training: at least one of each is needed.")
    side = max(max(sprite.shape) for sprite in (*asked, *train))
    ours = _canvas(asked, side)
    both = np.concatenate([_canvas(train, side), _canvas([sprite[:, ::-1] for sprite in train], side)])
    theirs, areas = both.reshape(len(both), -1), (both != OUTSIDE).sum(axis=(1, 2))
    step = max(1, CELLS_AT_ONCE // theirs.size)
    parts = [_agreements(ours[i : i + step].reshape(-1, side * side), theirs, areas) for i in range(0, len(ours), step)]
    agreement = np.concatenate(parts)  # (Q, 2·N)
    best = agreement.argmax(axis=1)
    return Nearest(
        agreement=agreement[np.arange(len(best)), best],
        place=(best % len(train)).astype(np.int64),
        mirrored=best >= len(train),
    )


def palette_distance(one: Sequence[Sprite], other: Sequence[Sprite]) -> float:
    """Return how far two sets of sprites differ in their mean shares of colours: 0 alike, 1 no colour in common.

    >>> palette_distance([np.array([[0, 1]], dtype=np.uint8)], [np.array([[1]], dtype=np.uint8)])
    0.5
    """
    return float(np.abs(_shares(one) - _shares(other)).sum() / 2)


def _agreements(
    ours: UInt8[np.ndarray, "q c"], theirs: UInt8[np.ndarray, "n c"], areas: Int64[np.ndarray, "n"]
) -> Float64[np.ndarray, "q n"]:
    covers = ours != OUTSIDE
    equal = (ours[:, None] == theirs[None]) & covers[:, None]
    joint = covers.astype(np.float32) @ (theirs != OUTSIDE).astype(np.float32).T  # cells that both cover
    union = covers.sum(axis=1)[:, None] + areas[None] - np.rint(joint)
    return np.asarray(equal.sum(axis=2) / union, dtype=np.float64)


def _canvas(sprites: Sequence[Sprite], side: int) -> UInt8[np.ndarray, "Q S S"]:
    out = np.full((len(sprites), side, side), OUTSIDE, dtype=np.uint8)
    for canvas, sprite in zip(out, sprites, strict=True):
        h, w = sprite.shape
        top, left = (side - h) // 2, (side - w) // 2
        canvas[top : top + h, left : left + w] = sprite
    return out


def _shares(sprites: Sequence[Sprite]) -> Float64[np.ndarray, "256"]:
    """Return the mean over sprites of each colour's share, so that a large sprite counts no more than a small one."""
    if not len(sprites):
        raise ValueError("there are no sprites whose colours could be counted: give at least one.")
    shares = [np.bincount(sprite.ravel(), minlength=OUTSIDE + 1) / sprite.size for sprite in sprites]
    return np.asarray(np.mean(shares, axis=0), dtype=np.float64)


def _quarters(values: Float64[np.ndarray, "Q"]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return low, middle, high
