"""Bits by part add up to the total; intervals are seeded; what is no distribution is refused."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import pytest

from model.baselines import fit_ngram
from model.batches import TokenTable
from model.metrics import bootstrap_mean, score, sign_flip_p
from palettes.vocabulary import LF, Vocabulary
from pipeline.tokenizer import Part, encode_record

VOCABULARY = Vocabulary()
SPRITE = np.array([[1, 2], [3, 1]], dtype=np.uint8)
TABLE = TokenTable.from_records(
    [
        ("a", encode_record(SPRITE, "ab\u00a0c", VOCABULARY)),
        ("b", encode_record(SPRITE[:1], "hello there", VOCABULARY)),
    ]
)


@dataclass(frozen=True)
class Fixed:
    """The same row for every token."""

    row: np.ndarray
    name: str = "Fixed"
    kind: Literal["network", "baseline"] = "baseline"
    parameters: int = 1

    def log_probs(self, record: np.ndarray) -> np.ndarray:
        return np.tile(np.log(self.row), (len(record), 1))


def uniform() -> np.ndarray:
    return np.full(len(VOCABULARY), 1 / len(VOCABULARY))


def test_a_uniform_model_pays_log2_of_the_vocabulary_for_each_token() -> None:
    scores = score(Fixed(uniform()), TABLE)
    np.testing.assert_allclose(scores.record_bits, np.diff(TABLE.offsets) * np.log2(113))
    assert scores.bits_per_pixel == pytest.approx(np.log2(113))


def test_bits_by_part_add_up_to_the_bits_of_the_record() -> None:
    model = fit_ngram(TABLE, VOCABULARY, order=3)
    scores = score(model, TABLE)
    for i in range(len(TABLE)):
        ids = TABLE.record(i)
        whole = -model.log_probs(ids)[np.arange(len(ids)), ids].sum() / np.log(2)
        assert scores.record_bits[i] == pytest.approx(whole)
    assert scores.tokens.sum() == len(TABLE.ids)
    assert scores.tokens[:, Part.PIXELS].tolist() == [4, 2]


def test_a_no_break_space_is_one_character_of_two_tokens() -> None:
    assert score(Fixed(uniform()), TABLE).characters == len("ab\u00a0c") + len("hello there")


def test_accuracy_counts_the_most_probable_token() -> None:
    row = uniform() * 0.5
    row[LF] += 0.5
    scores = score(Fixed(row), TABLE)
    assert scores.accuracy() == 6 / len(TABLE.ids)  # three ends a record
    assert scores.accuracy(Part.PIXELS) == 0
    assert scores.accuracy(Part.ROW_ENDS) == 2 / 3


def test_a_batching_model_is_asked_in_batches_and_answers_the_same() -> None:
    asked = []

    class Batched(Fixed):
        def batch_log_probs(self, records: list[np.ndarray]) -> list[np.ndarray]:
            asked.append(len(records))
            return [self.log_probs(record) for record in records]

    np.testing.assert_array_equal(score(Batched(uniform()), TABLE).bits, score(Fixed(uniform()), TABLE).bits)
    assert asked == [2]


@pytest.mark.parametrize("factor", [1.01, 0.9, float("nan")])
def test_rows_that_do_not_sum_to_one_are_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="add up to"):
        score(Fixed(uniform() * factor), TABLE)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_an_impossible_token_is_refused() -> None:
    row = np.zeros(len(VOCABULARY))
    row[0] = 1
    with pytest.raises(ValueError, match="impossible"):
        score(Fixed(row), TABLE)


def test_intervals_are_seeded_and_hold_the_mean() -> None:
    values = np.random.default_rng(0).normal(100, 10, size=200)
    interval = bootstrap_mean(values, seed=5)
    assert interval == bootstrap_mean(values, seed=5)
    assert interval != bootstrap_mean(values, seed=6)
    assert interval.low < values.mean() < interval.high
    half = (interval.high - interval.low) / 2
    assert half == pytest.approx(1.96 * values.std() / np.sqrt(200), rel=0.15)


def test_a_p_value_is_small_where_all_records_agree_and_natural_where_chance_rules() -> None:
    rng = np.random.default_rng(1)
    assert sign_flip_p(rng.uniform(0.5, 1, size=30), seed=0) == 1 / 2000
    chance = [sign_flip_p(rng.normal(size=25), seed=i) for i in range(40)]
    assert 0.3 < np.mean(chance) < 0.7
    values = rng.normal(0.4, 1, size=40)
    assert sign_flip_p(values, seed=3) == sign_flip_p(-values, seed=3)


def test_a_p_value_is_exact_where_all_flips_can_be_listed() -> None:
    values = np.array([3.0, 1.0, 2.0, -0.5])
    signs = np.array(list(product([-1, 1], repeat=4)))
    exact = np.mean(np.abs((signs * values).mean(axis=1)) >= abs(values.mean()) - 1e-12)
    assert sign_flip_p(values, seed=2) == pytest.approx(exact, abs=0.04)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(ValueError, match="no records"):
        score(Fixed(uniform()), TokenTable.from_records([]))
