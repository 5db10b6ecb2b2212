"""A build that was killed goes on where it was, and ends in the same bytes."""

import os
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import build as building
from pipeline import shard_build
from pipeline.build import WORK, build
from pipeline.crawl.raw import RawStore
from pipeline.recipe import BuildConfig
from pipeline.records import SPLITS
from pipeline.release import Release
from tests.raw_stores import Creature, creatures, make_store, sample_source

NAME = "pixelbytes/small"


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "SHARD_ROWS", 4)


def built(store: RawStore, out: Path, **options: object) -> Release:
    return build(sample_source(), store, out, name=NAME, **options)  # type: ignore[arg-type]


def every_file(release: Release) -> dict[str, bytes]:
    paths = (path for path in sorted(release.folder.rglob("*")) if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(release.folder)): path.read_bytes() for path in paths}


def killed_at(step: int, act: Callable[[], object]) -> None:
    """Run `act` in a child that kills itself when it is to write its n-th file of a shard."""
    child = os.fork()
    if child == 0:  # pragma: no cover - the child dies
        close, count = shard_build.ShardWriter.close, 0

        def counted(writer: shard_build.ShardWriter) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return close(writer)

        shard_build.ShardWriter.close = counted  # type: ignore[method-assign, assignment]
        act()
        os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.parametrize("step", [1, 4, 15])
def test_a_killed_build_goes_on_from_its_finished_shards_to_the_same_bytes(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "raw", creatures(30))
    whole = every_file(built(store, tmp_path / "whole"))
    killed_at(step, lambda: built(store, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    finished = len(list((tmp_path / ".out.part" / WORK).glob("*-of-*.json")))
    assert finished == (step - 1) // 2  # two files a shard
    made = []
    make = shard_build._build
    monkeypatch.setattr(shard_build, "_build", lambda task, *rest: made.append(task) or make(task, *rest))
    monkeypatch.setattr(building.joining, "read_crawl", lambda *_: pytest.fail("the crawl was read already"))
    again = built(store, tmp_path / "out")
    assert every_file(again) == whole
    assert len(made) == sum(len(again.shards("records", split)) for split in SPLITS) - finished


def test_a_draft_of_another_config_or_crawl_is_built_anew(tmp_path: Path) -> None:
    beasts = creatures(30)
    store = make_store(tmp_path / "raw", beasts)
    killed_at(8, lambda: built(store, tmp_path / "out", config=BuildConfig(windows=(3,))))
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))
    killed_at(8, lambda: built(store, tmp_path / "out"))
    changed = [replace(beasts[0], text="Quite another text about a red animal that sleeps all day. " * 12), *beasts[1:]]
    store = make_store(tmp_path / "raw", changed)
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_what_another_code_began_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path / "raw", creatures(30))
    killed_at(8, lambda: built(store, tmp_path / "out"))
    for module in (building, shard_build):
        monkeypatch.setattr(module, "code_digest", lambda: "of another code")
    made, read = [], []
    make, join = shard_build._build, building.joining.read_crawl
    monkeypatch.setattr(shard_build, "_build", lambda task, *rest: made.append(task) or make(task, *rest))
    monkeypatch.setattr(building.joining, "read_crawl", lambda *given: read.append(given) or join(*given))
    again = built(store, tmp_path / "out")
    assert len(made) == sum(len(again.shards("records", split)) for split in SPLITS)
    assert read


