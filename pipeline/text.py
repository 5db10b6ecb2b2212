"""Text that has tokens: folded by one written table, cut at sentences to a budget."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from palettes.vocabulary import BYTES

#: What has no token and a fair stand-in. All else that the vocabulary lacks is dropped. Case and accents fold first.
REPLACEMENTS = {
    "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "`": "'", "´": "'", "ʼ": "'",
    "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "~": "-", "•": "-", "·": "-",
    "…": "...", "?": ".", "¿": "", "¡": "", "‽": ".",
    "&": " and ", "@": " at ", "=": " equals ", "#": "no. ", "_": " ", "|": "/", "\\": "/",
    "<": "(", ">": ")", "{": "(", "}": ")", "^": "", "$": " dollars ", "€": " euros ",
    "×": "x", "÷": "/", "°": " degrees", "♀": " f", "♂": " m", "½": "1/2",
    "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i",
}  # fmt: skip

_KEPT = frozenset(bytes(b for b in BYTES if b >= 0x20 and b < 0x80).decode())  # noqa: PLR2004 - printable ASCII
_WITHOUT_TOKEN = re.compile(f"[^{re.escape(''.join(sorted(_KEPT)))}\\s]")
#: A mark that ends a sentence, white space, and a letter or digit; not behind an abbreviation before a name.
_SENTENCE_END = re.compile(
    r"""(?<=[.!?…"'”»)])(?=\s)(?<![^.!?…]["'”»)])"""
    r"""(?<!\bmr\.)(?<!\bms\.)(?<!\bdr\.)(?<!\bst\.)(?<!\bjr\.)(?<!\bmrs\.)\s+(?=[^\w\s]*\w)""",
    re.IGNORECASE,
)


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
    folded = unicodedata.normalize("NFC", text).casefold()
    replaced = len(_WITHOUT_TOKEN.findall(folded))
    if replaced:
        folded = _WITHOUT_TOKEN.sub(lambda found: _stand_in(found[0]), folded)
    return NormalText(text=" ".join(folded.split()), replaced=replaced)


def _stand_in(character: str) -> str:
    """Return what stands for one character that has no token: by the table, else its bare letter, else nothing."""
    if character in REPLACEMENTS:
        return REPLACEMENTS[character]
    bare = unicodedata.normalize("NFKD", character)
    return "".join(REPLACEMENTS.get(c, c if c in _KEPT else "") for c in bare)


def sentences(text: str) -> list[str]:
    """Split a text at sentence ends; the white space between them goes.

    >>> sentences('Mr. Mime flies. It eats 3.5 kg a day! "Yes." Or so.')
    ['Mr. Mime flies.', 'It eats 3.5 kg a day!', '"Yes."', 'Or so.']
    """
    return [part for part in _SENTENCE_END.split(text.strip()) if part]


def fit_caption(paragraphs: Sequence[str], budget: int, limit: int) -> NormalText:
    """Return the first sentences, normalised, whose length in characters comes closest to `budget`.

    The first sentence is always taken, none is cut, and the text never exceeds `limit`: a first sentence beyond it
    gives the empty text, which the caller drops with a reason.
    """
    taken = NormalText(text="", replaced=0)
    for sentence in (part for paragraph in paragraphs for part in sentences(paragraph)):
        normal = normalize_text(sentence)
        if not normal.text:
            continue
        longer = f"{taken.text} {normal.text}".lstrip()
        worse = taken.text and len(longer) - budget > budget - len(taken.text)
        if worse or len(longer) > limit:
            break
        taken = NormalText(text=longer, replaced=taken.replaced + normal.replaced)
    return taken
