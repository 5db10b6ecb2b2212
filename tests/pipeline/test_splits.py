from hypothesis import given
from hypothesis import strategies as st

from pipeline.splits import split_of


@given(st.text())
def test_a_group_has_one_split_for_ever(group: str) -> None:
    assert split_of(group) == split_of(group)


def test_these_groups_stay_where_the_first_release_put_them() -> None:
    assert [split_of(f"family-{n}") for n in range(24)] == [SHORT[c] for c in EXPECTED]


def test_shares_are_80_10_10() -> None:
    found = [split_of(str(n)) for n in range(5000)]
    assert abs(found.count("train") / 5000 - 0.8) < 0.02
    assert abs(found.count("validation") / 5000 - 0.1) < 0.02


SHORT = {"r": "train", "v": "validation", "e": "test"}
EXPECTED = "ervrrrvvrrrrerrrrrvrerrr"
