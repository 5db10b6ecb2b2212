"""Every byte of a release is accounted for, and everything its manifest says is counted again."""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.build import build
from pipeline.checks import check
from pipeline.documents import document
from pipeline.publishing.folder_store import FolderStore
from pipeline.recipe import BuildConfig
from pipeline.release import Changes, Gate, Release, seal_of
from pipeline.schema import Layout, quarantine_layout, record_layouts
from pipeline.shards import ShardWriter
from pipeline.verify import verify
from tests.raw_stores import creatures, make_store, sample_source

Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def stands(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A published release with windows."""
    root = tmp_path_factory.mktemp("stands")
    store = make_store(root / "raw", creatures(24))
    built = build(sample_source(), store, root / "built", name="a/b", config=BuildConfig(windows=(3,)))
    return FolderStore(root / "releases").publish(built.with_manifest(gates=check(built))).release


@pytest.fixture
def copy(stands: Release, tmp_path: Path) -> Release:
    """The same, to be damaged."""
    shutil.copytree(stands.folder, tmp_path / "copy")
    return Release.open(tmp_path / "copy")


def forged(release: Release, config: str, change: Callable[[Rows], None], split: str = "train") -> Release:
    """Change rows of a config's first shard, and let the manifest name the new bytes: a forger who knows the format."""
    layouts: Mapping[str, Layout] = {**record_layouts((3,)), "quarantine": quarantine_layout()}
    shards = list(release.shards(config, split))
    path = release.folder / shards[0].file
    rows = pq.read_table(path).to_pylist()
    change(rows)
    with ShardWriter(release.folder, shards[0].file, layouts[config]) as writer:
        writer.write(pa.RecordBatch.from_pylist(rows, schema=layouts[config].schema))
        shards[0] = writer.close()
    configs = {**release.manifest.configs}
    configs[config] = {**configs[config], split: tuple(shards)}
    return resealed(release, configs=configs)


def resealed(release: Release, **changes: object) -> Release:
    """Change a manifest, and compute its seal anew: a forger who knows the format."""
    changed = replace(release.manifest, **changes)  # type: ignore[arg-type]
    return release.with_manifest(**changes, seal=seal_of(changed))


def set_value(column: str, value: object, row: int = 0) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[row][column] = value

    return change


def only(faults: Sequence[str]) -> str:
    assert len(faults) == 1, faults
    return faults[0]


# files


def test_a_version_that_stands_holds_and_every_step_is_told(stands: Release) -> None:
    told: list[tuple[int, int]] = []
    assert verify(stands, lambda done, total: told.append((done, total))) == ()
    assert [done for done, _ in told] == list(range(len(told)))
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("file", ["README.md", "CHANGELOG.md", "ATTRIBUTION.md", "croissant.json", "palettes/nes.gpl"])
def test_every_document_is_vouched_for(copy: Release, file: str) -> None:
    path = copy.folder / file
    body = path.read_bytes()
    path.write_bytes(body + b"\n")
    assert only(verify(copy)) == f"{file} has other bytes than the manifest says: fetch or build the release again"
    path.unlink()
    assert only(verify(copy)) == f"{file} is in the manifest, but not in the folder"


@pytest.mark.parametrize("file", ["notes.txt", "tokens/more.parquet", ".hidden", "assets/x/y.png", "records/train.csv"])
def test_every_unknown_file_is_named(copy: Release, file: str) -> None:
    (copy.folder / file).parent.mkdir(parents=True, exist_ok=True)
    (copy.folder / file).write_bytes(b"x")
    assert only(verify(copy)) == f"{file} is in the folder, but not in the manifest"


def test_what_file_managers_leave_is_no_fault_and_odd_names_can_be_printed(copy: Release) -> None:
    (copy.folder / "tokens" / ".DS_Store").write_bytes(b"x")
    assert verify(copy) == ()
    (copy.folder / "a\nb").write_bytes(b"x")
    assert only(verify(copy)) == "'a\\nb' is in the folder, but not in the manifest"


def test_what_is_no_file_is_named_and_never_read(copy: Release) -> None:
    path = copy.folder / "README.md"
    path.unlink()
    os.mkfifo(path)
    (copy.folder / "more").symlink_to(copy.folder / "tokens")
    assert set(verify(copy)) == {
        "README.md is no plain file: a release holds nothing else",
        "more is no plain file: a release holds nothing else",
    }


def test_a_link_to_the_same_bytes_is_as_good_as_they_are(copy: Release, tmp_path: Path) -> None:
    path = copy.folder / copy.shards("tokens", "train")[0].file
    path.rename(tmp_path / "blob")
    path.symlink_to(tmp_path / "blob")
    assert verify(copy) == ()


def test_a_build_may_hold_its_palette_and_nothing_unnamed(release: Release, tmp_path: Path) -> None:
    shutil.copytree(release.folder, tmp_path / "built")
    built = Release.open(tmp_path / "built")
    assert verify(built) == ()
    (built.folder / "README.md").write_text("x")
    assert only(verify(built)) == "README.md is in the folder, but not in the manifest"


def test_a_version_of_before_documents_were_named_is_verified_by_its_shards(copy: Release) -> None:
    old = copy.with_manifest(documents=(), transform={**copy.manifest.transform, "version": 2})
    (old.folder / "README.md").write_text("x")
    assert verify(old) == ("the release's digest differs from the manifest's",)  # the transform gives ids their meaning
    (old.folder / "tokens" / "more.parquet").write_bytes(b"")
    assert only(verify(old)) == "tokens/more.parquet is in the folder, but not in the manifest"


def test_a_shard_that_is_no_parquet_is_named_even_when_the_manifest_vouches_for_it(copy: Release) -> None:
    (shard,) = copy.shards("tokens", "test")
    path = copy.folder / shard.file
    path.write_bytes(b"PAR1 nothing PAR1")
    item = document(path, shard.file)
    configs = {**copy.manifest.configs}
    forged_shard = replace(shard, bytes=item.bytes, sha256=item.sha256)
    configs["tokens"] = {**configs["tokens"], "test": (forged_shard,)}
    assert only(verify(resealed(copy, configs=configs))).startswith(f"{shard.file} cannot be read as Parquet")


# rows


@pytest.mark.parametrize(
    ("config", "change", "fault"),
    [
        ("records", set_value("caption", "something else was written here"), "decode: "),
        ("records", set_value("digest", "0" * 64), "digests: "),
        ("records", set_value("name", "Another"), "digests: "),
        ("records", set_value("licence", "MIT"), "digests: "),
        ("records", set_value("id", "9999-zzz"), "order: "),
        ("tokens", set_value("h", 3), "decode: "),
        ("tokens", set_value("segment_offsets", [0, 1, 2, 3]), "decode: "),
        ("tokens", lambda rows: rows[0]["tokens"].__setitem__(20, 200), "vocabulary: "),
        ("windows_k3", lambda rows: rows[0].update(windows=rows[1]["windows"]), "windows: "),
    ],
)
def test_rows_that_were_forged_with_all_digests_of_files_are_found_out(
    copy: Release, config: str, change: Callable[[Rows], None], fault: str
) -> None:
    first = copy.table("records", "train", ["id"]).column("id")[0].as_py()
    faults = "\n".join(verify(forged(copy, config, change)))
    assert fault in faults
    assert first in faults or fault == "order: "


def test_a_family_that_was_moved_to_another_split_is_found_out(copy: Release) -> None:
    group = copy.table("records", "test", ["group"]).column("group")[0].as_py()
    faults = verify(forged(copy, "records", set_value("group", group)))
    assert any("families are not in the split that their hash gives" in fault for fault in faults), faults


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"digest": "0" * 64}, "the release's digest differs"),
        ({"tokens": {"text": 1, "pixel": 1, "separator": 1}}, "tokens: the rows say"),
        ({"text_ratio": 0.5}, "text_ratio: the rows say"),
        ({"licences": ("MIT",)}, "licences: the rows say ['CC0-1.0'], but the manifest says ['MIT']"),
        ({"quarantine": {"text": 3}}, "quarantine: the rows say {}"),
        ({"counts": {"train": 1, "validation": 0, "test": 0}}, "records/train has"),
        ({"vocabulary": {"size": 113, "digest": "0" * 64}}, "the vocabulary's digest or size differs"),
        ({"palette": {"name": "nes", "digest": "0" * 64}}, "is not the one its manifest names"),
        ({"k": 5}, "the release's digest differs"),
        ({"diff": Changes(added=("9999-zzz",))}, "the manifest's diff adds records that are not here"),
    ],
)
def test_a_manifest_that_lies_is_found_out(copy: Release, changes: dict[str, object], fault: str) -> None:
    assert only(verify(copy.with_manifest(**changes))[:1]).startswith("manifest.json is not the one that was published")
    faults = verify(resealed(copy, **changes))
    assert any(fault in found for found in faults), faults


