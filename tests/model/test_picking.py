import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.picking import BLOCK, Chances, SampleConfig, log_odds, pick, shares

LOG_P = np.log(np.array([[0.5, 0.3, 0.15, 0.05]]))
EVERYTHING = np.ones((1, 4), dtype=np.bool_)
V = 6
logits = hnp.arrays(np.float64, (2, V), elements=st.floats(allow_nan=False))
masks = hnp.arrays(np.bool_, (2, V)).map(lambda mask: mask | (np.arange(V) == 4))
ways = st.builds(
    SampleConfig,
    temperature=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1e308)),
    top_k=st.one_of(st.none(), st.integers(1, 8)),
    top_p=st.one_of(st.just(1.0), st.floats(5e-324, 1)),
)


@given(logits, masks, ways, st.floats(0, 1, exclude_max=True))
def test_only_what_is_allowed_and_kept_is_ever_picked(
    scores: np.ndarray, allowed: np.ndarray, how: SampleConfig, chance: float
) -> None:
    odds = shares(log_odds(scores, allowed), how)
    assert np.allclose(odds.sum(axis=1), 1)
    assert not odds[~allowed].any()
    assert ((odds > 0).sum(axis=1) <= (how.top_k or V)).all()
    for place in (0.0, chance, math.nextafter(1, 0)):
        assert (odds[np.arange(2), pick(odds, np.full(2, place))] > 0).all()


@given(hnp.arrays(np.float64, (2, V), elements=st.floats(-30, 30)), masks)
def test_the_odds_are_the_network_s_own_among_what_is_allowed(scores: np.ndarray, allowed: np.ndarray) -> None:
    p = np.where(allowed, np.exp(scores), 0)
    p /= p.sum(axis=1, keepdims=True)
    assert np.allclose(np.exp(log_odds(scores, allowed)), p)
    assert np.allclose(shares(log_odds(scores, allowed), SampleConfig()), p)


def test_infinite_logits_are_taken_as_they_are_meant() -> None:
    rows = np.array([[np.inf, 3, np.inf, 1e308], [-np.inf, 0, -np.inf, 0], [-np.inf] * 4])
    odds = np.exp(log_odds(rows, np.ones((3, 4), dtype=np.bool_)))
    assert np.allclose(odds, [[0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0.25] * 4])


def kept(how: SampleConfig, allowed: np.ndarray = EVERYTHING) -> list[int]:
    """Return which ids may be picked."""
    return np.flatnonzero(shares(log_odds(LOG_P, allowed), how)[0]).tolist()


def test_top_k_and_top_p_keep_the_most_probable() -> None:
    assert kept(SampleConfig()) == [0, 1, 2, 3]
    assert kept(SampleConfig(top_k=2)) == [0, 1]
    assert kept(SampleConfig(top_p=0.6)) == [0, 1]
    assert kept(SampleConfig(top_p=0.4)) == [0]
    assert kept(SampleConfig(top_k=3, top_p=0.94)) == [0, 1, 2]  # of the three kept, two hold 0.84
    assert kept(SampleConfig(temperature=0.0)) == [0]
    assert kept(SampleConfig(top_k=1), np.array([[False, True, True, True]])) == [1]
    assert np.allclose(shares(LOG_P, SampleConfig(top_k=2)), [[0.625, 0.375, 0, 0]])


def test_of_equally_probable_ids_exactly_so_many_are_kept() -> None:
    flat = log_odds(np.zeros((1, 9)), np.ones((1, 9), dtype=np.bool_))
    assert np.flatnonzero(shares(flat, SampleConfig(top_k=3))[0]).tolist() == [0, 1, 2]


def test_a_low_temperature_sharpens_and_a_high_one_levels() -> None:
    log_p = log_odds(np.array([[1.0, 0.0]]), np.ones((1, 2), dtype=np.bool_))
    found = [shares(log_p, SampleConfig(temperature=t))[0, 1] for t in (0.5, 1.0, 2.0)]
    assert found == pytest.approx([1 / (1 + math.exp(1 / t)) for t in (0.5, 1.0, 2.0)])


def test_ids_come_as_often_as_their_shares_say() -> None:
    odds = np.repeat(np.array([[0.5, 0.0, 0.3, 0.2]]), 20_000, axis=0)
    found = np.bincount(pick(odds, np.random.default_rng(0).random(20_000)), minlength=4) / 20_000
    assert found[1] == 0
    assert found == pytest.approx(odds[0], abs=0.02)


@given(st.integers(0, 2**70), st.integers(0, 9), st.integers(0, 2 * BLOCK))
def test_a_chance_depends_on_seed_sample_and_token_alone(seed: int, n: int, start: int) -> None:
    whole = Chances(seed, range(10))
    late = Chances(seed, range(n, n + 1), start)
    rows = np.stack([whole.following() for _ in range(2 * BLOCK + 5)])
    assert np.array_equal(rows[start:, n], np.concatenate([late.following() for _ in range(2 * BLOCK + 5 - start)]))
    assert len(np.unique(rows)) == rows.size


@pytest.mark.parametrize(
    "values",
    [
        *({"temperature": value} for value in (-1.0, math.nan, math.inf, -math.inf)),
        {"top_k": 0},
        *({"top_p": value} for value in (0.0, 1.1, math.nan, math.inf)),
        {"seed": -1},
        {"batch": 0},
    ],
)
def test_a_way_of_drawing_that_draws_nothing_is_refused(values: dict[str, float]) -> None:
    ((name, value),) = values.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        SampleConfig(**values)  # type: ignore[arg-type]
