"""Releases on the Hub: what goes there and what comes from there, whoever else is at it at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.publishing.audience import Audience, GateError
from pipeline.publishing.faults import HubError
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.hub_store import HubStore
from pipeline.publishing.remote import Standing
from pipeline.publishing.staging import Published
from pipeline.release import DamagedRelease, Release
from pipeline.verify import verify
from tests.on_hub import IGNORE_CLIENT, NAME, World

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)


def files_at(hub: World, revision: str = "main") -> set[str]:
    return set(hub.api.list_repo_files(NAME, repo_type="dataset", revision=revision))


# what is published ----------------------------------------------------------------------------------------------------


def test_a_version_is_one_commit_that_reads_back_and_a_tag(hub: World) -> None:
    store = hub.store(warm=True)
    done = store.publish(hub.new)
    steps = hub.steps()
    assert steps.count("commit") == steps.count("tag") == 1
    assert steps.index("commit") < steps.index("resolve") < steps.index("tag")
    assert (done.new, done.version.tag) == (True, "v1.1.0")
    assert hub.tags()["v1.1.0"] == done.version.revision == done.release.revision
    assert verify(done.release) == ()
    assert hub.sound_versions().keys() == {"v1.0.0", "v1.1.0"}


def test_nothing_is_sent_when_nothing_changed(hub: World) -> None:
    again = hub.store(warm=True).publish(hub.old)
    assert (again.new, again.version.tag) == (False, "v1.0.0")
    assert set(hub.steps()) == {"refs", "info"}


def test_a_plan_tells_what_publishing_does_to_main_and_does_nothing(hub: World) -> None:
    hub.by_hand({"notes.txt": b"by hand", "records/stale-00000-of-00001.parquet": b"PAR1"})
    store = hub.store(warm=True)
    head = hub.api.dataset_info(NAME).sha
    plan = store.plan(hub.new)
    what = {file.path: file.what for file in plan.files}
    assert what["notes.txt"] == what["records/stale-00000-of-00001.parquet"] == "delete"
    assert what["palettes/nes.gpl"] == "keep"
    assert what["manifest.json"] == "replace"
    assert ".gitattributes" not in what
    assert plan.sent == sum(file.bytes for file in plan.files if file.what in {"add", "replace"})
    assert hub.api.dataset_info(NAME).sha == head
    store.publish(hub.new)
    assert files_at(hub) == {path for path, done in what.items() if done != "delete"} | {".gitattributes"}
    assert hub.store().plan(hub.new).new is False


def test_an_ignore_file_that_somebody_left_hides_nothing_of_a_version(hub: World) -> None:
    hub.by_hand({".gitignore": b"*.parquet\nCHANGELOG.md\n"})
    done = hub.store(warm=True).publish(hub.new)
    assert ".gitignore" not in files_at(hub)
    assert verify(done.release) == ()


def test_a_rollback_is_a_new_version_of_the_old_content(hub: World) -> None:
    store = hub.store()
    bad = store.publish(hub.new)
    done = store.rollback(NAME, "v1.0.0", "half of the texts were cut")
    assert done.release.manifest.digest == hub.old.manifest.digest
    assert done.release.manifest.yanked["v1.1.0"]["why"] == "half of the texts were cut"
    assert hub.tags()["v1.1.0"] == bad.version.revision
    assert store.rollback(NAME, "v1.0.0", "once more").new is False
    with pytest.raises(GateError, match="which was yanked"):
        store.publish(hub.new)
    with pytest.raises(ValueError, match=r"no version 'v7.0.0' to go back to"):
        store.rollback(NAME, "v7.0.0", "why not")
    versions = [one.manifest.version for one in hub.store().history(NAME)]
    assert versions == list(hub.sound_versions())
    assert len(versions) == 3


# two at the same time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "same"),
    [
        ("commit", False),
        ("tag", True),
        ("tag", False),
        pytest.param("commit", True, marks=pytest.mark.slow),
        pytest.param("files", True, marks=pytest.mark.slow),
        pytest.param("files", False, marks=pytest.mark.slow),
    ],
)
def test_somebody_who_gets_in_between_costs_nobody_anything(
    hub: World, monkeypatch: pytest.MonkeyPatch, moment: str, same: bool
) -> None:
    theirs = hub.new if same else hub.other
    between(monkeypatch, moment, lambda: hub.store(warm=True).publish(theirs))
    mine = hub.store(warm=True).publish(hub.new)
    found = hub.sound_versions()
    assert found[mine.version.tag] == hub.new.manifest.digest
    assert sorted(found.values()) == sorted({one.manifest.digest for one in (hub.old, theirs, hub.new)})
    in_a_row(hub)


def between(monkeypatch: pytest.MonkeyPatch, moment: str, what: Callable[[], object]) -> None:
    """Let something happen once, right before a method of the repo is called for the first time."""
    original, left = getattr(HubRepo, moment), [what]

    def hooked(self: HubRepo, *args: object) -> object:
        while left:
            left.pop()()
        return original(self, *args)

    monkeypatch.setattr(HubRepo, moment, hooked)


def in_a_row(hub: World) -> None:
    """Each version says which one it follows."""
    versions = hub.store().history(NAME)
    assert [one.manifest.previous for one in versions] == ["", *(one.manifest.version for one in versions[:-1])]


@pytest.mark.parametrize("shared", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("same", [pytest.param(True, marks=pytest.mark.slow), False])
def test_two_publishers_at_once_both_end_well(hub: World, shared: bool, same: bool) -> None:
    stores = [hub.store(warm=True)] * 2 if shared else [hub.store(warm=True), hub.store(warm=True)]
    builds = [hub.new, hub.new if same else hub.other]
    start = threading.Barrier(2)

    def publish(store: HubStore, build: Release) -> Published:
        start.wait()
        return store.publish(build)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(publish, stores, builds))
    found = hub.sound_versions()
    for published, build in zip(done, builds, strict=True):
        assert found[published.version.tag] == build.manifest.digest
        assert verify(published.release) == ()
    assert len(found) == (2 if same else 3)
    in_a_row(hub)


def test_a_repo_that_others_change_all_the_time_is_left_alone(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    original, count = HubRepo.commit, iter(range(100))

    def hooked(self: HubRepo, folder: Path, head: str, message: str) -> str:
        hub.by_hand({"notes.txt": str(next(count)).encode()})
        return original(self, folder, head, message)

    monkeypatch.setattr(HubRepo, "commit", hooked)
    with pytest.raises(HubError, match=r"changed by others 5 times .*let them finish"):
        hub.store(warm=True).publish(hub.new)
    assert hub.tags().keys() == {"v1.0.0"}


# tags that are not ours -----------------------------------------------------------------------------------------------


def test_a_tag_on_a_commit_that_is_no_release_is_named_and_left(hub: World) -> None:
    first = hub.api.list_repo_commits(NAME, repo_type="dataset")[-1].commit_id
    hub.api.create_tag(NAME, tag="v1.1.0", revision=first, repo_type="dataset")
    before = files_at(hub)
    for act in (
        lambda store: store.publish(hub.new),
        lambda store: store.open(NAME),
        lambda store: store.history(NAME),
    ):
        with pytest.raises(
            DamagedRelease, match=rf"(?s)tag v1.1.0 of .*{first[:12]}.*no manifest.*hf repos tag delete"
        ):
            act(hub.store())
    assert hub.tags()["v1.1.0"] == first
    assert files_at(hub) == before
    hub.api.delete_tag(NAME, tag="v1.1.0", repo_type="dataset")
    assert hub.store().publish(hub.new).version.tag == "v1.1.0"


def test_a_tag_that_was_moved_to_another_version_is_named_and_left(hub: World) -> None:
    there = hub.tags()["v1.0.0"]
    hub.api.create_tag(NAME, tag="v2.0.0", revision=there, repo_type="dataset")
    with pytest.raises(DamagedRelease, match=r"tag v2.0.0 .*its manifest says org/beasts@v1.0.0: somebody made"):
        hub.store(warm=True).publish(hub.new)
    assert hub.tags() == {"v1.0.0": there, "v2.0.0": there}
    assert hub.store().open(NAME, "v1.0.0").manifest.digest == hub.old.manifest.digest


def test_a_tag_made_by_hand_while_we_publish_is_never_overwritten(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    there = hub.tags()["v1.0.0"]
    between(
        monkeypatch,
        "tag",
        lambda: hub.api.create_tag(NAME, tag="v1.1.0", revision=there, repo_type="dataset"),
    )
    with pytest.raises(DamagedRelease, match=r"tag v1.1.0 .*its manifest says org/beasts@v1.0.0"):
        hub.store(warm=True).publish(hub.new)
    assert hub.tags() == {"v1.0.0": there, "v1.1.0": there}


# who may see it -------------------------------------------------------------------------------------------------------


def test_what_is_private_never_reaches_a_public_repo(hub: World) -> None:
    with pytest.raises(GateError, match=r"is public, but this may only go out privately"):
        hub.store(warm=True).publish(hub.new, Audience(public=False))
    steps = hub.steps()
    assert not {"preupload", "lfs-put", "commit"} & set(steps)


def test_a_private_release_makes_a_private_repo_before_anything_is_sent(hub: World) -> None:
    hub.reset(empty=True)
    done = hub.store(gated="manual").publish(hub.new, Audience(public=False))
    steps = hub.steps()
    assert steps.index("create") < steps.index("settings") < steps.index("preupload")
    info = hub.api.dataset_info(NAME)
    assert (info.private, info.gated) == (True, "manual")
    assert done.release.folder.stat().st_mode & 0o777 == 0o700
    store = hub.store()
    folder = store.open(NAME).folder
    assert folder.stat().st_mode & 0o777 == 0o700
    listed = hub.store()
    assert [one.folder.stat().st_mode & 0o777 for one in listed.history(NAME)] == [0o700]


def test_a_repo_that_somebody_made_public_at_the_same_moment_stays_empty(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.reset(empty=True)
    original = HubRepo.made

    def hooked(self: HubRepo, *, private: bool) -> Standing:
        hub.api.create_repo(NAME, repo_type="dataset", private=False)
        return original(self, private=private)

    monkeypatch.setattr(HubRepo, "made", hooked)
    with pytest.raises(GateError, match="is public"):
        hub.store().publish(hub.new, Audience(public=False))
    assert files_at(hub) == {".gitattributes"}


@pytest.mark.parametrize("token", ["readonly_token", "stranger_token", ""])
def test_who_may_not_write_is_told_so_and_leaves_nothing(
    hub: World, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    given = getattr(hub.hub, token) if token else ""
    monkeypatch.setenv("HF_TOKEN", given)
    with pytest.raises(HubError, match=r"403.*write access|401.*hf auth login") as caught:
        hub.store().publish(hub.new)
    assert not given or given not in str(caught.value)
    assert hub.tags().keys() == {"v1.0.0"}
