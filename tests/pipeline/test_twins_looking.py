"""Candidates looked at in rounds and portions: the same pairs whoever looks, the sets that looking at each makes."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Int64, UInt8

from pipeline import looking
from pipeline.engines import processes
from pipeline.likeness import DIGEST, SIDES, alike, fingerprints, sides_agree
from pipeline.looking import Forest, Run, one_by_one, verified
from pipeline.twins import clusters, twin_pairs

Sprite = UInt8[np.ndarray, "_ _"]
Pairs = Int64[np.ndarray, "m 2"]
BOUNDS = ("SORTED", "PORTIONS", "LOOKED", "FEW", "MANY", "ROOM")
SMALL = [
    {"SORTED": 1, "PORTIONS": 1, "LOOKED": 1, "FEW": 1, "MANY": 1, "ROOM": 1},
    {"SORTED": 50, "PORTIONS": 3, "LOOKED": 20, "FEW": 8, "MANY": 1, "ROOM": 1 << 14},
    {"PORTIONS": 5, "LOOKED": 60, "FEW": 9, "MANY": 2},
    {"FEW": 16},
    {"MANY": 0},
    {},
]


def corpus(seed: int, families: int = 6, each: int = 6) -> list[Sprite]:
    """Return families of drawings that are alike, of many sizes, mixed up."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(families):
        h, w = rng.integers(14, 26, 2).tolist()
        base = np.ones((h, w), dtype=np.uint8)
        for colour in range(2, 14):
            y, x = rng.integers(h - 2), rng.integers(w - 2)
            base[y : y + rng.integers(2, 8), x : x + rng.integers(2, 8)] = colour
        for _ in range(each):
            one = base if rng.random() < 0.7 else np.delete(base, rng.integers(h), axis=0)
            one = np.ascontiguousarray(one[:, :: rng.choice([-1, 1])])
            some = rng.choice(one.size, rng.integers(1, one.size // 60), replace=False)
            one.ravel()[some] = rng.integers(0, 55, len(some))
            drawn.append(one)
    rng.shuffle(drawn)  # type: ignore[arg-type]
    return drawn


def every_pair(drawn: list[Sprite]) -> tuple[Pairs, UInt8[np.ndarray, "n 2"]]:
    """Return the pairs of sprites that may be twins, as if each had met each, and the sprites' sides."""
    prints = fingerprints(drawn)
    pairs = [
        (i, j)
        for i, j in combinations(range(len(drawn)), 2)
        if prints[i, DIGEST] and prints[j, DIGEST]  # neither is plain
        and (prints[i, :DIGEST] != prints[j, :DIGEST]).any()
        and sides_agree(*prints[[i, j], DIGEST:SIDES].astype(np.int64)).all()
    ]  # fmt: skip
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), prints[:, DIGEST:SIDES]


def backwards(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Work on the last item first."""
    return [work(item) for item in reversed(list(items))][::-1]


def elsewhere(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Work on copies, as another process would, and hand back copies."""
    copies = pickle.loads(pickle.dumps(list(items)))  # noqa: S301 - our own
    return [pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(work))(item))) for item in copies]  # noqa: S301


def in_threads(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(work, items))


@pytest.mark.parametrize("run", [backwards, elsewhere, in_threads])
@pytest.mark.parametrize("bounds", SMALL[1:])
def test_the_pairs_are_the_same_whoever_looks(
    monkeypatch: pytest.MonkeyPatch, bounds: dict[str, int], run: Run
) -> None:
    for name, bound in bounds.items():
        monkeypatch.setattr(looking, name, bound)
    drawn = corpus(1)
    candidates, sides = every_pair(drawn)
    here = list(verified(candidates, sides, one_by_one(drawn.__getitem__), map))
    assert list(verified(candidates, sides, one_by_one(drawn.__getitem__), run)) == here
    assert len(here) > 15


def test_two_processes_find_the_pairs_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "FEW", 64)  # here alone: the other process takes what it is given
    drawn = corpus(2, families=30)
    prints = fingerprints(drawn)
    here = twin_pairs(prints, one_by_one(drawn.__getitem__))
    with processes(2)() as run:
        assert list(run(str, range(3))) == ["0", "1", "2"]  # the other one is up, or will be
        for _ in range(3):
            assert np.array_equal(twin_pairs(prints, one_by_one(drawn.__getitem__), run), here)
    assert len(here) > 60


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("bounds", SMALL)
def test_rounds_and_portions_of_any_size_join_what_looking_at_every_candidate_joins(
    monkeypatch: pytest.MonkeyPatch, bounds: dict[str, int], seed: int
) -> None:
    for name, bound in bounds.items():
        monkeypatch.setattr(looking, name, bound)
    drawn = corpus(seed)
    candidates, sides = every_pair(drawn)
    found = list(verified(candidates, sides, one_by_one(drawn.__getitem__), map))
    alone = [(i, j) for i, j in candidates.tolist() if alike(drawn[i], drawn[j])]
    together = clusters(len(drawn), np.array(found, dtype=np.int64).reshape(-1, 2))
    assert together.tolist() == clusters(len(drawn), np.array(alone, dtype=np.int64).reshape(-1, 2)).tolist()
    assert set(found) <= set(alone)  # each is a pair of twins, the lower row first
    assert len(found) == len(drawn) - len(np.unique(together))  # and each joins two sets


