"""Rows become files: the same rows the same bytes, digests of the rows alone, and a memory of one row group."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palettes.palette import load_palette
from pipeline.records import Record
from pipeline.rows import records_batch, tokens_batch, windows_batch
from pipeline.schema import Layout, record_layouts
from pipeline.shards import ShardFile, ShardWriter, content_digest, file_content_digest, file_sha256
from pipeline.tokenizer import encode_record
from tests.strategies import VOCABULARY

GROUP = 16  # rows of a row group here
LAYOUTS = {name: replace(layout, rows=GROUP) for name, layout in record_layouts((3,)).items()}


def fixed_record(key: int) -> Record:
    """Return a record that never changes: digests of such ones stand in this file."""
    sprite = (np.arange((key + 1) * 3, dtype=np.uint8) % 55).reshape(key + 1, 3)
    caption = f'number {key}: "a \xa0 b"'
    return Record(
        id=f"{key:04d}-x", group=f"g{key // 2}", number=key, name=f"Xé{key}", form="" if key % 2 else "old",
        language="en", sprite=sprite, caption=caption, ids=encode_record(sprite, caption, VOCABULARY),
        source_url="http://a.localhost/ä", image_url="http://a.localhost/i.png", revision="7",
        retrieved_at="2026-01-01T00:00:00+00:00", sha256="0" * 64, licence="CC0-1.0",
        attribution='the "makers"\n\t\\', replaced=key,
    )  # fmt: skip


@cache
def forty_rows(config: str) -> pa.RecordBatch:
    """Return the rows of forty records, two and a half row groups."""
    records = [fixed_record(i) for i in range(40)]
    if config == "records":
        return records_batch(records, load_palette("nes"), LAYOUTS[config])
    return tokens_batch(records, LAYOUTS[config]) if config == "tokens" else windows_batch(records, 3, LAYOUTS[config])


def written(folder: Path, layout: Layout, batches: Sequence[pa.RecordBatch]) -> ShardFile:
    """Write one file and return what the writer says of it."""
    with ShardWriter(folder, "rows.parquet", layout) as writer:
        for batch in batches:
            writer.write(batch)
        return writer.close()


every_config = pytest.mark.parametrize("config", list(LAYOUTS))


@every_config
@settings(max_examples=12)
@given(cuts=st.lists(st.integers(0, 40), max_size=6))
def test_the_same_rows_are_the_same_bytes_in_whatever_batches_they_come(
    tmp_path_factory: pytest.TempPathFactory, config: str, cuts: list[int]
) -> None:
    folder, batch = tmp_path_factory.mktemp("cuts"), forty_rows(config)
    whole = written(folder / "whole", LAYOUTS[config], [batch])
    places = [0, *sorted(cuts), 40]
    parts = [batch.slice(a, b - a) for a, b in pairwise(places)]
    assert written(folder / "parts", LAYOUTS[config], parts) == whole


@every_config
@settings(max_examples=20)
@given(start=st.integers(0, 39), rows=st.integers(1, 8))
def test_the_content_digest_does_not_know_of_slices(config: str, start: int, rows: int) -> None:
    slice_ = pa.Table.from_batches([forty_rows(config).slice(start, rows)])
    copy = pa.Table.from_pylist(slice_.to_pylist(), schema=slice_.schema)
    assert content_digest(slice_) == content_digest(copy)


@pytest.mark.parametrize(
    ("config", "digest"),
    [
        ("tokens", "7d60f9d073fe4e37e28615bb14b6a5ef4c26d9a0df219ec8e10ee0fdd381ccad"),
        ("windows_k3", "71ece0b61aa5c872a65abc22dbb4d328005b58dc432841bdb92f0b1703bd970d"),
    ],
)
def test_the_content_digests_of_released_shards_hold(tmp_path: Path, config: str, digest: str) -> None:
    assert written(tmp_path, LAYOUTS[config], [forty_rows(config)]).content_digest == digest


def test_the_content_digest_of_released_texts_holds() -> None:
    texts = pa.Table.from_batches([forty_rows("records")]).drop_columns(["image"])
    assert content_digest(texts).hex() == "07f185b9e1ee9d364cbf78aea11e0271eccfdf4cff3b1243ece991e4bd0ffad1"


def test_the_content_digest_tells_moved_borders_and_nulls_apart() -> None:
    schema = pa.schema([("a", pa.string())])
    tables = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["ab", None, "c"]]
    digests = {content_digest(pa.table({"a": values}, schema=schema)) for values in tables}
    assert len(digests) == len(tables)
    sliced = pa.table({"a": ["x", "ab", None, "c", "y"]}, schema=schema).slice(1, 3)
    assert content_digest(sliced) == content_digest(pa.table({"a": ["ab", None, "c"]}, schema=schema))


@every_config
def test_a_file_on_disk_has_the_digests_that_its_writer_told(tmp_path: Path, config: str) -> None:
    shard = written(tmp_path, LAYOUTS[config], [forty_rows(config)])
    path = tmp_path / shard.file
    assert file_content_digest(path) == shard.content_digest
    assert file_sha256(path) == shard.sha256
    assert (path.stat().st_size, shard.rows) == (shard.bytes, 40)


@every_config
def test_every_column_has_a_page_index_and_its_groups_their_rows(tmp_path: Path, config: str) -> None:
    shard = written(tmp_path, LAYOUTS[config], [forty_rows(config)])
    found = pq.read_metadata(tmp_path / shard.file)
    groups = [found.row_group(i) for i in range(found.num_row_groups)]
    assert [group.num_rows for group in groups] == [16, 16, 8]
    for group in groups:
        columns = [group.column(i) for i in range(group.num_columns)]
        assert all(column.has_offset_index and column.compression == "ZSTD" for column in columns)
        split = {column.path_in_schema for column in columns if "BYTE_STREAM_SPLIT" in column.encodings}
        assert split == set(LAYOUTS[config].byte_split)
        bare = {column.path_in_schema for column in columns if column.statistics is None}
        assert bare == {*LAYOUTS[config].byte_split, *LAYOUTS[config].unfiltered}


@pytest.mark.parametrize("k", [3, 5, 7, 9, 15])
def test_no_row_group_of_the_largest_sprites_reaches_100_mb(k: int) -> None:
    largest = 99 * 100 + 2000 + 10  # ids of the largest record: sprite, caption and shape
    for name, layout in record_layouts((k,)).items():
        cells = {"records": 99 * 100 + 4096, "tokens": 4 * largest}.get(name, 4 * k * k * largest)  # bytes unpacked
        assert layout.rows * cells < 100e6


def test_a_writer_holds_less_than_one_group(tmp_path: Path) -> None:
    batch = forty_rows("tokens")
    with ShardWriter(tmp_path, "rows.parquet", LAYOUTS["tokens"]) as writer:
        for start in range(0, 40, 7):
            writer.write(batch.slice(start, 7))
            assert sum(part.num_rows for part in writer._pending) == min(start + 7, 40) % GROUP
        writer.close()


def test_a_group_too_large_for_one_array_is_refused() -> None:
    from pipeline.shards import require_whole

    halves = pa.table({"a": pa.chunked_array([[1], [2]])})
    with pytest.raises(ValueError, match="a row group of 2 rows is too large for one array of 'a': lower"):
        require_whole(halves)


def test_an_inserted_row_leaves_most_bytes_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    layout = record_layouts()["tokens"]

    def row(key: str) -> dict[str, object]:
        ids = rng.integers(3, 113, 1500, dtype=np.uint8).tolist()
        return {"id": key, "tokens": ids, "h": 1, "w": 1, "segment_offsets": [0, 1500]}

    before = [row(f"{i:05d}") for i in range(3000)]
    after = [*before[:400], row("00399-new"), *before[400:]]
    files = []
    for name, rows in (("before", before), ("after", after)):
        written(tmp_path / name, layout, [pa.RecordBatch.from_pylist(rows, schema=layout.schema)])
        files.append((tmp_path / name / "rows.parquet").read_bytes())
    blocks = [files[1][i : i + 512] for i in range(0, len(files[1]) - 512, 65_536)]
    kept = sum(block in files[0] for block in blocks) / len(blocks)
    assert kept > 0.6


def test_a_writer_that_failed_leaves_no_open_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(tmp_path, "rows.parquet", LAYOUTS["tokens"]) as writer:
        raise RuntimeError("stop")
    assert not writer._writer.is_open
