"""Text that has tokens: folded by one written table, cut at sentences to a budget. docs/text.md shows the tables."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from palettes.vocabulary import BYTES
from pipeline.sentences import last_end, spans

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
_UNFAMILIAR = re.compile(f"[^{re.escape(_FAMILIAR.decode())}]")
#: Characters beyond ASCII that never join with one before them: Latin letters, and marks of typography.
_COMPOSED = frozenset(map(chr, (*range(0x300), *range(0x2010, 0x2040))))
_LOWER = bytes.maketrans(_SPACES + _CAPITALS, b" " * len(_SPACES) + _CAPITALS.lower())
_SPACED = re.compile("  ")  # looked for in less time than `in` takes, where every sixth character is a space
_FEW = 24  # different characters: up to so many are replaced one after the other, more in one pass
#: White space that French sets behind an opening guillemet, and no-break spaces before marks.
_OPENED = re.compile(r"«(?:[\u00a0\u202f]+|(?<![^\s(\[]«)\s+)")
_MARKED = re.compile(r"[\u00a0\u202f]+(?=[!?;:»])")
_BY_SENTENCE = "«»\u00a0\u202f¿¡"  # what is read otherwise at the ends of a sentence than within a paragraph


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
    return _folded(text if text.isascii() else _unspaced(text))


def _unspaced(text: str) -> str:
    """Return a text without the white space that French sets inside guillemets and before marks, as no other does."""
    if "«" in text:
        text = _OPENED.sub("«", text)
    if "\u00a0" in text or "\u202f" in text:
        text = _MARKED.sub("", text)
    if "»" in text:  # but where a word follows, it opens a quotation
        parts = text.split("»")
        for place, behind in enumerate(parts[1:]):
            if not (behind[:1].isalnum() or behind[:1] == "_"):
                parts[place] = parts[place].rstrip()
        text = "»".join(parts)
    return text


def _folded(text: str) -> tuple[str, int]:
    """Return the text with tokens only, and how many characters had none, where French spacing is gone."""
    odd = _odd(text)
    different = set(odd)
    if not _COMPOSED.issuperset(different):
        text = unicodedata.normalize("NFC", text)
        odd = _odd(text)
        different = set(odd)
    replaced = 0
    if len(different) > _FEW:
        text = _UNFAMILIAR.sub(lambda found: _meaning(found[0])[0], text)
        replaced = sum(_meaning(character)[1] for character in odd)
    else:
        for character in different:  # no stand-in holds a character that has one itself, so the order is free
            stand_in, without = _meaning(character)
            text = text.replace(character, stand_in)
            replaced += without * odd.count(character)
    folded = text.encode().translate(_LOWER).decode()
    return (" ".join(folded.split()) if _SPACED.search(folded) else folded.strip()), replaced


def _odd(text: str) -> str:
    """Return each character of a text that does more than lose its case or become a space."""
    return text.encode("utf-8", "surrogatepass").translate(None, _FAMILIAR).decode("utf-8", "surrogatepass")


@lru_cache(maxsize=4096)
def _meaning(character: str) -> tuple[str, int]:
    """Return what becomes of one such character, and how many without a token it is, once its case is folded."""
    if character.isspace():
        return " ", 0
    folded = character.casefold()
    odd = _WITHOUT_TOKEN.findall(folded)
    return "".join(_stand_in(one) if one in odd else one for one in folded), len(odd)


def _stand_in(character: str) -> str:
    """Return what stands for one character that has no token: by the table, else its bare letters, else nothing."""
    if character in REPLACEMENTS:
        return REPLACEMENTS[character]
    bare = unicodedata.normalize("NFKD", character).casefold()
    return "".join(REPLACEMENTS.get(c, c if c in _KEPT else "") for c in bare)


def fit_caption(paragraphs: Sequence[str], budget: int, limit: int) -> NormalText:
    """Return the first sentences, normalised, whose length in characters comes closest to `budget`.

    The first sentence is always taken, none is cut, and the text never exceeds `limit`: a first sentence beyond it
    gives the empty text, which the caller drops with a reason. `replaced` counts over the sentences taken, and over
    those passed on the way because nothing of them has a token.
    """
    taken: list[str] = []
    length = replaced = 0  # `length` with the space before what comes next
    for paragraph in paragraphs:
        for part, odd in _parts(paragraph.strip(), min(budget, limit) - length):
            longer = length + len(part)
            if part and (longer > limit or (taken and longer - budget > budget - (length - 1))):
                return NormalText(" ".join(taken), replaced)
            replaced += odd
            if part:
                taken.append(part)
                length = longer + 1
    return NormalText(" ".join(taken), replaced)


def _parts(text: str, room: int) -> Iterator[tuple[str, int]]:
    """Yield the sentences of a paragraph as `_normal` gives them; the first ones, if they fit into `room`, at once."""
    apart = not text.isascii() and any(sign in text for sign in _BY_SENTENCE)
    after = end = len(text)
    if end > room:
        end, after = (0, 0) if apart else last_end(text, room)
    if end:
        start = " ".join([_unspaced(text[begin:stop]) for begin, stop in spans(text)]) if apart else text[:end]
        first = _folded(start)
        if len(first[0]) <= room:
            yield first
        else:
            after = 0
    for begin, end in spans(text, after):
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
