"""Borders of shards hold while records come and go."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.borders import borders, weights

MANY = 8000
SHARDS = 8


def shards_of(keys: list[str]) -> list[tuple[str, ...]]:
    """Return the keys of each shard."""
    return [tuple(keys[a:b]) for a, b in pairwise(borders(weights(keys), SHARDS))]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=300), st.integers(1, 32))
def test_every_record_is_in_one_shard_and_shards_are_in_order(numbers: list[int], shards: int) -> None:
    found = borders(np.array(numbers, dtype=np.uint64), shards)
    assert len(found) == shards + 1
    assert (found[0], found[-1]) == (0, len(numbers))
    assert found == sorted(found)


@given(st.integers(0, 2**32))
def test_a_halving_gives_each_side_three_eighths_at_least(seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 2**64, 800, dtype=np.uint64)
    _, cut, _ = borders(numbers, 2)
    assert 300 <= cut <= 500


@pytest.mark.parametrize("at", [0, 1000, 4100, 6500, MANY])
def test_eighty_records_more_in_one_place_leave_most_shards_as_they_were(at: int) -> None:
    changed = []
    for turn in range(8):
        keys = [f"{turn}-{number:05d}" for number in range(MANY)]
        added = [f"{turn}-{at - 1:05d}x{number:03d}" for number in range(MANY // 100)]
        before = set(shards_of(keys))
        changed.append(sum(shard not in before for shard in shards_of([*keys[:at], *added, *keys[at:]])))
    assert min(changed) >= 1
    assert np.mean(changed) <= SHARDS / 4 + 1


def test_a_text_that_changed_moves_no_border() -> None:
    keys = [f"{number:05d}" for number in range(MANY)]
    assert shards_of(keys) == shards_of(list(keys))


def test_a_border_follows_its_key_when_a_few_records_go() -> None:
    keys = [f"{number:05d}" for number in range(MANY)]
    firsts = {shard[0] for shard in shards_of(keys)}
    fewer = [key for key in keys if key in firsts or int(key) % 500]
    assert len({shard[0] for shard in shards_of(fewer)} & firsts) >= SHARDS - 2


def test_no_shard_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="0 shards hold nothing: ask for one"):
        borders(np.zeros(3, dtype=np.uint64), 0)
