"""Records to Arrow rows, config by config, and the digest by which releases compare records."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int64, Shaped, UInt8, UInt16

from palettes.palette import Palette
from palettes.vocabulary import LF, Vocabulary
from pipeline.png import encode_png
from pipeline.records import Dropped, Record
from pipeline.schema import PROVENANCE_COLUMNS, QUARANTINE_COLUMNS, Layout, quarantine_layout
from pipeline.tokenizer import grids
from pipeline.windows import record_windows

_SAYS = ("id", "group", "number", "name", "form", "language", "caption")
DIGESTED = (*_SAYS, "source_url", "image_url", "licence", "attribution")
_JSON = json.JSONEncoder(ensure_ascii=False)
_NEXT, _QUOTES = '", "', b'""' * (len(DIGESTED) - 1)  # between texts in JSON, and all quotes that a number leaves
_UNESCAPED = bytes(byte for byte in range(0x20, 0x100) if byte not in b'"\\')  # by JSON
_LARGEST_OFFSET = np.iinfo(np.int32).max  # Arrow's lists count their values in 32 bits
_LARGEST_RECORD = np.iinfo(np.uint16).max  # ids; `segment_offsets` counts them in 16 bits


def record_digest(row: Mapping[str, object], sprite: UInt8[np.ndarray, "h w"]) -> str:
    """Return SHA-256 of what a record says and shows and whose it is, from its row in `records` and its sprite.

    When and at which revision it was read does not count: a page that was touched, but says the same, changes nothing.
    """
    return _digest([row[name] for name in DIGESTED], sprite)


def _digest(said: Sequence[Any], sprite: UInt8[np.ndarray, "h w"]) -> str:
    h, w = sprite.shape
    head = b"[%b, %d, %d]\x00" % (_plain_json(said) or _JSON.encode(said)[1:-1].encode(), h, w)
    return hashlib.sha256(head + sprite.tobytes()).hexdigest()


def _plain_json(said: Sequence[Any]) -> bytes | None:
    """Return what a record says in JSON, written at once; None where a value is of another kind or must be escaped.

    Nearly no record says anything that JSON escapes: then the only quotes are those around its texts.
    """
    key, group, number, *texts = said
    if type(number) is not int:
        return None
    try:
        body = f'"{_NEXT.join((key, group))}", {number}, "{_NEXT.join(texts)}"'.encode()
    except TypeError:  # what is no text cannot be joined
        return None
    return body if body.translate(None, _UNESCAPED) == _QUOTES else None


def shard_digest(record_digests: Iterable[str]) -> str:
    """Return SHA-256 over the digests of a shard's records, in id order."""
    digest = hashlib.sha256()
    for one in record_digests:
        digest.update(bytes.fromhex(one))
    return digest.hexdigest()


def release_digest(shards: Iterable[tuple[str, str]], meaning: str) -> str:
    """Return the digest of a release: of (split, shard digest) in order, and of what gives its ids meaning."""
    digest = hashlib.sha256(meaning.encode())
    for split, one in shards:
        digest.update(f"\x1e{split}\x1f{one}".encode())
    return digest.hexdigest()


def meaning_of_ids(transform_version: int, k: int, max_side: int, vocabulary: Vocabulary) -> str:
    """Return what a reader must know to read the ids, as one string for the digest."""
    return f"transform {transform_version}, k {k}, side {max_side}, vocabulary {vocabulary.digest}"


def records_batch(records: Sequence[Record], palette: Palette, layout: Layout) -> pa.RecordBatch:
    """Return the rows of the `records` config; the image is the sprite at its own size, as PNG."""
    told = [_PLAIN_OF(record) for record in records]
    columns: dict[str, Any] = {name: [one[at] for one in told] for at, name in enumerate(_PLAIN)}
    pictures = _packed([sprite_png(record.sprite, palette) for record in records], pa.binary())
    paths = _texts([f"{record.id}.png" for record in records])
    columns["image"] = pa.StructArray.from_arrays([pictures, paths], names=["bytes", "path"])
    columns["digest"] = [_digest(_DIGESTED_OF(record), record.sprite) for record in records]
    return _batch(columns, layout)


_PLAIN = ("id", "caption", "number", "name", "form", "group", "language", "replaced", *PROVENANCE_COLUMNS)
_PLAIN_OF, _DIGESTED_OF = attrgetter(*_PLAIN), attrgetter(*DIGESTED)


def tokens_batch(records: Sequence[Record], layout: Layout) -> pa.RecordBatch:
    """Return the rows of the `tokens` config: what training reads.

    ValueError for a record beyond 65,535 ids, or for more ids than one batch can count.
    """
    ids, starts = _joined(records)
    lengths = np.diff(starts)
    if (longest := int(lengths.max(initial=0))) > _LARGEST_RECORD:
        name = records[int(lengths.argmax())].id
        raise ValueError(f"{name} has {longest} ids, but a row holds {_LARGEST_RECORD}: choose a smaller max_side.")
    offsets, counts = _segment_offsets(ids, starts)
    columns: dict[str, Any] = {
        "id": [record.id for record in records],
        "tokens": _lists(starts, _numbers(ids)),
        "h": [record.sprite.shape[0] for record in records],
        "w": [record.sprite.shape[1] for record in records],
        "segment_offsets": _lists(_starts(counts), _numbers(offsets)),
    }
    return _batch(columns, layout)