def test_a_shard_that_was_damaged_in_the_draft_is_built_again(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(30))
    killed_at(8, lambda: built(store, tmp_path / "out"))
    path = next((tmp_path / ".out.part").glob("records/train-*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_a_torn_index_is_begun_again(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(12))
    killed_at(1, lambda: built(store, tmp_path / "out"))
    index = tmp_path / ".out.part" / WORK / "index.sqlite"
    index.write_bytes(index.read_bytes()[:5000])
    for part in ("-wal", "-shm"):
        index.with_name(index.name + part).unlink(missing_ok=True)
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_the_same_picture_with_the_same_text_is_dropped_even_from_another_shard(tmp_path: Path) -> None:
    beasts = creatures(30)
    twin = replace(beasts[0], number=99, name="Last", text=f" {beasts[0].text}")  # another page that says the same
    release = built(make_store(tmp_path / "raw", [*beasts, twin]), tmp_path / "out")
    (row,) = release.table("quarantine", "dropped").to_pylist()
    assert (row["id"], row["stage"]) == ("0099-last", "duplicate")
    assert row["reason"] == "same picture and same text as 0001-beastb1"


def test_short_texts_and_pictures_of_one_colour_are_quarantined(tmp_path: Path) -> None:
    beasts: list[Creature] = creatures(12)
    beasts[2] = replace(beasts[2], text="It naps.")
    beasts[3] = replace(beasts[3], picture=_red())
    release = built(make_store(tmp_path / "raw", beasts), tmp_path / "out")
    found = {row["id"][:4]: (row["stage"], row["reason"]) for row in release.table("quarantine", "dropped").to_pylist()}
    assert found == {
        "0003": ("text", "the text is shorter than min_caption: 8 characters"),
        "0004": ("pixelize", "the sprite of 25×25 px has one colour alone"),
    }


def test_what_a_source_withholds_is_drafted_for_its_owner_alone(tmp_path: Path) -> None:
    source = sample_source()
    secret = replace(source, pictures=replace(source.pictures, redistribution=False))
    release = build(secret, make_store(tmp_path / "raw", creatures(8)), tmp_path / "out", name=NAME)
    assert release.folder.stat().st_mode & 0o077 == 0


def _red() -> bytes:
    import io

    from PIL import Image

    body = io.BytesIO()
    Image.new("RGBA", (30, 30), (255, 0, 0, 255)).save(body, format="PNG")
    return body.getvalue()


def test_a_crawl_that_changed_under_its_name_is_read_again(tmp_path: Path) -> None:
    beasts = creatures(12)
    store = make_store(tmp_path / "raw", beasts)
    killed_at(3, lambda: built(store, tmp_path / "out"))
    name = store.crawl_names()[-1]
    beasts[0] = replace(beasts[0], text="Quite another text about a red animal that sleeps all day. " * 12)
    other = make_store(tmp_path / "other", beasts)
    for path in (tmp_path / "other" / "blobs").glob("*/*"):
        store.put(path.read_bytes())
    store.manifest(name).write_bytes(other.manifest(other.crawl_names()[-1]).read_bytes())
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_an_index_that_is_no_database_is_begun_again(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(12))
    killed_at(1, lambda: built(store, tmp_path / "out"))
    for path in (tmp_path / ".out.part" / WORK).glob("index.sqlite*"):
        path.unlink()
    (tmp_path / ".out.part" / WORK / "index.sqlite").write_bytes(b"no database at all" * 500)
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_a_full_disk_ends_the_build_with_a_sentence_and_it_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "raw", creatures(12))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(building.joining, "split_families", full)
        with pytest.raises(OSError, match=r"disk is full.*make room, and build again"):
            built(store, tmp_path / "out")
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_a_build_that_ended_while_it_joined_reads_the_crawl_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "raw", creatures(12))

    def ended(*_: object, **__: object) -> None:
        raise OSError("out of room")  # the rows of the list are in the index by now

    with monkeypatch.context() as patched:
        patched.setattr(building.joining, "join_rows", ended)
        with pytest.raises(OSError, match="out of room"):
            built(store, tmp_path / "out")
    assert every_file(built(store, tmp_path / "out")) == every_file(built(store, tmp_path / "whole"))


def test_a_text_too_long_for_its_offsets_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ValueError, match="max_caption ≤ 50,000"):
        BuildConfig(max_caption=99_999)


def test_a_newcomer_that_is_dropped_moves_nobody(tmp_path: Path) -> None:
    """A picture alike joins two families only when both will be in the release."""
    beasts = creatures(30)
    before = splits(built(make_store(tmp_path / "raw", beasts), tmp_path / "before"))
    newcomers = [replace(beasts[i], number=900 + i, name=f"New{i}", family=f"a {i}", text=" ") for i in range(30)]
    after = splits(built(make_store(tmp_path / "more", [*beasts, *newcomers]), tmp_path / "after"))
    assert after == before


def splits(release: Release) -> dict[str, str]:
    return {key: split for split in SPLITS for key in release.table("records", split, ["id"])["id"].to_pylist()}
