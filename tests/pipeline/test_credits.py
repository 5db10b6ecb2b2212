"""Who made a record and under which licence, in words that a card, the Hub and a catalogue understand."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.credits import NOBODY, attribution, credit_rows, makers_of
from pipeline.licences import HUB, deed, hub_licence, identifier, parts_of, slug


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
    credits_ = {("MIT", "“A”, x"): 2, ("MIT", "“B”, x"): 1, ("CC0", "y|z"): 1}
    assert attribution(credits_).splitlines()[4:] == [
        "* CC0: 1 record",
        "  * y&#124;z (1 record)",
        "* MIT: 3 records",
        "  * “A”, x (2 records)",
        "  * “B”, x (1 record)",
    ]
    assert [(row.licence, row.makers, row.records) for row in credit_rows(credits_)] == [
        ("MIT", "x", 3),
        ("CC0", "y|z", 1),
    ]
