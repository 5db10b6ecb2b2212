"""What runs show in Prefect's pages: whole, bounded, harmless, and never the reason why a run fails."""

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows import artifacts, dataset_artifacts, model_artifacts
from flows.champion.champions import Before, Candidate, Challenger, ChampionModel, Decision, PairedBits
from flows.dataset_artifacts import gates_text, picture, release_text, survey_text, words
from flows.model_artifacts import decision_text
from pipeline.build import build
from pipeline.checks import check
from pipeline.crawl.survey import Survey, Trouble, Yield
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.staging import Published
from pipeline.records import DatasetVersion
from pipeline.release import Gate
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/sample"
EVIL = "<script>x</script> [a](http://evil.example) ![p](http://evil.example/p.png) | `code` **b** a@b.c"
HARMFUL = re.compile(r"<script|\]\(|(?<!`)https?://evil|\*\*b")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    root = tmp_path_factory.mktemp("published")
    made = build(sample_source(), make_store(root / "raw", creatures(20)), root / "built", name=NAME)
    return FolderStore(root / "releases").publish(made.with_manifest(gates=check(made)))


def survey_of(troubles: int, text: str = "no section") -> Survey:
    found = tuple(Trouble(url=f"http://site/{i}", what=text, reason=text) for i in range(troubles))
    bad = Yield(stage="descriptions (en)", found=1, of=troubles + 1, least=0.95, troubles=found)
    good = Yield(stage="listings (en)", found=20, of=0, least=5.0)
    return Survey(source="sample", crawl="20260101T000000Z", yields=(good, bad), unknown_columns=())


DATASET = DatasetVersion(repo_id=NAME, tag="v1.0.0", revision="0" * 64, digest="0" * 64)


