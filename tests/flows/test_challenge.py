"""Champion and challenger: the flow on real releases, with networks that learn in seconds."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.champion import tasks as champion_tasks
from flows.champion.champions import CHAMPIONS, Before, Champions, read_decision
from flows.champion.promoting import PromotionEvent, promotion_event
from flows.champion.reigning import Seat, seated
from flows.settings import DataRoot
from model.model_card import DECISION, open_export
from tests.challenges import (
    COUNT,
    FAIR,
    MODEL,
    NAME,
    POOR,
    First,
    beasts,
    challenged,
    champions_files,
    first_decision,
    publish,
    without_prefect,
)
from tests.on_hub import IGNORE_CLIENT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(IGNORE_CLIENT)]


class Trained(Exception):  # noqa: N818 - stands for a training, which would take its time
    pass


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    return first_decision(tmp_path_factory.getbasetemp())


@pytest.fixture
def root(first: First, tmp_path: Path) -> Path:
    """A copy of its data root, times included."""
    return Path(shutil.copytree(first.root, tmp_path / "data", symlinks=True))


@pytest.fixture
def fresh(root: Path) -> Path:
    """The same before anything was decided."""
    shutil.rmtree(root / CHAMPIONS)
    return root


@pytest.fixture
def told() -> Iterator[list[PromotionEvent]]:
    with without_prefect() as events:
        yield events


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch, told: list[PromotionEvent]) -> None:
    """Let nobody train; after `told`, which puts the tasks in place."""

    def refuse(*_: object) -> None:
        raise Trained

    assert told == []
    monkeypatch.setattr(champion_tasks, "train_candidate", refuse)


def test_the_first_that_beats_every_baseline_reigns_and_its_model_says_why(first: First) -> None:
    root, decision = first.root, first.decision
    known = Champions(root / CHAMPIONS)
    assert (decision.outcome, decision.champion_before, decision.paired) == ("promoted", None, None)
    assert known.decisions(NAME) == (decision,)
    assert decision.model is not None
    assert (decision.model.ref, decision.model.revision) == (f"{MODEL}@v1.0.0", "")
    champion = known.champion(NAME)
    assert champion is not None
    assert (champion.ref, champion.folder, champion.dataset) == (
        decision.model.ref,
        decision.model.folder,
        decision.dataset,
    )
    assert (root / "runs" / champion.run / "report.html").is_file()
    opened = open_export(root / champion.folder)
    assert opened.lineage.dataset.digest == decision.dataset.digest
    inside = read_decision((root / champion.folder / DECISION).read_text(), DECISION)
    assert (inside.key, inside.candidates, inside.time) == (decision.key, decision.candidates, "")
    (event,) = first.told
    assert event == promotion_event(decision)
    assert event.resource["prefect.resource.id"] == f"pixelbytes.model.{NAME}"
    assert event.payload == {
        "repo_id": NAME,
        "model": f"{MODEL}@v1.0.0",
        "dataset": f"{NAME}@v1.0.0",
        "digest": decision.dataset.digest,
        "bits_per_record": champion.bits,
        "run": champion.run,
    }


@pytest.mark.usefixtures("no_training")
def test_the_same_version_twice_changes_nothing(root: Path, told: list[PromotionEvent]) -> None:
    before = champions_files(root)
    (decision,) = Champions(root / CHAMPIONS).decisions(NAME)
    assert challenged(root, "v1.0.0", digest=decision.dataset.digest, processes=2) == decision
    assert champions_files(root) == before
    assert told == []


@pytest.mark.parametrize(
    ("recipe", "said"),
    [(POOR, "not better than NGram5 beyond noise"), (FAIR, f"than {MODEL}@v1.0.0")],
)
def test_a_challenger_that_is_not_better_beyond_noise_is_not_promoted(
    root: Path, told: list[PromotionEvent], recipe: dict[str, Any], said: str
) -> None:
    before = Champions(root / CHAMPIONS).champion(NAME)
    decision = challenged(root, "v1.0.0", recipe=recipe)
    assert (decision.outcome, decision.model) == ("kept", None)
    assert said in decision.why
    assert decision.champion_before is not None
    assert decision.paired is not None
    assert decision.challenger is not None
    assert decision.champion_before.bits == pytest.approx(
        decision.challenger.bits - decision.paired.difference_bits, rel=1e-9
    )
    assert Champions(root / CHAMPIONS).champion(NAME) == before
    assert told == []
    assert len(Champions(root / CHAMPIONS).decisions(NAME)) == 2


def test_a_new_version_is_judged_on_its_own_records_beside_the_champion(root: Path, told: list[PromotionEvent]) -> None:
    decision = challenged(root, "v1.1.0")
    assert decision.dataset.tag == "v1.1.0"
    assert decision.champion_before is not None
    assert decision.paired is not None
    assert decision.paired.b == f"{MODEL}@v1.0.0"
    better = decision.paired.ci95[1] < 0 and decision.paired.p_value < 0.05
    assert decision.outcome == ("promoted" if better else "kept")
    assert len(told) == int(better)


def test_an_older_version_that_comes_late_dethrones_nobody(fresh: Path, told: list[PromotionEvent]) -> None:
    newer = challenged(fresh, "v1.1.0")
    assert newer.outcome == "promoted"
    older = challenged(fresh, "v1.0.0")
    assert (older.outcome, older.dataset.tag) == ("kept", "v1.0.0")
    assert f"trained on {NAME}@v1.1.0, which is newer than {NAME}@v1.0.0" in older.why
    assert older.paired is not None
    champion = Champions(fresh / CHAMPIONS).champion(NAME)
    assert champion is not None
    assert champion.dataset.tag == "v1.1.0"
    assert len(told) == 1


@pytest.mark.parametrize(("damage", "version"), [("damaged", "v1.1.0"), ("lost", "v2.0.0")])
def test_a_champion_that_cannot_be_read_makes_room_and_no_version_is_used_twice(
    root: Path, damage: str, version: str, told: list[PromotionEvent]
) -> None:
    folder = root / CHAMPIONS / NAME / "models" / "v1.0.0"
    if damage == "lost":
        shutil.rmtree(folder)
    else:
        (folder / "model.safetensors").write_bytes(b"torn")
    decision = challenged(root, "v1.1.0")
    assert decision.outcome == "promoted"
    assert f"{MODEL}@v1.0.0, which reigned, cannot be read" in decision.why
    assert decision.model is not None
    assert decision.model.ref == f"{MODEL}@{version}"
    assert len(told) == 1


def test_a_champion_of_another_vocabulary_makes_room_and_the_decision_says_why(
    root: Path, told: list[PromotionEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seated(Seat(root=DataRoot(root), repo_id=NAME))
    assert found is not None
    assert found.lineage is not None
    other = replace(found, lineage=replace(found.lineage, vocabulary="0" * 64))
    monkeypatch.setattr(champion_tasks, "find_champion", lambda _: other)
    decision = challenged(root, "v1.1.0")
    assert (decision.outcome, decision.paired) == ("promoted", None)
    assert f"{MODEL}@v1.0.0, which reigned, cannot score these records" in decision.why
    assert "trained with vocabulary 000000000000" in decision.why
    assert decision.champion_before == Before(ref=f"{MODEL}@v1.0.0")
    assert len(told) == 1


# small patches --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_training")
def test_a_patch_that_changes_little_is_not_trained_on_and_small_ones_add_up(
    root: Path, told: list[PromotionEvent]
) -> None:
    (trained,) = Champions(root / CHAMPIONS).decisions(NAME)
    shutil.rmtree(root / "releases" / NAME / "v1.1.0")
    assert publish(root, beasts(COUNT, changed=1)).tag == "v1.0.1"
    assert publish(root, beasts(COUNT, changed=2)).tag == "v1.0.2"
    least = 1.5 / COUNT
    decision = challenged(root, "v1.0.1", least_change=least)
    assert (decision.outcome, decision.challenger) == ("skipped", None)
    assert f"1 of {COUNT} records ({1 / COUNT:.2%}) changed since {trained.dataset.ref}" in decision.why
    assert challenged(root, "v1.0.1", least_change=least) == decision
    assert len(Champions(root / CHAMPIONS).decisions(NAME)) == 2
    with pytest.raises(Trained):  # two records since v1.0.0, however small each patch is
        challenged(root, "v1.0.2", least_change=least)
    with pytest.raises(Trained):  # less is asked of it now
        challenged(root, "v1.0.1")
    with pytest.raises(Trained):  # another question
        challenged(root, "v1.0.1", least_change=least / 2)
    assert told == []


@pytest.mark.usefixtures("no_training", "told")
def test_what_can_no_longer_be_measured_is_added_up_from_the_manifests(root: Path) -> None:
    shutil.rmtree(root / "releases" / NAME / "v1.1.0")
    publish(root, beasts(COUNT, changed=1))
    publish(root, beasts(COUNT, changed=2))
    shutil.rmtree(root / "releases" / NAME / "v1.0.0")
    decision = challenged(root, "v1.0.2", least_change=0.5)
    assert decision.outcome == "skipped"
    assert f"2 of {COUNT} records" in decision.why
    assert "added up over the versions in between" in decision.why
    shutil.rmtree(root / "releases" / NAME / "v1.0.1")  # then nobody knows
    with pytest.raises(Trained):
        challenged(root, "v1.0.2", least_change=0.4)


@pytest.mark.usefixtures("no_training", "told")
def test_only_patches_are_skipped(root: Path) -> None:
    with pytest.raises(Trained):
        challenged(root, "v1.1.0", least_change=1.0)
