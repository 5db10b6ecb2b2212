"""One token per record: odds from logits, cut by temperature, top-k and top-p, and chances of each sample's own.

B records, V vocabulary. All of it is float64 numpy on the CPU, whatever device and type the logits come from.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8

BLOCK = 256  # chances drawn ahead per sample
UTMOST = float(np.finfo(np.float64).max)  # stands for an infinite logit


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """How to draw."""

    temperature: float = 1.0  # 0 takes the most probable token
    top_k: int | None = None  # keep this many of the most probable
    top_p: float = 1.0  # keep the most probable that hold this share together
    seed: int = 0
    max_side: int = 25  # pixels of a drawn side; a prompt may tell a longer one
    max_caption: int = 400  # bytes that are drawn of one; a real caption is rarely longer than its picture
    constrained: bool = True  # by the grammar; otherwise what is drawn may be no record
    first: int = 0  # number of the first sample: sample n of a seed is the same, whatever is drawn beside it
    batch: int = 64  # records drawn side by side; memory grows with it

    def __post_init__(self) -> None:
        """Refuse what draws nothing, with the value and a way out."""
        if not math.isfinite(self.temperature) or self.temperature < 0:
            raise ValueError(
                f"temperature is {self.temperature}: give 0 (no chance) or a finite number above; 1 is the model's own."
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}: at least one token must be kept.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}: it is a share greater than 0, up to 1.")
        if self.seed < 0 or self.first < 0:
            raise ValueError(f"seed is {self.seed} and first {self.first}: neither may be negative.")
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}: at least one record is drawn at a time.")


class Chances:
    """Uniform numbers of B samples: the one for token t of sample n depends on seed, n and t alone."""

    def __init__(self, seed: int, numbers: range, start: int = 0) -> None:
        """Begin at token `start` of the samples that `numbers` names."""
        self._streams = [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n,))) for n in numbers]
        self._ahead = np.stack([stream.random(start + BLOCK)[start:] for stream in self._streams])
        self._used = 0

    def following(self) -> Float64[np.ndarray, "B"]:
        """Return a number from 0 up to, not including, 1 for the next token of each sample."""
        if self._used == BLOCK:
            self._ahead, self._used = np.stack([stream.random(BLOCK) for stream in self._streams]), 0
        self._used += 1
        chance: Float64[np.ndarray, "B"] = self._ahead[:, self._used - 1]
        return chance


def log_odds(logits: Float64[np.ndarray, "B V"], allowed: Bool[np.ndarray, "B V"]) -> Float64[np.ndarray, "B V"]:
    """Return the natural log p of each id among those allowed, -inf for all others.

    Infinite logits are taken as they are meant: +inf above all, -inf never unless nothing else is allowed. Each row
    of `allowed` must allow something. ValueError for a logit that is no number.
    """
    scores = np.where(allowed, logits, -np.inf)
    best = scores.max(axis=1, keepdims=True)
    if not np.isfinite(best).all():
        scores = _finite(scores, allowed)
        best = scores.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # between the largest numbers there are: the lower one's odds are 0
        scores -= best
    out: Float64[np.ndarray, "B V"] = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return out


def _finite(scores: Float64[np.ndarray, "B V"], allowed: Bool[np.ndarray, "B V"]) -> Float64[np.ndarray, "B V"]:
    """Return scores with at least one finite one in each row, and no +inf."""
    if np.isnan(scores).any():
        raise ValueError("a logit is not a number: the weights are too large for their type; train the network again.")
    lost = ~(scores > -np.inf).any(axis=1, keepdims=True)
    out: Float64[np.ndarray, "B V"] = np.where(lost & allowed, 0.0, np.minimum(scores, UTMOST))
    return out


def shares(log_p: Float64[np.ndarray, "B V"], how: SampleConfig) -> Float64[np.ndarray, "B V"]:
    """Return the odds that are drawn from: tempered, then the k most probable, then those of them that hold top-p.

    Rows sum to 1. Of equally probable ids the lower comes first, so that exactly so many are kept.
    """
    if how.temperature == 0:
        certain: Float64[np.ndarray, "B V"] = np.eye(log_p.shape[1])[log_p.argmax(axis=1)]
        return certain
    odds = np.exp(log_p)
    if how.temperature != 1:
        with np.errstate(over="ignore"):  # an improbable id at a low temperature: its share is 0
            odds = np.exp((log_p - log_p.max(axis=1, keepdims=True)) / how.temperature)
    if how.top_k is not None or how.top_p < 1:
        ranked = np.argsort(-odds, axis=1, kind="stable")
        ordered = np.take_along_axis(odds, ranked, axis=1)
        if how.top_k is not None:
            ordered[:, how.top_k :] = 0
        before = ordered.cumsum(axis=1)[:, :-1]
        ordered[:, 1:][before >= how.top_p * ordered.sum(axis=1, keepdims=True)] = 0  # the first is always kept
        np.put_along_axis(odds, ranked, ordered, axis=1)
    out: Float64[np.ndarray, "B V"] = odds / odds.sum(axis=1, keepdims=True)
    return out


def pick(odds: Float64[np.ndarray, "B V"], chance: Float64[np.ndarray, "B"]) -> UInt8[np.ndarray, "B"]:
    """Return the id of each row in whose share of [0, 1) its chance falls: never one whose share is 0."""
    upto = odds.cumsum(axis=1)
    # below 1 a chance times the last sum is below that sum, rounded or not: so what is found has a share
    found: UInt8[np.ndarray, "B"] = (upto <= (chance * upto[:, -1])[:, None]).sum(axis=1, dtype=np.uint8)
    return found
