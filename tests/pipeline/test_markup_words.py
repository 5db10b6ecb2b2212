"""The words of an element are the same whether they are cleaned on the way or afterwards."""

from hypothesis import example, given
from hypothesis import strategies as st
from lxml.html import builder

from pipeline.crawl.markup import line_of, text_of
from pipeline.crawl.names import clean

#: Drawn more often than chance would: spaces and hidden characters, of which HTML cannot hold all.
TRICKY = " \t\n\r\x85\u00a0\u2028\u3000\u200b\u200c\u202e\u00ad\ufeff\ue000\U000e0001é日[]1a"
texts = st.text(st.one_of(st.sampled_from(TRICKY), st.characters(exclude_categories=("Cs", "Cc"))), max_size=60)


@given(texts, texts)
@example("One.\n\nTwo.\n", "\n \u200b \n")
@example("a\u00a0\u00a0b \u202e c", "\u2028\u2028")
def test_a_line_is_what_cleaning_an_elements_text_gives(text: str, tail: str) -> None:
    bold = builder.B("it")
    bold.tail = tail
    element = builder.P(text, bold)
    assert line_of(element) == clean(text_of(element))
