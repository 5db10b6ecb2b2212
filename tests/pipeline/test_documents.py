"""What lies in a published release besides its shards is named in its manifest, to the byte."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from pipeline.checks import check
from pipeline.documents import files_of, is_plain
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import DamagedRelease, Release, seal_of


@pytest.fixture
def built(release: Release, tmp_path: Path) -> Release:
    """A build that passed its gates."""
    shutil.copytree(release.folder, tmp_path / "built")
    return Release.open(tmp_path / "built").with_manifest(gates=check(release))


def test_a_build_names_no_documents_and_its_version_names_them_all(built: Release, tmp_path: Path) -> None:
    assert not built.manifest.documents
    done = FolderStore(tmp_path / "releases").publish(built).release
    named = {item.file: item for item in done.manifest.documents}
    assert {"README.md", "CHANGELOG.md", "ATTRIBUTION.md", "croissant.json", "palettes/nes.gpl"} <= named.keys()
    assert list(named) == sorted(named)
    for file, item in named.items():
        body = (done.folder / file).read_bytes()
        assert (item.bytes, item.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert {name for name, _ in files_of(done.folder)} == {*named, *done.manifest.files, "manifest.json"}
    assert (built.manifest.seal, done.manifest.seal) == ("", seal_of(done.manifest))


def test_what_does_not_belong_to_a_build_is_not_published_with_it(built: Release, tmp_path: Path) -> None:
    (built.folder / "notes.txt").write_text("mine")
    (built.folder / "tokens" / "old.parquet").write_bytes(b"")
    (built.folder / "tokens" / ".swp").write_bytes(b"")
    done = FolderStore(tmp_path / "releases").publish(built).release
    assert not {"notes.txt", "tokens/old.parquet", "tokens/.swp"} & {name for name, _ in files_of(done.folder)}


@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_a_build_that_was_damaged_since_is_not_published(built: Release, tmp_path: Path, harm: str) -> None:
    path = built.folder / built.shards("tokens", "train")[0].file
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(bytes(body))
    store = FolderStore(tmp_path / "releases")
    with pytest.raises(DamagedRelease, match=r"tokens/train.*: build it again|lacks tokens/train"):
        store.publish(built)
    assert store.versions(built.manifest.name) == ()


def test_files_are_told_from_links_to_folders_and_from_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("x")
    (tmp_path / "in" / ".DS_Store").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "in" / "file")
    (tmp_path / "folder").symlink_to(tmp_path / "in")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    found = {name: is_plain(path) for name, path in files_of(tmp_path)}
    assert found == {"folder": False, "in/file": True, "link": True, "nowhere": False, "pipe": False}
