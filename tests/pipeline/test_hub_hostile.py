"""What comes from the Hub: a stranger's repo may hold anything, a network may be gone, a cache somebody else's."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import CommitOperationAdd
from huggingface_hub.utils import close_session

from pipeline.manifest_file import MAX_MANIFEST_BYTES
from pipeline.publishing import hub_repo
from pipeline.publishing.audience import Audience, GateError
from pipeline.publishing.faults import HubError
from pipeline.publishing.scratch import own_folder
from pipeline.release import DamagedRelease
from pipeline.verify import verify
from tests.on_hub import IGNORE_CLIENT, NAME, World

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)


# what comes from there ------------------------------------------------------------------------------------------------


def as_version(hub: World, files: dict[str, bytes], version: str = "v1.0.1") -> str:
    """Commit files by hand over v1.0.0 and tag that as a version; return the commit."""
    commit = hub.by_hand(files)
    hub.api.create_tag(NAME, tag=version, revision=commit, repo_type="dataset")
    return commit


def manifest_of(hub: World, **changes: object) -> bytes:
    """Return the manifest of v1.0.0, altered."""
    folder = hub.root / "warm" / NAME / hub.tags()["v1.0.0"]
    return json.dumps({**json.loads((folder / "manifest.json").read_text()), "version": "v1.0.1", **changes}).encode()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"manifest.json": b" " * (MAX_MANIFEST_BYTES + 1)}, r"has 67,108,865 bytes: it is none of ours"),
        ({"manifest.json": b"{}"}, "damaged"),
        ({"README.md": b"---\nlicense: mit\n---\n"}, "README.md of .* has 21 bytes .* its manifest says"),
        ({"palettes/nes.gpl": b"x" * 1135}, "palettes/nes.gpl of .* has other bytes"),
    ],
    ids=["huge manifest", "no manifest of ours", "size that lies", "other bytes"],
)
def test_a_repo_that_lies_is_refused_and_nothing_of_it_is_kept(hub: World, files: dict[str, bytes], told: str) -> None:
    as_version(hub, {"manifest.json": manifest_of(hub), **files})
    store = hub.store()
    with pytest.raises(DamagedRelease, match=rf"(?s)tag v1.0.1 .*{told}"):
        store.open(NAME)
    assert [path for path in (store.cache / NAME).iterdir() if not path.name.startswith(".")] == []


@pytest.mark.parametrize("file", ["../../escaped", "/etc/passwd", "records/../../x", ".cache/huggingface/x", "a\0b"])
def test_a_name_that_leads_out_of_the_release_is_refused(hub: World, file: str) -> None:
    documents = [{"file": file, "bytes": 1, "sha256": "0" * 64}]
    as_version(hub, {"manifest.json": manifest_of(hub, documents=documents)})
    with pytest.raises(DamagedRelease, match="which is no document of a release"):
        hub.store().open(NAME)


def test_a_file_that_is_missing_is_named(hub: World) -> None:
    folder = hub.root / "warm" / NAME / hub.tags()["v1.0.0"]
    documents = json.loads((folder / "manifest.json").read_text())["documents"]
    more = [*documents, {"file": "assets/more.png", "bytes": 1, "sha256": "0" * 64}]
    as_version(hub, {"manifest.json": manifest_of(hub, documents=more)})
    with pytest.raises(DamagedRelease, match=r"assets/more\.png of .* is not there"):
        hub.store().open(NAME)


def test_the_text_of_a_pointer_is_no_shard(hub: World) -> None:
    name, shard = next(iter(hub.old.manifest.files.items()))
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{shard.sha256}\nsize {shard.bytes}\n".encode()
    as_version(hub, {"manifest.json": manifest_of(hub), name: pointer})
    with pytest.raises(DamagedRelease, match=rf"{name} of .* has {len(pointer)} bytes"):
        hub.store().open(NAME)


def test_a_repo_of_too_many_files_is_not_listed_to_its_end(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_repo, "MOST_FILES", 10)
    with pytest.raises(HubError, match="more than 10 files"):
        hub.store().open(NAME)


def test_a_release_that_the_disk_has_no_room_for_is_not_begun(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=20_000))
    hub.steps()
    with pytest.raises(HubError, match="but only 20,000 are free"):
        hub.store().open(NAME)
    assert hub.steps().count("resolve") == 2  # the manifest's


def test_without_a_network_the_hub_says_so_even_with_a_full_cache(hub: World) -> None:
    store = replace(hub.store(warm=True), endpoint="http://127.0.0.1:9")
    for act in (lambda: store.open(NAME), lambda: store.publish(hub.new), lambda: store.history(NAME)):
        with pytest.raises(HubError, match=r"connection broke \(ConnectError\). Check HF_ENDPOINT and the network"):
            act()
    close_session()


def test_offline_mode_is_named(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE"):
        hub.store(warm=True).open(NAME)


def test_a_name_that_the_hub_cannot_have_is_refused_in_words(hub: World) -> None:
    with pytest.raises(HubError, match="org/a--b"):
        hub.store().open("org/a--b")
    with pytest.raises(ValueError, match="no release of org/nobody"):
        hub.store().open("org/nobody")
    with pytest.raises(ValueError, match=r"no version 'v9.9.9': it has v1.0.0"):
        hub.store().open(NAME, "v9.9.9")


def test_a_cache_that_is_somebody_elses_is_named(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match="somebody else"), own_folder(theirs, "staged"):
            pass
    finally:
        os.seteuid(0)


def test_a_history_that_was_killed_in_the_middle_is_read_again(hub: World) -> None:
    store = hub.store()
    commit = hub.tags()["v1.0.0"]
    (store.cache / NAME / ".manifest.0" / ".cache").mkdir(parents=True)
    (store.cache / NAME / f".{commit}.part").mkdir()
    (store.cache / NAME / f".{commit}.part" / "README.md").write_bytes(b"torn")
    assert [one.manifest.version for one in store.history(NAME)] == ["v1.0.0"]
    assert verify(store.open(NAME)) == ()


def test_a_repo_that_calls_itself_another_dataset_is_refused(hub: World) -> None:
    hub.reset()
    as_version(hub, {"manifest.json": manifest_of(hub, name="org/others")})
    with pytest.raises(DamagedRelease, match=r"its manifest says org/others@v1.0.1"):
        hub.store().open(NAME)


def test_a_repo_with_somebody_s_files_and_no_release_is_left_as_it_is(hub: World) -> None:
    hub.reset(empty=True)
    hub.api.create_repo(NAME, repo_type="dataset")
    mine = CommitOperationAdd(path_in_repo="thesis.txt", path_or_fileobj=b"years of work")
    hub.api.create_commit(NAME, [mine], commit_message="mine", repo_type="dataset")
    with pytest.raises(GateError, match=r"holds 1 files that are none of ours \(thesis.txt\)"):
        hub.store().publish(hub.new)
    assert hub.api.file_exists(NAME, "thesis.txt", repo_type="dataset")
    assert hub.tags() == {}


def test_what_was_damaged_here_is_downloaded_again_before_it_is_used(hub: World) -> None:
    hub.reset()
    store = hub.store(warm=True)
    release = store.open(NAME)
    with (release.folder / "CHANGELOG.md").open("a") as file:
        file.write("evil line\n")
    assert "evil line" not in (store.open(NAME).folder / "CHANGELOG.md").read_text()
    shutil.rmtree(release.folder / "records")
    assert verify(store.open(NAME)) == ()


def test_a_public_version_does_not_go_into_a_private_repo_unseen(hub: World) -> None:
    hub.reset(empty=True)
    hub.api.create_repo(NAME, repo_type="dataset", private=True)
    with pytest.raises(GateError, match=r"is private, so nobody would see a public version: publish with --private"):
        hub.store().publish(hub.new)
    assert hub.store().publish(hub.new, Audience(public=False)).new
