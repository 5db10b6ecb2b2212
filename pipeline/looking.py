"""Which candidates are twins: looked at in portions by whoever has time, with the same pairs whoever that is."""

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from pipeline.likeness import balanced
from pipeline.overlays import FlatSprite, Stack, agrees, faces, flat, shifted, stacked, stretched

SORTED = 1 << 21  # candidates that are sorted at once
PORTIONS = 4  # of a round of candidates, looked at without knowing of one another
LOOKED, FEW = 1 << 14, 1 << 11  # candidates of a portion at most, and as many as make it worth its while
MANY = 8  # pairs for each sprite, of which most may be spared
ROOM = 1 << 26  # bytes that sprites take which are ready to be looked at
SpritesAt = Callable[[list[int]], Iterable[FlatSprite]]  # reads sprites by their rows, in this order
Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # a function over items: results in their order
Pairs = Int64[np.ndarray, "m 2"]


def one_by_one(sprite_at: Callable[[int], UInt8[np.ndarray, "_ _"]]) -> SpritesAt:
    """Return what reads sprites by their rows, from what reads one."""
    return lambda rows: (flat(sprite_at(row)) for row in rows)


class Forest:
    """Rows joined into sets; a set's root is its smallest row."""

    def __init__(self, n: int) -> None:
        """Begin with n sets of one row."""
        self._parent = array("q", range(n))

    def root(self, row: int) -> int:
        """Return the root of a row."""
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

    def roots(self, rows: Int64[np.ndarray, "*m"]) -> Int64[np.ndarray, "*m"]:
        """Return the roots of many rows."""
        parent = np.frombuffer(self._parent, dtype=np.int64)
        found: Int64[np.ndarray, "*m"] = parent[rows]
        while (parent[found] != found).any():
            found = parent[found]
        return found

    def apart(self, pairs: Pairs) -> Int64[np.ndarray, "few 2"]:
        """Return the pairs that are not joined yet."""
        one, other = self.roots(pairs).T
        apart: Int64[np.ndarray, "few 2"] = pairs[one != other]
        return apart


def verified(
    candidates: Pairs, sides: UInt8[np.ndarray, "n 2"], sprites_at: SpritesAt, run: Run
) -> Iterator[tuple[int, int]]:
    """Yield the candidates, the lower row first, that are twins and join two sets.

    They are looked at in rounds, each of which leaves out what those before it joined, and is cut into portions, which
    know nothing of one another. Rows go by their places in the order of size: twins are of nearly one size, so that
    portions have few sprites in common.
    """
    by_size = np.lexsort((sides[:, 1], sides[:, 0]))
    place = by_size.argsort()
    forest = Forest(len(sides))
    for some in _rounds(candidates, place, sides):
        portions = _portions(forest.apart(some), by_size, sprites_at)
        for found in run(look_at, portions):
            for pair in found.tolist():
                if forest.join(*pair):
                    one, other = sorted(by_size[pair].tolist())
                    yield one, other


def _rounds(
    candidates: Pairs, place: Int64[np.ndarray, "n"], sides: UInt8[np.ndarray, "n 2"]
) -> Iterator[Int64[np.ndarray, "_ 2"]]:
    """Yield candidates by size, as places, in rounds of so few sprites that there is room for them.

    Where sprites are in many pairs, one pair of each is a round of its own: those that are all alike are joined by it.
    """
    for start in range(0, len(candidates), SORTED):
        one, other = np.sort(place[candidates[start : start + SORTED]], axis=1).T
        left = np.stack(np.divmod(np.sort(one * len(place) + other), len(place)), axis=1)
        kept = max(2, ROOM // (4 * int(sides.max()) ** 2 + 300))  # bytes of a sprite, its drawings, and what holds it
        while len(left):
            some = left[: PORTIONS * min(LOOKED, kept)]
            firsts = np.sort(np.unique(some, return_index=True)[1])[: kept + 1]  # where sprites are for the first time
            some = some[: firsts[kept] // 2] if len(firsts) > kept else some
            left = left[len(some) :]
            if len(some) > MANY * len(firsts):
                first = np.zeros(len(some), dtype=np.bool_)
                first[np.unique(some[:, 1], return_index=True)[1]] = True
                yield some[first]
                some = some[~first]
            yield some


class _Portion(NamedTuple):
    """Candidates to be looked at, and all that is needed for that."""

    places: Int64[np.ndarray, "n"]  # of the sprites among all, by size
    sprites: Stack
    pairs: Int64[np.ndarray, "m 2"]  # of sprites, the smaller one first


def _portions(some: Pairs, by_size: Int64[np.ndarray, "n"], sprites_at: SpritesAt) -> list[_Portion]:
    """Return candidates in portions, with their sprites, each of which is read once."""
    rows = np.unique(by_size[some]).tolist()
    sprites = dict(zip(rows, sprites_at(rows), strict=True))
    portions = []
    for part in np.array_split(some, min(PORTIONS, -(-len(some) // FEW))) if len(some) else []:
        places, pairs = np.unique(part, return_inverse=True)
        stack = stacked(sprites[row] for row in by_size[places].tolist())
        portions.append(_Portion(places, stack, pairs.reshape(-1, 2)))
    return portions


def look_at(portion: _Portion) -> Int64[np.ndarray, "_ 2"]:
    """Return the pairs of a portion, as places, that are twins and join two of its sets."""
    sprites, pairs, forest = portion.sprites, portion.pairs, Forest(len(portion.places))
    drawn = faces(sprites)
    pairs = pairs[balanced(*drawn.edges[pairs].T)]
    joined: list[list[int]] = []
    for look in (shifted, stretched):
        pairs = forest.apart(pairs)
        named = pairs.tolist()
        for hit, how in look(drawn, pairs[:, 0], pairs[:, 1]):
            one, other = named[hit]
            if forest.root(one) != forest.root(other) and agrees(sprites.sprite(one), sprites.sprite(other), how):
                forest.join(one, other)
                joined.append(named[hit])
    found: Int64[np.ndarray, "_ 2"] = portion.places[np.array(joined, dtype=np.int64).reshape(-1, 2)]
    return found