@given(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)).filter(lambda pair: pair[0] < pair[1]), unique=True),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=20, max_size=20),
    st.tuples(*[st.integers(1, 30)] * 5),
    st.integers(1, 1 << 16),
)
def test_every_candidate_is_in_one_round_and_a_round_has_few_sprites(
    pairs: list[tuple[int, int]], sides: list[tuple[int, int]], bounds: tuple[int, ...], room: int
) -> None:
    candidates = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    shapes = np.array(sides, dtype=np.uint8)
    by_size = np.lexsort((shapes[:, 1], shapes[:, 0]))
    with pytest.MonkeyPatch.context() as patch:
        for name, bound in zip(BOUNDS, (*bounds, room), strict=True):
            patch.setattr(looking, name, bound)
        rounds = list(looking._rounds(candidates, by_size.argsort(), shapes))
        most = max(2, room // (4 * int(shapes.max()) ** 2 + 300))
        assert all(len(np.unique(some)) <= most for some in rounds)
        assert all(len(some) <= looking.PORTIONS * looking.LOOKED for some in rounds)
    rows = by_size[np.concatenate([np.zeros((0, 2), dtype=np.int64), *rounds])]
    assert sorted(map(tuple, np.sort(rows, axis=1).tolist())) == sorted(pairs)
    assert all(sides[one] <= sides[other] for one, other in rows.tolist())  # the smaller sprite first


def test_each_sprite_of_a_round_is_read_once_and_in_order() -> None:
    drawn = corpus(3)
    candidates, sides = every_pair(drawn)
    some = candidates[: len(candidates) // 3]
    assert len(some) < looking.PORTIONS * looking.LOOKED
    read: list[int] = []

    def look(row: int) -> Sprite:
        read.append(row)
        return drawn[row]

    by_size = np.lexsort((sides[:, 1], sides[:, 0]))
    portions = looking._portions(by_size.argsort()[some], by_size, one_by_one(look))
    assert read == np.unique(some).tolist()
    assert {type(row) for row in read} == {int}
    for portion in portions:
        for place, at in enumerate(portion.places.tolist()):
            assert np.array_equal(portion.sprites.sprite(place), drawn[by_size[at]])


def test_few_candidates_are_one_portion_and_many_are_four(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = corpus(4, families=3)
    pairs, sides = every_pair(drawn)
    by_size = np.lexsort((sides[:, 1], sides[:, 0]))
    places = by_size.argsort()[pairs]
    assert len(looking._portions(places, by_size, one_by_one(drawn.__getitem__))) == 1
    monkeypatch.setattr(looking, "FEW", 2)
    portions = looking._portions(places, by_size, one_by_one(drawn.__getitem__))
    assert len(portions) == looking.PORTIONS == 4
    sizes = [len(portion.pairs) for portion in portions]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == len(pairs)
    assert looking._portions(places[:0], by_size, one_by_one(drawn.__getitem__)) == []


def test_many_that_are_all_alike_are_joined_by_one_look_each(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    drawn = [np.kron(np.arange(64).reshape(8, 8) % 7, np.ones((3, 3))).astype(np.uint8) for _ in range(60)]
    for one in drawn:
        one.ravel()[rng.choice(one.size, 2, replace=False)] = rng.integers(7, 55, 2)
    candidates, sides = every_pair(drawn)
    looks: list[int] = []
    shifted = looking.shifted

    def counted(faces: Any, one: Any, other: Any) -> Iterator[Any]:
        looks.append(len(one))
        yield from shifted(faces, one, other)

    monkeypatch.setattr(looking, "shifted", counted)
    found = list(verified(candidates, sides, one_by_one(drawn.__getitem__), map))
    assert len(found) == len(drawn) - 1
    assert sum(looks) < 2 * len(drawn) < len(candidates) / 10


def test_a_forest_tells_what_is_still_apart() -> None:
    forest = Forest(6)
    assert forest.join(4, 2)
    assert forest.join(5, 4)
    assert not forest.join(2, 5)
    assert forest.root(5) == 2
    assert forest.apart(np.array([[2, 5], [1, 2], [4, 5], [0, 3]])).tolist() == [[1, 2], [0, 3]]
    assert forest.apart(np.zeros((0, 2), dtype=np.int64)).shape == (0, 2)
