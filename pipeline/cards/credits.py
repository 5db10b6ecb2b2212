"""Who made what a release holds, from what its records state."""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

from pipeline.cards.markdown import credit, one_line

ROWS = 20  # of the card's table; ATTRIBUTION.md names all
NOBODY = "not named"
_CACHE = 8_192  # KiB of attributions in memory
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
_TITLES = re.compile(r"[“«][^”»]*[”»]|\"[^\"]*\"|\(?https?://[^\s“”«»;]+")
_LEFT = re.compile(  # commas, parentheses and labels around what was taken away
    r"(?:\s*,)+\s*(?=[,;]|$)|(?<=[:;])\s*,|^\s*,|\(\s*\)|(?<=\s)by way of\s*(?=[;,]|$)"
    r"|(?:^|(?<=;))\s*(?:text|picture):\s*(?=;|$)|^\s*by\s|(?<=: )\s*by\s"
)
_LICENSED = re.compile(r" (?:is|are) licensed under (?:the )?CC[ -][A-Z -]{2,8}[ -]?\d\.\d\+?")
_BOTH = re.compile(r"text: (.+); picture: \1")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRow:
    """Records under one licence by the same makers."""

    licence: str
    makers: str
    records: int


def makers_of(attribution: str) -> str:
    """Return an attribution without the titles and addresses of the one page it was written for.

    >>> makers_of("text: “A”, the makers of B, https://b.org/A; picture: “A.png”, C")
    'text: the makers of B; picture: C'
    >>> makers_of('["Tux"](https://a.org/x) by [Leo](https://a.org/y)')
    'Leo'
    """
    rest, before = _TITLES.sub("", _LINK.sub(r"\1", one_line(attribution))), ""
    while rest != before:  # taking one comma away may leave another alone
        rest, before = " ".join(_LEFT.sub("", rest).split()), rest
    rest = re.sub(r"\s+([,;])", r"\1", _LICENSED.sub("", rest)).strip(" ,;")
    both = _BOTH.fullmatch(rest)
    return both[1] if both else rest or NOBODY


class Credits:
    """Licences and attributions with the records that state them, counted on disk: each record may name its own page.

    Close it, or use it in a `with`; memory holds a few megabytes however many there are.
    """

    def __init__(self) -> None:
        """Begin with none; the file has no name, and is gone when this is closed."""
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute(f"PRAGMA cache_size = -{_CACHE}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA temp_store = FILE")
        self._db.create_function("makers_of", 1, makers_of, deterministic=True)
        self._db.execute(
            "CREATE TABLE credit (licence TEXT, attribution TEXT, records INTEGER, PRIMARY KEY (licence, attribution)) "
            "WITHOUT ROWID"
        )

    def add(self, stated: Iterable[tuple[str, str]]) -> None:
        """Count one more record for each licence and attribution."""
        counted = Counter(stated)
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO credit VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET records = records + excluded.records",
            ((*pair, count) for pair, count in counted.items()),
        )
        self._db.execute("COMMIT")

    def licences(self) -> tuple[tuple[str, int], ...]:
        """Return the licences and their records, by name."""
        asked = "SELECT licence, sum(records) FROM credit GROUP BY licence ORDER BY licence"
        return tuple(self._db.execute(asked))

    def under(self, licence: str) -> Iterator[tuple[str, int]]:
        """Yield the attributions stated under a licence and their records, by name."""
        asked = "SELECT attribution, records FROM credit WHERE licence = ? ORDER BY attribution"
        yield from self._db.execute(asked, (licence,))

    def rows(self, most: int = ROWS) -> tuple[tuple[CreditRow, ...], int]:
        """Return licences and makers with their records, the most first, and how many there are beyond the first."""
        grouped = "SELECT licence, makers_of(attribution) AS makers, sum(records) AS n FROM credit GROUP BY 1, 2"
        asked = f"SELECT *, count(*) OVER () FROM ({grouped}) ORDER BY n DESC, licence, makers LIMIT ?"  # noqa: S608
        found = self._db.execute(asked, (most,)).fetchall()
        rows = tuple(CreditRow(licence=licence, makers=makers, records=n) for licence, makers, n, _ in found)
        return rows, (found[0][3] if found else 0) - len(rows)

    def __enter__(self) -> "Credits":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self._db.close()


def attribution(credits_: Credits) -> Iterator[str]:
    """Yield the lines of ATTRIBUTION.md: every licence, and under it every attribution with its records counted."""
    yield "# Attribution\n\n"
    yield "Each record names its page, its picture, its licence and its makers in the config `records`. In short:\n\n"
    for licence, records in credits_.licences():
        yield f"* {credit(licence)}: {_records(records)}\n"
        for makers, count in credits_.under(licence):
            yield f"  * {credit(makers) or NOBODY} ({_records(count)})\n"


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"
