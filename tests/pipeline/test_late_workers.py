"""Workers that were believed dead and write all the same: nothing of theirs takes the place of what stands."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline import build as building
from pipeline.build import build
from pipeline.drafts import end_work
from pipeline.index import BuildIndex
from pipeline.joining import Run
from pipeline.packing import packed
from pipeline.recipe import BuildConfig
from pipeline.records import Listing
from pipeline.release import Release, write_text
from pipeline.schema import record_layouts
from pipeline.shard_build import ShardTask, build_shard
from pipeline.shards import ShardWriter
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/small"
LAYOUT = record_layouts(())["tokens"]


class Noting:
    """A pool of this process alone, which keeps the shards that it was given."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.tasks: list[ShardTask] = []
        self._act = act

    @contextmanager
    def __call__(self) -> Iterator[Run]:
        yield self._run

    def _run(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        given = list(items)
        self.tasks += [item for item in given if isinstance(item, ShardTask)]
        for item in given:
            yield function(item)
            if isinstance(item, ShardTask):
                self._act()


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "SHARD_ROWS", 4)


def every_file(release: Release) -> dict[str, bytes]:
    paths = [path for path in release.folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(release.folder)): path.read_bytes() for path in paths}


def test_a_shard_that_two_workers_build_at_once_is_the_same_shard(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(30))
    whole = every_file(build(sample_source(), store, tmp_path / "whole", name=NAME))
    noting = Noting(lambda: (noting.tasks[0].report.unlink(), build_shard(noting.tasks[0])))
    assert every_file(build(sample_source(), store, tmp_path / "out", name=NAME, pool=noting)) == whole
    assert len(noting.tasks) > 2


def test_a_worker_of_a_build_that_is_over_finds_no_place_to_write(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(30))
    noting = Noting()
    before = every_file(build(sample_source(), store, tmp_path / "out", name=NAME, pool=noting))
    for task in noting.tasks:
        with pytest.raises((OSError, sqlite3.Error)):
            build_shard(task)
    assert every_file(Release.open(tmp_path / "out")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out", "raw"]


def test_a_worker_of_a_build_by_another_recipe_spoils_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(30))
    other = BuildConfig(k=5, min_caption=200)
    whole = every_file(build(sample_source(), store, tmp_path / "whole", name=NAME))
    left = Noting(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build(sample_source(), store, tmp_path / "out", name=NAME, config=other, pool=left)

    def late() -> None:
        for task in left.tasks:
            with pytest.raises((OSError, sqlite3.Error)):
                build_shard(task)

    again = build(sample_source(), store, tmp_path / "out", name=NAME, pool=Noting(late))
    assert every_file(again) == whole


def test_a_file_that_is_still_growing_when_the_work_ends_never_appears(tmp_path: Path) -> None:
    draft = tmp_path / ".out.part"
    scratch = draft / ".work" / "growing-x"
    scratch.mkdir(parents=True)
    writer = ShardWriter(draft, "tokens/a.parquet", LAYOUT, scratch)
    end_work(draft)
    with pytest.raises(FileNotFoundError):
        writer.close()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(tmp_path, "a.parquet", LAYOUT):
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())


def test_what_two_write_at_once_stands_whole(tmp_path: Path) -> None:
    first = ShardWriter(tmp_path, "a.parquet", LAYOUT)
    second = ShardWriter(tmp_path, "a.parquet", LAYOUT)
    assert first.close() == second.close()
    write_text(tmp_path / "note", "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "note"]


def test_readers_of_an_index_see_what_was_shared_and_nothing_later(tmp_path: Path) -> None:
    def rows(*keys: str) -> list[Any]:
        return [packed(Listing(key, 1, key, "en", key, (), "", "")) for key in keys]

    path = tmp_path / "index.sqlite"
    with BuildIndex(path) as index:
        index.add_listings(rows("a", "b"))
        index.share()
        index.add_listings(rows("c"))
        with BuildIndex(path, readonly=True) as reader:
            assert [key for key, _ in reader.listings("", 9)] == ["a", "b"]
        assert not path.with_name("index.sqlite-shm").exists()
        index.share()
        with BuildIndex(path, readonly=True) as reader:
            assert [key for key, _ in reader.listings("", 9)] == ["a", "b", "c"]
