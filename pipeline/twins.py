"""Near-duplicate pictures of a whole corpus: found without comparing all with all, and kept in one split.

Exact twins are grouped by digest; the others meet in buckets of a few bits of their fingerprints, as often as it takes
for twins to meet once, and are then looked at. What is returned spans the twins: as few pairs as join them all.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Int, Int64, UInt8, UInt64

from pipeline.likeness import BITS, DIGEST, FINGERPRINT, SIDES, sides_agree
from pipeline.looking import Forest, Run, SpritesAt, verified

RADIUS = 70  # of BITS that the fingerprints of twins differ in at most
HEAD, HEAD_RADIUS = 2, 36  # words of 64 bits that are compared first, and how many of their bits may differ
WORDS = 7  # of 64 bits that hold all of BITS
KEY, TABLES = 20, 64  # bits of a bucket's key, and how often sprites are put into buckets
NEIGHBOURS = 1024  # of a bucket with more sprites, each meets only so many that follow it
ROWS = 1 << 17  # in tables that are worked on together
MADE = 1 << 20  # keys made at once
UNPACKED = 1 << 12  # fingerprints whose bits are made at once
COMPARED = 1 << 16  # pairs in a bucket that are compared in all bits at once
CHUNK = 8  # tables that one worker takes
GATHERED = 1 << 21  # candidates that are gathered before they are sorted
_ODD, _SUM = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0001000100010001)
Pairs = Int64[np.ndarray, "m 2"]


def twin_pairs(prints: UInt8[np.ndarray, "n 64"], sprites_at: SpritesAt, run: Run = map) -> Pairs:
    """Return pairs (i, j), i < j, of twins that join every sprite with all its twins: at most n - 1, ascending.

    `prints` are the sprites' fingerprints; `sprites_at` reads sprites by their rows, and is asked only for those that
    must be looked at, here. `run` searches the tables and looks at candidates, in other processes where it has some;
    whatever it is, the pairs are the same. Rows joined by a chain of twins are one set. Twins whose fingerprints differ
    in more than 70 of 432 bits are not seen, and of those near that border a few (see the tests for which changes are
    found). Time grows with the pairs that share a bucket: with n² for drawings of one kind, yet a thousandth of
    comparing all with all.
    """
    _check(prints)
    exact, firsts = _exact_pairs(prints)
    drawn = firsts[prints[firsts, DIGEST] > 0]  # plain pictures have no other twins
    candidates = drawn[_candidates(prints[drawn], run)]
    near = list(verified(candidates, prints[:, DIGEST:SIDES], sprites_at, run))
    found = np.concatenate([exact, np.array(near, dtype=np.int64).reshape(-1, 2)])
    ordered: Pairs = found[np.lexsort((found[:, 1], found[:, 0]))]
    return ordered


def clusters(n: int, pairs: Pairs) -> Int64[np.ndarray, "n"]:
    """Return for each of n rows the smallest row that a chain of pairs joins it with: itself when it has no twin.

    >>> clusters(4, np.array([[1, 3]])).tolist()
    [0, 1, 2, 1]
    """
    forest = Forest(n)
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


def leaks(splits: Sequence[str], prints: UInt8[np.ndarray, "n 64"], sprites_at: SpritesAt) -> Pairs:
    """Return twin pairs whose two rows are in different splits: none exactly when no chain of twins crosses splits."""
    pairs = twin_pairs(prints, sprites_at)
    names = np.array(splits, dtype=np.str_)
    crossing: Pairs = pairs[names[pairs[:, 0]] != names[pairs[:, 1]]]
    return crossing


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


def _candidates(prints: UInt8[np.ndarray, "n 64"], run: Run) -> Pairs:
    """Return pairs of rows, ascending, that share a bucket of some table and whose fingerprints are near."""
    chunks = [range(start, min(start + CHUNK, TABLES)) for start in range(0, TABLES, CHUNK)]
    codes = _distinct(list(run(partial(_met, prints=prints), chunks)))
    return np.stack(np.divmod(codes, max(1, len(prints))), axis=1)


def _met(tables: range, prints: UInt8[np.ndarray, "n 64"]) -> Int64[np.ndarray, "_"]:
    """Return the pairs (i, j) that share a bucket of these tables and are near, as numbers i * n + j, ascending.

    Tables are worked on together, as many as there is room for: with few rows, calls cost more than the numbers.
    """
    n = len(prints)
    words = np.zeros((n, 8), dtype=np.uint64)
    words.view(np.uint8)[:, : FINGERPRINT - SIDES] = prints[:, SIDES:]
    sides = np.ascontiguousarray(prints[:, DIGEST:SIDES].T).astype(np.int16)
    together = max(1, ROWS // max(1, n))
    known, fresh = np.zeros(0, dtype=np.int64), [np.zeros(0, dtype=np.int64)]
    for keys in _made(tables, prints, together):
        for one, other in _near(*_sorted(keys, words[:, 0]), words, sides):
            fresh.append(np.minimum(one, other) * n + np.maximum(one, other))
            if sum(map(len, fresh)) >= max(GATHERED, len(known)):  # so that each is sorted a few times only
                known, fresh = _distinct([known, *fresh]), []
    return _distinct([known, *fresh])


def _made(tables: range, prints: UInt8[np.ndarray, "n 64"], together: int) -> Iterator[UInt64[np.ndarray, "_ n"]]:
    """Yield the keys of some tables together: more are made at once, for that takes all bits of all fingerprints."""
    ahead = max(1, MADE // max(1, len(prints) * together)) * together
    for start in range(tables.start, tables.stop, ahead):
        keys = _packed(prints, _keys()[start : min(start + ahead, tables.stop)])
        for at in range(0, len(keys), together):
            yield keys[at : at + together]


def _packed(prints: UInt8[np.ndarray, "n 64"], bits: Int64[np.ndarray, "t k"]) -> UInt64[np.ndarray, "t n"]:
    """Return chosen bits of each fingerprint as a number, for each choice."""
    weights = np.zeros((BITS, len(bits)), dtype=np.float32)  # holds whole numbers of 24 bits
    weights[bits, np.arange(len(bits))[:, None]] = 2.0 ** np.arange(bits.shape[1])
    keys = np.empty((len(bits), len(prints)), dtype=np.uint64)
    for start in range(0, len(prints), UNPACKED):
        rows = slice(start, start + UNPACKED)
        keys[:, rows] = (np.unpackbits(prints[rows, SIDES:], axis=1).astype(np.float32) @ weights).T
    return keys


def _sorted(
    keys: UInt64[np.ndarray, "t n"], heads: UInt64[np.ndarray, "n"]
) -> tuple[Int64[np.ndarray, "m"], Int64[np.ndarray, "b"]]:
    """Return the rows of all tables' buckets of more than one row, the largest first, and the sizes of these buckets.

    Within a bucket, which may be too large to compare all, neighbours begin alike.
    """
    order = ((keys << np.uint64(64 - KEY)) | (heads >> np.uint64(KEY))).argsort(axis=1)
    ordered = np.take_along_axis(keys, order, axis=1)
    begin = np.ones(keys.shape, dtype=np.bool_)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=begin[:, 1:])
    begins = np.flatnonzero(begin)
    sizes = np.diff(begins, append=keys.size)
    begins, sizes = begins[sizes > 1], sizes[sizes > 1]
    largest = (-sizes).argsort(kind="stable")
    sizes = sizes[largest]
    moved = np.repeat(begins[largest] - np.cumsum(sizes) + sizes, sizes)
    return order.ravel()[np.arange(len(moved)) + moved], sizes


@lru_cache(maxsize=1)
def _keys() -> Int64[np.ndarray, "64 20"]:
    """Return for each table which bits make its key: fixed, drawn by hash."""
    drawn = np.frombuffer(hashlib.shake_128(b"pixelbytes keys").digest(TABLES * BITS * 4), dtype="<u4")
    return drawn.reshape(TABLES, BITS).argsort(axis=1, kind="stable")[:, :KEY].astype(np.int64)


def _near(
    order: Int64[np.ndarray, "m"],
    sizes: Int64[np.ndarray, "b"],
    words: UInt64[np.ndarray, "n 8"],
    sides: Int[np.ndarray, "2 n"],
) -> Iterator[Int64[np.ndarray, "2 _"]]:
    """Yield the pairs of rows of one bucket whose sides agree and whose fingerprints differ in RADIUS bits at most."""
    steps = np.arange(1, min(NEIGHBOURS + 1, int(sizes.max(initial=1))))
    ends = np.cumsum(sizes)[np.searchsorted(-sizes, -steps) - 1]  # of the buckets of more rows than these
    buckets = np.repeat(np.arange(len(sizes)), sizes)
    first = np.ascontiguousarray(words[order, :WORDS].T)
    near: list[Int64[np.ndarray, "_"]] = []  # for each step since the last time, the first rows of its pairs
    count, begun = 0, 1
    for step, end in zip(steps.tolist(), ends.tolist(), strict=True):
        differ = np.bitwise_count(first[:, : end - step] ^ first[:, step:end])
        # beyond 255 a sum begins anew: some that are far look near, and are found out later
        near.append(np.flatnonzero(np.add.reduce(differ, axis=0, dtype=np.uint8) <= RADIUS))
        count += len(near[-1])
        if count >= COMPARED or step == len(steps):
            one = np.concatenate(near)
            other = one + np.repeat(steps[begun - 1 : step], [len(some) for some in near])
            same = buckets[one] == buckets[other]
            yield _agreeing(np.stack([order[one[same]], order[other[same]]]), words, sides)
            near, count, begun = [], 0, step + 1


def _agreeing(
    pairs: Int64[np.ndarray, "2 m"], words: UInt64[np.ndarray, "n 8"], sides: Int[np.ndarray, "2 n"]
) -> Int64[np.ndarray, "2 _"]:
    """Return those pairs that are near in all bits, and in the first ones, and agree in their sides."""
    one, other = pairs
    counts = np.bitwise_count(words.take(one, axis=0) ^ words.take(other, axis=0))
    differ = counts.view(np.uint64).ravel()
    differ = (differ & _ODD) + (differ >> np.uint64(8) & _ODD)  # eight counts of 8 bits to four of 16
    heads = counts[:, :HEAD].sum(axis=1)
    near = np.flatnonzero((heads <= HEAD_RADIUS) & (differ * _SUM >> np.uint64(48) <= RADIUS))
    pairs = one, other = pairs[:, near]
    agreeing: Int64[np.ndarray, "2 _"] = pairs[:, sides_agree(sides[:, one], sides[:, other]).all(axis=0)]
    return agreeing


def _distinct(codes: Sequence[Int64[np.ndarray, "_"]]) -> Int64[np.ndarray, "_"]:
    """Return the numbers that are in some array, ascending."""
    ordered = np.sort(np.concatenate(codes))  # np.unique takes thirty times as long for such numbers
    return ordered[np.diff(ordered, prepend=-1) > 0]
