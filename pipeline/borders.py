"""Where a split is cut into shards: at keys that stay borders when other records come and go.

Cut into equal parts, one record more at the front moves every border behind it: every file is another, and so are the
row groups and pages in it, whatever finds equal pieces. Here a range is halved at the key of the least weight among
those near its middle, and each half again. A weight is a hash of the key, so that the choice looks at no place: the
same key stays the least one until the middle has moved by a good part of where it was looked for.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import UInt64

Cut = Literal["by-key", "equal"]
REACH = 8  # a key is looked for within this part of a range, to both sides of its middle


def weights(keys: Iterable[str]) -> UInt64[np.ndarray, "N"]:
    """Return a number for each key that follows from nothing but it.

    >>> weights(["0001-fox", "0002-owl"]) // 10**17
    array([ 95, 136], dtype=uint64)
    """
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, dtype="<u8")


def equal(count: int, shards: int) -> list[int]:
    """Return the borders of parts as equal as can be, as releases were cut before.

    >>> equal(5, 2)
    [0, 2, 5]
    """
    return [count * place // shards for place in range(shards + 1)]


def cut_of(parameters: Mapping[str, object]) -> Cut:
    """Return how a release was cut into shards, by its parameters; ValueError for a way that is not known here."""
    said = parameters.get("borders", "equal")
    for known in get_args(Cut):
        if said == known:
            return cast("Cut", known)
    raise ValueError(
        f"its shards were cut by {said!r}, which this version does not know: install the one that made it."
    )


def borders(weight: UInt64[np.ndarray, "N"], shards: int) -> list[int]:
    """Return where shards begin, and the end: `shards` + 1 places, ascending, for keys in order with these weights.

    Each halving gives three to five eighths to one side, so that shards differ in size: of 128, the largest has about
    twice its share. ValueError for less than one shard.

    >>> borders(np.array([5, 9, 9, 1, 9, 9, 9, 9], dtype=np.uint64), 2)
    [0, 3, 8]
    """
    if shards < 1:
        raise ValueError(f"{shards} shards hold nothing: ask for one at least.")
    return [*_starts(weight, 0, len(weight), shards), len(weight)]


def _starts(weight: UInt64[np.ndarray, "N"], start: int, stop: int, shards: int) -> list[int]:
    if shards == 1:
        return [start]
    before = shards // 2
    middle, reach = start + (stop - start) * before // shards, (stop - start) // REACH
    first = max(start, middle - reach)
    near = weight[first : min(stop, middle + reach + 1)]
    cut = first + int(near.argmin()) if len(near) else start
    return [*_starts(weight, start, cut, before), *_starts(weight, cut, stop, shards - before)]
