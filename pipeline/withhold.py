"""A build without its texts, its pictures or both: what may go out where the rest may not.

What is left out is left out of everything: no column of `records` depends on it any more (schema.WITHHELD_COLUMNS),
the digests are taken anew over what is left, `tokens` and windows are not there at all, and quarantine and gates no
longer quote the pages where texts are withheld. What stays of it are references, names and numbers: addresses, times,
licences, makers, counts of tokens, the gates' answers.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline.bare import NOT_TOLD, bare_digest, meaning_of, sprite_of
from pipeline.documents import copied
from pipeline.drafts import require_replaceable, swap
from pipeline.locks import only_one
from pipeline.records import SPLITS, Dropped
from pipeline.release import WITHHOLDABLE, DamagedRelease, Gate, Release, made_with
from pipeline.rows import quarantine_batch, release_digest, shard_digest
from pipeline.schema import QUARANTINE_SPLIT, quarantine_layout, record_layouts
from pipeline.shards import ShardFile, ShardWriter, batches, file_sha256

Splits = dict[str, tuple[ShardFile, ...]]
_QUOTING = frozenset(
    {"yield", "loss"}
)  # gates whose value tells reasons behind its figures, and names rows of the list


def without(release: Release, what: tuple[str, ...], out: Path) -> Release:
    """Write a build's rows without texts, pictures or both into a new build at `out`, and return it.

    `release` is a whole, unpublished build; the new one carries its gates, for they were asked of these very records,
    and gives the same bytes each time. The folder appears whole or not at all; an older build that stood there is
    replaced. ValueError when `release` is no such build, or `what` names nothing or something else. DamagedRelease
    when its shards are not those that its manifest names.
    """
    left_out = tuple(name for name in WITHHOLDABLE if name in what)
    _require_possible(release, what, out)
    bare = replace(release.manifest, without=left_out)
    with only_one(out.parent, f"building {out.name} in", f".{out.name}.lock"):
        draft = out.with_name(f".{out.name}.part")
        shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
        draft.mkdir(mode=0o700 if bare.restricted else 0o777)
        _fill(release, Release(folder=draft, manifest=bare))
        return Release.open(swap(draft, out))


def _fill(release: Release, draft: Release) -> None:
    """Write all of a bare build: rows, quarantine, palette, manifest."""
    bare = draft.manifest
    records: Splits = {}
    digests: list[tuple[str, str]] = []
    palette = f"palettes/{release.palette.name}.gpl"
    (draft.folder / palette).parent.mkdir(exist_ok=True)
    copied(release.folder / palette, draft.folder / palette)
    for split in SPLITS:
        written = [_bare_shard(release, shard, draft) for shard in release.shards("records", split)]
        records[split] = tuple(file for file, _ in written)
        digests += [(split, digest) for _, digest in written]
    dropped = tuple(_quarantined(release, shard, draft) for shard in release.shards("quarantine", QUARANTINE_SPLIT))
    draft.with_manifest(
        configs={"records": records, "quarantine": {QUARANTINE_SPLIT: dropped}},
        digest=release_digest(digests, meaning_of(draft)),
        gates=tuple(map(_unquoting, bare.gates)) if "texts" in bare.without else bare.gates,
        made_with=made_with(),
    )


def _require_possible(release: Release, what: tuple[str, ...], out: Path) -> None:
    if not what or not set(what) <= set(WITHHOLDABLE):
        raise ValueError(f"{list(what)} cannot be left out: choose {' or '.join(WITHHOLDABLE)}, or both.")
    if release.manifest.without or release.manifest.published:
        raise ValueError(f"{release.version.ref} is no whole, unpublished build: give the folder of one.")
    if out.resolve() == release.folder.resolve():
        raise ValueError(f"{out} is the build itself: give another folder.")
    require_replaceable(out)


def _bare_shard(release: Release, shard: ShardFile, draft: Release) -> tuple[ShardFile, str]:
    """Write a shard of `records` without what is left out; return its file, and the digest of its records."""
    digests: list[str] = []
    layout = record_layouts(without=draft.manifest.without)["records"]
    kept = [name for name in layout.schema.names if name != "digest"]
    with ShardWriter(draft.folder, shard.file, layout) as writer:
        for table in _whole(release, shard, kept):
            told = list(_digests(table, release))
            digests += told
            columns = {**dict(zip(kept, table.columns, strict=True)), "digest": pa.chunked_array([pa.array(told)])}
            full = pa.table([columns[name] for name in layout.schema.names], schema=layout.schema)
            for batch in full.combine_chunks().to_batches():
                writer.write(batch)
        return writer.close(), shard_digest(digests)


def _whole(release: Release, shard: ShardFile, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the columns of a shard a few hundred rows at a time; it must be the one that the manifest names."""
    path = release.folder / shard.file
    if not path.is_file() or file_sha256(path) != shard.sha256:
        raise DamagedRelease(f"{path} is gone, or has other bytes than its manifest says: build it again.")
    yield from batches(path, columns)


def _digests(table: pa.Table, release: Release) -> Iterator[str]:
    for row in table.to_pylist():
        sprite = sprite_of(row, release.palette)
        if sprite is None and "image" in row:
            raise DamagedRelease(f"the picture of {row['id']} is none that this version writes: build it again.")
        yield bare_digest(row, sprite)


def _quarantined(release: Release, shard: ShardFile, draft: Release) -> ShardFile:
    """Write a shard of the quarantine: without texts, no row that was not understood is quoted, and no reason."""
    layout = quarantine_layout()
    with ShardWriter(draft.folder, shard.file, layout) as writer:
        for table in _whole(release, shard, layout.schema.names):
            rows = table.to_pylist()
            if "texts" in draft.manifest.without:
                rows = [{**row, "name": row["name"] if row["id"] else "", "reason": NOT_TOLD} for row in rows]
            writer.write(quarantine_batch([Dropped(**row) for row in rows]))
        return writer.close()


def _unquoting(gate: Gate) -> Gate:
    """Return a gate's answer without the reasons that it quotes."""
    return replace(gate, value=gate.value.split("; ")[0], worst=()) if gate.name in _QUOTING else gate
