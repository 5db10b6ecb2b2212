"""Names, texts and addresses from outside: without what the eye cannot see, as keys, and in full."""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

_HIDDEN = frozenset({"Cc", "Cf", "Cs"})  # control, format (bidi marks, byte order marks, tags), lone surrogates
_JOINERS = frozenset("\u200c\u200d")  # format characters that some scripts are spelt with

#: Of bytes, what a key is spelt with, in lower case; anything else parts its words.
_WORDS = bytes(code if bytes([code]).isalnum() else ord(" ") for code in range(256)).lower()
_URL_SAFE = "/%:@!$&'()*+,;=~-._"  # what an address has as it is; anything else is written as %XX
_THUMB = re.compile(r"/thumb(/[^/]+/[^/]+/[^/]+)/[^/]+$")
#: A path that means the same wherever it stands: no part is empty or begins with a dot, and nothing needs quoting.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~%@!$&'()*+,=-][A-Za-z0-9_~%@!$&'()*+,=.-]*)+")
_SPELT = {"♀": " f", "♂": " m", "œ": "oe", "æ": "ae", "ß": "ss"}


def clean(text: str) -> str:
    r"""Return `text` on one line: runs of white space are one space; control, bidi and other hidden characters go.

    >>> clean("\ufeffAard\u202eart\x00 \n\t II")
    'Aardart II'
    """
    text = text.strip()
    if "\n" in text:  # lines and the ends of sentences are all that most texts have
        text = text.replace("\n", " ")
    if "  " in text:
        text = text.replace("  ", " ")
    printable = text.isprintable()
    if printable and "  " not in text:
        return text
    if not printable:
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
    plain = text if text.isascii() else _ascii(text)
    if plain.isalnum():
        return plain.lower()
    words = plain.encode().translate(_WORDS).split()
    return b"-".join(words).decode() or "-".join(f"{ord(letter):x}" for letter in text[:16])


def _ascii(text: str) -> str:
    for sign, words in _SPELT.items():
        text = text.replace(sign, words)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def picture_address(text: str, url: str) -> str:
    """Return the address of the file that a page at `url` shows by `text`: no query, and a scaled copy's original.

    Raises ValueError for what is no address.

    >>> picture_address("/images/thumb/a/ab/Ant.png/80px-Ant.png?1", "http://example.org/List")
    'http://example.org/images/a/ab/Ant.png'
    """
    text = text.strip()
    origin = _origin(url)
    if origin and _PLAIN_PATH.fullmatch(text):  # as nearly all are
        return origin + (_THUMB.sub(r"\1", text) if "/thumb/" in text else text)
    parts = urlsplit(urljoin(url, text))
    path = quote(_THUMB.sub(r"\1", parts.path), safe=_URL_SAFE)
    return str(urlunsplit((parts.scheme, parts.netloc, path, "", "")))


@lru_cache(maxsize=64)
def _origin(url: str) -> str:
    """Return scheme and host of a page's address; empty where a path alone does not lead to what it names."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
