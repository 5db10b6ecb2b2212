"""`pixelbytes diff`, `inspect --dropped` and the table of gates, as a person and as a machine see them."""

import io
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from flows import diff_verbs, quarantine
from flows.console import gate_table
from flows.settings import DataRoot, data_root
from pipeline.build import build
from pipeline.release import Gate, Release, mode_of
from tests.altered import Row, Sprite, copied, redraw, rewrite
from tests.raw_stores import creatures, make_store, sample_source


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, Release]:
    """A release, and one after it with other pictures and a record less."""
    root: Path = tmp_path_factory.mktemp("releases")
    old = build(sample_source(), make_store(root / "raw", creatures(20)), root / "old", name="pixelbytes/small")
    old = old.with_manifest(version="v1.0.0")
    new = copied(old, root / "new").with_manifest(version="v1.1.0")

    def other(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        return row, (sprite + 1) % 55, caption

    redraw(new, other, "test")
    for config in ("records", "tokens"):
        rewrite(new, config, lambda rows: rows.__delitem__(0))
    gone = old.table("records", "train", ["id"])["id"][0].as_py()
    drop = {"id": gone, "name": "", "stage": "text", "reason": "[red]says\x1b[31m nothing", "source_url": ""}
    rewrite(new, "quarantine", lambda rows: rows.append(drop), "dropped")
    return old, new


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return data_root(tmp_path)


def test_diff_tells_a_person_what_changed_and_ends_with_0(
    releases: tuple[Release, Release], root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(release.folder) for release in releases)
    assert diff_verbs.diff(root, old, new, None, as_json=False) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "v1.0.0 → pixelbytes/small@v1.1.0" in told
    assert f"what changed: picture of {releases[0].manifest.counts['test']}" in told
    assert "calls for v1.1.0" in told
    assert "text: [red]says" in told
    assert "\x1b[31m" not in told


def test_diff_tells_a_machine_all_of_it(
    releases: tuple[Release, Release], root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(release.folder) for release in releases)
    assert diff_verbs.diff(root, old, new, None, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["meaning"], told["added"]) == ("v1.1.0", [], [])
    assert set(told["aspects"]) == set(told["changed"])
    assert list(told["reasons"]) == told["removed"]
    assert told["splits"]["train"] == {"added": 0, "changed": 0, "removed": 1}


def test_a_page_of_private_releases_is_its_owners_alone(
    releases: tuple[Release, Release], root: DataRoot, tmp_path: Path
) -> None:
    old, new = releases
    page = tmp_path / "page.html"
    public = [release.with_manifest(visibility="public") for release in releases]
    assert mode_of(*public) is None
    assert mode_of(public[0], replace(new, manifest=replace(new.manifest, visibility="private"))) == 0o600
    old.with_manifest(visibility="private")
    assert diff_verbs.diff(root, str(old.folder), str(new.folder), page, as_json=True) == 0
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_the_quarantine_is_shown_by_stage_and_reason(
    releases: tuple[Release, Release], root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (str(release.folder) for release in releases)
    assert quarantine.dropped(root, new, as_json=False) == 0
    told = capsys.readouterr().out
    assert "[red]says" in told
    assert "\x1b[31m" not in told
    assert quarantine.dropped(root, new, as_json=True) == 0
    groups = json.loads(capsys.readouterr().out)["dropped"]
    assert [(group["stage"], group["count"], len(group["ids"])) for group in groups] == [("text", 1, 1)]
    assert quarantine.dropped(root, old, as_json=False) == 0
    assert "dropped nothing" in capsys.readouterr().out


GOOD = Gate(name="text_ratio", limit="0.60 to 0.72", value="0.658", passed=True)
BAD = replace(GOOD, name="vocabulary", passed=False, worst=("0001-[/red]", "0002-b"), value="2 against it " * 8)
LET = replace(BAD, name="split_sizes", override="the first of a small source, as agreed with its makers", worst=())


def drawn(gates: list[Gate], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(gate_table(gates))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [70, 80, 100, 160])
def test_names_and_verdicts_are_never_cut(width: int) -> None:
    told = drawn([GOOD, BAD, LET], width)
    for whole in ("text_ratio", "vocabulary", "split_sizes", "passed", "FAILED", "let through"):
        assert whole in told
    assert "…" not in told
    assert max(map(len, told.splitlines())) <= width


def test_what_no_gate_has_takes_no_column() -> None:
    assert "worst" not in drawn([GOOD], 100)
    assert "because" not in drawn([GOOD, BAD], 100)
    told = drawn([GOOD, LET, BAD], 100)
    assert "worst" in told
    assert "agreed" in told
    assert "[/red]" in told
