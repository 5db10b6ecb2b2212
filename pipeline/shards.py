"""Rows to Parquet: the same bytes for the same rows, streamed by row group, with a digest of the content itself."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.schema import Layout

BATCH = 256  # rows in memory at once, of whoever reads a file in batches


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFile:
    """One Parquet file of a release, with a digest of its bytes and one of its rows (equal across Arrow versions)."""

    file: str  # path inside the release folder
    rows: int
    bytes: int
    sha256: str
    content_digest: str


def shard_name(config: str, split: str, index: int, count: int) -> str:
    """Return the path of a shard inside a release.

    >>> shard_name("tokens", "train", 0, 1)
    'tokens/train-00000-of-00001.parquet'
    """
    return f"{config}/{split}-{index:05d}-of-{count:05d}.parquet"


class ShardWriter:
    """Write one Parquet file row group by row group; memory holds one group.

    The file appears whole or not at all, when it is closed: two that write the same one at once do no harm.
    """

    def __init__(self, root: Path, name: str, layout: Layout, scratch: Path | None = None) -> None:
        """Begin `root/name`; it grows in the folder `scratch` on the same disk, which must be there, or beside it."""
        self._path, self._name, self._layout = root / name, name, layout
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._part = (scratch or self._path.parent) / f".{self._path.name}.{secrets.token_hex(8)}"
        self._pending: list[pa.RecordBatch] = []
        self._waiting = 0
        self._rows = 0
        self._content = hashlib.sha256()
        unsought = {*layout.byte_split, *layout.unfiltered}  # nobody asks for a range of ids either
        self._writer = pq.ParquetWriter(
            self._part,
            layout.schema,
            compression=layout.codec,
            compression_level=layout.level,
            use_dictionary=list(layout.dictionary) or False,
            column_encoding=dict.fromkeys(layout.byte_split, "BYTE_STREAM_SPLIT") or None,
            write_statistics=[leaf for leaf in _leaves(layout.schema) if leaf not in unsought],
            write_page_index=True,
            use_content_defined_chunking=True,  # an edited row moves its own pages only: the Hub stores the rest once
            store_schema=True,
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows; a full row group goes to disk."""
        self._rows += batch.num_rows
        self._pending.append(batch)
        self._waiting += batch.num_rows
        while self._waiting >= self._layout.rows:
            self._flush(self._layout.rows)

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self._pending, schema=self._layout.schema)
        group = require_whole(table.slice(0, rows).combine_chunks())
        self._content.update(content_digest(group))
        self._writer.write_table(group, row_group_size=rows)
        rest = table.slice(rows)
        self._pending = rest.to_batches()
        self._waiting = rest.num_rows

    def close(self) -> ShardFile:
        """Write the last rows, let the file stand at its place, and return what it holds."""
        if self._waiting:  # a file without rows has no row group: `datasets` cannot read an empty one
            self._flush(self._waiting)
        self._writer.close()
        written = ShardFile(
            file=self._name,
            rows=self._rows,
            bytes=self._part.stat().st_size,
            sha256=file_sha256(self._part),
            content_digest=self._content.hexdigest(),
        )
        self._part.replace(self._path)
        return written

    def __enter__(self) -> "ShardWriter":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the unfinished file away after a failure."""
        if kind is not None:
            self._writer.close()
            self._part.unlink(missing_ok=True)


def batches(path: Path, columns: list[str] | None = None, rows: int = BATCH) -> Iterator[pa.Table]:
    """Yield a Parquet file as tables of `rows` rows, the last one shorter, whatever its row groups are."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows, columns=columns, use_threads=False):
            waiting.append(batch)
            count += batch.num_rows
            while count >= rows:
                table = pa.Table.from_batches(waiting)
                yield table.slice(0, rows)
                waiting, count = table.slice(rows).to_batches(), count - rows
    if count:
        yield pa.Table.from_batches(waiting)


def require_whole(group: pa.Table) -> pa.Table:
    """Return a row group each of whose columns is one array; ValueError where 32-bit offsets do not reach that far."""
    for name, column in zip(group.column_names, group.columns, strict=True):
        if column.num_chunks > 1:
            raise ValueError(
                f"a row group of {group.num_rows} rows is too large for one array of {name!r}: lower its layout's rows."
            )
    return group


def content_digest(group: pa.Table) -> bytes:
    """Return SHA-256 over the values of one row group, independent of how Arrow stores or slices them.

    Each column adds its name and, leaf by leaf, its lengths and its values.
    """
    digest = hashlib.sha256()
    for name, column in zip(group.schema.names, group.columns, strict=True):
        digest.update(name.encode() + b"\x1f")
        for chunk in column.chunks:
            for part in _leaf_bytes(chunk):
                digest.update(part)
    return digest.digest()


def file_content_digest(path: Path) -> str:
    """Return the content digest of a shard as it lies on disk: over its row groups, one at a time."""
    digest = hashlib.sha256()
    file = pq.ParquetFile(path)
    for index in range(file.num_row_groups):
        digest.update(content_digest(file.read_row_group(index).combine_chunks()))
    return digest.hexdigest()


def _leaf_bytes(column: pa.Array) -> Iterator[bytes]:
    if pa.types.is_struct(column.type):
        for child in column.flatten():
            yield from _leaf_bytes(child)
    elif pa.types.is_list(column.type):
        yield from _leaf_bytes(pc.list_value_length(column))
        yield from _leaf_bytes(column.flatten())
    elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        values = column.cast(pa.binary())
        yield from _leaf_bytes(pc.binary_length(values))
        yield _joined(values)
    else:
        yield _number_bytes(column)


def _joined(values: pa.Array) -> bytes:
    """Return the values of a binary column one behind the other; as they lie in memory where none is null."""
    if values.null_count or not len(values):
        return b"".join(values.drop_null().to_pylist())
    _, offsets, data = values.buffers()
    at = np.frombuffer(offsets, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    return b"" if data is None else data.slice(int(at[0]), int(at[-1] - at[0])).to_pybytes()


def _number_bytes(column: pa.Array) -> bytes:
    """Return the bytes of a column of numbers, nulls as 0; by its buffer, since `to_numpy` imports pandas."""
    if column.null_count or pa.types.is_boolean(column.type) or not len(column):
        filled: bytes = column.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
        return filled
    width = column.type.bit_width // 8
    whole = memoryview(column.buffers()[1]).cast("B")
    return whole[column.offset * width : (column.offset + len(column)) * width].tobytes()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep a folder's entries, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the dotted paths of a schema's leaf columns, as Parquet names them."""

    def walk(prefix: str, kind: pa.DataType) -> list[str]:
        if pa.types.is_struct(kind):
            return [leaf for field in kind for leaf in walk(f"{prefix}.{field.name}", field.type)]
        if pa.types.is_list(kind):
            return walk(f"{prefix}.list.element", kind.value_type)
        return [prefix]

    return [leaf for field in schema for leaf in walk(field.name, field.type)]
