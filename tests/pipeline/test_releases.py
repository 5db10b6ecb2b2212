"""Digests, versions and the folder of releases."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.checks import check
from pipeline.diff import next_version
from pipeline.publishing.audience import GateError
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.places import Places
from pipeline.publishing.references import resolve
from pipeline.release import Changes, DamagedRelease, Release
from pipeline.shards import file_content_digest, file_sha256
from pipeline.verify import verify
from tests.altered import rewrite
from tests.raw_stores import Creature, creatures, make_store, png, sample_source

NAME = "pixelbytes/small"


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Release:
    shutil.copytree(release.folder, tmp_path / "copy")
    return Release.open(tmp_path / "copy")


def built(root: Path, beasts: list[Creature]) -> Release:
    shutil.rmtree(root / "raw", ignore_errors=True)
    release = build(sample_source(), make_store(root / "raw", beasts), root / "built", name=NAME)
    return release.with_manifest(gates=check(release))


@pytest.mark.parametrize(
    "damage",
    [b"\xff\xfe", b"[1]", b"{}", b'{"gates": [1]}', b"null"],
)
def test_a_damaged_manifest_is_named_as_such(copy: Release, damage: bytes) -> None:
    (copy.folder / "manifest.json").write_bytes(damage)
    with pytest.raises(DamagedRelease, match=r"manifest\.json"):
        Release.open(copy.folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("transform", {}), ("counts", []), ("gates", [1]), ("configs", {"records": {"train": [{"file": "x"}]}})],
)
def test_a_manifest_of_another_shape_is_refused(copy: Release, key: str, value: object) -> None:
    manifest = json.loads((copy.folder / "manifest.json").read_text())
    (copy.folder / "manifest.json").write_text(json.dumps({**manifest, key: value}))
    with pytest.raises(DamagedRelease):
        Release.open(copy.folder)


def test_a_manifest_cannot_point_outside_its_release(copy: Release) -> None:
    text = (copy.folder / "manifest.json").read_text()
    (copy.folder / "manifest.json").write_text(text.replace("records/test-", "../../../etc/test-"))
    with pytest.raises(DamagedRelease, match="which is no shard"):
        Release.open(copy.folder)


def test_verify_finds_windows_that_are_not_those_of_the_tokens_and_counts_that_lie(copy: Release) -> None:
    assert "records/train has" in "\n".join(verify(copy.with_manifest(counts={"train": 1, "validation": 0, "test": 0})))
    rewrite(copy, "windows_k3", lambda rows: rows[0].update({"windows": rows[1]["windows"]}))
    path = copy.folder / copy.shards("windows_k3", "train")[0].file
    shard = replace(
        copy.shards("windows_k3", "train")[0],
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
        content_digest=file_content_digest(path),
    )
    configs = {**copy.manifest.configs, "windows_k3": {**copy.manifest.configs["windows_k3"], "train": (shard,)}}
    assert any(fault.startswith("windows: ") for fault in verify(copy.with_manifest(configs=configs)))


def test_verify_finds_nothing_wrong_with_a_fresh_release(release: Release) -> None:
    assert verify(release) == ()


def test_verify_names_a_flipped_byte_a_missing_and_a_foreign_file(copy: Release) -> None:
    path = copy.folder / copy.shards("tokens", "train")[0].file
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(bytes(body))
    (copy.folder / copy.shards("records", "test")[0].file).unlink()
    (copy.folder / "tokens" / "extra.parquet").write_bytes(b"")
    faults = "\n".join(verify(copy))
    assert "tokens/train-00000-of-00001.parquet has other bytes" in faults
    assert "records/test-00000-of-00001.parquet is in the manifest, but not in the folder" in faults
    assert "tokens/extra.parquet is in the folder" in faults


def test_verify_finds_a_manifest_that_lies(copy: Release) -> None:
    assert verify(copy.with_manifest(digest="0" * 64)) == ("the release's digest differs from the manifest's",)


def test_versions_follow_from_what_changed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "releases")
    beasts = creatures(30)
    first = store.publish(built(tmp_path, beasts))
    assert (first.version.tag, first.new) == ("v1.0.0", True)
    same = store.publish(built(tmp_path, beasts))
    assert (same.version, same.new) == (first.version, False)
    beasts[0] = replace(beasts[0], picture=png(999))
    patch = store.publish(built(tmp_path, beasts))
    assert patch.version.tag == "v1.0.1"
    assert len(patch.release.manifest.diff.changed) == 1
    minor = store.publish(built(tmp_path, [*beasts, *creatures(31)[30:]]))
    assert minor.version.tag == "v1.1.0"
    assert minor.release.manifest.previous == "v1.0.1"
    assert store.versions(NAME) == ("v1.0.0", "v1.0.1", "v1.1.0")
    assert (tmp_path / "releases" / NAME / "latest").resolve().name == "v1.1.0"
    log = (minor.release.folder / "CHANGELOG.md").read_text()
    assert log.index("v1.1.0") < log.index("v1.0.1") < log.index("v1.0.0")
    meaning = replace(minor.release.manifest, k=5)
    assert next_version(minor.release.manifest, meaning, Changes()) == "v2.0.0"


def test_an_unchecked_or_failed_release_is_never_published(release: Release, copy: Release, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "releases")
    with pytest.raises(GateError, match="never checked"):
        store.publish(release)
    bad = replace(copy, manifest=replace(copy.manifest, text_ratio=0.01))
    with pytest.raises(GateError, match="text_ratio failed"):
        store.publish(copy.with_manifest(gates=check(bad)))
    assert store.versions(NAME) == ()


@pytest.mark.parametrize("step", range(1, 12))
def test_a_publisher_that_dies_leaves_the_old_release_or_the_new_one_whole(tmp_path: Path, step: int) -> None:
    """Kill the publisher at its n-th change of the disk, then run it again."""
    store = FolderStore(tmp_path / "releases")
    first = store.publish(built(tmp_path, creatures(10)))
    second = built(tmp_path, creatures(12))
    child = os.fork()
    if child == 0:  # pragma: no cover - the child dies
        _die_at(step)
        store.publish(second)
        os._exit(0)
    os.waitpid(child, 0)
    newest = store.open(NAME)
    assert newest.manifest.version in {"v1.0.0", "v1.1.0"}
    assert verify(newest) == ()
    assert (tmp_path / "releases" / NAME / "latest" / "manifest.json").is_file()
    assert first.version.tag in store.versions(NAME)
    done = store.publish(second)
    assert done.version.tag == "v1.1.0"
    assert verify(done.release) == ()
    assert (tmp_path / "releases" / NAME / "latest").resolve().name == "v1.1.0"


def _die_at(step: int) -> None:
    """Let the process be killed at its n-th rename or link; later ones than it makes never come."""
    import signal

    count = 0

    def wrap(method: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return method(*args, **kwargs)

        return counted

    Path.replace = wrap(Path.replace)  # type: ignore[method-assign, assignment]
    Path.symlink_to = wrap(Path.symlink_to)  # type: ignore[method-assign, assignment]
    Path.unlink = wrap(Path.unlink)  # type: ignore[method-assign, assignment]


def test_references_are_resolved_or_refused_with_what_there_is(tmp_path: Path) -> None:
    releases = tmp_path / "releases"
    places = Places(releases=releases, cache=tmp_path / "hub")
    published = FolderStore(releases).publish(built(tmp_path, creatures(10))).release
    for reference in (f"{NAME}@v1.0.0", NAME, str(published.folder), f"{releases}/{NAME}@v1.0.0", f"{releases}/{NAME}"):
        assert resolve(reference, places).version == published.version
    with pytest.raises(ValueError, match=r"has no version 'v9.0.0': it has v1.0.0"):
        resolve(f"{NAME}@v9.0.0", places)
    with pytest.raises(ValueError, match="holds no release"):
        resolve("pixelbytes/other", places)
    with pytest.raises(ValueError, match="not of the form"):
        resolve("hub:name", places)
    with pytest.raises(ValueError, match="not of the form"):
        FolderStore(releases).open("../x")
