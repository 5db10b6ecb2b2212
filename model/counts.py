"""Counting: a chain of ever longer contexts, each leaning on the next shorter one (Witten-Bell, or by learned weights).

Axes: N positions counted, L positions asked, C chain levels (shortest context first), V vocabulary.
p_0 leans on the uniform distribution, p_c on p_{c-1}: p_c(t) = (n(context, t) + b·d·p_{c-1}(t)) / (n(context) + b·d).
There n counts what was seen, d the different tokens seen in the context, and b, one number per level, says how far it
leans (1 in Witten-Bell's rule). A context never met passes the answer below it on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8

DIGIT = 256  # base of packed contexts: an id or a mark fits one digit
MAX_DIGITS = 6  # digits that leave room for the token in 63 bits
LEANINGS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # what `learn_leaning` chooses from
SWEEPS = 3  # over the levels; the choice settles after two


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextCounts:
    """Counts of one level: contexts in ascending order, and per context the tokens seen after it."""

    contexts: Int64[np.ndarray, "K"]
    totals: Int64[np.ndarray, "K"]  # observations of each context
    starts: Int64[np.ndarray, "K1"]  # where its tokens begin in the two arrays below; the end last
    tokens: UInt8[np.ndarray, "P"]
    counts: Int64[np.ndarray, "P"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChain:
    """Levels from the shortest context to the longest."""

    levels: tuple[ContextCounts, ...]
    size: int  # V
    leaning: tuple[float, ...]  # b_c of each level

    @property
    def parameters(self) -> int:
        """Counts held, over all levels."""
        return sum(len(level.counts) for level in self.levels)

    def probabilities(self, contexts: Int64[np.ndarray, "C L"]) -> Float64[np.ndarray, "L V"]:
        """Return the mixed distribution at each position; every row sums to 1 and has no zero.

        ValueError when the number of context rows is not the number of levels.
        """
        if len(contexts) != len(self.levels):
            raise ValueError(f"{len(contexts)} contexts were given to {len(self.levels)} levels: pack one for each.")
        mixed = np.full((contexts.shape[1], self.size), 1.0 / self.size)
        for level, leaning, asked in zip(self.levels, self.leaning, contexts, strict=True):
            _lean(mixed, level, leaning, asked)
        return mixed

    def log_probabilities(self, contexts: Int64[np.ndarray, "C L"]) -> Float64[np.ndarray, "L V"]:
        """Return the natural log of `probabilities` of contexts made by `pack`.

        There each context tells the shorter ones, so what is asked again and again is worked out once a level.
        """
        mixed, back = np.full((1, self.size), 1.0 / self.size), np.zeros(contexts.shape[1], dtype=np.int64)
        for level, leaning, asked in zip(self.levels, self.leaning, contexts, strict=True):
            kinds, first, here = np.unique(asked, return_index=True, return_inverse=True)
            mixed, back = mixed[back[first]], here
            _lean(mixed, level, leaning, kinds)
        logs: Float64[np.ndarray, "L V"] = np.log(mixed)[back]
        return logs


def count_chain(
    contexts: Int64[np.ndarray, "C N"], tokens: UInt8[np.ndarray, "N"], size: int, leaning: tuple[float, ...] = ()
) -> CountChain:
    """Count what followed each context at every level; without `leaning` by Witten-Bell's rule.

    >>> chain = count_chain(np.zeros((1, 3), dtype=np.int64), np.array([0, 0, 1], dtype=np.uint8), size=2)
    >>> chain.probabilities(np.zeros((1, 1), dtype=np.int64))
    array([[0.6, 0.4]])
    """
    levels = tuple(_count(level, tokens) for level in contexts)
    return CountChain(levels=levels, size=size, leaning=leaning or (1.0,) * len(levels))


def learn_leaning(
    chain: CountChain, contexts: Int64[np.ndarray, "C N"], tokens: UInt8[np.ndarray, "N"]
) -> tuple[float, ...]:
    """Return the b_c that make tokens the chain never counted cheapest, level by level; all 1 when there are none.

    Only training records may come here: some are counted, the others choose, and then all are counted.
    """
    seen = [_seen(level, asked, tokens) for level, asked in zip(chain.levels, contexts, strict=True)]
    best = [1.0] * len(seen)
    for level in [level for _ in range(SWEEPS if len(tokens) else 0) for level in range(len(seen))]:
        costs = [_nats(seen, [*best[:level], b, *best[level + 1 :]], chain.size) for b in LEANINGS]
        best[level] = LEANINGS[int(np.argmin(costs))]
    return tuple(best)


def pack(parts: Sequence[Int64[np.ndarray, "N"]]) -> Int64[np.ndarray, "C N"]:
    """Return one packed key per position and level: level c holds the first c+1 parts, each below DIGIT.

    >>> pack([np.array([1]), np.array([2])]).tolist()
    [[1], [258]]
    """
    if not 1 <= len(parts) <= MAX_DIGITS:
        raise ValueError(f"{len(parts)} parts do not fit a packed context: give 1 to {MAX_DIGITS}.")
    levels = [parts[0]]
    for part in parts[1:]:
        levels.append(levels[-1] * DIGIT + part)
    return np.stack(levels).astype(np.int64)


def _count(contexts: Int64[np.ndarray, "N"], tokens: UInt8[np.ndarray, "N"]) -> ContextCounts:
    pairs, counts = np.unique(contexts * DIGIT + tokens, return_counts=True)
    owners, firsts = np.unique(pairs // DIGIT, return_index=True)
    starts = np.append(firsts, len(pairs)).astype(np.int64)
    totals = np.add.reduceat(counts, firsts) if len(firsts) else np.zeros(0, dtype=np.int64)
    return ContextCounts(
        contexts=owners.astype(np.int64),
        totals=totals.astype(np.int64),
        starts=starts,
        tokens=(pairs % DIGIT).astype(np.uint8),
        counts=counts.astype(np.int64),
    )


def _met(level: ContextCounts, asked: Int64[np.ndarray, "L"]) -> tuple[Int64[np.ndarray, "M"], Int64[np.ndarray, "M"]]:
    """Return the rows whose context was met, and which context each of them has."""
    if not len(level.contexts):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    place = np.minimum(np.searchsorted(level.contexts, asked), len(level.contexts) - 1)
    rows = np.flatnonzero(level.contexts[place] == asked)
    return rows, place[rows]


def _seen(
    level: ContextCounts, asked: Int64[np.ndarray, "N"], tokens: UInt8[np.ndarray, "N"]
) -> Int64[np.ndarray, "3 N"]:
    """Return n(context, token), n(context) and d(context) of each position."""
    out = np.zeros((3, len(asked)), dtype=np.int64)
    rows, found = _met(level, asked)
    out[1, rows] = level.totals[found]
    out[2, rows] = level.starts[found + 1] - level.starts[found]
    owners = np.repeat(level.contexts, np.diff(level.starts))
    pairs = owners * DIGIT + level.tokens  # ascending, as counted
    wanted = asked * DIGIT + tokens
    place = np.minimum(np.searchsorted(pairs, wanted), max(len(pairs) - 1, 0))
    if len(pairs):
        out[0] = np.where(pairs[place] == wanted, level.counts[place], 0)
    return out


def _nats(seen: list[Int64[np.ndarray, "3 N"]], leaning: list[float], size: int) -> float:
    """Return the cost of the tokens `seen` tells of, under these leanings."""
    p = np.full(seen[0].shape[1], 1.0 / size)
    for (of_token, of_context, kinds), b in zip(seen, leaning, strict=True):
        met = kinds > 0
        p[met] = (of_token + b * kinds * p)[met] / (of_context + b * kinds)[met]
    return -float(np.log(p).sum())


def _lean(
    mixed: Float64[np.ndarray, "L V"], level: ContextCounts, leaning: float, asked: Int64[np.ndarray, "L"]
) -> None:
    """Replace `mixed` by this level's distribution, which leans on it, where the context was met."""
    rows, found = _met(level, asked)
    kinds = level.starts[found + 1] - level.starts[found]  # d(context)
    scale = level.totals[found] + leaning * kinds
    mixed[rows] *= (leaning * kinds / scale)[:, None]
    # one flat run of (row, pair) for all rows: row i owns kinds[i] consecutive pairs from starts[found[i]]
    owner = np.repeat(np.arange(len(rows)), kinds)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(kinds) - kinds, kinds)
    pair = level.starts[found][owner] + within
    mixed[rows[owner], level.tokens[pair]] += level.counts[pair] / scale[owner]
