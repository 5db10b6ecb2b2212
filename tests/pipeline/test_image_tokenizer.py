from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given

from palettes.vocabulary import FIRST_COLOUR, LF, Vocabulary
from pipeline.image_tokenizer import ImageTokenizer, PaletteTokenizer, image_tokenizers, round_trip
from pipeline.tokenizer import Part, encode_record, parts
from tests.strategies import captions, sprites

VOCABULARY = Vocabulary()
PALETTE = PaletteTokenizer(VOCABULARY)
SPRITE = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)


@dataclass(frozen=True)
class Faulty:
    """The palette's tokenizer with a fault."""

    vocab_size: int = 113
    lossless: bool = True
    dims: bool = False  # gives the first colour for all pixels
    turns: bool = False  # gives the sprite back lying
    mute: bool = False  # writes nothing
    name: str = "faulty"

    def encode(self, sprite: np.ndarray) -> np.ndarray:
        return PALETTE.encode(sprite)[: 0 if self.mute else None]

    def decode(self, ids: np.ndarray) -> np.ndarray:
        sprite = PALETTE.decode(ids)
        sprite = np.full_like(sprite, sprite[0, 0]) if self.dims else sprite
        return sprite.T if self.turns else sprite


@given(sprites())
def test_the_palettes_own_ids_give_every_sprite_back(sprite: np.ndarray) -> None:
    ids, back = round_trip(PALETTE, sprite, "r")
    assert ids.dtype == np.uint16
    assert np.array_equal(back, sprite)


@given(sprites(), captions)
def test_the_palettes_own_ids_are_the_records_without_its_caption(sprite: np.ndarray, caption: str) -> None:
    record = encode_record(sprite, caption, VOCABULARY)
    assert np.array_equal(PALETTE.encode(sprite), record[parts(record) != Part.CAPTION])


def test_a_release_has_the_palettes_tokenisation_and_it_keeps_the_interface() -> None:
    (only,) = image_tokenizers(VOCABULARY)
    assert isinstance(only, ImageTokenizer)
    assert (only.name, only.vocab_size, only.lossless) == ("palette", 113, True)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([6, 14, 9, 3, 15, 7, LF, 300, 58, LF], "id 300 is outside"),
        ([6, 14, 9, 3, 15, 7, LF], "hold 1 segments"),
        ([6, 14, 9, 3, 15, 7, LF, FIRST_COLOUR, LF], r"announce the shape '\(1, 2\)'"),
    ],
)
def test_ids_that_are_no_picture_are_refused_in_words(ids: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PALETTE.decode(np.array(ids, dtype=np.uint16))


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (Faulty(vocab_size=64), "faulty gave the id 64 for the sprite of r7, but has 64 ids"),
        (Faulty(mute=True), "faulty gave no id"),
        (Faulty(turns=True), r"faulty gives the sprite of r7 back as \(3, 2\), but it is \(2, 3\)"),
        (Faulty(dims=True), "faulty says that it is lossless, but gives 5 of 6 pixels of r7 back as other colours"),
    ],
)
def test_a_tokenizer_that_breaks_its_word_is_named_with_the_record(faulty: Faulty, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        round_trip(faulty, SPRITE, "r7")


def test_a_tokenizer_that_says_it_is_lossy_may_lose_pixels() -> None:
    _, back = round_trip(Faulty(dims=True, lossless=False), SPRITE, "r7")
    assert set(back.ravel().tolist()) == {1}
