"""One pass over the rows of a release that counts again what its manifest says of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import UInt8

from pipeline.bare import bare_digest, sprite_of
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.rows import DIGESTED, record_digest, shard_digest
from pipeline.shard_build import count_tokens
from pipeline.shards import ShardFile, batches
from pipeline.splits import split_of
from pipeline.tokenizer import decode_record

BATCH = 128  # records in memory at once


@dataclass(slots=True)
class Recount:
    """What the rows of a release say."""

    shards: list[tuple[str, str]] = field(default_factory=list)  # split and digest, as they enter the release's digest
    tokens: Counter[str] = field(default_factory=lambda: Counter({"text": 0, "pixel": 0, "separator": 0}))
    licences: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)  # families outside the split that their own hash gives
    large: list[str] = field(default_factory=list)  # records whose sprite is larger than the manifest allows
    astray: list[str] = field(default_factory=list)  # records whose picture is called otherwise than they are


def recount(release: Release, step: Callable[[], None] = lambda: None) -> Recount:
    """Return what the rows of a release say; `step` is called after each shard. Memory holds a batch and all ids.

    The shards of `records` and `tokens` must hold the same records in the same order, and their ids must decode. Of a
    bare release, `records` is all there is; its tokens are not counted.
    """
    found = Recount()
    if release.manifest.without:
        for split in SPLITS:
            for records in release.shards("records", split):
                found.shards.append((split, shard_digest(_bare(release, records, split, found))))
                step()
        return found
    for split in SPLITS:
        for records, tokens in zip(release.shards("records", split), release.shards("tokens", split), strict=True):
            drawn = _drawn(release, tokens, found)
            said = _said(release, records)
            digests = [_count(row, sprite, split, release, found) for row, sprite in zip(said, drawn, strict=True)]
            found.shards.append((split, shard_digest(digests)))
            step()
    return found


def _said(release: Release, shard: ShardFile) -> Iterator[dict[str, object]]:
    """Yield the rows of a shard of `records`: of their pictures, the names alone."""
    with pq.ParquetFile(release.folder / shard.file) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=[*DIGESTED, "image.path"]):
            yield from batch.to_pylist()


def _drawn(release: Release, shard: ShardFile, found: Recount) -> Iterator[UInt8[np.ndarray, "h w"]]:
    """Yield the sprites of a shard of `tokens`, and count its ids."""
    with pq.ParquetFile(release.folder / shard.file) as file:
        for batch in file.iter_batches(batch_size=BATCH, columns=["tokens"]):
            for tokens in batch.column("tokens"):
                ids = tokens.values.to_numpy()
                found.tokens.update(count_tokens(ids))
                yield decode_record(ids, release.vocabulary)[0]


def _bare(release: Release, shard: ShardFile, split: str, found: Recount) -> Iterator[str]:
    """Count the records of a bare release's shard; yield their digests."""
    for table in batches(release.folder / shard.file):
        for row in table.to_pylist():
            sprite = sprite_of(row, release.palette)
            _note(row, sprite, split, release, found)
            yield bare_digest(row, sprite)


def _count(
    row: Mapping[str, object], sprite: UInt8[np.ndarray, "h w"], split: str, release: Release, found: Recount
) -> str:
    """Count one record; return its digest."""
    _note(row, sprite, split, release, found)
    return record_digest(row, sprite)


def _note(
    row: Mapping[str, object], sprite: UInt8[np.ndarray, "h w"] | None, split: str, release: Release, found: Recount
) -> None:
    key, group = str(row["id"]), str(row["group"])
    found.ids.add(key)
    found.licences.add(str(row["licence"]))
    if split_of(group) != split:
        found.moved.add(group)
    if sprite is not None and max(sprite.shape) > release.manifest.max_side:
        found.large.append(key)
    image = row.get("image")
    if isinstance(image, dict) and image["path"] != f"{key}.png":
        found.astray.append(key)
