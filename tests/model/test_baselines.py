"""Count models are exact, causal and finite, and each knows what its name says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.baselines import fit_baselines, fit_counts2d, fit_guesses, fit_ngram
from model.batches import TokenTable
from model.counts import count_chain, learn_leaning, pack
from model.language_model import LanguageModel
from model.layout import LAST_ROW_END, NOTHING, ROW_END, layout
from palettes.vocabulary import LF, TAB, Vocabulary
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()


def drawn_records(count: int, seed: int) -> list[tuple[str, np.ndarray]]:
    """Mirrored blobs with a sentence about their colour: structured both ways."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        h, w = rng.integers(6, 12, size=2)
        colour, rim = rng.integers(0, 55, size=2)
        y, x = np.mgrid[:h, :w]
        away = ((y - h / 2) / h) ** 2 + ((x - w / 2) / w) ** 2
        sprite = np.where(away < 0.08, colour, np.where(away < 0.14, rim, 1)).astype(np.uint8)
        sprite = np.where(rng.random((h, w)) < 0.03, 2, sprite).astype(np.uint8)
        caption = f"it has {h} rows and lives in the {('sea', 'wood', 'hills')[colour % 3]}."
        out.append((f"r{i}", encode_record(sprite, caption, VOCABULARY)))
    return out


def bits(model: LanguageModel, records: list[tuple[str, np.ndarray]]) -> float:
    paid = [model.log_probs(ids)[np.arange(len(ids)), ids].sum() for _, ids in records]
    return -float(np.sum(paid)) / np.log(2)


TRAIN = TokenTable.from_records(drawn_records(60, seed=1))
MODELS = fit_baselines(TRAIN, VOCABULARY)
BY_NAME = {model.name: model for model in MODELS}
anything = st.lists(st.integers(0, len(VOCABULARY) - 1), min_size=1, max_size=60)


def test_the_names_are_the_published_ones() -> None:
    assert [m.name for m in MODELS] == ["RepeatLast", "CopyAbove", "ModalityMode", "Bigram", "NGram5", "Counts2D"]
    assert all(isinstance(m, LanguageModel) and m.kind == "baseline" and m.parameters > 0 for m in MODELS)


@pytest.mark.parametrize("name", BY_NAME)
@given(ids=anything)
@settings(max_examples=15, deadline=None)
def test_rows_sum_to_one_and_nothing_is_impossible_whatever_the_ids(name: str, ids: list[int]) -> None:
    logs = BY_NAME[name].log_probs(np.array(ids, dtype=np.uint8))
    assert logs.shape == (len(ids), len(VOCABULARY))
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("name", BY_NAME)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_changing_a_later_id_changes_no_earlier_row(name: str, data: st.DataObject) -> None:
    model = BY_NAME[name]
    record = TRAIN.record(data.draw(st.integers(0, len(TRAIN) - 1))).copy()
    at = data.draw(st.integers(0, len(record) - 1))
    before = model.log_probs(record)[: at + 1]
    record[at] = (record[at] + data.draw(st.integers(1, len(VOCABULARY) - 1))) % len(VOCABULARY)
    np.testing.assert_array_equal(model.log_probs(record)[: at + 1], before)


def test_a_bigram_is_witten_bell_by_hand() -> None:
    # a b a b: after `a` came b twice; the unigram holds a 2, b 2 over two kinds, and leans on 1/113
    a, b = VOCABULARY.encode_text("ab").tolist()
    record = np.array([a, b, a, b], dtype=np.uint8)
    model = fit_ngram(TokenTable.from_records([("r", record)]), VOCABULARY, order=2)
    unigram_b = (2 + 2 / 113) / (4 + 2)
    after_a = (2 + 1 * unigram_b) / (2 + 1)
    assert np.exp(model.log_probs(record)[1, b]) == pytest.approx(after_a)
    first_a = (1 + 1 * unigram_b) / (1 + 1)  # a began the record once, and a is as common as b
    assert np.exp(model.log_probs(record)[0, a]) == pytest.approx(first_a)


