"""Gates, digests, versions and the folder of releases."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.build import build
from pipeline.checks import GATE_NAMES, check, override
from pipeline.diff import diff, next_version
from pipeline.publish import FolderStore, GateError, resolve
from pipeline.release import Changes, DamagedRelease, Release, blocking
from pipeline.schema import record_layouts
from pipeline.shards import file_content_digest, file_sha256
from pipeline.verify import verify
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


def rewrite(release: Release, config: str, change: Callable[[list[dict[str, object]]], None]) -> None:
    """Change the rows of a config's training shard in place."""
    path = release.folder / release.shards(config, "train")[0].file
    layout = record_layouts(release.manifest.k)[config]
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=layout.schema), path)


def failed(release: Release, against: Release | None = None) -> set[str]:
    return {gate.name for gate in check(release, against) if not gate.passed}


def test_a_good_release_passes_every_gate(release: Release) -> None:
    assert failed(release) == set()


def set_value(column: str, value: object) -> Callable[[list[dict[str, object]]], None]:
    def change(rows: list[dict[str, object]]) -> None:
        rows[0][column] = value

    return change


def set_token(place: int, value: int) -> Callable[[list[dict[str, object]]], None]:
    def change(rows: list[dict[str, object]]) -> None:
        rows[0]["tokens"][place] = value  # type: ignore[index]

    return change


@pytest.mark.parametrize(
    ("gate", "config", "change"),
    [
        ("decode", "records", set_value("caption", "something else was written here.")),
        ("captions", "records", set_value("caption", "short")),
        ("licence", "records", set_value("licence", "")),
        ("licence", "records", set_value("attribution", "")),
        ("replaced", "records", set_value("replaced", 500)),
        ("order", "records", set_value("id", "9999-zzz")),
        ("vocabulary", "tokens", set_token(20, 200)),
        ("decode", "tokens", set_token(20, 2)),
        ("windows", "tokens", set_token(-3, 40)),
    ],
)
def test_each_record_gate_trips_and_names_the_record(
    copy: Release, gate: str, config: str, change: Callable[[list[dict[str, object]]], None]
) -> None:
    rewrite(copy, config, change)
    gates = {found.name: found for found in check(copy)}
    assert not gates[gate].passed
    assert gates[gate].worst


def test_every_gate_that_is_asked_can_be_named(release: Release) -> None:
    assert {gate.name for gate in check(release, release)} == set(GATE_NAMES)


def test_a_wrong_schema_trips_its_gate(copy: Release) -> None:
    path = copy.folder / copy.shards("tokens", "train")[0].file
    pq.write_table(pq.read_table(path).drop_columns(["h"]), path)
    assert "schema" in failed(copy)


def test_a_blank_sprite_trips_its_gate(tmp_path: Path) -> None:
    import io

    from PIL import Image

    blank = io.BytesIO()
    Image.new("RGBA", (30, 30), (255, 0, 0, 255)).save(blank, format="PNG")
    beasts = creatures(12)
    beasts[3] = replace(beasts[3], picture=blank.getvalue())
    assert failed(built(tmp_path, beasts)) >= {"sprites"}


def twin(rows: list[dict[str, object]]) -> None:
    rows[1].update({name: rows[0][name] for name in rows[0] if name not in {"id", "digest"}})


def test_two_records_that_show_and_say_the_same_trip_their_gate(copy: Release) -> None:
    rewrite(copy, "records", twin)
    rewrite(copy, "tokens", twin)
    gates = {gate.name: gate for gate in check(copy)}
    assert not gates["duplicates"].passed
    assert len(gates["duplicates"].worst) == 1


def test_an_id_that_stands_in_two_splits_trips_its_gate(copy: Release) -> None:
    first = copy.table("records", "test", ["id"]).column("id")[0].as_py()
    last = copy.table("records", "train").num_rows - 1
    for config in record_layouts(3):
        rewrite(copy, config, lambda rows: rows[last].update({"id": max(first, rows[last]["id"])}))
    other = copy.table("records", "train", ["id"]).column("id")[last].as_py()
    path = copy.folder / copy.shards("records", "test")[0].file
    for config in record_layouts(3):
        path = copy.folder / copy.shards(config, "test")[0].file
        rows = pq.read_table(path).to_pylist()
        rows[-1]["id"] = other
        pq.write_table(pa.Table.from_pylist(rows, schema=record_layouts(3)[config].schema), path)
    gates = {gate.name: gate for gate in check(copy)}
    assert gates["ids"].worst == (other,)


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


def test_a_family_in_two_splits_trips_its_gate(copy: Release) -> None:
    other = copy.table("records", "test", ["group"]).column("group").to_pylist()[0]
    rewrite(copy, "records", set_value("group", other))
    assert "splits" in failed(copy)


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("listings", {"yields": {"listed": 0, "joined": 0, "built": 0}}),
        ("yield", {"yields": {"listed": 100, "joined": 60, "built": 3}}),
        ("text_ratio", {"text_ratio": 0.01}),
        ("split_sizes", {"counts": {"train": 60, "validation": 0, "test": 0}}),
    ],
)
def test_each_manifest_gate_trips(release: Release, gate: str, changes: dict[str, object]) -> None:
    manifest = replace(release.manifest, **changes)  # type: ignore[arg-type]
    assert gate in failed(replace(release, manifest=manifest))


def test_losing_records_against_the_last_release_trips(release: Release) -> None:
    older = replace(release, manifest=replace(release.manifest, counts={"train": 90, "validation": 0, "test": 0}))
    assert "loss" in failed(release, older)


def test_a_gate_is_let_through_only_with_a_reason_that_is_kept(release: Release) -> None:
    gates = check(replace(release, manifest=replace(release.manifest, text_ratio=0.01)))
    with pytest.raises(ValueError, match="only be let through with a reason"):
        override(gates, "text_ratio", " ")
    with pytest.raises(ValueError, match="gate 'nonsense' is not known"):
        override(gates, "nonsense", "why not")
    let = override(gates, "text_ratio", "pictures only")
    assert not blocking(let)
    assert next(gate for gate in let if gate.name == "text_ratio").override == "pictures only"


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


def test_diff_tells_added_changed_and_removed(tmp_path: Path) -> None:
    old = built(tmp_path / "old", creatures(20))
    beasts = creatures(21)[1:]
    beasts[4] = replace(beasts[4], text="Quite another text about a red animal that sleeps all day long. " * 5)
    changes = diff(old, built(tmp_path / "new", beasts))
    assert [key[:4] for key in changes.added] == ["0021"]
    assert [key[:4] for key in changes.changed] == ["0006"]
    assert [key[:4] for key in changes.removed] == ["0001"]


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
    published = FolderStore(releases).publish(built(tmp_path, creatures(10))).release
    for reference in (f"{NAME}@v1.0.0", NAME, str(published.folder), f"{releases}/{NAME}@v1.0.0", f"{releases}/{NAME}"):
        assert resolve(reference, releases).version == published.version
    with pytest.raises(ValueError, match=r"has no version 'v9.0.0': it has v1.0.0"):
        resolve(f"{NAME}@v9.0.0", releases)
    with pytest.raises(ValueError, match="holds no release"):
        resolve("pixelbytes/other", releases)
    with pytest.raises(ValueError, match="cannot read yet"):
        resolve("hub:org/name", releases)
    with pytest.raises(ValueError, match="not of the form"):
        FolderStore(releases).open("../x")
