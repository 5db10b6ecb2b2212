"""Text that has tokens: folded by one written table, cut at sentences to a budget. docs/text.md shows the tables."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from palettes.vocabulary import BYTES

#: What has no token and a fair stand-in, by what it is. All else that the vocabulary lacks goes. Case folds first.
GROUPS: dict[str, dict[str, str]] = {
    "single quotation marks": dict.fromkeys("‘’‚‛‹›′`´ʼʻ", "'"),
    "double quotation marks": dict.fromkeys("“”„‟«»″", '"'),
    "dashes and bullets": dict.fromkeys("‐‑‒–—―−~•·", "-"),
    "ends of sentences": {"…": "...", "?": ".", "‽": ".", "¿": "", "¡": ""},
    "brackets and strokes": {"<": "(", ">": ")", "{": "(", "}": ")", "|": "/", "\\": "/", "⁄": "/", "_": " ", "^": ""},
    "signs read as words": {
        "&": " and ", "@": " at ", "=": " equals ", "≠": " is not ", "≤": " at most ", "≥": " at least ",
        "#": "no. ", "№": "no. ", "$": " dollars ", "€": " euros ", "£": " pounds ", "¥": " yen ",
        "°": " degrees", "℃": " degrees c", "℉": " degrees f", "‰": " per mille", "♀": " f", "♂": " m",
    },
    "signs of sums": {"×": "x", "÷": "/", "±": "+/-", "→": " - ", "μ": "u", "™": "", "®": "", "©": ""},
    "fractions": {"¼": " 1/4", "½": " 1/2", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "⅛": " 1/8", "⅜": " 3/8",
                  "⅝": " 5/8", "⅞": " 7/8"},
    "letters that are no letter with an accent": {
        "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t",
        "ŋ": "ng", "ĸ": "k", "ə": "e",
    },
}  # fmt: skip
REPLACEMENTS = {character: stand_in for group in GROUPS.values() for character, stand_in in group.items()}

_KEPT = frozenset(bytes(b for b in BYTES if b >= 0x20 and b < 0x80).decode())  # noqa: PLR2004 - printable ASCII
_WITHOUT_TOKEN = re.compile(f"[^{re.escape(''.join(sorted(_KEPT)))}\\s]")
_SPACES = bytes(b for b in range(0x80) if chr(b).isspace())
_CAPITALS = bytes(range(ord("A"), ord("Z") + 1))
_PLAIN = "".join(sorted(_KEPT)).encode() + _CAPITALS  # ASCII that only loses its case
_FAMILIAR = _PLAIN + _SPACES  # ASCII that nothing stands in for
_LOWER = bytes.maketrans(_SPACES + _CAPITALS, b" " * len(_SPACES) + _CAPITALS.lower())
_FEW = 24  # different characters: up to so many are replaced one after the other, more in one pass
#: White space inside guillemets, and the no-break space that French sets before marks; other languages set neither.
_FRENCH = re.compile(r"(?<=«)[\u00a0\u202f]+|(?<=«)(?<![^\s(\[]«)\s+|[\u00a0\u202f]+(?=[!?;:»])|\s+(?=»(?!\w))")
#: A mark, at most one sign behind it that closes a quotation, and white space before a letter or digit; or a ¿ or ¡.
_END = r"""(?:["'”»’›“‘«)]|[ \u00a0\u202f][»›](?!\w))?(?P<space>\s+(?=[^\w\s]*(?:[«‹]\s+[^\w\s]*)?\w)|(?=[¿¡]))"""
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
_OPENING = "\"'([{«‹»„“‘‚”—–-¿¡"


@dataclass(frozen=True, slots=True)
class NormalText:
    """A text all of whose characters have a token, and how many of the original's did not."""

    text: str
    replaced: int


def normalize_text(text: str) -> NormalText:
    """Fold case, accents and typography; drop what has no stand-in; make each run of white space one space.

    A letter that only lost its case or white space that became a space does not count as replaced.

    >>> normalize_text("Flabébé — “tiny”!")
    NormalText(text='flabebe - "tiny"!', replaced=5)
    """
    return NormalText(*_normal(text))


def _normal(text: str) -> tuple[str, int]:
    """Return the text with tokens only, and how many characters had none."""
    folded, odd = _folded(text)
    different = set(odd)
    if len(different) > _FEW:
        folded = _WITHOUT_TOKEN.sub(lambda found: _stand_in(found[0]), folded)
    else:
        for character in different:  # no stand-in holds a character that has one itself, so the order is free
            folded = folded.replace(character, _stand_in(character))
    if "  " in folded or not folded.isprintable():
        return " ".join(folded.split()), len(odd)
    return folded.strip(), len(odd)


def _folded(text: str) -> tuple[str, Sequence[str]]:
    """Return the text without its case and without French spacing, and each character in it that has no token."""
    if text.isascii():
        body = text.encode()
        return body.translate(_LOWER).decode(), body.translate(None, _FAMILIAR).decode()
    if "«" in text or "»" in text or "\u00a0" in text or "\u202f" in text:
        text = _FRENCH.sub("", text)
    folded = unicodedata.normalize("NFC", text).casefold()
    return folded, _WITHOUT_TOKEN.findall(folded)


@lru_cache(maxsize=4096)
def _stand_in(character: str) -> str:
    """Return what stands for one character that has no token: by the table, else its bare letters, else nothing."""
    if character in REPLACEMENTS:
        return REPLACEMENTS[character]
    bare = unicodedata.normalize("NFKD", character).casefold()
    return "".join(REPLACEMENTS.get(c, c if c in _KEPT else "") for c in bare)


def sentences(text: str) -> list[str]:
    """Split a text at sentence ends; the white space between them goes.

    A mark ends no sentence behind an abbreviation of any of the languages in ALWAYS, TITLES, COUNTED and HALFWAY,
    behind initials, and, where it is an ellipsis, before a small letter.

    >>> sentences('Mr. Mime flies. It eats 3.5 kg a day! "Yes." Or so.')
    ['Mr. Mime flies.', 'It eats 3.5 kg a day!', '"Yes."', 'Or so.']
    """
    text = text.strip()
    return [text[begin:end] for begin, end in _spans(text)]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each sentence of a text without white space at its ends begins and ends."""
    begin = 0
    marks = [mark for mark in _ENDS if mark in text]
    ends = [end for mark in marks for end in _ENDS[mark].finditer(text)]
    if len(marks) > 1:
        ends.sort(key=re.Match.start)
    for found in ends:
        mark, end = found.start(), found.start("space")
        if end - mark > 1 or not _goes_on(text, mark, found.end()):
            yield begin, end
            begin = found.end()
    if begin < len(text):
        yield begin, len(text)


def _goes_on(text: str, mark: int, after: int) -> bool:
    """Say whether the mark at `mark` ends no sentence; `after` is where the next would begin."""
    word = text[max(text.rfind(" ", 0, mark) + 1, mark - _LONGEST - 2) : mark]
    if len(word) > 1 and word.isalpha() and word.lower() not in _SHORTENED:  # nearly all are such words
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


def fit_caption(paragraphs: Sequence[str], budget: int, limit: int) -> NormalText:
    """Return the first sentences, normalised, whose length in characters comes closest to `budget`.

    The first sentence is always taken, none is cut, and the text never exceeds `limit`: a first sentence beyond it
    gives the empty text, which the caller drops with a reason. `replaced` counts over the sentences taken, and over
    those passed on the way because nothing of them has a token.
    """
    taken: list[str] = []
    length = replaced = passed = 0
    for sentence, odd in _normal_sentences(paragraphs):
        if not sentence:
            passed += odd
            continue
        longer = length + len(sentence) + bool(taken)
        if longer > limit or (taken and longer - budget > budget - length):
            break
        taken.append(sentence)
        length, replaced, passed = longer, replaced + passed + odd, 0
    return NormalText(text=" ".join(taken), replaced=replaced + passed)


def _normal_sentences(paragraphs: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield each sentence as `_normal` gives it; a paragraph that only loses its case is folded as a whole."""
    for paragraph in paragraphs:
        text = paragraph.strip()
        if text.isascii() and "  " not in text and not text.encode().translate(None, _PLAIN):
            folded = text.lower()
            for begin, end in _spans(text):
                yield folded[begin:end], 0
            continue
        for begin, end in _spans(text):
            yield _normal(text[begin:end])


def written_table() -> str:
    """Return the table of stand-ins in Markdown, as docs/text.md shows it."""
    lines = ["| what | characters and their stand-ins |", "|---|---|"]
    for group, table in GROUPS.items():
        stand_ins: dict[str, list[str]] = {}
        for character, stand_in in table.items():
            stand_ins.setdefault(stand_in, []).append(f"`{character}`" if character != "`" else "`` ` ``")
        parts = (f"{' '.join(characters)} → {_shown(stand_in)}" for stand_in, characters in stand_ins.items())
        lines.append(f"| {group} | {'; '.join(parts)} |".replace("`|`", "`\\|`"))
    return "\n".join(lines)


def _shown(stand_in: str) -> str:
    return f"`{stand_in.replace(' ', '␣')}`" if stand_in else "nothing"


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