def test_a_seal_that_is_gone_or_another_is_found_out_and_a_build_needs_none(copy: Release, release: Release) -> None:
    for seal in ("", "0" * 64):
        found = only(verify(copy.with_manifest(seal=seal)))
        assert found == "manifest.json is not the one that was published: its seal differs; fetch the release again"
    assert release.manifest.seal == ""
    assert verify(release) == ()


def test_a_version_without_documents_is_found_out(copy: Release) -> None:
    assert "manifest.json names no documents, but every published version has some" in verify(
        resealed(copy, documents=())
    )


def test_a_gate_that_failed_or_was_never_asked_is_found_out(copy: Release) -> None:
    gates = copy.manifest.gates
    assert only(verify(resealed(copy, gates=()))[:1]) == "the manifest has no answer of the gate decode"
    failed = tuple(replace(gate, passed=False) if gate.name == "decode" else gate for gate in gates)
    faults = verify(resealed(copy, gates=failed))
    assert "the manifest says that the gate decode failed, but it holds" in faults
    assert "the gate decode failed, which no published version may" in faults
    excused = tuple(replace(gate, override="it may") if gate.name == "decode" else gate for gate in failed)
    assert only(verify(resealed(copy, gates=excused))).endswith("the gate decode failed, but it holds")
    more = Gate(name="licence", limit="x", value="y", passed=False)
    assert (
        only(verify(resealed(copy, gates=(*gates, more)))) == "the gate licence failed, which no published version may"
    )


