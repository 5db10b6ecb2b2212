import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tokenizer import ORDERS, Part, Segment, decode, decode_record, encode, encode_record, parts, reorder
from tests.strategies import VOCABULARY, captions, segments, sprites


@given(segments)
def test_decode_is_the_inverse_of_encode(found: list[Segment]) -> None:
    back = decode(encode(found, VOCABULARY), VOCABULARY)
    assert len(back) == len(found)
    for one, other in zip(found, back, strict=True):
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other


@given(sprites(25), captions, st.sampled_from(ORDERS))
def test_a_record_survives_its_ids_in_either_order(sprite: np.ndarray, caption: str, order: str) -> None:
    ids = encode_record(sprite, caption, VOCABULARY, order)
    back, text = decode_record(ids, VOCABULARY)
    assert np.array_equal(back, sprite)
    assert text == caption


@given(sprites(), captions)
def test_reordering_a_record_equals_encoding_it_in_that_order(sprite: np.ndarray, caption: str) -> None:
    first, second = (encode_record(sprite, caption, VOCABULARY, order) for order in ORDERS)
    assert np.array_equal(reorder(first, "text_first"), second)
    assert np.array_equal(reorder(second, "image_first"), first)
    assert np.array_equal(reorder(first, "image_first"), first)


@given(sprites(), captions, st.sampled_from(ORDERS))
def test_each_token_has_its_part(sprite: np.ndarray, caption: str, order: str) -> None:
    h, w = sprite.shape
    labels = parts(encode_record(sprite, caption, VOCABULARY, order))
    counts = {part: int((labels == part).sum()) for part in Part}
    assert counts[Part.PIXELS] == h * w
    assert counts[Part.ROW_ENDS] == h
    assert counts[Part.CAPTION] == len(caption) + 1
    assert counts[Part.SHAPE] == len(f"({h}, {w})") + 1


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
