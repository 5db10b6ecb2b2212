"""`pixelbytes backfill`: each version once, whatever stops it; what is done stands in a journal."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.backfill import verbs as backfill_verbs
from flows.backfill.journal import (
    Choice,
    Journal,
    Unit,
    chosen,
    left_of,
    require_newest,
    require_not_older,
    work_through,
)
from flows.backfill.verbs import How
from flows.backfill.work import Differs, Shelf, TrainHow, rebuild_one
from flows.errors import DONE, FAILED, UsageError
from flows.settings import DataRoot
from model.interrupts import TrainingStopped
from pipeline.release import Release, seal_of
from tests.traced import REPO, copy_of, releases_of, traced_root

UNITS = tuple(Unit(name=f"v1.{place}.0", digest=f"{place}" * 64) for place in range(6))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """A data root whose dataset has two versions."""
    return traced_root(tmp_path_factory.mktemp("made") / "data")


@pytest.fixture
def data(made: DataRoot, tmp_path: Path) -> DataRoot:
    """The same, to be changed."""
    return copy_of(made, tmp_path / "data")


def versions(count: int, release: Release, **changes: object) -> list[Release]:
    """Return so many versions of a release, v1.0.0 and on."""
    return [
        replace(release, manifest=replace(release.manifest, version=f"v1.{place}.0", **changes))  # type: ignore[arg-type]
        for place in range(count)
    ]


def test_versions_are_chosen_by_name_or_range_oldest_first_and_yanked_ones_only_by_name(made: DataRoot) -> None:
    yanked = {"v1.1.0": {"digest": "0" * 64, "why": "wrong"}}
    every = versions(4, releases_of(made)[0], yanked=yanked)[::-1]

    def named(choice: Choice) -> list[str]:
        return [one.manifest.version for one in chosen(every, choice)]

    assert named(Choice()) == ["v1.0.0", "v1.2.0", "v1.3.0"]
    assert named(Choice(versions=("v1.3.0", "v1.1.0"))) == ["v1.1.0", "v1.3.0"]
    assert named(Choice(first="v1.1.0", last="v1.2.0")) == ["v1.2.0"]
    with pytest.raises(UsageError, match="was yanked"):
        named(Choice(first="v1.1.0", last="v1.1.0"))
    with pytest.raises(UsageError, match="v9"):
        named(Choice(versions=("v9.0.0",)))
    with pytest.raises(UsageError, match="no release"):
        chosen([], Choice())


@pytest.mark.parametrize(
    "given",
    [{"versions": ("latest",)}, {"versions": ("v1.0.0",), "first": "v1.0.0"}, {"first": "v2.0.0", "last": "v1.0.0"}],
)
def test_a_choice_that_cannot_be_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Choice(**given)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from(["done", "fails", "interrupt", "torn"]), max_size=30))
def test_interrupted_anywhere_every_piece_is_done_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str]
) -> None:
    journal = Journal(tmp_path_factory.mktemp("journals"), {"what": "test"})
    fate, done = iter(fates), Counter[str]()

    def work(unit: Unit) -> str:
        happens = next(fate, "done")
        if happens == "interrupt":
            raise KeyboardInterrupt
        if happens == "torn":  # killed while it wrote the line
            with journal.path.open("ab") as file:
                file.write(b'{"name": "v1.')
            raise TrainingStopped("killed")
        if happens == "fails":
            raise ValueError("once")
        done[unit.name] += 1
        return "did it"

    for _ in range(len(fates) + 1):
        try:
            found = list(work_through(UNITS, journal, work))
        except (KeyboardInterrupt, TrainingStopped):
            continue
        if all(entry.state == "done" for entry in found):
            break
    assert done == Counter({unit.name: 1 for unit in UNITS})
    assert left_of(UNITS, journal.entries()) == []


def test_one_failure_stops_the_others_only_when_asked(tmp_path: Path) -> None:
    def work(unit: Unit) -> str:
        if unit == UNITS[1]:
            raise RuntimeError("no")
        return "did it"

    stopped = list(work_through(UNITS, Journal(tmp_path / "a", {}), work, stop=True))
    assert [entry.state for entry in stopped] == ["done", "failed"]
    went_on = Journal(tmp_path / "b", {})
    assert [entry.state for entry in work_through(UNITS, went_on, work)].count("done") == 5
    assert left_of(UNITS, went_on.entries()) == [UNITS[1]]


def test_another_content_of_a_version_is_other_work(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {})
    journal.add(UNITS[0], "done", "did it")
    assert left_of([replace(UNITS[0], digest="f" * 64)], journal.entries())
    assert Journal(tmp_path, {"another": "question"}).entries() == {}


@pytest.mark.parametrize(
    "line", ["{}", "[1]", "{", '{"name": 1, "digest": "", "state": "done", "told": "", "time": ""}']
)
def test_a_damaged_journal_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    journal = Journal(tmp_path, {})
    journal.add(UNITS[0], "done", "did it")
    with journal.path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ValueError, match="line 2"):
        journal.entries()


def test_two_of_the_same_backfill_do_not_meet(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, {}).alone(),
        pytest.raises(RuntimeError, match="same backfill"),
        Journal(tmp_path, {}).alone(),
    ):
        pass


def test_an_older_crawl_never_follows_a_newer_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {})
    journal.add(UNITS[2], "done", "did it")
    require_newest(UNITS[3], UNITS, journal.entries())
    with pytest.raises(ValueError, match=r"v1\.2\.0 is published already"):
        require_newest(UNITS[1], UNITS, journal.entries())


def test_a_dry_run_does_nothing(data: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert backfill_verbs.rebuild(data, REPO, Choice(), 1, How(dry_run=True, as_json=True)) == DONE
    told = json.loads(capsys.readouterr().out)
    assert [(piece["name"], piece["state"]) for piece in told["pieces"]] == [("v1.0.0", "left"), ("v1.1.0", "left")]
    assert not (data.root / "backfills").exists()


def test_versions_are_built_again_and_one_that_cannot_be_hides_no_other(
    data: DataRoot, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cards.card.plots", lambda *_: {})
    crawl = data.raw("sample") / "crawls" / f"{releases_of(data)[0].manifest.crawl}.jsonl"
    away = crawl.rename(data.root / "away")
    assert backfill_verbs.rebuild(data, REPO, Choice(), 1, How(as_json=True)) == FAILED
    told = json.loads(capsys.readouterr().out)["pieces"]
    assert [piece["state"] for piece in told] == ["failed", "done"]
    assert "lacks the crawl" in told[0]["told"]
    assert "byte for byte the same" in told[1]["told"]
    away.rename(crawl)
    began: list[str] = []

    def counted(shelf: Shelf, version: str, workers: int) -> str:
        began.append(version)
        return rebuild_one(shelf, version, workers)

    monkeypatch.setattr(backfill_verbs, "rebuild_one", counted)
    assert backfill_verbs.rebuild(data, REPO, Choice(), 1, How(as_json=True)) == DONE
    assert began == ["v1.0.0"]
    assert not any((data.root / "backfills" / "copies").glob("*/*/v*"))


def test_a_version_that_is_not_what_it_was_is_named_and_its_copy_stays(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cards.card.plots", lambda *_: {})
    shelf = Shelf.named(REPO, data)
    release = releases_of(data)[0]
    (release.folder / "README.md").write_text("another")
    with pytest.raises(Differs, match=r"README\.md") as told:
        rebuild_one(shelf, "v1.0.0", 1)
    assert str(data.root / "backfills" / "copies" / REPO / "v1.0.0") in str(told.value)
    assert (data.root / "backfills" / "copies" / REPO / "v1.0.0" / "manifest.json").is_file()


def test_a_release_of_older_code_that_kept_no_digest_of_its_crawl_is_still_the_same_byte_for_byte(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cards.card.plots", lambda *_: {})
    older = releases_of(data)[0].with_manifest(crawl_sha256="")
    older = older.with_manifest(seal=seal_of(older.manifest))
    assert "crawl_sha256" not in (older.folder / "manifest.json").read_text()
    assert "byte for byte the same" in rebuild_one(Shelf.named(REPO, data), "v1.0.0", 1)


@pytest.mark.parametrize("given", ["", "a", "../..", "hub:", "hub:a/b/c"])
def test_a_dataset_is_org_and_name(data: DataRoot, given: str) -> None:
    with pytest.raises(UsageError):
        backfill_verbs.rebuild(data, given, Choice(), 1, How())


def test_crawls_are_not_published_over_versions_that_stand(data: DataRoot) -> None:
    with pytest.raises(UsageError, match=r"versions already \(v1\.0\.0, v1\.1\.0\)"):
        backfill_verbs.crawls(data, "sample", REPO, None, How())
    shutil.rmtree(data.raw("sample"))
    with pytest.raises(UsageError, match="never crawled"):
        backfill_verbs.crawls(data, "sample", "tests/new", None, How())


def test_a_journal_that_has_begun_says_so_and_begun_anew_it_has_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {"what": "test"})
    journal.path.write_bytes(b'{"name": "v1.')  # torn: nothing began
    assert not journal.begun
    journal.begin()
    assert journal.begun
    assert journal.entries() == {}
    entry = journal.add(UNITS[0], "done", "did it")
    journal.begin()
    assert journal.entries() == {UNITS[0]: entry}
    journal.begin(anew=True)
    assert journal.begun
    assert journal.entries() == {}


def test_a_crawl_never_follows_a_version_that_was_made_from_a_later_one(made: DataRoot) -> None:
    first, last = releases_of(made)
    require_not_older(first.manifest.crawl, None)
    require_not_older(first.manifest.crawl, first)
    require_not_older(last.manifest.crawl, first)
    with pytest.raises(ValueError, match=rf"{first.manifest.crawl} is older than {last.manifest.crawl}.*v1\.1\.0"):
        require_not_older(first.manifest.crawl, last)


def stand(data: DataRoot, version: str) -> None:
    """Let a version of the one dataset be the first of tests/new too."""
    shutil.copytree(data.releases / REPO / version, data.releases / "tests/new/v1.0.0")


@pytest.fixture
def published(data: DataRoot, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the crawls that were to be published; the first is killed once its version stands, before its line."""
    crawls: list[str] = []

    def publish(*asked: object) -> str:
        crawls.append(str(asked[-1]))
        if len(crawls) == 1:
            stand(data, "v1.0.0")
            raise KeyboardInterrupt
        return "did it"

    monkeypatch.setattr(backfill_verbs, "publish_crawl", publish)
    monkeypatch.setattr("flows.server.start_guarded_server", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        backfill_verbs.crawls(data, "sample", "tests/new", None, How())
    return crawls


def test_killed_between_the_first_version_and_its_line_crawls_go_on(data: DataRoot, published: list[str]) -> None:
    assert backfill_verbs.crawls(data, "sample", "tests/new", None, How()) == DONE
    first, last = (release.manifest.crawl for release in releases_of(data))
    assert published == [first, first, last]


@pytest.mark.parametrize("again", [False, True])
def test_crawls_that_a_rebuild_overtook_fail_and_are_not_published(
    data: DataRoot, published: list[str], capsys: pytest.CaptureFixture[str], *, again: bool
) -> None:
    shutil.rmtree(data.releases / "tests/new")
    stand(data, "v1.1.0")  # as a rebuild of the last crawl does
    assert backfill_verbs.crawls(data, "sample", "tests/new", None, How(as_json=True, again=again)) == FAILED
    pieces = json.loads(capsys.readouterr().out)["pieces"]
    first, last = (release.manifest.crawl for release in releases_of(data))
    assert [piece["state"] for piece in pieces] == ["failed", "done"]
    assert f"{first} is older than {last}" in pieces[0]["told"]
    assert published == [first, last]


def test_training_asks_for_each_version_in_turn_and_resumes(
    data: DataRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[str, str]] = []

    def trained(shelf: Shelf, release: Release, how: TrainHow) -> str:
        asked.append((shelf.address, release.version.ref))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return f"kept: {how.presets[0]}"

    monkeypatch.setattr(backfill_verbs, "train_one", trained)
    monkeypatch.setattr("flows.server.start_guarded_server", lambda: None)
    how = TrainHow(presets=("tiny",))
    with pytest.raises(KeyboardInterrupt):
        backfill_verbs.train(data, REPO, Choice(), how, How())
    assert backfill_verbs.train(data, REPO, Choice(), how, How(as_json=True)) == DONE
    shelf = str(data.releases)
    assert asked == [(shelf, f"{REPO}@v1.0.0"), (shelf, f"{REPO}@v1.1.0"), (shelf, f"{REPO}@v1.1.0")]
    assert json.loads(capsys.readouterr().out)["pieces"][0]["told"] == "kept: tiny"
    assert backfill_verbs.train(data, REPO, Choice(), replace(how, seed=1), How(dry_run=True)) == DONE
    assert "2 left" in capsys.readouterr().out  # another seed is another question
    with pytest.raises(UsageError, match="preset"):
        backfill_verbs.train(data, REPO, Choice(), TrainHow(presets=("none",)), How())


_COMMAND = """
import sys
from pathlib import Path
from flows.backfill import verbs as backfill_verbs
from flows.backfill.journal import Choice
from flows.settings import DataRoot
import pipeline.cards.card
pipeline.cards.card.plots = lambda *_: {}
sys.exit(backfill_verbs.rebuild(DataRoot(Path(sys.argv[1])), "tests/beasts", Choice(), 1, backfill_verbs.How()))
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_repeats_nothing(data: DataRoot) -> None:
    def started() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", _COMMAND, str(data.root)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    journal = Journal(data.root / "backfills", {"what": "rebuild", "name": REPO})
    process = started()
    while process.poll() is None and len(journal.entries()) < 1:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    first = journal.entries()
    assert first
    again = started()
    _, said = again.communicate(timeout=600)
    assert again.returncode == DONE, said.decode()
    assert len(journal.entries()) == 2
    for unit, entry in first.items():
        assert journal.entries()[unit] == entry  # with its time: it was not done again
