import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.grammar import Grammar
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import ORDERS, Order, decode_record, encode_record
from tests.strategies import captions, sprites

VOCABULARY = Vocabulary()
orders = st.sampled_from(ORDERS)
texts = st.one_of(captions, st.text("ab \xa0", min_size=1, max_size=20))


@settings(max_examples=30)
@given(sprites(14), texts, orders)
def test_every_record_that_the_tokenizer_writes_is_accepted(sprite: np.ndarray, caption: str, order: Order) -> None:
    assert Grammar(VOCABULARY, order).why_not(encode_record(sprite, caption, VOCABULARY, order)) is None


@settings(max_examples=30)
@given(orders, st.integers(1, 25), st.integers(1, 12), st.integers(0, 10**6))
def test_ids_drawn_at_random_from_the_masks_always_decode(
    order: Order, max_side: int, max_caption: int, seed: int
) -> None:
    grammar, rng, batch = Grammar(VOCABULARY, order, max_side, max_caption), np.random.default_rng(seed), 8
    state, drawn = grammar.start(batch), []
    while not state.ended.all():
        scores = np.where(grammar.mask(state), rng.random((batch, len(VOCABULARY))), -1)
        drawn.append(scores.argmax(axis=1).astype(np.uint8))
        state = grammar.advance(state, drawn[-1])
    for row in np.stack(drawn, axis=1):
        ids = row[: int(np.argmax(row == 0)) or None] if 0 in row else row
        sprite, caption = decode_record(ids, VOCABULARY)
        assert max(sprite.shape) <= max_side
        assert 1 <= len(caption.encode()) <= max_caption
        assert "\ufffd" not in caption
        assert np.array_equal(encode_record(sprite, caption, VOCABULARY, order), ids)


@settings(max_examples=30)
@given(sprites(6), texts, orders, st.data())
def test_a_record_is_accepted_only_whole_and_only_in_its_order(
    sprite: np.ndarray, caption: str, order: Order, data: st.DataObject
) -> None:
    ids = encode_record(sprite, caption, VOCABULARY, order)
    grammar = Grammar(VOCABULARY, order)
    cut = data.draw(st.integers(0, len(ids) - 1))
    assert not grammar.accepts(ids[:cut])
    assert not grammar.accepts(np.append(ids, ids[-1]))
    grammar.read(ids[:cut])  # but each beginning is one


@given(sprites(6), captions, orders, st.data())
def test_what_breaks_the_decoder_is_refused(
    sprite: np.ndarray, caption: str, order: Order, data: st.DataObject
) -> None:
    ids = encode_record(sprite, caption, VOCABULARY, order)
    ids[data.draw(st.integers(0, len(ids) - 1))] = data.draw(st.integers(0, len(VOCABULARY) - 1))
    try:
        again = encode_record(*decode_record(ids, VOCABULARY), VOCABULARY, order)
    except ValueError:
        assert not Grammar(VOCABULARY, order).accepts(ids)
    else:
        fits = np.array_equal(again, ids)
        assert Grammar(VOCABULARY, order).accepts(ids) == fits or "\ufffd" in VOCABULARY.decode_text(ids[ids < 58])


@pytest.mark.parametrize(
    ("text", "said"),
    [("(0", "cannot stand where HEIGHT"), ("(26", "cannot stand where HEIGHT"), ("(3,4", "SPACE"), ("(3, )", "WIDTH")],
)
def test_a_shape_that_cannot_be_is_refused_where_it_goes_wrong(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Grammar(VOCABULARY).read(VOCABULARY.encode_text(text))


def test_the_width_may_be_any_up_to_the_bound() -> None:
    for side in range(1, 26):
        sprite = np.zeros((1, side), dtype=np.uint8)
        assert Grammar(VOCABULARY).accepts(encode_record(sprite, "a", VOCABULARY))


def test_bounds_without_any_record_are_refused() -> None:
    with pytest.raises(ValueError, match="both must be 1 or more"):
        Grammar(VOCABULARY, max_side=0)