def _segment_offsets(
    ids: UInt8[np.ndarray, "N"], starts: Int64[np.ndarray, "R1"]
) -> tuple[UInt16[np.ndarray, "_"], Int64[np.ndarray, "R"]]:
    """Return where the segments of each record begin and end, counted from its first id; and how many places each has.

    A segment begins where the last one ended, so a record has one place more than it has LFs.
    """
    ends = np.flatnonzero(ids == LF) + 1
    marks = np.concatenate([starts[:-1], ends])
    owner = np.concatenate([np.arange(len(starts) - 1), np.searchsorted(starts, ends, side="left") - 1])
    order = np.lexsort((marks, owner))
    counts = np.bincount(owner, minlength=len(starts) - 1)
    return (marks - starts[owner])[order].astype(np.uint16), counts


def windows_batch(records: Sequence[Record], k: int, layout: Layout) -> pa.RecordBatch:
    """Return the rows of the `windows_k*` config; nested lists over one flat buffer, never Python lists.

    ValueError for more cells than one batch can count.
    """
    starts = _starts([len(record.ids) for record in records])
    flat = np.zeros((int(starts[-1]), k, k), dtype=np.uint8)
    for record, start, end in zip(records, starts[:-1], starts[1:], strict=True):
        flat[start:end] = record_windows(grids(record.ids), k)
    cells = _lists(np.arange(0, flat.size + 1, k), _numbers(flat.ravel()))
    windows = _lists(starts, _lists(np.arange(0, len(flat) * k + 1, k), cells))
    return _batch({"id": [record.id for record in records], "windows": windows}, layout)


def quarantine_batch(dropped: Sequence[Dropped]) -> pa.RecordBatch:
    """Return the rows of the `quarantine` config."""
    columns: dict[str, Any] = {name: [getattr(drop, name) for drop in dropped] for name in QUARANTINE_COLUMNS}
    return _batch(columns, quarantine_layout())


def sprite_png(sprite: UInt8[np.ndarray, "h w"], palette: Palette) -> bytes:
    """Return a sprite as a PNG with the palette's colours."""
    return encode_png(sprite, palette)


def _joined(records: Sequence[Record]) -> tuple[UInt8[np.ndarray, "N"], Int64[np.ndarray, "R1"]]:
    """Return the ids of all records in one array, and where each begins."""
    ids = [record.ids for record in records]
    return np.concatenate([np.zeros(0, dtype=np.uint8), *ids]), _starts([len(one) for one in ids])


def _starts(lengths: Sequence[int] | Int64[np.ndarray, "R"]) -> Int64[np.ndarray, "R1"]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _lists(starts: Int64[np.ndarray, "R1"], values: pa.Array) -> pa.ListArray:
    if int(starts[-1]) > _LARGEST_OFFSET:
        raise ValueError(f"a batch of {int(starts[-1])} values is beyond {_LARGEST_OFFSET}: write fewer rows at once.")
    return pa.ListArray.from_arrays(_numbers(starts.astype(np.int32)), values)


def _batch(columns: dict[str, Any], layout: Layout) -> pa.RecordBatch:
    arrays = [_array(columns[field.name], field.type) for field in layout.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=layout.schema)


def _array(column: Any, kind: pa.DataType) -> pa.Array:  # noqa: ANN401 - an Arrow array, texts or numbers
    """Return a column as Arrow has it."""
    if isinstance(column, pa.Array):
        return column
    if pa.types.is_string(kind):
        return _texts(column)
    return _numbers(np.array(column, dtype=kind.to_pandas_dtype()))


def _numbers(values: Shaped[np.ndarray, "n"]) -> pa.Array:
    """Return an array over the same memory; `pa.array` would import pandas, a third of a second in every worker."""
    whole = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(whole.dtype), len(whole), [None, pa.py_buffer(whole)])


def _texts(values: Sequence[str]) -> pa.Array:
    """Return texts as Arrow has them; where all are ASCII, as most columns are, they are encoded at once."""
    whole = "".join(values)
    if not whole.isascii():
        return _packed([value.encode() for value in values], pa.string())
    return _binary([len(value) for value in values], whole.encode(), pa.string())


def _packed(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    return _binary([len(value) for value in values], b"".join(values), kind)


def _binary(lengths: Sequence[int], whole: bytes, kind: pa.DataType) -> pa.Array:
    if len(whole) > _LARGEST_OFFSET:
        raise ValueError(f"a batch of {len(whole)} bytes is beyond {_LARGEST_OFFSET}: write fewer rows at once.")
    buffers = [None, pa.py_buffer(_starts(lengths).astype(np.int32)), pa.py_buffer(whole)]
    return pa.Array.from_buffers(kind, len(lengths), buffers)
