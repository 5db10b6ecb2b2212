"""Near-duplicate pictures of a whole corpus: found without comparing all with all, and kept in one split.

Exact twins are grouped by digest; the others meet in buckets of a few bits of their fingerprints, as often as it takes
for twins to meet once, and are then looked at. What is returned spans the twins: as few pairs as join them all.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Int, Int64, UInt8, UInt16, UInt64

from pipeline.likeness import BITS, DIGEST, FINGERPRINT, SIDES, Portrait, alike_portraits, portrait, sides_agree

RADIUS = 70  # of BITS that the fingerprints of twins differ in at most
HEAD, HEAD_RADIUS = 2, 36  # words of 64 bits that are compared first, and how many of their bits may differ
KEY, TABLES = 20, 64  # bits of a bucket's key, and how often sprites are put into buckets
NEIGHBOURS = 1024  # of a bucket with more sprites, each meets only so many that follow it
KEPT = 1 << 14  # portraits at a time, of some 3 kB each
SpriteAt = Callable[[int], UInt8[np.ndarray, "_ _"]]  # reads one sprite by its row
Pairs = Int64[np.ndarray, "m 2"]


def twin_pairs(prints: UInt8[np.ndarray, "n 64"], sprite_at: SpriteAt) -> Pairs:
    """Return pairs (i, j), i < j, of twins that join every sprite with all its twins: at most n - 1, ascending.

    `prints` are the sprites' fingerprints; `sprite_at` reads one sprite by its row, and is asked only for those that
    must be looked at. Rows joined by a chain of twins are one set. Twins whose fingerprints differ in more than 70 of
    432 bits are not seen, and of those near that border a few (see the tests for which changes are found). Time grows
    with the pairs that share a bucket: with n² for drawings of one kind, yet a thousandth of comparing all with all.
    """
    _check(prints)
    exact, firsts = _exact_pairs(prints)
    drawn = firsts[prints[firsts, DIGEST] > 0]  # plain pictures have no other twins
    forest = _Forest(len(prints))
    near: list[tuple[int, int]] = []
    look = lru_cache(maxsize=KEPT)(lambda row: portrait(sprite_at(row), prints[row, :DIGEST].tobytes()))
    for candidates in _candidates(prints[drawn]):
        near.extend(_verified(drawn[candidates], forest, look))
    found = np.concatenate([exact, np.array(near, dtype=np.int64).reshape(-1, 2)])
    ordered: Pairs = found[np.lexsort((found[:, 1], found[:, 0]))]
    return ordered


def clusters(n: int, pairs: Pairs) -> Int64[np.ndarray, "n"]:
    """Return for each of n rows the smallest row that a chain of pairs joins it with: itself when it has no twin.

    >>> clusters(4, np.array([[1, 3]])).tolist()
    [0, 1, 2, 1]
    """
    forest = _Forest(n)
    for one, other in pairs.tolist():
        forest.join(one, other)
    roots: Int64[np.ndarray, "n"] = np.array([forest.root(row) for row in range(n)], dtype=np.int64)
    return roots


def joined_groups(groups: Sequence[str], pairs: Pairs) -> dict[str, str]:
    """Return for each group the smallest name among the groups that twins join it with, itself included.

    `groups` has one name a row, as the pairs count them. The split of a record is the hash of that name. So a record
    moves only when its set's smallest name changes: when a new twin brings a group of a smaller name, when the group of
    the smallest name is no longer there, or when the twin that linked it is gone. Groups without twins never move.

    >>> joined_groups(["b", "a", "c"], np.array([[0, 1]]))
    {'a': 'a', 'b': 'a', 'c': 'c'}
    """
    names = sorted(set(groups))
    number = {name: place for place, name in enumerate(names)}
    of_row = np.array([number[group] for group in groups], dtype=np.int64)
    smallest = clusters(len(names), np.unique(of_row[pairs], axis=0)).tolist()
    return {name: names[place] for name, place in zip(names, smallest, strict=True)}


def leaks(splits: Sequence[str], prints: UInt8[np.ndarray, "n 64"], sprite_at: SpriteAt) -> Pairs:
    """Return twin pairs whose two rows are in different splits: none exactly when no chain of twins crosses splits."""
    pairs = twin_pairs(prints, sprite_at)
    names = np.array(splits, dtype=np.str_)
    crossing: Pairs = pairs[names[pairs[:, 0]] != names[pairs[:, 1]]]
    return crossing


class _Forest:
    """Rows joined into sets; a set's root is its smallest row."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(self, one: int, other: int) -> bool:
        """Join two sets; False when they were one already."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low
        return low != high


def _check(prints: UInt8[np.ndarray, "n f"]) -> None:
    if prints.shape[1] != FINGERPRINT:
        raise ValueError(f"a fingerprint has {prints.shape[1]} bytes, not {FINGERPRINT}: make them with fingerprint().")


def _exact_pairs(prints: UInt8[np.ndarray, "n 64"]) -> tuple[Pairs, Int64[np.ndarray, "u"]]:
    """Return each row of a digest seen before with that digest's first row, and the first rows."""
    digests = np.ascontiguousarray(prints[:, :DIGEST]).view(np.uint64).ravel()
    _, firsts, inverse = np.unique(digests, return_index=True, return_inverse=True)
    first = firsts[inverse]
    later = np.flatnonzero(first != np.arange(len(prints)))
    return np.stack([first[later], later], axis=1).astype(np.int64), np.sort(firsts).astype(np.int64)