def test_leaning_is_counted_by_hand() -> None:
    chain = count_chain(np.zeros((1, 3), dtype=np.int64), np.array([0, 0, 1], dtype=np.uint8), size=4, leaning=(2.0,))
    p = chain.probabilities(np.zeros((1, 1), dtype=np.int64))[0]
    np.testing.assert_allclose(p, [(2 + 1) / 7, (1 + 1) / 7, 1 / 7, 1 / 7])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_learned_leanings_never_cost_more_than_witten_bell_where_they_were_learned(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 5, size=120)
    contexts = pack([np.zeros(120, dtype=np.int64), np.roll(ids, 1), np.roll(ids, 2)])
    tokens = ids.astype(np.uint8)
    counted = (contexts[:, :80], tokens[:80], 5)
    leaning = learn_leaning(count_chain(*counted), contexts[:, 80:], tokens[80:])

    def cost(how: tuple[float, ...]) -> float:
        p = count_chain(*counted, how).probabilities(contexts[:, 80:])
        return -float(np.log(p[np.arange(40), tokens[80:]]).sum())

    assert cost(leaning) <= cost((1.0, 1.0, 1.0)) + 1e-9


def test_each_model_is_better_than_a_simpler_one_on_drawn_records() -> None:
    held_out = drawn_records(20, seed=2)
    paid = {name: bits(model, held_out) for name, model in BY_NAME.items()}
    uniform = sum(len(ids) for _, ids in held_out) * np.log2(len(VOCABULARY))
    assert paid["Counts2D"] < paid["NGram5"] < paid["Bigram"] < paid["ModalityMode"] < uniform
    assert max(paid["RepeatLast"], paid["CopyAbove"]) < uniform


def test_guesses_are_what_their_names_say() -> None:
    sprite = np.array([[5, 6], [7, 8]], dtype=np.uint8)
    seen = layout(encode_record(sprite, "ab", VOCABULARY))
    guess = {model.name: model.guess(seen) for model in fit_guesses(TRAIN, VOCABULARY)}
    picture = np.flatnonzero(seen.in_picture)
    assert guess["CopyAbove"][picture].tolist() == [3, 3, 3, 58 + 5, 58 + 6, TAB]
    assert guess["RepeatLast"][0] == NOTHING
    assert guess["RepeatLast"][1:].tolist() == seen.ids[:-1].tolist()
    assert set(guess["ModalityMode"][picture].tolist()) == {58 + 1}  # white is what most pixels are


def test_a_guess_is_trusted_as_often_as_it_was_right() -> None:
    record = encode_record(np.zeros((4, 4), dtype=np.uint8), "aa", VOCABULARY)
    model = next(m for m in fit_guesses(TokenTable.from_records([("r", record)]), VOCABULARY) if m.name == "RepeatLast")
    right = int((record[1:] == record[:-1]).sum())
    assert model.trust == (right + 1) / (len(record) - 1 + 2)


def test_row_ends_fall_due_where_the_shape_says() -> None:
    ids = encode_record(np.zeros((3, 2), dtype=np.uint8), "x", VOCABULARY)
    due = layout(ids).due
    assert np.flatnonzero(due == ROW_END).tolist() == np.flatnonzero(ids == TAB).tolist()
    assert due.max() == LAST_ROW_END
    assert ids[due == LAST_ROW_END].tolist() == [LF]


def test_a_cell_not_read_yet_cannot_be_asked_for() -> None:
    seen = layout(TRAIN.record(0))
    for up, right in [(0, 0), (0, 1), (-1, 0)]:
        with pytest.raises(ValueError, match="not read yet"):
            seen.beside(up, right)


def test_counts2d_almost_never_pays_for_row_ends() -> None:
    model = fit_counts2d(TRAIN, VOCABULARY)
    ids = TRAIN.record(0)
    paid = -model.log_probs(ids)[np.arange(len(ids)), ids]
    assert paid[(ids == TAB)].sum() < 0.5


def test_an_empty_split_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no records"):
        fit_baselines(TokenTable.from_records([]), VOCABULARY)


def test_one_record_is_enough_to_fit() -> None:
    one = TokenTable.from_records(drawn_records(1, seed=3))
    assert all(np.isfinite(m.log_probs(one.record(0))).all() for m in fit_baselines(one, VOCABULARY))
