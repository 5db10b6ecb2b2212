"""`pixelbytes rebuild --from`: a manifest, a folder or a name; a copy beside the builds; 0 the same, 1 another."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.engines import EngineOptions
from flows.errors import FAILED, UsageError
from flows.reproduce_verbs import rebuild_from, refuse_others, require_one
from flows.settings import DataRoot, data_root
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import DamagedRelease, Release
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/sample"
HERE = EngineOptions()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataRoot]:
    """A data root with one published release; cards have no plots, which take seconds to draw."""
    root = data_root(tmp_path_factory.mktemp("data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {"nothing.png": b"a picture"})
        built = build(sample_source(), make_store(root.raw("sample"), creatures(12)), root.built(NAME), name=NAME)
        FolderStore(root.releases).publish(built.with_manifest(gates=check(built)))
        yield root


@pytest.fixture
def root(whole: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """The same, to be damaged; the source is as it was."""
    shutil.copytree(whole.root, tmp_path / "data", symlinks=True)
    monkeypatch.setattr("flows.reproduce_verbs.load_source", lambda _name: sample_source())
    return data_root(tmp_path / "data")


@pytest.mark.parametrize("way", ["name", "folder", "manifest"])
def test_a_release_is_named_by_reference_folder_or_manifest(
    root: DataRoot, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = root.releases / NAME / "v1.0.0"
    reference = {"name": f"{NAME}@v1.0.0", "folder": str(folder), "manifest": str(folder / "manifest.json")}[way]
    assert rebuild_from(root, reference, None, HERE, as_json=False) == 0
    copy = root.root / "builds" / f"{NAME}-reproduced" / "v1.0.0"
    told = " ".join(capsys.readouterr().out.split())
    files = sum(path.is_file() for path in copy.rglob("*"))
    assert f"at {copy}: byte for byte the same ({files} files)" in told
    assert not (copy.parent / ".v1.0.0.old").exists()
    assert FolderStore(root.releases).versions(NAME) == ("v1.0.0",)
    assert rebuild_from(root, reference, None, HERE, as_json=False) == 0  # again: its own copy may go


def test_what_differs_is_named_and_ends_with_1(root: DataRoot, capsys: pytest.CaptureFixture[str]) -> None:
    Release.open(root.releases / NAME / "v1.0.0").with_manifest(text_ratio=0.5, k=5)
    assert rebuild_from(root, f"{NAME}@v1.0.0", root.root / "out", HERE, as_json=True) == FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["folder"]) == (False, str(root.root / "out"))
    assert any(fault.startswith("text_ratio was 0.5") for fault in told["faults"])


def test_a_copy_is_never_put_among_releases(root: DataRoot, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies among published releases"):
        rebuild_from(root, NAME, root.releases / NAME / "v1.0.1", HERE, as_json=False)
    shutil.copytree(root.releases, tmp_path / "elsewhere", symlinks=True)
    with pytest.raises(UsageError, match="lies among published releases"):
        rebuild_from(root, NAME, tmp_path / "elsewhere" / NAME / "v1.0.1", HERE, as_json=False)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("a/b", "holds no release"),
        (f"{NAME}@v9.0.0", "has no version 'v9.0.0'"),
        ("nowhere/at/all/manifest.json", "neither a release folder, org"),
    ],
)
def test_what_the_user_cannot_mean_is_said(root: DataRoot, reference: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rebuild_from(root, reference, None, HERE, as_json=False)


def test_a_build_is_no_release_of_the_past(root: DataRoot) -> None:
    with pytest.raises(UsageError, match="was never published"):
        rebuild_from(root, str(root.built(NAME)), None, HERE, as_json=False)


@pytest.mark.parametrize(("source", "past"), [("sample", NAME), (None, None)])
def test_a_source_or_a_release_of_the_past_is_named_never_both(source: str | None, past: str | None) -> None:
    with pytest.raises(UsageError, match=r"leave one of them out|needs a SOURCE, or --from"):
        require_one(source, past)
    assert require_one(None, NAME) == NAME


def test_a_lone_manifest_is_compared_with_what_it_says_and_nothing_more_is_claimed(
    root: DataRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "got").mkdir()
    shutil.copy(root.releases / NAME / "v1.0.0" / "manifest.json", tmp_path / "got")
    assert rebuild_from(root, str(tmp_path / "got"), tmp_path / "copy", HERE, as_json=False) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "the same as its manifest says; no file of it lies there" in told
    assert "byte for byte" not in told


def test_a_folder_whose_files_are_others_is_not_the_same(
    root: DataRoot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root.releases / NAME / "v1.0.0", tmp_path / "got")
    (tmp_path / "got" / "README.md").write_text("lies", encoding="utf-8")
    assert rebuild_from(root, str(tmp_path / "got"), tmp_path / "copy", HERE, as_json=True) == FAILED
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["compared"]) == (False, "files")
    assert told["faults"] == ["README.md has other bytes than the manifest says: fetch or build the release again"]


@pytest.mark.parametrize("way", ["out", "default"])
def test_a_stranger_s_manifest_takes_nothing_away(root: DataRoot, tmp_path: Path, way: str) -> None:
    victim = root.root / "victim" / "sub"
    victim.mkdir(parents=True)
    (victim / "diary.txt").write_text("dear diary", encoding="utf-8")
    shutil.copytree(root.releases / NAME / "v1.0.0", tmp_path / "stranger")
    path = tmp_path / "stranger" / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**raw, "version": "../../../victim/sub"}), encoding="utf-8")
    with pytest.raises((UsageError, DamagedRelease), match="its version is"):
        rebuild_from(root, str(path.parent), tmp_path / "copy" if way == "out" else None, HERE, as_json=False)
    assert (victim / "diary.txt").is_file()


def test_a_copy_that_cannot_be_made_again_is_kept(root: DataRoot) -> None:
    assert rebuild_from(root, f"{NAME}@v1.0.0", None, HERE, as_json=False) == 0
    shutil.rmtree(root.raw("sample") / "blobs")
    with pytest.raises(ValueError, match="lacks"):
        rebuild_from(root, f"{NAME}@v1.0.0", None, HERE, as_json=False)
    assert (root.built(f"{NAME}-reproduced") / "v1.0.0" / "README.md").is_file()


def test_options_that_mean_nothing_to_a_reproduction_are_named() -> None:
    refuse_others({"--to": None, "--offline": False, "--allow": (), "--rights": ""})
    with pytest.raises(UsageError, match=r"so --to, --k would change nothing: leave them out"):
        refuse_others({"--to": "store", "--k": 0, "--offline": False, "--crawl": None})