def decision(**changes: object) -> Decision:
    made = Decision(
        time="2026-01-01T00:00:00Z",
        dataset=DATASET,
        store="/data/releases",
        key="0" * 64,
        outcome="promoted",
        why="It pays 3.2 bits less per record.",
        candidates=(Candidate(name="LSTM", run="r-1", preset="small", seed=0, validation_bits=812.34),),
        challenger=Challenger(name="LSTM", run="r-1", preset="small", seed=0, validation_bits=812.34, bits=820.1),
        champion_before=Before(ref="org/model@v1.0.0", bits=823.3),
        paired=PairedBits(a="LSTM", b="org/model@v1.0.0", difference_bits=-3.2, ci95=(-4.0, -2.4), p_value=0.0001),
        model=ChampionModel(ref="org/model@v1.1.0", folder=f"champions/{NAME}/models/v1.1.0", revision=""),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


# texts ----------------------------------------------------------------------------------------------------------------


def test_a_release_is_shown_with_its_facts_changes_yields_and_pictures(published: Published) -> None:
    text = release_text(published, survey_of(1))
    manifest = published.release.manifest
    assert f"# `{NAME}@v1.0.0`" in text
    assert manifest.digest in text
    assert "**20 added**: `0001-beastb1` Beastb1" in text
    assert "and 8 more" in text
    assert "| descriptions (en) | **FAILED** | 1 of 2 (50.0%) | at least 95.0% |" in text
    assert text.count("](data:image/png;base64,") == 1
    assert str(published.release.folder) in text


def test_when_nothing_changed_no_changes_are_told(published: Published) -> None:
    text = release_text(replace(published, new=False), None)
    assert "Nothing changed: this version stands (public)." in text
    assert "added" not in text
    assert "Yields" not in text


def test_pictures_of_a_private_release_are_not_shown(published: Published) -> None:
    release = published.release
    own = replace(release, manifest=replace(release.manifest, visibility="private", withheld=("pictures",)))
    text = release_text(replace(published, release=own), None)
    assert "data:image" not in text
    assert "They are private" in text


def test_a_picture_too_large_is_not_shown(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_artifacts, "MAX_PICTURE", 100)
    assert "data:image" not in release_text(published, None)
    assert "too large" in picture(b"x" * 101, "png", "sprites")


def test_gates_that_failed_stand_first(published: Published) -> None:
    gates = (
        *published.release.manifest.gates,
        Gate(name="yield", limit=EVIL, value=EVIL, passed=False, worst=("0001-a",) * 99),
        Gate(name="listings", limit="5", value="4", passed=False, override="They took some down."),
    )
    release = replace(published.release, manifest=replace(published.release.manifest, gates=gates))
    text = gates_text(release)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows[0].startswith("| `yield` | **FAILED** |")
    assert rows[0].count("0001-a") == dataset_artifacts.SHOWN
    assert "let through" in rows[1]
    assert "They took some down." in rows[1]
    assert "2 of " in text
    assert {line.count("|") - line.count("\\|") for line in rows} == {6}
    assert not HARMFUL.search(text)


def test_a_survey_names_its_pages_in_bounds() -> None:
    text = survey_text(survey_of(500, EVIL))
    assert "<http://site/0>" in text
    assert f"… and {500 - dataset_artifacts.MAX_PAGES} more" in text
    assert len(text) < 60_000
    assert not HARMFUL.search(text)


def test_a_decision_says_who_is_better_by_how_much() -> None:
    text = decision_text(decision())
    assert "# Promoted: `pixelbytes/sample@v1.0.0`" in text
    assert "LSTM pays 3.20 bits less per record than `org/model@v1.0.0`" in text
    assert "| LSTM | `small` | 0 | 812.3 |" in text
    assert "`org/model@v1.1.0` in `champions/" in text
    kept = decision_text(
        decision(outcome="kept", model=None, paired=None, champion_before=Before(ref="org/model@v1.0.0"), why=EVIL)
    )
    assert "# Kept" in kept
    assert "unknown" in kept
    assert "Reigns now" not in kept
    assert not HARMFUL.search(kept)
    skipped = decision(outcome="skipped", challenger=None, champion_before=None, candidates=(), paired=None, model=None)
    assert "# Skipped" in decision_text(skipped)


@given(st.text(max_size=300))
def test_words_from_outside_stay_words(text: str) -> None:
    line = words(text)
    assert "\n" not in line
    assert not {"<", ">", "|", "[", "]", "*", "~", "\\"} & set(line)
    assert "://" not in line
    assert line.count("`") % 2 == 0
    assert not re.match(r"[#+\-=]|\d+[.)] ", line)


def test_curves_are_thinned_but_end_where_they_end() -> None:
    from model.report_data import LogRow

    rows = tuple(LogRow(step=i, epoch=0.0, seconds=0.0, train_bits=float(i)) for i in range(5_000))
    points = model_artifacts._points(rows, "train_bits")
    assert len(points) <= model_artifacts.POINTS
    assert points[-1] == (4_999, 4_999)


# keeping them ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, ours = Kept(), logging.getLogger("prefect.pixelbytes")
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield lines
    ours.removeHandler(handler)


def test_outside_of_a_run_nothing_is_shown_and_nothing_is_asked(
    published: Published, tmp_path: Path, log: list[str]
) -> None:
    artifacts.show_release(published, survey_of(1))
    artifacts.show_gates(published.release)
    artifacts.show_yields(survey_of(1))
    artifacts.show_run(tmp_path / "no such run", published.release)
    artifacts.show_decision(decision())
    assert len(log) == 5
    assert all("shown nowhere" in line for line in log)


@pytest.mark.parametrize("fault", ["server", "text", "size"])
def test_whatever_goes_wrong_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, log: list[str], published: Published, fault: str
) -> None:
    ours = artifacts.run_log()
    monkeypatch.setattr(artifacts, "run_log", lambda: ours)
    monkeypatch.setattr("prefect.context.FlowRunContext.get", lambda: "a run")
    if fault == "text":
        monkeypatch.setattr(dataset_artifacts, "gates_text", lambda _: 1 / 0)
    if fault == "size":
        monkeypatch.setattr(artifacts, "MAX_TEXT", 10)
    gone = {PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(gone):
        artifacts.show_gates(published.release)
    (line,) = log
    told = {"server": r"could not be shown \(.*Error", "text": "ZeroDivisionError", "size": "is not shown"}
    assert re.search(told[fault], line)
