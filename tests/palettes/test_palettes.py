from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palettes.palette import load_palette
from palettes.vocabulary import BYTES, FIRST_COLOUR, Vocabulary
from tests.strategies import captions


def test_the_vocabulary_is_the_papers_113_ids() -> None:
    vocabulary = Vocabulary()
    assert len(vocabulary) == 113
    assert vocabulary.name(3) == " "
    assert vocabulary.name(57) == "z"
    assert vocabulary.name(58) == "#000000"
    assert vocabulary.name(112) == "#787878"
    assert [vocabulary.name(i) for i in range(3)] == ["NUL", "TAB", "LF"]


def test_extras_are_appended_and_change_the_digest_but_no_id() -> None:
    plain, more = Vocabulary(), Vocabulary(extras=("<a>", "<b>"))
    assert [more.name(i) for i in range(113)] == [plain.name(i) for i in range(113)]
    assert more.name(114) == "<b>"
    assert more.digest != plain.digest


@given(captions)
def test_text_survives_its_ids(text: str) -> None:
    vocabulary = Vocabulary()
    assert vocabulary.decode_text(vocabulary.encode_text(text)) == text


@given(st.text(min_size=1))
def test_text_without_tokens_is_refused_by_name(text: str) -> None:
    allowed = set(BYTES[3:].decode("latin-1").replace("\xc2", ""))
    if set(text) <= allowed | {"\xa0"}:
        return
    with pytest.raises(ValueError, match="has no token"):
        Vocabulary().encode_text(text)


def test_a_palette_survives_its_own_file(tmp_path: Path) -> None:
    nes = load_palette("nes")
    (tmp_path / "mine.gpl").write_text(nes.gpl())
    assert np.array_equal(load_palette(tmp_path / "mine.gpl").rgb, nes.rgb)
    assert load_palette(tmp_path / "mine.gpl").digest == nes.digest


def test_a_hex_file_is_a_palette(tmp_path: Path) -> None:
    (tmp_path / "two.hex").write_text("ff0000\n#00ff00\n")
    assert load_palette(tmp_path / "two.hex").rgb.tolist() == [[255, 0, 0], [0, 255, 0]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.gpl", "GIMP Palette\n300 0 0\n1 1 1\n", "line 2 is '300 0 0'"),
        ("a.gpl", "no palette\n", "does not begin"),
        ("a.hex", "ff0000\nff0000\n", "twice"),
        ("a.hex", "red\n", "six hex digits"),
        ("a.hex", "ff0000\n", "2 to 198"),
    ],
)
def test_a_bad_palette_file_says_what_and_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_palette(tmp_path / name)


def test_an_unknown_palette_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'vga' is not known: choose one of game-boy, nes, pico-8, or give a"):
        load_palette("vga")


def test_an_id_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="id 113 is outside"):
        Vocabulary().name(113)
    assert not Vocabulary().is_colour(FIRST_COLOUR - 1)
