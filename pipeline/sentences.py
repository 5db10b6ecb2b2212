"""Where sentences end: at marks, but not behind the abbreviations of many languages. docs/text.md shows them."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

#: A mark, at most one sign behind it that closes a quotation, and white space before a letter or digit; or a ¿ or ¡.
_END = r"""(?:["'”»’›“‘«)]|[ \u00a0\u202f][»›](?!\w))?(\s+(?=[^\w\s]*(?:[«‹]\s+[^\w\s]*)?\w)|(?=[¿¡]))"""
_ENDS = {mark: re.compile(re.escape(mark) + _END) for mark in ".!?…"}  # one literal in front is found ten times faster
#: Abbreviations, without their last dot and in lower case, behind which a sentence goes on whatever follows.
ALWAYS = {
    "English": "mr mrs ms dr st jr e.g i.e vs viz cf approx",
    "French": "p.ex c.-à-d mme mlle mgr",
    "German": "z.b d.h u.a bzw ca evtl ggf sog inkl vgl",
    "Spanish": "p.ej aprox",
    "Italian": "p.es dott",
    "Portuguese": "p.ex exmo exma",
    "Polish": "np tzw tzn m.in inż ks św ul",
    "Czech": "např tzv tj",
    "Turkish": "örn bkz",
    "Nordic": "t.ex bl.a f.eks d.v.s dvs jfr jf",
    "Dutch": "bijv dhr mevr o.a",
    "Vietnamese": "tp ths",
}
#: Titles: the same, where they begin with a capital and a capital follows.
TITLES = {
    "English": "prof rev gen col capt lt sgt sen rep gov hon mt messrs",
    "French": "m mm",
    "German": "hr fr",
    "Spanish": "sr sra srta dra dña",
    "Italian": "sig sig.ra",
    "Portuguese": "sr sra dra",
    "Czech": "ing",
    "Turkish": "sn",
}
#: The same, where a digit follows.
COUNTED = {
    "English": "no nos vol fig art p pp ch",
    "French": "env n chap",
    "German": "nr s abb bd kap",
    "Spanish": "núm pág págs",
    "Polish": "ok str",
    "Czech": "č cca str",
    "Nordic": "kl bl",
}
#: The same, where a small letter follows: they may as well end a sentence.
HALFWAY = {"English": "etc al inc co", "German": "usw usf", "Italian": "ecc", "Polish": "itd itp", "Czech": "atd apod",
           "Turkish": "vb", "Nordic": "osv m.m"}  # fmt: skip
_ALWAYS, _TITLES, _COUNTED, _HALFWAY = (
    frozenset(" ".join(words.values()).split()) for words in (ALWAYS, TITLES, COUNTED, HALFWAY)
)
_SECOND = frozenset({"ex", "ej", "es"})  # of what is written "p. ex."
_BEFORE_NAMES = frozenset(
    ("of", "by", "and", "with", "from", "for", "to", "von", "und", "mit", "et", "de", "par", "y", "e", "di")
)
_SHORTENED = _ALWAYS | _TITLES | _COUNTED | _HALFWAY | _SECOND
_LONGEST = max(map(len, _SHORTENED))
_NEAR = 256  # characters in which a sentence's end is looked for first
_OPENING = "\"'([{«‹»„“‘‚”—–-¿¡"


def sentences(text: str) -> list[str]:
    """Split a text at sentence ends; the white space between them goes.

    A mark ends no sentence behind an abbreviation of any of the languages in ALWAYS, TITLES, COUNTED and HALFWAY,
    behind initials, and, where it is an ellipsis, before a small letter.

    >>> sentences('Mr. Mime flies. It eats 3.5 kg a day! "Yes." Or so.')
    ['Mr. Mime flies.', 'It eats 3.5 kg a day!', '"Yes."', 'Or so.']
    """
    text = text.strip()
    return [text[begin:end] for begin, end in spans(text)]


def spans(text: str, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield where each sentence of a text without white space at its ends begins and ends, from `begin` on.

    Whether a mark ends a sentence is told from what stands around it, so one may begin anywhere.
    """
    marks = [mark for mark in _ENDS if mark in text]
    found: Iterable[re.Match[str]] = chain.from_iterable([_ENDS[mark].finditer(text, begin) for mark in marks])
    if len(marks) > 1:
        found = sorted(found, key=re.Match.start)
    for one in found:
        mark, (end, after) = one.start(), one.span(1)
        if end - mark > 1 or not _goes_on(text, mark, after):
            yield begin, end
            begin = after
    if begin < len(text):
        yield begin, len(text)


def _goes_on(text: str, mark: int, after: int) -> bool:
    """Say whether the mark at `mark` ends no sentence; `after` is where the next would begin."""
    if mark > _LONGEST and text[mark - _LONGEST - 1 : mark].isalpha():  # longer than any abbreviation
        return text[mark] == "…" and text[after].islower()
    word = text[max(text.rfind(" ", 0, mark) + 1, mark - _LONGEST - 2) : mark]
    if len(word) > 1 and word.isalpha() and word.lower() not in _SHORTENED:  # nearly all others are such words
        return text[mark] == "…" and text[after].islower()
    following = text[after]
    if text[mark] != ".":
        return text[mark] == "…" and following.islower()
    words = word.rsplit(None, 1)
    word = words[-1].lstrip(_OPENING) if words else ""
    if word.endswith("."):
        return word.endswith("..") and following.islower()
    if len(word) == 1 and word.isalpha():
        return _is_initial(text, mark, after) or (word.lower() in _COUNTED and following.isdigit())
    return _is_shortened(word, following) or (word in _SECOND and text[max(mark - 5, 0) : mark - 3] == "p.")


def _is_shortened(word: str, following: str) -> bool:
    """Say whether a word with a dot behind it is an abbreviation that ends no sentence before `following`."""
    low = word.lower()
    return (
        low in _ALWAYS
        or (low in _COUNTED and following.isdigit())
        or (low in _HALFWAY and following.islower())
        or (low in _TITLES and word[0].isupper() and following.isupper())
    )


def _is_initial(text: str, mark: int, after: int) -> bool:
    """Say whether the single letter before `mark` belongs to a name, as in J. R., or to letters such as z. B."""
    letter, following = text[mark - 1], text[after : after + 3]
    before = text[max(mark - 42, 0) : mark - 1].split()  # some words before it are enough
    last = before[-1].lstrip(_OPENING) if before else ""
    if following[1:2] == "." and following[:1].isalpha():
        return True
    if letter == "p" and text[after : after + 2] in _SECOND:
        return True
    if len(last) == len("z.") and last[0].isalpha() and last[1] == ".":
        return True
    if not (letter.isupper() and following[:1].isupper()):
        return False
    title = letter.lower() in _TITLES and not last.isdigit()
    return title or not last or last[0].isupper() or last in _BEFORE_NAMES  # "vitamin C. It" ends, "of J. Smith" not


def last_end(text: str, most: int) -> tuple[int, int]:
    """Return where the last sentence within so many characters ends, and the next begins; zeros when none ends there.

    The text, which is longer, is looked at only near that place.
    """
    start, near, ended = most, _NEAR, 0
    while start > 0:
        start, near = max(start - near, 0), near * 2
        for begin, end in spans(text, start):
            if end > most:
                if ended:
                    return ended, begin
                break
            ended = end
    return 0, 0


def abbreviations_table() -> str:
    """Return the table of abbreviations by language in Markdown, as docs/text.md shows it."""
    kinds = (ALWAYS, TITLES, COUNTED, HALFWAY)
    lines = [
        "| language | always | with a capital, before one | before a digit | before a small letter |",
        "|---|---|---|---|---|",
    ]
    for language in dict.fromkeys(name for kind in kinds for name in kind):
        cells = (", ".join(f"{word}." for word in kind.get(language, "").split()) for kind in kinds)
        lines.append(f"| {language} | {' | '.join(cells)} |")
    return "\n".join(lines)
