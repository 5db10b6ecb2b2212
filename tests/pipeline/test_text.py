import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sentences import sentences
from pipeline.text import REPLACEMENTS, fit_caption, normalize_text
from tests.strategies import ASCII, VOCABULARY


@given(st.text())
def test_every_normalised_text_has_tokens(text: str) -> None:
    VOCABULARY.encode_text(normalize_text(text).text)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize_text(text).text
    again = normalize_text(once)
    assert again.text == once
    assert again.replaced == 0


@pytest.mark.parametrize("stand_in", REPLACEMENTS.values())
def test_every_stand_in_of_the_table_has_tokens(stand_in: str) -> None:
    assert set(stand_in) <= set(ASCII)


@pytest.mark.parametrize(
    ("text", "normal", "replaced"),
    [
        ("Nidoran♀ & Mr. Mime", "nidoran f and mr. mime", 2),
        ("“Flabébé” — l’été…", '"flabebe" - l\'ete...', 9),
        ("a\u00a0b\n\tc", "a b c", 0),
        ("CAPITALS", "capitals", 0),
        ("straße", "strasse", 0),
        ("日本", "", 2),
        ("who? <me>", "who. (me)", 3),
    ],
)
def test_the_table_folds_what_it_says(text: str, normal: str, replaced: int) -> None:
    assert normalize_text(text).text == normal
    assert normalize_text(text).replaced == replaced


def test_a_caption_is_whole_sentences_nearest_to_the_budget() -> None:
    paragraphs = ["One two three. Four five.", "Six seven eight nine."]
    assert fit_caption(paragraphs, 15, 100).text == "one two three."
    assert fit_caption(paragraphs, 24, 100).text == "one two three. four five."
    assert fit_caption(paragraphs, 1000, 100).text == "one two three. four five. six seven eight nine."
    assert fit_caption(paragraphs, 1, 100).text == "one two three."
    assert fit_caption(paragraphs, 1, 5).text == ""


@given(st.lists(st.text(max_size=60), max_size=5), st.integers(1, 200), st.integers(1, 200))
def test_a_caption_never_exceeds_its_limit_and_cuts_no_sentence(paragraphs: list[str], budget: int, limit: int) -> None:
    caption = fit_caption(paragraphs, budget, limit).text
    assert len(caption) <= limit
    normal = [normalize_text(s).text for paragraph in paragraphs for s in sentences(paragraph)]
    whole = " ".join(filter(None, normal))
    assert whole.startswith(caption)
    assert caption == whole or whole[len(caption) : len(caption) + 1] in {" ", ""} or not caption


def test_sentences_keep_abbreviations_and_numbers_whole() -> None:
    assert sentences("Mr. Mime weighs 3.5 kg. It rests… Then it runs!") == [
        "Mr. Mime weighs 3.5 kg.",
        "It rests…",
        "Then it runs!",
    ]
