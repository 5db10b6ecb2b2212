from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palettes.vocabulary import BYTES
from pipeline.tokenizer import (
    ORDERS,
    Order,
    Part,
    Segment,
    decode,
    decode_record,
    encode,
    encode_record,
    encode_records,
    grids,
    parts,
    reorder,
)
from tests.strategies import VOCABULARY, captions, segments, sprites


@given(segments)
def test_decode_is_the_inverse_of_encode(found: list[Segment]) -> None:
    back = decode(encode(found, VOCABULARY), VOCABULARY)
    assert len(back) == len(found)
    for one, other in zip(found, back, strict=True):
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


@given(sprites(25), captions, st.sampled_from(ORDERS))
def test_a_record_survives_its_ids_in_either_order(sprite: np.ndarray, caption: str, order: Order) -> None:
    ids = encode_record(sprite, caption, VOCABULARY, order)
    back, text = decode_record(ids, VOCABULARY)
    assert np.array_equal(back, sprite)
    assert text == caption


@given(sprites(25), captions)
def test_a_record_is_encoded_as_if_it_were_done_byte_by_byte(sprite: np.ndarray, caption: str) -> None:
    h, w = sprite.shape
    plain = [BYTES.index(byte) for byte in f"({h}, {w})".encode()] + [2]
    for y, row in enumerate(sprite.tolist()):
        plain += [58 + colour for colour in row] + [2 if y == h - 1 else 1]
    plain += [BYTES.index(byte) for byte in caption.encode()] + [2]
    assert encode_record(sprite, caption, VOCABULARY).tolist() == plain
    assert encode_record(np.asfortranarray(sprite), caption, VOCABULARY).tolist() == plain


@given(st.lists(st.tuples(sprites(25), captions), max_size=6))
def test_records_encoded_together_are_those_encoded_one_by_one(records: list[tuple[np.ndarray, str]]) -> None:
    ids, starts = encode_records([sprite for sprite, _ in records], [caption for _, caption in records], VOCABULARY)
    assert [ids[a:b].tolist() for a, b in pairwise(starts)] == [
        encode_record(*one, VOCABULARY).tolist() for one in records
    ]
    assert starts[-1] == len(ids)


@pytest.mark.parametrize(
    ("sprite", "caption", "complaint"),
    [
        (np.full((2, 2), 55, dtype=np.uint8), "a", "outside the palette"),
        (np.zeros((2, 0), dtype=np.uint8), "a", "is empty"),
        (np.zeros((2, 2), dtype=np.uint8), "a\nb", "no token"),
        (np.zeros((2, 2), dtype=np.uint8), "a\0b", "no token"),
        (np.zeros((2, 2), dtype=np.uint8), "a\tb", "no token"),
        (np.zeros((2, 2), dtype=np.uint8), "A", "'A'"),
    ],
)
def test_of_records_encoded_together_the_one_without_ids_is_named(
    sprite: np.ndarray, caption: str, complaint: str
) -> None:
    good = np.zeros((3, 1), dtype=np.uint8)
    with pytest.raises(ValueError, match=complaint):
        encode_records([good, sprite, good], ["fine", caption, "fine"], VOCABULARY)


@given(sprites(), captions)
def test_reordering_a_record_equals_encoding_it_in_that_order(sprite: np.ndarray, caption: str) -> None:
    first, second = (encode_record(sprite, caption, VOCABULARY, order) for order in ORDERS)
    assert np.array_equal(reorder(first, "text_first"), second)
    assert np.array_equal(reorder(second, "image_first"), first)
    assert np.array_equal(reorder(first, "image_first"), first)


@given(sprites(), captions, st.sampled_from(ORDERS))
def test_each_token_has_its_part(sprite: np.ndarray, caption: str, order: Order) -> None:
    h, w = sprite.shape
    labels = parts(encode_record(sprite, caption, VOCABULARY, order))
    counts = {part: int((labels == part).sum()) for part in Part}
    assert counts[Part.PIXELS] == h * w
    assert counts[Part.ROW_ENDS] == h
    assert counts[Part.CAPTION] == len(caption) + 1
    assert counts[Part.SHAPE] == len(f"({h}, {w})") + 1


def by_definition(ids: list[int]) -> list[list[list[int]]] | None:
    """Cut ids at separators, one by one; None where they are not as the dataset's page says."""
    segments: list[list[list[int]]] = []
    rows: list[list[int]] = [[]]
    for token in ids:
        rows[-1].append(token)
        if token == 1:
            rows.append([])
        elif token == 2:
            segments.append(rows)
            rows = [[]]
    ruled = all(len({len(row) for row in segment}) == 1 for segment in segments)
    return segments if segments and rows == [[]] and ruled and 0 not in ids else None


@given(st.lists(st.sampled_from([0, 1, 2, 2, 32, 58, 112]), max_size=12))
def test_grids_are_what_the_definition_says_and_all_else_is_refused(tokens: list[int]) -> None:
    ids = np.array(tokens, dtype=np.uint8)
    wanted = by_definition(tokens)
    if wanted is None:
        with pytest.raises(ValueError, match=r"cut off|different widths"):
            grids(ids)
    else:
        assert [grid.tolist() for grid in grids(ids)] == wanted


@given(st.lists(st.sampled_from([0, 1, 2, 2, 32, 33, 58, 112]), max_size=12))
def test_what_decodes_encodes_to_the_same_ids(tokens: list[int]) -> None:
    ids = np.array(tokens, dtype=np.uint8)
    try:
        found = decode(ids, VOCABULARY)
    except ValueError:
        return
    assert np.array_equal(encode(found, VOCABULARY), ids)


def test_a_character_without_a_token_is_named() -> None:
    for text, shown in (("aXb", "'X'"), ("a\tb", r"'\\t'"), ("a\0", r"'\\x00'"), ("é", "'é'")):
        with pytest.raises(ValueError, match=f"the text holds {shown}, which has no token"):
            encode([text], VOCABULARY)


def test_ids_can_be_changed_without_touching_the_sprite() -> None:
    sprite = np.zeros((2, 2), dtype=np.uint8)
    ids = encode_record(sprite, "a", VOCABULARY)
    ids[:] = 2
    assert not sprite.any()


def test_an_image_costs_h_times_w_plus_1_and_a_text_n_plus_1() -> None:
    sprite = np.zeros((4, 6), dtype=np.uint8)
    assert len(encode([sprite], VOCABULARY)) == 4 * 7
    assert len(encode(["abc"], VOCABULARY)) == 4


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([32, 33], "do not end with LF"),
        ([60, 1, 60, 60, 2], "different widths"),
        ([32, 1, 33, 2], "only an image"),
        ([6, 2, 58, 2], "shape, image and caption"),
        ([32, 2, 58, 2, 32, 2], "announces the shape 'a'"),
    ],
)
def test_ids_that_are_no_record_are_refused_with_a_reason(ids: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_record(np.array(ids, dtype=np.uint8), VOCABULARY)


def test_a_colour_outside_the_palette_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the palette"):
        encode([np.array([[55]], dtype=np.uint8)], VOCABULARY)