def _candidates(prints: UInt8[np.ndarray, "n 64"]) -> Iterator[Pairs]:
    """Yield pairs of rows that share a bucket and whose fingerprints are near, table by table, each pair once."""
    words = np.zeros((len(prints), 7), dtype=np.uint64)
    words.view(np.uint8)[:, : FINGERPRINT - SIDES] = prints[:, SIDES:]
    sides = prints[:, DIGEST:SIDES].astype(np.int16)
    seen = np.zeros(0, dtype=np.int64)
    for bits in _keys():
        keys = (prints[:, SIDES + bits // 8] >> (7 - bits % 8).astype(np.uint8) & 1) @ (1 << np.arange(KEY))
        near = _near(keys, words, sides)
        codes = np.setdiff1d(near[:, 0] * len(prints) + near[:, 1], seen)
        seen = np.union1d(seen, codes)
        yield np.stack(np.divmod(codes, len(prints)), axis=1)


@lru_cache(maxsize=1)
def _keys() -> Int64[np.ndarray, "64 20"]:
    """Return for each table which bits make its key: fixed, drawn by hash."""
    drawn = np.frombuffer(hashlib.shake_128(b"pixelbytes keys").digest(TABLES * BITS * 4), dtype="<u4")
    return drawn.reshape(TABLES, BITS).argsort(axis=1, kind="stable")[:, :KEY].astype(np.int64)


def _near(keys: Int64[np.ndarray, "n"], words: UInt64[np.ndarray, "n 7"], sides: Int[np.ndarray, "n 2"]) -> Pairs:
    """Return the pairs of rows of one key whose sides agree and whose fingerprints differ in RADIUS bits at most."""
    order = np.lexsort((words[:, 0], keys))  # in a bucket too large to compare all, neighbours begin alike
    keys, sides = keys[order], sides[order]
    words = np.ascontiguousarray(words[order].T)
    ends = np.searchsorted(keys, keys, side="right")
    left = np.arange(len(keys))
    found = [np.zeros((0, 2), dtype=np.int64)]
    for step in range(1, NEIGHBOURS + 1):
        left = left[left + step < ends[left]]
        if not len(left):
            break
        one = left[_distance(words[:HEAD], left, left + step) <= HEAD_RADIUS]
        one = one[_distance(words, one, one + step) <= RADIUS]
        one = one[sides_agree(sides[one], sides[one + step]).all(axis=1)]
        found.append(np.sort(np.stack([order[one], order[one + step]], axis=1), axis=1))
    return np.concatenate(found)


def _distance(
    words: UInt64[np.ndarray, "w n"], one: Int64[np.ndarray, "m"], other: Int64[np.ndarray, "m"]
) -> UInt16[np.ndarray, "m"]:
    """Return in how many bits the columns of pairs differ."""
    differ = np.zeros(len(one), dtype=np.uint16)
    for word in words:  # one at a time: whole columns are quicker than sums over seven numbers
        differ += np.bitwise_count(word[one] ^ word[other])
    return differ


def _verified(candidates: Pairs, forest: _Forest, look: Callable[[int], Portrait]) -> Iterator[tuple[int, int]]:
    """Yield the candidates that are twins and join two sets."""
    for one, other in candidates.tolist():
        if forest.root(one) != forest.root(other) and alike_portraits(look(one), look(other)):
            forest.join(one, other)
            yield one, other
