"""Texts from outside, as words in Markdown: whatever they hold, they stay words of one line."""

import re
import unicodedata

MAX_WORDS = 4_000  # characters of one text; what is longer is cut, and says so
_UNSEEN = {"Cc", "Cf", "Cs", "Co"}  # controls, bidi marks and other formats, lone surrogates, private use
_MARKS = str.maketrans({mark: f"&#{ord(mark)};" for mark in "&<>[]\\`|*~$@"})
_LIKES = str.maketrans("`|<>[]", "'/‹›()")
_BRACES = str.maketrans("{}\\~^", "()/--")
_TEX = str.maketrans({mark: f"\\{mark}" for mark in "&%$#_"})
_EDGE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")  # within a word an underscore is only itself
_LINKS = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_BEGINS = re.compile(r"^(\d{1,9}(?=[.)](?: |$))|(?=[#+\-]))(.)")  # a heading, an item, a rule
_ADDRESS = re.compile(r"https?://[^\s<>“”«»]+")
_NOT_IN_ADDRESS = str.maketrans({mark: f"%{ord(mark):02X}" for mark in '"\\`|*[]{}^'})
_AFTER = ".,;:!?'’"  # belongs to the sentence that an address ends


def one_line(text: str, limit: int = MAX_WORDS) -> str:
    """Return a text as one line without characters that are not seen, such as controls and bidi marks.

    >>> one_line("a" + chr(10) + "---" + chr(0x202E) + " b")
    'a --- b'
    """
    if not text.isprintable():  # most are, and the loop is slow
        seen = (" " if char.isspace() else "" if unicodedata.category(char) in _UNSEEN else char for char in text)
        text = "".join(seen)
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain(text: str, limit: int = MAX_WORDS) -> str:
    """Return a text that Markdown shows as it is: no HTML, no link, no table, at the beginning of a line as within.

    What means something to Markdown is written as a character reference; most texts have nothing of the kind.

    >>> plain("Mr. Mime"), plain("[x](y)"), plain("1. _b_")
    ('Mr. Mime', '&#91;x&#93;(y)', '1&#46; &#95;b&#95;')
    """
    return _begun(_escaped(one_line(text, limit)))


def credit(text: str) -> str:
    """Return a text that may name web pages, which then are links; all else of it is plain.

    >>> credit("“A*”, the makers, https://a.org/wiki/B_(c); and others")
    '“A&#42;”, the makers, <https://a.org/wiki/B_(c)>; and others'
    """
    parts, last = [], 0
    line = one_line(text)
    for found in _ADDRESS.finditer(line):
        address = _without_end(found[0])
        parts += [_escaped(line[last : found.start()]), f"<{address.translate(_NOT_IN_ADDRESS)}>"]
        last = found.start() + len(address)
    return _begun("".join([*parts, _escaped(line[last:])]))


def bare(text: str, limit: int = 200) -> str:
    """Return a text as one short line in which the marks of Markdown and HTML are replaced by their likes.

    For places that know no character references: code spans, and the head of a card.
    """
    return one_line(text, limit).translate(_LIKES)


def code(text: str) -> str:
    """Return a text as a code span that nothing in it can end, nor the cell of a table around it.

    >>> code("0001-a"), code("a`|b")
    ('`0001-a`', "`a'/b`")
    """
    return f"`{bare(text) or '-'}`"


def bib(text: str, limit: int = 200) -> str:
    r"""Return a text as the value of a BibTeX field, in a code block that nothing in it can end.

    >>> print(bib("A & B {v_1}"))
    A \& B (v\_1)
    """
    return bare(text, limit).translate(_BRACES).translate(_TEX)


def _without_end(address: str) -> str:
    """Take off what ends a sentence or a parenthesis around the address."""
    while address[-1] in _AFTER or (address.endswith(")") and address.count(")") > address.count("(")):
        address = address[:-1]
    return address


def _escaped(words: str) -> str:
    return _LINKS.sub(_reference, _EDGE.sub(_reference, words.translate(_MARKS)))


def _begun(line: str) -> str:
    """Let the first mark of a line begin nothing: no heading, item or rule."""
    return _BEGINS.sub(lambda found: f"{found[1]}&#{ord(found[2])};", line)


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
