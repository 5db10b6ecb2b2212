"""Every version that stands is verified, here and on a Hub, and a damaged one is named; a Hub may be away."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows import standing, verify_releases
from flows.settings import DataRoot, data_root
from flows.standing import DamagedReleases, Standing, faults_of, names_in
from pipeline.publishing.faults import HubError
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.hub_store import HubStore
from tests.on_hub import IGNORE_CLIENT, NAME, World, built, world

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)
OLD, NEW = f"{NAME}@v1.0.0", f"{NAME}@v1.1.0"


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with two versions of one dataset."""
    root = tmp_path_factory.mktemp("pristine")
    store = FolderStore(root / "data" / "releases")
    store.publish(built(root / "8", 8))
    store.publish(built(root / "10", 10))
    return root / "data"


@pytest.fixture
def root(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    shutil.copytree(pristine, tmp_path / "data", symlinks=True)
    for task in ("verify_release", "list_releases"):
        monkeypatch.setattr(verify_releases, task, getattr(verify_releases, task).fn)
    return data_root(tmp_path / "data")


def verified(root: DataRoot, *hub: str) -> int:
    return int(verify_releases.verify_releases.fn(hub, data=str(root.root)))


def test_every_version_of_every_dataset_is_verified(root: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    assert verified(root) == 2
    assert capsys.readouterr().out.splitlines() == [f"{OLD}: sound", f"{NEW}: sound"]


def test_nothing_stands_in_an_empty_store(tmp_path: Path) -> None:
    assert verified(data_root(tmp_path)) == 0


def damaged_shard(folder: Path) -> str:
    shard = next(folder.rglob("*.parquet"))
    body = bytearray(shard.read_bytes())
    body[len(body) // 2] ^= 1
    shard.write_bytes(body)
    return "has other bytes than the manifest says"


def damaged_manifest(folder: Path) -> str:
    (folder / "manifest.json").write_text("{}")
    return "manifest"


def missing_readme(folder: Path) -> str:
    (folder / "README.md").unlink()
    return "README.md is in the manifest, but not in the folder"


@pytest.mark.parametrize("damage", [damaged_shard, damaged_manifest, missing_readme])
def test_a_damaged_version_is_named_with_its_fault_and_the_sound_one_is_not(
    root: DataRoot, damage: Callable[[Path], str]
) -> None:
    fault = damage(root.releases / NAME / "v1.0.0")
    with pytest.raises(DamagedReleases, match="1 of 2 releases are damaged") as caught:
        verified(root)
    assert OLD in str(caught.value)
    assert fault in str(caught.value)
    assert NEW not in str(caught.value)


def test_only_folders_named_like_datasets_are_looked_at(root: DataRoot) -> None:
    for odd in ("notes, old/x", "org/.staging-1", "a b/c", "org/-x"):
        (root.releases / odd).mkdir(parents=True)
    assert list(names_in(root.releases)) == [NAME]


def test_what_is_no_dataset_on_a_hub_fails_and_the_others_are_still_looked_at(
    root: DataRoot, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in (NAME, "hub:org", "hub:../../etc"):
        with pytest.raises(DamagedReleases, match=rf"(?s)1 of 3.*{given}: .*org/name"):
            verified(root, given)
        assert f"{NEW}: sound" in capsys.readouterr().out


# ---- the network


@pytest.mark.parametrize("name", ["verify_release", "list_releases"])
def test_only_what_may_pass_by_itself_is_tried_again(name: str) -> None:
    from prefect.states import Failed

    task = getattr(verify_releases, name)
    assert task.retries == 3
    assert task.retry_condition_fn is not None
    for error, again in (
        (HubError("busy", transient=True), True),
        (HubError("the token may not do this"), False),
        (ConnectionResetError(), True),
        (DamagedReleases("x"), False),
        (OSError(28, "No space left on device"), False),
    ):
        assert task.retry_condition_fn(task, None, Failed(data=error)) is again


def test_a_hub_that_stays_away_is_told_of_like_damage_and_the_others_are_still_looked_at(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(one: Standing, root: DataRoot) -> tuple[str, ...]:
        if one.version == "v1.0.0":
            raise HubError("reading failed: the Hub did not answer in time.", transient=True)
        return faults_of(one, root)

    monkeypatch.setattr(verify_releases, "verify_release", away)
    with pytest.raises(DamagedReleases, match=r"could not be read.*did not answer in time"):
        verified(root)
    assert f"{NEW}: sound" in capsys.readouterr().out


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


def test_a_version_on_a_hub_is_downloaded_again_and_a_damaged_one_is_named(
    lasting: World, root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting.reset()
    endpoint = lasting.hub.endpoint
    monkeypatch.setattr(standing, "HubStore", lambda cache: HubStore(cache, endpoint=endpoint))
    HubStore(root.places.cache, endpoint=endpoint).open(NAME)  # read before, and sound
    assert verified(root, f"hub:{NAME}") == 3
    shard = next(path for path in lasting.tree("v1.0.0") if path.endswith(".parquet"))
    files = {shard: b"PAR1 of somebody else"}
    commit = lasting.by_hand(files)
    lasting.api.delete_tag(NAME, tag="v1.0.0", repo_type="dataset")
    lasting.api.create_tag(NAME, tag="v1.0.0", revision=commit, repo_type="dataset")
    with pytest.raises(DamagedReleases, match=rf"1 of 3.*hub:{OLD}"):
        verified(root, f"hub:{NAME}")
    assert not list(root.root.glob(".verifying-*"))
