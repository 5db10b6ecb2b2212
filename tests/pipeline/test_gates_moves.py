"""Hardly a record changes its split between two releases, and those that do are named."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.gates.moves import MAX_MOVED, moves
from pipeline.records import SPLITS
from pipeline.release import Release
from tests.altered import Rows, copied, restated, rewrite


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Release:
    return copied(release, tmp_path / "copy")


def moved(release: Release, count: int) -> Release:
    """Let the first records of the training split stand in the test split."""
    for config in release.manifest.configs:
        if config == "quarantine":
            continue
        taken: Rows = []

        def take(rows: Rows, taken: Rows = taken) -> None:
            taken += rows[:count]
            del rows[:count]

        def give(rows: Rows, taken: Rows = taken) -> None:
            rows[:] = sorted([*rows, *taken], key=lambda row: str(row["id"]))

        rewrite(release, config, take)
        rewrite(release, config, give, "test")
    return restated(release)


def test_records_that_changed_their_split_trip_the_gate_and_are_named(release: Release, copy: Release) -> None:
    first = release.table("records", "train", ["id"]).column("id")[:2].to_pylist()
    found = moves(moved(copy, 2), release)
    assert not found.passed
    assert found.value == "2 of 60 moved (3.3%): 2 train → test"
    assert found.worst == tuple(f"{key} train → test" for key in first)
    back = moves(release, copy)
    assert (back.passed, back.worst) == (False, tuple(f"{key} test → train" for key in first))


def test_what_came_and_what_went_moved_nowhere(release: Release, copy: Release) -> None:
    for config in copy.manifest.configs:
        if config != "quarantine":
            rewrite(copy, config, lambda rows: rows.__delitem__(slice(0, 5)))
    for new, old in ((restated(copy), release), (release, restated(copy))):
        found = moves(new, old)
        assert (found.passed, found.value, found.worst) == (True, "holds for 55 records", ())


@pytest.mark.parametrize(("before", "expected"), [(99, False), (100, True), (200, True)])
def test_one_in_a_hundred_may_move(
    release: Release, copy: Release, before: int, *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"{number:04d}" for number in range(before)]

    def shown(one: Release) -> Rows:
        splits = dict.fromkeys(ids, "train") | ({ids[0]: "validation"} if one is copy else {})
        return [{"id": key, "split": SPLITS.index(split)} for key, split in splits.items()]  # type: ignore[arg-type]

    def places(one: Release) -> tuple[pa.StringArray, object]:
        table = pa.Table.from_pylist(shown(one))
        return table.column("id").combine_chunks(), table.column("split").to_numpy().astype("uint8")

    monkeypatch.setattr("pipeline.gates.moves._places", places)
    found = moves(copy, release)
    assert found.passed is expected
    assert found.limit.startswith(f"at most {MAX_MOVED:.0%} of the records of ")
    assert found.worst == ("0000 train → validation",)


def test_against_a_release_without_records_nothing_moved(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    none = dict.fromkeys(SPLITS, ())
    empty = replace(release, manifest=replace(release.manifest, configs={"records": none}))
    monkeypatch.setattr(Release, "read", lambda *_: pytest.fail("a whole shard was read"))
    assert moves(release, empty).value == "holds for 0 records"
