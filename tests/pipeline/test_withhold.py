"""What may not go out is not in what goes out, nor can be guessed by it; all else holds, and can be verified."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.batches import load_tokens
from pipeline.bare import NOT_TOLD, bare_digest, sprite_of, sprite_of_png
from pipeline.checks import check
from pipeline.diff import compare, diff, next_version
from pipeline.diff_page import render_diff
from pipeline.png import encode_png
from pipeline.records import SPLITS
from pipeline.release import DamagedRelease, Gate, Release, mode_of
from pipeline.schema import record_layouts
from pipeline.shards import ShardWriter
from pipeline.splits import split_of
from pipeline.verify import verify
from pipeline.withhold import without
from tests.altered import Row, Rows, Sprite, copied, redraw, restated, rewrite, set_value
from tests.bared import EACH, Bares, everything_said, rows, stands


@pytest.fixture
def copy(whole: Release, tmp_path: Path) -> Release:
    return copied(whole, tmp_path / "copy")


_OF_THE_WHOLE = ("name", "source", "crawl", "counts", "tokens", "licences", "withheld", "yields", "quarantine", "twins")


# what is left out


@pytest.mark.parametrize("what", EACH)
def test_what_is_left_out_stands_nowhere(whole: Release, bares: Bares, what: tuple[str, ...]) -> None:
    bare = bares[what]
    assert set(bare.manifest.configs) == {"records", "quarantine"}
    told, lost = everything_said(bare), {"texts": ["caption"], "pictures": ["sha256"]}
    for row in rows(whole):
        for column in (column for name in what for column in lost[name]):
            assert str(row[column])[:30] not in told
        assert str(row["digest"]) not in told
    held = {path.suffix for path in bare.folder.rglob("*") if path.is_file()}
    assert held == {".parquet", ".json", ".gpl"}
    assert ("image" in bare.table("records", "train").column_names) == ("pictures" not in what)


@pytest.mark.parametrize("what", EACH)
def test_all_else_is_as_it_was(whole: Release, bares: Bares, what: tuple[str, ...]) -> None:
    bare = bares[what]
    kept = [name for name in record_layouts(without=what)["records"].schema.names if name != "digest"]
    assert {"id", "name", "group", "source_url", "image_url", "licence", "attribution"} <= set(kept)
    assert [{name: row[name] for name in kept} for row in rows(whole)] == [
        {name: row[name] for name in kept} for row in rows(bare)
    ]
    for name in _OF_THE_WHOLE:
        assert getattr(bare.manifest, name) == getattr(whole.manifest, name)
    assert bare.palette.digest == whole.palette.digest
    assert [gate.name for gate in bare.manifest.gates] == [gate.name for gate in whole.manifest.gates]


def otherwise_said(row: Row, sprite: Sprite, _caption: str) -> tuple[Row, Sprite, str]:
    return {**row, "revision": "7", "replaced": 1}, sprite, f"quite another text about {str(row['id'])[:4]}."


def otherwise_drawn(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
    return {**row, "sha256": "5" * 64}, (sprite[:-1] + 1) % 55, caption


@pytest.mark.parametrize(("what", "change"), [(("texts",), otherwise_said), (("pictures",), otherwise_drawn)])
def test_what_goes_out_does_not_depend_on_what_is_left_out(
    bares: Bares, copy: Release, tmp_path: Path, what: tuple[str, ...], change: Callable[..., Any]
) -> None:
    for split in SPLITS:
        redraw(copy, change, split)
    other = without(restated(copy), what, tmp_path / "other")
    assert other.manifest.configs["records"] == bares[what].manifest.configs["records"]
    assert other.manifest.digest == bares[what].manifest.digest
    assert not diff(bares[what], other)
    old = replace(bares[what].manifest, version="v1.0.0")
    assert next_version(old, other.manifest, diff(bares[what], other)) is None


@pytest.mark.parametrize(("what", "change"), [(("pictures",), otherwise_said), (("texts",), otherwise_drawn)])
def test_a_change_of_what_goes_out_is_told(
    bares: Bares, copy: Release, tmp_path: Path, what: tuple[str, ...], change: Callable[..., Any]
) -> None:
    redraw(copy, change, "test")
    other = without(restated(copy), what, tmp_path / "other")
    old = Release(folder=bares[what].folder, manifest=replace(bares[what].manifest, version="v1.4.0"))
    found = compare(old, other)
    assert len(found.changes.changed) == other.manifest.counts["test"]
    assert set(found.aspects.values()) == {("caption",) if what == ("pictures",) else ("picture",)}
    assert found.version == "v1.4.1"


def test_without_texts_neither_quarantine_nor_gates_quote_a_page(copy: Release, tmp_path: Path) -> None:
    row = {"id": "", "name": "a row that was not understood", "reason": "it says: secret words"}

    def quoted(found: Rows) -> None:
        found[:] = [{**found[0], **row}, {**found[0], "reason": "its sections: secret words"}]

    rewrite(copy, "quarantine", quoted, "dropped")
    said = {"yield": "98%: 2 listed → 1 built; 1 × text: secret words; other reasons", "loss": "3 → 2; 1 left: secret"}
    gates = [
        Gate(name=name, limit="x", value=value, passed=True, worst=("secret row",)) for name, value in said.items()
    ]
    quoting = restated(copy).with_manifest(gates=(*gates, Gate(name="drift", limit="x", value="0; 1", passed=True)))
    bare = without(quoting, ("texts",), tmp_path / "bare")
    assert "secret" not in everything_said(bare)
    assert "not understood" not in everything_said(bare)
    assert bare.table("quarantine", "dropped")["reason"].to_pylist() == [NOT_TOLD] * 2
    assert bare.table("quarantine", "dropped")["name"].to_pylist()[1]
    assert [gate.value for gate in bare.manifest.gates] == ["98%: 2 listed → 1 built", "3 → 2", "0; 1"]
    kept = without(quoting, ("pictures",), tmp_path / "kept")
    assert kept.table("quarantine", "dropped").equals(quoting.table("quarantine", "dropped"))
    assert kept.manifest.gates == quoting.manifest.gates


# what can be left out, and of what


def test_the_order_in_which_it_is_asked_changes_no_byte(whole: Release, bares: Bares, tmp_path: Path) -> None:
    again = without(whole, ("pictures", "texts"), tmp_path / "again")
    assert again.manifest == bares["texts", "pictures"].manifest
    for name in again.manifest.files:
        assert (again.folder / name).read_bytes() == (bares["texts", "pictures"].folder / name).read_bytes()


@pytest.mark.parametrize("what", [(), ("names",), ("texts", "names")])
def test_only_texts_and_pictures_can_be_left_out(whole: Release, tmp_path: Path, what: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be left out: choose texts or pictures, or both"):
        without(whole, what, tmp_path / "bare")
    assert not list(tmp_path.iterdir())


def test_only_a_whole_unpublished_build_can_be_bared(copy: Release, bares: Bares, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no whole, unpublished build"):
        without(bares["texts",], ("pictures",), tmp_path / "bare")
    with pytest.raises(ValueError, match="the build itself"):
        without(copy, ("texts",), copy.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="something else than an unpublished build"):
        without(copy, ("texts",), tmp_path / "mine")
    with pytest.raises(ValueError, match="no whole, unpublished build"):
        without(copy.with_manifest(version="v1.0.0"), ("texts",), tmp_path / "bare")


@pytest.mark.parametrize("config", ["records", "quarantine"])
def test_shards_that_the_manifest_does_not_name_are_not_passed_on(copy: Release, tmp_path: Path, config: str) -> None:
    rewrite(copy, config, set_value("name", "Else"), "train" if config == "records" else "dropped")
    with pytest.raises(DamagedRelease, match="other bytes than its manifest says"):
        without(copy, ("texts",), tmp_path / "bare")
    assert not (tmp_path / "bare").exists()


def test_a_picture_of_another_make_is_not_passed_on(copy: Release, tmp_path: Path) -> None:
    rewrite(copy, "records", set_value("image", {"bytes": b"GIF89a and words", "path": "x.png"}))
    with pytest.raises(DamagedRelease, match="the picture of 0002-beastc2 is none"):
        without(restated(copy), ("texts",), tmp_path / "bare")


def test_what_a_killed_run_left_does_not_stay(whole: Release, tmp_path: Path) -> None:
    (tmp_path / ".bare.part" / "tokens").mkdir(parents=True)
    (tmp_path / ".bare.part" / "tokens" / "train.parquet").touch()
    without(whole, ("texts",), tmp_path / "bare")
    again = without(whole, ("texts",), tmp_path / "bare")  # an older build goes
    assert verify(again) == ()
    assert {path.name for path in tmp_path.iterdir()} == {"bare", ".bare.lock"}


def test_only_what_is_still_withheld_keeps_a_folder_private(copy: Release, tmp_path: Path) -> None:
    copy = copy.with_manifest(withheld=("pictures",))
    open_, closed = (without(copy, what, tmp_path / "-".join(what)) for what in (("pictures",), ("texts",)))
    assert (open_.manifest.restricted, closed.manifest.restricted) == ((), ("pictures",))
    assert closed.folder.stat().st_mode & 0o777 == 0o700
    assert open_.folder.stat().st_mode & 0o777 != 0o700
    assert (mode_of(open_), mode_of(closed)) == (None, 0o600)


# what reads it


@pytest.mark.parametrize("what", EACH)
def test_a_bare_build_and_version_hold_what_they_say(bares: Bares, tmp_path: Path, what: tuple[str, ...]) -> None:
    assert verify(bares[what]) == ()
    assert verify(stands(bares[what], tmp_path / "stands")) == ()


def forged(bare: Release, change: Callable[[Rows], None]) -> Release:
    """Change rows of the first shard, and let the manifest name the new bytes."""
    layout = record_layouts(without=bare.manifest.without)["records"]
    shard = bare.shards("records", "train")[0]
    found = pq.read_table(bare.folder / shard.file).to_pylist()
    change(found)
    with ShardWriter(bare.folder, shard.file, layout) as writer:
        writer.write(pa.RecordBatch.from_pylist(found, schema=layout.schema))
        records = {**bare.manifest.configs["records"], "train": (writer.close(),)}
    return bare.with_manifest(configs={**bare.manifest.configs, "records": records})


def swapped(found: Rows) -> None:
    found[0], found[1] = found[1], found[0]


def redrawn(found: Rows) -> None:
    picture = found[1]["image"]["bytes"]  # type: ignore[index]
    found[0]["image"] = {"bytes": picture, "path": f"{found[0]['id']}.png"}


def with_new_digest(found: Rows) -> None:
    found[0]["caption"] = "another."
    found[0]["digest"] = bare_digest(found[0], None)


ELSEWHERE = next(name for name in map("family {}".format, range(99)) if split_of(name) != "train")
FORGED: dict[str, tuple[tuple[str, ...], Callable[[Rows], None], str]] = {
    "caption": (("pictures",), set_value("caption", "another."), "digests: 0002-beastc2"),
    "name": (("texts", "pictures"), set_value("name", "Else"), "digests: 0002-beastc2"),
    "digest": (("pictures",), with_new_digest, "the release's digest differs"),
    "order": (("pictures",), swapped, "order: 0002-beastc2"),
    "empty": (("texts",), set_value("licence", None), "schema: 0002-beastc2 holds an empty value"),
    "redrawn": (("texts",), redrawn, "digests: 0002-beastc2"),
    "no picture": (("texts",), set_value("image", {"bytes": b"words", "path": "x"}), "decode: 0002-beastc2"),
    "licence": (("pictures",), set_value("licence", "mine"), "licences: the rows say"),
    "split": (("pictures",), set_value("group", ELSEWHERE), "not in the split that their hash gives"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_row_is_found(bares: Bares, tmp_path: Path, kind: str) -> None:
    what, change, told = FORGED[kind]

    def consistent(found: Rows) -> None:
        change(found)
        if kind in ("licence", "split"):
            found[0]["digest"] = bare_digest(found[0], None)

    faults = verify(forged(copied(bares[what], tmp_path / "forged"), consistent))
    assert any(told in fault for fault in faults), faults


def test_a_bare_release_that_holds_tokens_all_the_same_is_found(bares: Bares, whole: Release, tmp_path: Path) -> None:
    bare = copied(bares["texts",], tmp_path / "bare")
    shutil.copytree(whole.folder / "tokens", bare.folder / "tokens")
    configs = {**bare.manifest.configs, "tokens": whole.manifest.configs["tokens"]}
    assert verify(bare.with_manifest(configs=configs)) == (
        "the config tokens holds what the release says it goes without: texts",
    )


def test_columns_that_it_says_it_goes_without_are_found(whole: Release, copy: Release) -> None:
    configs = {name: whole.manifest.configs[name] for name in ("records", "quarantine")}
    shutil.rmtree(copy.folder / "tokens")
    shutil.rmtree(copy.folder / "windows_k3")
    assert verify(copy.with_manifest(configs=configs, without=("texts",)))[0].startswith("schema: records/train")


@pytest.mark.parametrize("what", EACH)
def test_gates_training_and_pages_refuse_it_in_words(bares: Bares, whole: Release, what: tuple[str, ...]) -> None:
    bare, gone = bares[what], " and ".join(what)
    with pytest.raises(ValueError, match=f"went out without its {gone}, so no gate can be asked of its rows"):
        check(bare)
    for asked in (lambda: load_tokens(bare, "train"), lambda: render_diff(whole, bare, compare(whole, bare))):
        with pytest.raises(ValueError, match=f"went out without its {gone}, so it has no tokens"):
            asked()
    column = "caption" if "texts" in what else "sha256"
    with pytest.raises(ValueError, match=f"went out without its {gone}, so it has no {column}"):
        bare.table("records", "train", ["id", column])


def test_a_whole_build_can_be_checked_against_a_bare_version(whole: Release, bares: Bares) -> None:
    gates = {gate.name: gate for gate in check(whole, bares["pictures",])}
    assert gates["drift"].value == "not comparable: unreleased went out without its pictures"
    assert all(gate.passed for gate in gates.values())
    assert gates["moved"].value == f"holds for {sum(whole.manifest.counts.values())} records"


@pytest.mark.parametrize("what", EACH)
def test_to_leave_something_out_is_a_major_change_and_so_is_to_bring_it_back(
    whole: Release, bares: Bares, what: tuple[str, ...]
) -> None:
    for old, new in ((whole, bares[what]), (bares[what], whole)):
        found = compare(old, new)
        assert "without" in found.meaning
        assert next_version(replace(old.manifest, version="v1.4.2"), new.manifest, found.changes) == "v2.0.0"
        seen = tuple({"pictures": "picture", "texts": "caption"}[name] for name in reversed(what))
        assert set(found.aspects.values()) == {seen}


def test_a_png_of_ours_gives_its_sprite_back_and_no_other_bytes_do(whole: Release) -> None:
    palette = whole.palette
    sprite = np.arange(12, dtype=np.uint8).reshape(3, 4)
    body = encode_png(sprite, palette)
    np.testing.assert_array_equal(sprite_of_png(body, palette), sprite)
    for other in (b"", body[:-1], body + b"x", b"GIF89a", encode_png(np.zeros((100, 100), np.uint8), palette)):
        assert sprite_of_png(other, palette) is None
    assert sprite_of({"image": {"bytes": b"", "path": ""}}, palette) is None
    assert sprite_of({}, palette) is None
