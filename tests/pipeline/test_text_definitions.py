"""What text.py does many characters and sentences at a time, against the same done one by one, as docs/text.md says."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.sentences import last_end, sentences, spans
from pipeline.text import REPLACEMENTS, NormalText, fit_caption, normalize_text
from tests.strategies import ASCII

FRENCH = re.compile(r"(?<=«)[\u00a0\u202f]+|(?<=«)(?<![^\s(\[]«)\s+|[\u00a0\u202f]+(?=[!?;:»])|\s+(?=»(?!\w))")
WORDS = """the It stops. of Mr. e.g. etc. No. 5 vitamin C. J. R. é Œuvre “Yes.” (so) … ... ! ? No! ¿Que? ¡Hola! 3.5 z.
B. p. ex. Pokémon ß & @ 日本。 ¼ İ ‽ U.S. Sixteen windowsills \u212a ſ ﬁ _ ´ \u0301 a\u0301 « » «word» » «( word.«
" ' ’” — \x07 \u200b \U0001f600"""
GAPS = (" ", " ", " ", "", "  ", "\n", "\u00a0", "\u202f", "\u2028", "\t")
pieces = st.tuples(st.sampled_from(WORDS.split()), st.sampled_from(GAPS)).map("".join)
texts = st.one_of(
    st.lists(pieces, max_size=60).map("".join),
    st.lists(st.sampled_from(["It flies at night. ", "Mr. Mime eats ", "windowsills "]), max_size=60).map("".join),
    st.text(st.one_of(st.characters(), st.sampled_from(ASCII + "«»\u00a0¿.!")), max_size=60),
)


def normal_by_definition(text: str) -> NormalText:
    """Fold one character after the other."""
    said, replaced = "", 0
    for character in unicodedata.normalize("NFC", FRENCH.sub("", text)).casefold():
        if character in ASCII:
            said += character
        elif character.isspace():
            said += " "
        else:
            bare = unicodedata.normalize("NFKD", character).casefold()
            bare = "".join(REPLACEMENTS.get(one, one if one in ASCII else "") for one in bare)
            said += REPLACEMENTS.get(character, bare)
            replaced += 1
    return NormalText(" ".join(said.split()), replaced)


def caption_by_definition(paragraphs: list[str], budget: int, limit: int) -> NormalText:
    """Take one sentence after the other."""
    caption, replaced = "", 0
    for sentence in (normalize_text(one) for paragraph in paragraphs for one in sentences(paragraph)):
        longer = f"{caption} {sentence.text}".strip()
        if sentence.text:
            if len(longer) > limit or (caption and len(longer) - budget > budget - len(caption)):
                break
            caption = longer
        replaced += sentence.replaced
    return NormalText(caption, replaced)


@given(texts)
@example("«\u00a0oui\u00a0»\u00a0! «\u202f »a " * 3)
@example("".join(map(chr, range(0x20, 0x250))))
@example("=\u0338")
def test_a_text_is_folded_as_if_it_were_done_character_by_character(text: str) -> None:
    assert normalize_text(text) == normal_by_definition(text)


@given(st.lists(texts, max_size=4), st.integers(-5, 1500), st.integers(1, 1500))
@example(["It ends.¿Que? " * 40], 300, 1000)
@example(["One. " * 300], 700, 2000)
@example(["It & it. " * 20], 200, 1000)
@example(["Él dijo: «\u00a0Oui.\u00a0» Non\u00a0! " * 9, "& " * 40], 250, 900)
def test_a_caption_is_what_taking_one_sentence_after_the_other_gives(
    paragraphs: list[str], budget: int, limit: int
) -> None:
    assert fit_caption(paragraphs, budget, limit) == caption_by_definition(paragraphs, budget, limit)


@given(texts, st.data())
def test_the_last_end_within_a_length_is_found_without_reading_the_text_before(text: str, data: st.DataObject) -> None:
    text = text.strip()
    every = list(spans(text))
    near = st.tuples(st.sampled_from([0, *(end for _, end in every[:-1])]), st.integers(-3, 2)).map(sum)
    most = min(data.draw(near), max(len(text) - 1, 0))
    starts = [begin for begin, _ in every[1:]]
    wanted = [(end, after) for (_, end), after in zip(every, starts, strict=False) if 0 < end <= most]
    assert last_end(text, most) == (wanted[-1] if wanted else (0, 0))


@pytest.mark.parametrize(("most", "found"), [(17, (0, 0)), (18, (18, 19)), (26, (18, 19)), (27, (27, 28))])
def test_a_sentence_that_ends_just_there_is_within(most: int, found: tuple[int, int]) -> None:
    assert last_end("It flies at night. It eats. It sleeps.", most) == found


@pytest.mark.parametrize("text", ["mr.\n ¼", "e.g. It", "st. A b"])
def test_an_abbreviation_at_the_very_beginning_ends_no_sentence(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize("length", [200, 300, 700, 5000])
def test_a_sentence_longer_than_the_first_look_back_is_found(length: int) -> None:
    text = f"It flies. {'far ' * (length // 4)}away. Then it rests."
    assert last_end(text, length) == (len("It flies."), len("It flies. "))
