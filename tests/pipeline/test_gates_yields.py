"""How much came through, what was dropped, and why."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.checks import check
from pipeline.gates.yields import OTHER, drop_groups, plain_reason
from pipeline.release import Gate, Release
from tests.altered import copied, restated, rewrite
from tests.raw_stores import creatures, make_store, sample_source


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release without windows, so that it is altered in no time."""
    root: Path = tmp_path_factory.mktemp("small")
    stub = replace(creatures(31)[30], page=b"<html><h2><span id='Habitat'>Habitat</span></h2></html>")
    store = make_store(root / "raw", [*creatures(30), stub])
    return build(sample_source(), store, root / "built", name="pixelbytes/small")


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Release:
    return copied(release, tmp_path / "copy")


def asked(release: Release, against: Release | None = None) -> dict[str, Gate]:
    return {gate.name: gate for gate in check(release, against)}


def test_the_yield_says_at_which_stage_and_why(release: Release) -> None:
    found = asked(release)["yield"]
    assert found.passed
    assert found.value.startswith("96.8%: 31 listed → 31 joined → 30 built; 1 × description: ")
    assert found.worst == ()
    poor = replace(release.manifest, yields={"listed": 300, "joined": 31, "built": 30})
    assert [key[:4] for key in asked(replace(release, manifest=poor))["yield"].worst] == ["0031"]


def test_reasons_that_differ_in_names_and_numbers_are_one(copy: Release) -> None:
    drops = [
        {"id": f"{i:04d}-x", "name": "X", "stage": "pixelize", "source_url": "", "reason": f"it is {i}×{i} px"}
        for i in range(30)
    ]
    rewrite(copy, "quarantine", lambda rows: rows.extend(drops), "dropped")
    first = drop_groups(copy, most=3)[0]
    assert (first.count, first.reason, first.ids) == (30, "it is N×N px", ("0000-x", "0001-x", "0002-x"))


def test_the_quarantine_of_a_site_that_never_says_the_same_twice_stays_small(copy: Release) -> None:
    letters = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(1500)]
    drops = [{"id": word, "name": "", "stage": "list", "source_url": "", "reason": word} for word in letters]
    rewrite(copy, "quarantine", lambda rows: rows.extend(drops), "dropped")
    groups = drop_groups(copy)
    assert len(groups) == 1001
    assert (groups[0].reason, groups[0].count) == (OTHER, 501)


@given(st.text(max_size=300))
def test_a_reason_is_one_short_line_whatever_a_site_says(reason: str) -> None:
    told = plain_reason(reason)
    assert told.isprintable()
    assert len(told) <= 90


def test_losing_records_trips_and_says_which_and_why(release: Release, tmp_path: Path) -> None:
    poorer = copied(release, tmp_path / "poorer")
    gone = poorer.table("records", "train", ["id"]).column("id")[0].as_py()
    for config in ("records", "tokens"):
        rewrite(poorer, config, lambda rows: rows.__delitem__(slice(0, 5)))
    drop = {"id": gone, "name": "", "stage": "text", "reason": "it says nothing", "source_url": ""}
    rewrite(poorer, "quarantine", lambda rows: rows.append(drop), "dropped")
    found = asked(restated(poorer), release)["loss"]
    assert not found.passed
    assert found.value == "30 → 25; 5 left: 4 × no longer in the list; 1 × text: it says nothing"
    assert found.worst[0] == gone
    assert asked(release, release)["loss"].value == "30 → 30"
