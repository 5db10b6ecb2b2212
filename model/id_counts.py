"""Counting over any ids: what a tokenisation's pictures cost a model that knows nothing but the ids before.

The chain of model/counts.py for vocabularies of any size: contexts are numbered as they are met instead of packed.
It answers for the ids that stand there alone, since that is all their bits need. How far each level leans on the next
shorter one, and how many levels serve, is learned on training records that were left out of the counts for it.
Axes: R records, N positions of all records, K contexts of a level, P pairs of context and next id.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt16

from model.baselines import HELD_OUT
from model.counts import LEANINGS

LONGEST = 5  # ids of an n-gram, the predicted one included


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Counts after contexts of one length; a context's number is its place in `extends`."""

    extends: Int64[np.ndarray, "K"]  # number of the context one id shorter · (V + 1) + the id before it, ascending
    totals: Int64[np.ndarray, "K"]
    kinds: Int64[np.ndarray, "K"]  # different ids seen after it
    pairs: Int64[np.ndarray, "P"]  # number of the context · V + id, ascending
    counts: Int64[np.ndarray, "P"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdChain:
    """An n-gram over ids, shortest context first, leaning on the uniform distribution at last."""

    size: int  # V
    levels: tuple[Level, ...]
    leaning: tuple[float, ...]  # of each level, as in model/counts.py

    @property
    def name(self) -> str:
        """`Chain3`: three ids, the predicted one included."""
        return f"Chain{len(self.levels)}"

    def bits(self, records: Sequence[UInt16[np.ndarray, "_"]]) -> Float64[np.ndarray, "R"]:
        """Return -log2 p of each record's ids: exact, since the p of all ids at a place add up to 1."""
        flat = _flatten(records, self.size)
        p = np.full(len(flat.ids), 1.0 / self.size)
        for seen, leaning in zip(_asked(self.levels, flat, self.size), self.leaning, strict=True):
            p = _leant(p, seen, leaning)
        bits = np.bincount(flat.owner, weights=-np.log2(p), minlength=len(records))
        return bits.astype(np.float64)  # without a single id it counts in integers


def fit_id_chain(records: Sequence[UInt16[np.ndarray, "_"]], size: int, longest: int = LONGEST) -> IdChain:
    """Count training records, with the leanings and the length that served every HELD_OUT-th of them best.

    ValueError when there is nothing to count or an id is not below `size`.
    """
    if not sum(map(len, records)):
        raise ValueError("the training split holds no ids, so there is nothing to count: build a larger release.")
    chosen = records[HELD_OUT - 1 :: HELD_OUT]
    rest = [one for i, one in enumerate(records, start=1) if i % HELD_OUT]
    leaning = (1.0,) * longest
    if sum(map(len, chosen)) and sum(map(len, rest)):
        leaning = _learned(_count(_flatten(rest, size), size, longest), _flatten(chosen, size), size)
    return count_ids(records, size, leaning)


def count_ids(records: Sequence[UInt16[np.ndarray, "_"]], size: int, leaning: tuple[float, ...]) -> IdChain:
    """Count records under given leanings, one for each level; all 1 is Witten-Bell's rule.

    >>> chain = count_ids([np.array([0, 0, 1], dtype=np.uint16)], size=2, leaning=(1.0,))
    >>> (2 ** -chain.bits([np.array([0], dtype=np.uint16), np.array([1], dtype=np.uint16)])).round(3).tolist()
    [0.6, 0.4]
    """
    levels = _count(_flatten(records, size), size, len(leaning))
    return IdChain(size=size, levels=levels, leaning=leaning)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flat:
    """All records one after the other."""

    ids: Int64[np.ndarray, "N"]
    owner: Int64[np.ndarray, "N"]  # number of the record
    start: Int64[np.ndarray, "N"]  # where it begins

    def back(self, distance: int, size: int) -> Int64[np.ndarray, "N"]:
        """Return the id so many places earlier, V before a record's start; at no distance nothing is told: 0."""
        if distance == 0:
            return np.zeros_like(self.ids)
        place = np.arange(len(self.ids)) - distance
        return np.where(place < self.start, size, self.ids[np.maximum(place, 0)])


def _flatten(records: Sequence[UInt16[np.ndarray, "_"]], size: int) -> _Flat:
    lengths = np.array([len(record) for record in records], dtype=np.int64)
    ids = np.concatenate([np.zeros(0, dtype=np.int64), *(record.astype(np.int64) for record in records)])
    if len(ids) and int(ids.max()) >= size:
        raise ValueError(f"id {int(ids.max())} is outside the vocabulary of {size} ids: state its true size.")
    return _Flat(
        ids=ids,
        owner=np.repeat(np.arange(len(records)), lengths),
        start=np.repeat(np.cumsum(lengths) - lengths, lengths),
    )


def _count(flat: _Flat, size: int, longest: int) -> tuple[Level, ...]:
    levels = []
    context = np.zeros_like(flat.ids)
    for distance in range(longest):
        extends, context = np.unique(context * (size + 1) + flat.back(distance, size), return_inverse=True)
        pairs, counts = np.unique(context * size + flat.ids, return_counts=True)
        levels.append(
            Level(
                extends=extends,
                totals=np.bincount(context, minlength=len(extends)).astype(np.int64),
                kinds=np.bincount(pairs // size, minlength=len(extends)).astype(np.int64),
                pairs=pairs,
                counts=counts.astype(np.int64),
            )
        )
    return tuple(levels)


def _asked(levels: Sequence[Level], flat: _Flat, size: int) -> Iterator[Int64[np.ndarray, "3 N"]]:
    """Yield n(context, id), n(context) and d(context) of each position, level by level; 0 where it was never met."""
    context, met = np.zeros_like(flat.ids), np.ones(len(flat.ids), dtype=np.bool_)
    for distance, level in enumerate(levels):
        context, known = _find(level.extends, context * (size + 1) + flat.back(distance, size))
        met &= known
        pair, followed = _find(level.pairs, context * size + flat.ids)
        yield np.stack(
            [
                np.where(met & followed, level.counts[pair], 0),
                np.where(met, level.totals[context], 0),
                np.where(met, level.kinds[context], 0),
            ]
        )


def _find(
    ascending: Int64[np.ndarray, "K"], wanted: Int64[np.ndarray, "N"]
) -> tuple[Int64[np.ndarray, "N"], np.ndarray]:
    """Return the place of each wanted number, and whether it stands there."""
    place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return place, ascending[place] == wanted


def _leant(p: Float64[np.ndarray, "N"], seen: Int64[np.ndarray, "3 N"], leaning: float) -> Float64[np.ndarray, "N"]:
    """Return p of the ids that stand there, one level longer; a context never met passes on the shorter one's."""
    of_id, of_context, kinds = seen
    scale = of_context + leaning * kinds
    return np.where(kinds > 0, (of_id + leaning * kinds * p) / np.maximum(scale, 1), p)


def _learned(levels: Sequence[Level], held_out: _Flat, size: int) -> tuple[float, ...]:
    """Return the leanings that make ids never counted cheapest, from the shortest context up, as long as it helps."""
    p = np.full(len(held_out.ids), 1.0 / size)
    chosen, costs = [], []
    for seen in _asked(levels, held_out, size):
        tried = [_leant(p, seen, leaning) for leaning in LEANINGS]
        nats = [-float(np.log(one).sum()) for one in tried]
        best = int(np.argmin(nats))
        p = tried[best]
        chosen.append(LEANINGS[best])
        costs.append(nats[best])
    return tuple(chosen[: int(np.argmin(costs)) + 1])
