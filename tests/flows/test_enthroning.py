"""What is decided on, step by step: the choice by validation alone, names, and what a stranger's model may decide."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.champion import reigning
from flows.champion.asked import asked
from flows.champion.champions import Before, Candidate, Decision
from flows.champion.enthroning import Case, _last, _stand, adopted, candidate, decided, own_model, skipped
from flows.champion.least_change import Difference, difference, store_of
from flows.champion.promoting import Owed, promotion_event
from flows.champion.reigning import Seat, Seated
from flows.settings import DataRoot
from model.evaluate import Accuracy, EvaluatedOn, Evaluation, ModelScore, Paired, RecordBits
from model.model_card import DECISION
from pipeline.manifest_file import NAME as NAMES
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from tests.exported import small_release

NAME = "tests/beasts"
REIGNS = "org/model@v1.0.0"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return small_release(tmp_path_factory.mktemp("release"))


@pytest.fixture
def case(release: Release, tmp_path: Path) -> Case:
    how = asked(("tiny",), 0, None, None, 0.1, 1)
    return Case(seat=Seat(root=DataRoot(tmp_path), repo_id=NAME), release=release, store="there", asked=how)


def row(name: str, total: float) -> ModelScore:
    bits = RecordBits(total=total, shape=0.0, pixels=total, row_ends=0.0, caption=0.0, ci95=(total - 1, total + 1))
    return ModelScore(
        name=name,
        kind="baseline" if name == "Counts2D" else "network",
        parameters=1,
        bits_per_record=bits,
        bits_per_pixel=1.0,
        bits_per_character=1.0,
        accuracy=Accuracy(total=0.0, pixels=0.0, row_ends=0.0, caption=0.0),
        seconds=0.0,
    )


def evaluation(release: Release, **totals: float) -> Evaluation:
    """Return what these totals give, each difference sure to within a bit."""
    names = list(totals)
    pairs = tuple(
        Paired(a=a, b=b, difference_bits=d, ci95=(d - 0.5, d + 0.5), p_value=0.001)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        for d in [totals[a] - totals[b]]
    )
    version = release.version
    on = EvaluatedOn(ref=version.ref, revision=version.revision, digest=version.digest, split="test")
    rows = tuple(row(name, total) for name, total in totals.items())
    return Evaluation(dataset=on, models=rows, paired=pairs, seed=0, code_version="1")


def offered(name: str, validation_bits: float) -> Candidate:
    return Candidate(name=name, run=f"run-{name}", preset=name, seed=0, validation_bits=validation_bits)


def test_the_challenger_is_chosen_on_validation_even_where_another_is_better_on_the_test_split(
    case: Case, release: Release
) -> None:
    two = (offered("small", 6.0), offered("tiny", 5.0))
    found = decided(case, two, None, evaluation(release, small=9.0, tiny=10.0, Counts2D=20.0))
    assert found.challenger is not None
    assert (found.outcome, found.challenger.name, found.challenger.bits) == ("promoted", "tiny", 10.0)
    assert found.candidates == two
    chosen_by_test = decided(case, two, None, evaluation(release, small=9.0, tiny=21.0, Counts2D=20.0))
    assert chosen_by_test.outcome == "kept"  # though `small` would have won


def test_what_the_champion_pays_is_told_and_not_known_where_it_could_not_be_asked(case: Case, release: Release) -> None:
    found = evaluation(release, tiny=10.0, Counts2D=20.0)
    gone = Seated(ref=REIGNS, dataset=None, gone="two\nlines")
    decision = decided(case, (offered("tiny", 5.0),), gone, found)
    assert decision.champion_before == Before(ref=REIGNS, bits=None)
    assert f"{REIGNS}, which reigned, cannot be read: two lines" in decision.why


def test_what_changes_too_little_says_by_how_much(case: Case) -> None:
    found = skipped(case, Difference(since="tests/beasts@v0.9.0", records=1, of=40, measured=True))
    assert found.outcome == "skipped"
    assert found.why == (
        "1 of 40 records (2.50%) changed since tests/beasts@v0.9.0, less than the 10.00% that a patch must change to "
        "be trained on"
    )
    assert Difference(since="x", records=3, of=0, measured=True).share == 1.0


def test_a_version_without_any_before_it_is_trained_on(release: Release, tmp_path: Path) -> None:
    assert difference(release, None, FolderStore(tmp_path)) is None


def test_the_store_of_a_release_folder_is_around_it(tmp_path: Path) -> None:
    places = DataRoot(tmp_path).places
    folder = tmp_path / "there" / "org" / "name" / "v1.0.0"
    folder.mkdir(parents=True)
    (folder / "manifest.json").touch()
    assert store_of(str(folder), places) == FolderStore(tmp_path / "there")
    assert store_of(str(tmp_path / "there"), places) == FolderStore(tmp_path / "there")
    assert store_of(None, places) == FolderStore(places.releases)


def test_a_model_s_own_decision_counts_only_where_it_answers_the_same_question(
    case: Case, release: Release, tmp_path: Path
) -> None:
    folder = tmp_path / "pulled"
    folder.mkdir()
    champion = Seated(ref=REIGNS, dataset=release.version, folder=folder, revision="c" * 40)
    ours = decided(case, (offered("tiny", 5.0),), None, evaluation(release, tiny=10.0, Counts2D=20.0))
    assert adopted(case, None) is None
    assert adopted(case, champion) is None  # none lies there
    for text in ("{", "[]", ours.to_json().replace(case.key, "0" * 64), ours.to_json().replace("promoted", "kept")):
        (folder / DECISION).write_text(text)
        assert adopted(case, champion) is None
    (folder / DECISION).write_text(ours.to_json())
    found = adopted(case, champion)
    assert found is not None
    assert found.model is not None
    assert (found.model.ref, found.model.revision, found.challenger) == (REIGNS, "c" * 40, ours.challenger)
    assert (tmp_path / found.model.folder / DECISION).is_file()


def test_the_own_model_of_a_dataset_has_a_name_of_the_right_form() -> None:
    assert own_model("pixelbytes/sample") == "pixelbytes/sample-model"
    assert NAMES.fullmatch(own_model(f"{'a' * 96}/{'b' * 96}"))


def test_a_run_that_was_never_measured_is_no_candidate(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a checkpoint nor a run"):
        candidate(tmp_path, "tiny", 0)


def test_a_promotion_that_was_told_is_not_told_again(
    case: Case, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr("flows.champion.promoting.announce", told.append)
    owed = Owed(tmp_path / "announcing")
    folder = tmp_path / "pulled"
    folder.mkdir()
    ours = decided(case, (offered("tiny", 5.0),), None, evaluation(release, tiny=10.0, Counts2D=20.0))
    (folder / DECISION).write_text(ours.to_json())
    decision = adopted(case, Seated(ref=REIGNS, dataset=None, folder=folder, revision="c" * 40))
    assert isinstance(decision, Decision)
    assert owed.keep(decision) is False  # nothing was owed
    owed.give(decision)
    assert owed.keep(decision) is True
    assert owed.keep(decision) is False
    assert told == [promotion_event(decision)]

    def down(_: object) -> None:
        raise ConnectionError

    owed.give(decision)
    with monkeypatch.context() as patch:
        patch.setattr("flows.champion.promoting.announce", down)
        assert owed.keep(decision) is False  # a server that is down fails no run, and the note stays
    assert owed.keep(decision) is True


def test_a_version_is_never_used_twice_though_only_its_folder_is_left(case: Case) -> None:
    assert _last(case.seat) is None
    for name in ("v1.0.0", "v1.10.0", "v1.9.0", "odd"):
        (case.seat.home / "models" / name).mkdir(parents=True)
    last = _last(case.seat)
    assert last is not None
    assert last.version == "v1.10.0"


def test_another_model_is_never_replaced(tmp_path: Path) -> None:
    for name in ("draft", "v1.0.0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model").write_text(name)
    with pytest.raises(ValueError, match="holds another model"):
        _stand(tmp_path / "draft", tmp_path / "v1.0.0")
    assert (tmp_path / "v1.0.0" / "model").read_text() == "v1.0.0"


def test_a_model_repo_of_another_dataset_seats_nobody(
    case: Case, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reigning, "HubRepo", lambda *_: SimpleNamespace(standing=lambda: 1))
    monkeypatch.setattr(reigning, "hub_client", lambda: None)
    monkeypatch.setattr(reigning, "versions_of", lambda _: ("v1.0.0",))
    monkeypatch.setattr(reigning, "_pulled", lambda ref, _: Seated(ref=ref, dataset=release.version))
    ours = Seat(root=case.seat.root, repo_id=NAME, models="org/model")
    found = reigning.seated(ours)
    assert found is not None
    assert found.ref == REIGNS
    with pytest.raises(ValueError, match=f"org/model holds models of {NAME}"):
        reigning.seated(replace(ours, repo_id="org/other"))