def test_a_picture_called_otherwise_than_its_record_is_found_out(copy: Release) -> None:
    first = copy.table("records", "train", ["id"]).column("id")[0].as_py()

    def rename(rows: Rows) -> None:
        rows[0]["image"]["path"] = "/etc/passwd"  # type: ignore[index]

    assert only(verify(forged(copy, "records", rename))) == f"the picture is not called by its record's id: {first}"


def test_every_row_of_the_list_is_a_record_or_is_dropped_with_a_reason(tmp_path: Path) -> None:
    beasts = creatures(24)
    beasts[3], beasts[5] = replace(beasts[3], text="short."), replace(beasts[5], picture=b"nope")
    beasts[7] = replace(beasts[7], picture=beasts[6].picture, text=beasts[6].text)
    release = build(sample_source(), make_store(tmp_path / "raw", [*beasts, beasts[1]]), tmp_path / "built", name="a/b")
    yields = release.manifest.yields
    assert sum(release.manifest.quarantine.values()) >= 4
    assert yields["listed"] == yields["built"] + sum(release.manifest.quarantine.values())
    assert verify(release) == ()
    for stage in ("listed", "joined", "drawn"):
        faults = verify(release.with_manifest(yields={**yields, stage: 1}))
        assert any(fault.startswith("records ") for fault in faults), stage


def test_sprites_larger_than_announced_are_found_out(copy: Release) -> None:
    parameters = copy.manifest.transform["parameters"]
    smaller = {**parameters, "pictures": {**parameters["pictures"], "max_side": 9}}
    faults = verify(resealed(copy, transform={**copy.manifest.transform, "parameters": smaller}))
    assert any(fault.startswith("the sprite is larger than 9 px: ") for fault in faults), faults


def test_configs_that_lack_are_unknown_or_cut_otherwise_are_named(copy: Release) -> None:
    configs = copy.manifest.configs
    lacking = {name: splits for name, splits in configs.items() if name != "tokens"}
    assert "tokens/train is missing from the manifest" in verify(replace_configs(copy, lacking))
    assert any("the config extra is none" in fault for fault in verify(replace_configs(copy, {**configs, "extra": {}})))
    halved = {**configs["tokens"], "train": configs["tokens"]["train"] + configs["tokens"]["test"], "test": ()}
    assert any(fault.startswith("tokens/t") for fault in verify(replace_configs(copy, {**configs, "tokens": halved})))


def replace_configs(release: Release, configs: Mapping[str, object]) -> Release:
    return replace(release, manifest=replace(release.manifest, configs=configs))  # type: ignore[arg-type]
