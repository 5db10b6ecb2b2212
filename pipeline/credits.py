"""Who made what a release holds, from what its records state."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.markdown import credit, one_line

ROWS = 20  # of the card's table; ATTRIBUTION.md names all
NOBODY = "not named"
_LINK = re.compile(r"\[([^\[\]]*)\]\([^()\s]*\)")
_TITLES = re.compile(r"[“«][^”»]*[”»]|\"[^\"]*\"|\(?https?://[^\s“”«»;]+")
_LEFT = re.compile(  # commas, parentheses and labels around what was taken away
    r"(?:\s*,)+\s*(?=[,;]|$)|(?<=[:;])\s*,|^\s*,|\(\s*\)|(?<=\s)by way of\s*(?=[;,]|$)"
    r"|(?:^|(?<=;))\s*(?:text|picture):\s*(?=;|$)|^\s*by\s|(?<=: )\s*by\s"
)
_LICENSED = re.compile(r" (?:is|are) licensed under (?:the )?CC[ -][A-Z -]{2,8}[ -]?\d\.\d\+?")
_BOTH = re.compile(r"text: (.+); picture: \1")
Credits = Mapping[tuple[str, str], int]  # by licence and attribution, the records that state them


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


def credit_rows(credits_: Credits) -> tuple[CreditRow, ...]:
    """Return licences and makers with their records, the most first."""
    grouped: Counter[tuple[str, str]] = Counter()
    for (licence, attribution), count in credits_.items():
        grouped[licence, makers_of(attribution)] += count
    ordered = sorted(grouped.items(), key=lambda item: (-item[1], item[0]))
    return tuple(CreditRow(licence=licence, makers=makers, records=count) for (licence, makers), count in ordered)


def attribution(credits_: Credits) -> str:
    """Return ATTRIBUTION.md: every licence, and under it every attribution with its records counted."""
    lines = [
        "# Attribution",
        "",
        "Each record names its page, its picture, its licence and its makers in the config `records`. In short:",
        "",
    ]
    by_licence: dict[str, list[tuple[str, int]]] = {}
    for (licence, makers), count in sorted(credits_.items()):
        by_licence.setdefault(licence, []).append((makers, count))
    for licence, stated in by_licence.items():
        lines.append(f"* {credit(licence)}: {_records(sum(count for _, count in stated))}")
        lines += [f"  * {credit(makers) or NOBODY} ({_records(count)})" for makers, count in stated]
    return "\n".join(lines) + "\n"


def _records(count: int) -> str:
    return f"{count:,} record{'' if count == 1 else 's'}"
