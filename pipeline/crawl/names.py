"""Names and texts from outside: without what the eye cannot see, and as keys."""

import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs"})  # control, format (bidi marks, byte order marks, tags), lone surrogates
_JOINERS = frozenset("\u200c\u200d")  # format characters that some scripts are spelt with


def clean(text: str) -> str:
    r"""Return `text` on one line: runs of white space are one space; control, bidi and other hidden characters go.

    >>> clean("\ufeffAard\u202eart\x00 \n\t II")
    'Aardart II'
    """
    if text.isprintable() and "  " not in text:
        return text.strip()
    if not text.isprintable():
        text = "".join(map(_seen, text))
    return " ".join(text.split())


def _seen(character: str) -> str:
    if character.isspace():
        return " "
    hidden = unicodedata.category(character) in _HIDDEN and character not in _JOINERS
    return "" if hidden else character


def slug(text: str) -> str:
    """Return `text` as lower-case ASCII words joined by dashes, for keys.

    >>> slug("Nidoran♀"), slug("Flabébé"), slug("Type: Null"), slug("Farfetch'd")
    ('nidoran-f', 'flabebe', 'type-null', 'farfetch-d')
    """
    named = text.replace("♀", " f").replace("♂", " m").replace("œ", "oe").replace("æ", "ae").replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", named).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words or "-".join(f"{ord(letter):x}" for letter in text[:16])
