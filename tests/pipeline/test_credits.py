"""Who made a record and under which licence, in words that a card, the Hub and a catalogue understand."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cards.credits import NOBODY, Credits, attribution, makers_of
from pipeline.cards.licences import HUB, deed, hub_licence, identifier, parts_of, slug


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (["CC0-1.0"], ("cc0-1.0",)),
        (["CC BY-SA 4.0", "CC0"], ("cc-by-sa-4.0", "cc0-1.0")),
        (["text: CC BY 4.0; picture: GPL-3.0-or-later"], ("cc-by-4.0", "gpl-3.0")),
        (["CC-BY-NC-SA-2.5"], ("other", "cc-by-nc-sa-2.5", "https://creativecommons.org/licenses/by-nc-sa/2.5/")),
        (["all rights reserved"], ("other", "all-rights-reserved", "")),
        (["CC0-1.0", "all rights reserved"], ("other", "several-see-attribution", "")),
        (["日本"], ("other", "see-attribution", "")),
    ],
)
def test_a_licence_is_one_that_the_hub_knows_or_other(stated: list[str], expected: tuple[str, ...]) -> None:
    found = hub_licence(stated)
    assert (*found.identifiers, *([found.name, found.link] if found.name else [])) == expected
    assert set(found.identifiers) <= HUB | {"other"}


@given(st.text(max_size=90))
def test_any_licence_has_a_name_that_the_hub_takes(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9.-]{0,60}", slug(text))
    assert identifier(text) in {"", *HUB}
    assert deed(text) == "" or deed(text).startswith("https://creativecommons.org/")
    assert "".join(parts_of(text))[-3:] in text


def test_makers_are_told_without_the_titles_of_single_pages() -> None:
    wiki = (
        "text: “{0}”, the contributors of W, https://w.org/{0}; picture: “{0}.png”, © N, by way of P, https://p.fr/{0}"
    )
    assert {makers_of(wiki.format(name)) for name in ("A", "B_(c)")} == {
        "text: the contributors of W; picture: © N, by way of P"
    }
    assert makers_of("text: “A”, W, https://a.org/A; picture: “A.png”, W, https://a.org/A.png") == "W"
    assert makers_of('["Tux"](https://a.org/x) by [Leo](https://a.org/y) is licensed under CC BY-SA 4.0') == "Leo"
    assert makers_of("text: “A”, the team; picture: “A”") == "text: the team"
    assert makers_of("“A”, https://a.org") == makers_of("") == NOBODY


def test_every_attribution_stands_under_its_licence_with_its_records() -> None:
    with Credits() as credits_:
        credits_.add([("MIT", "“A”, x"), ("MIT", "“B”, x")])
        credits_.add([("CC0", "y|z"), ("MIT", "“A”, x")])
        written, (rows, more) = "".join(attribution(credits_)), credits_.rows()
        assert credits_.rows(1) == (rows[:1], 1)
    assert more == 0
    assert written.splitlines()[4:] == [
        "* CC0: 1 record",
        "  * y&#124;z (1 record)",
        "* MIT: 3 records",
        "  * “A”, x (2 records)",
        "  * “B”, x (1 record)",
    ]
    assert [(row.licence, row.makers, row.records) for row in rows] == [
        ("MIT", "x", 3),
        ("CC0", "y|z", 1),
    ]


stated = st.lists(st.tuples(st.sampled_from(["MIT", "CC0", "é"]), st.text(max_size=4)), max_size=30)


@given(st.lists(stated, max_size=3))
def test_credits_are_in_order_whatever_is_stated(parts: list[list[tuple[str, str]]]) -> None:
    expected = Counter(pair for part in parts for pair in part)
    with Credits() as credits_:
        for part in parts:
            credits_.add(part)
        found = [((licence, who), n) for licence, _ in credits_.licences() for who, n in credits_.under(licence)]
        rows, more = credits_.rows(2)
    assert found == sorted(expected.items())
    grouped = Counter({(licence, makers_of(who)): 0 for licence, who in expected})
    for (licence, who), count in expected.items():
        grouped[licence, makers_of(who)] += count
    ordered = sorted(grouped.items(), key=lambda item: (-item[1], item[0]))
    assert [((row.licence, row.makers), row.records) for row in rows] == ordered[:2]
    assert more == max(0, len(grouped) - 2)


def test_credits_that_nobody_states_are_no_rows() -> None:
    with Credits() as credits_:
        assert (credits_.rows(), credits_.licences()) == (((), 0), ())
