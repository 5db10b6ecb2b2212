"""One record as all configs of a release tell it, and what is wrong with it: the gates that need no other record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from palettes.vocabulary import FIRST_COLOUR
from pipeline.png import shows
from pipeline.release import Release
from pipeline.rows import record_digest
from pipeline.schema import windows_config
from pipeline.tokenizer import decode_record, encode_record, grids
from pipeline.windows import record_windows

MAX_REPLACED = 0.1  # share of a caption's characters that had no token
CONTENT_BYTES = 16  # of a digest that tells contents apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record as all its configs tell it."""

    record: Mapping[str, object]  # its row in `records`
    ids: UInt8[np.ndarray, "L"]
    shape: tuple[int, int]
    offsets: Sequence[int]
    windows: Sequence[UInt8[np.ndarray, "_ _ _"]]


def rows_of(tables: Mapping[str, pa.Table], sides: Sequence[int]) -> Iterator[Row]:
    """Yield the rows of a batch, each from all configs."""
    tokens = tables["tokens"].column("tokens").combine_chunks()
    windows = {k: tables[windows_config(k)].column("windows").combine_chunks() for k in sides}
    h, w, offsets = (tables["tokens"].column(name).to_pylist() for name in ("h", "w", "segment_offsets"))
    for i, record in enumerate(tables["records"].to_pylist()):
        yield Row(
            record=record,
            ids=tokens[i].values.to_numpy(),
            shape=(h[i], w[i]),
            offsets=offsets[i],
            windows=[one[i].values.flatten().flatten().to_numpy().reshape(-1, k, k) for k, one in windows.items()],
        )


def content_of(row: Row) -> bytes:
    """Return a digest of what a record shows and says."""
    said = str(row.record["caption"]).encode()
    return blake2b(len(said).to_bytes(8, "big") + said + row.ids.tobytes(), digest_size=CONTENT_BYTES).digest()


def sprite_of(row: Row, release: Release) -> UInt8[np.ndarray, "h w"] | None:
    """Return the sprite that a record's ids draw; None when they do not give its caption, or contradict the row.

    To encode what the row says and compare is four times as fast as to decode; what differs is decoded all the same,
    for the caption may come first.
    """
    h, w = row.shape
    ids, caption = row.ids, str(row.record["caption"])
    try:
        if len(row.offsets) == 4 and row.offsets[2] - row.offsets[1] == h * (w + 1):  # noqa: PLR2004 - 3 segments
            sprite = ids[row.offsets[1] : row.offsets[2]].reshape(h, w + 1)[:, :-1] - np.uint8(FIRST_COLOUR)
            if np.array_equal(encode_record(sprite, caption, release.vocabulary), ids):
                return sprite
        sprite, text = decode_record(ids, release.vocabulary)
    except ValueError:
        return None
    ends = [0, *np.cumsum([grid.size for grid in grids(ids)]).tolist()]
    return sprite if text == caption and (sprite.shape, ends) == (row.shape, list(row.offsets)) else None


def faults_shown(row: Row, sprite: UInt8[np.ndarray, "h w"], release: Release) -> Iterator[str]:
    """Yield the names of the gates that a record's ids, windows and picture trip."""
    record, image = row.record, row.record["image"]
    if any(not np.array_equal(stored, record_windows(grids(row.ids), stored.shape[-1])) for stored in row.windows):
        yield "windows"
    if not shows(image["bytes"] if isinstance(image, dict) else b"", sprite, release.palette):
        yield "decode"
    if record_digest(record, sprite) != record["digest"]:
        yield "digests"
    if sprite.min() == sprite.max():
        yield "sprites"


def faults_told(record: Mapping[str, object], least: int) -> Iterator[str]:
    """Yield the names of the gates that a record's text and rights trip."""
    caption = str(record["caption"])
    if len(caption) < least:
        yield "captions"
    if int(str(record["replaced"])) > MAX_REPLACED * len(caption):
        yield "replaced"
    if not record["licence"] or not record["attribution"]:
        yield "licence"
