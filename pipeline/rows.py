"""Records to Arrow rows, config by config, and the digest by which releases compare records."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8
from PIL import Image

from palettes.palette import Palette
from palettes.vocabulary import LF, Vocabulary
from pipeline.records import Dropped, Record
from pipeline.schema import PROVENANCE_COLUMNS, QUARANTINE_COLUMNS, Layout, quarantine_layout
from pipeline.tokenizer import grids
from pipeline.windows import record_windows

_SAYS = ("id", "group", "number", "name", "form", "language", "caption")
DIGESTED = (*_SAYS, "source_url", "image_url", "licence", "attribution")


def record_digest(row: Mapping[str, object], sprite: UInt8[np.ndarray, "h w"]) -> str:
    """Return SHA-256 of what a record says and shows and whose it is, from its row in `records` and its sprite.

    When and at which revision it was read does not count: a page that was touched, but says the same, changes nothing.
    """
    head = json.dumps([*(row[name] for name in DIGESTED), *sprite.shape], ensure_ascii=False)
    return hashlib.sha256(head.encode() + b"\x00" + sprite.tobytes()).hexdigest()


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
    columns: dict[str, object] = {name: [getattr(record, name) for record in records] for name in _PLAIN}
    columns["image"] = [{"bytes": sprite_png(record.sprite, palette), "path": f"{record.id}.png"} for record in records]
    columns["digest"] = [
        record_digest({name: getattr(record, name) for name in DIGESTED}, record.sprite) for record in records
    ]
    return _batch(columns, layout)


_PLAIN = ("id", "caption", "number", "name", "form", "group", "language", "replaced", *PROVENANCE_COLUMNS)


def tokens_batch(records: Sequence[Record], layout: Layout) -> pa.RecordBatch:
    """Return the rows of the `tokens` config: what training reads."""
    lengths = [len(record.ids) for record in records]
    tokens = pa.ListArray.from_arrays(_offsets(lengths), pa.array(np.concatenate([record.ids for record in records])))
    columns = {
        "id": [record.id for record in records],
        "tokens": tokens,
        "h": [record.sprite.shape[0] for record in records],
        "w": [record.sprite.shape[1] for record in records],
        "segment_offsets": [[0, *(np.flatnonzero(record.ids == LF) + 1).tolist()] for record in records],
    }
    return _batch(columns, layout)


def windows_batch(records: Sequence[Record], k: int, layout: Layout) -> pa.RecordBatch:
    """Return the rows of the `windows_k*` config; nested lists over one flat buffer, never Python lists."""
    lengths = [len(record.ids) for record in records]
    total = sum(lengths)
    flat = np.concatenate([record_windows(grids(record.ids), k) for record in records])
    cells = pa.ListArray.from_arrays(
        pa.array(np.arange(0, total * k * k + 1, k, dtype=np.int32)), pa.array(flat.ravel())
    )
    sides = pa.ListArray.from_arrays(pa.array(np.arange(0, total * k + 1, k, dtype=np.int32)), cells)
    windows = pa.ListArray.from_arrays(_offsets(lengths), sides)
    return _batch({"id": [record.id for record in records], "windows": windows}, layout)


def quarantine_batch(dropped: Sequence[Dropped]) -> pa.RecordBatch:
    """Return the rows of the `quarantine` config."""
    columns: dict[str, object] = {name: [getattr(drop, name) for drop in dropped] for name in QUARANTINE_COLUMNS}
    return _batch(columns, quarantine_layout())


def sprite_png(sprite: UInt8[np.ndarray, "h w"], palette: Palette) -> bytes:
    """Return a sprite as a PNG with the palette's colours."""
    image = Image.fromarray(sprite)
    image.putpalette(palette.rgb.tobytes())
    body = io.BytesIO()
    image.save(body, format="PNG", compress_level=6)
    return body.getvalue()


def _offsets(lengths: Sequence[int]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _batch(columns: dict[str, object], layout: Layout) -> pa.RecordBatch:
    arrays = [
        column if isinstance(column := columns[field.name], pa.Array) else pa.array(column, type=field.type)
        for field in layout.schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=layout.schema)
