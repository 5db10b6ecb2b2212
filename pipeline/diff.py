"""Release against release, record by record; the next version follows from what changed."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt8

from pipeline.bare import sprite_of
from pipeline.records import SPLITS, Split
from pipeline.release import UNRELEASED, Changes, Manifest, Release
from pipeline.schema import QUARANTINE_SPLIT
from pipeline.shards import batches
from pipeline.tokenizer import decode_record

FIRST_VERSION = "v1.0.0"
NOT_LISTED = "no longer in the list"
Kind = Literal["added", "changed", "removed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Aspect = Literal["picture", "caption", "name", "group", "split", "provenance", "licence"]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
_COLUMNS: dict[Aspect, tuple[str, ...]] = {  # the columns of `records` that an aspect stands in
    "caption": ("caption",),
    "name": ("number", "name", "form", "language"),
    "group": ("group",),
    "provenance": ("source_url", "image_url"),
    "licence": ("licence", "attribution"),
}
_DIGEST_BYTES = 16  # of a record's digest: enough to tell any two apart
_ASPECT_BYTES = 8  # of an aspect's digest: it is compared with one other only


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What happened to every record between two releases, and what version that calls for."""

    changes: Changes
    aspects: Mapping[str, tuple[Aspect, ...]]  # of each changed record: what of it did; empty where only its digest did
    reasons: Mapping[str, str]  # of each removed record
    splits: Mapping[Split, Mapping[Kind, int]]  # a changed record counts where it is now
    meaning: tuple[str, ...]  # what gives ids their meaning and is not as it was: a major version
    version: str | None  # None when nothing changed, or the older release never had a version


def diff(old: Release | None, new: Release) -> Changes:
    """Return the ids that were added, changed and removed; everything is added when there was no release before.

    A record that moved to another split counts as changed.
    """
    return _changes(_by_kind(old, new))


def compare(old: Release, new: Release) -> Comparison:
    """Return what changed between two releases, to the part of a record; shards are read one at a time."""
    events = _by_kind(old, new)
    changes = _changes(events)
    before, after = (_faces(release, set(changes.changed)) for release in (old, new))
    counts = {kind: Counter(place for _, place in found) for kind, found in events.items()}
    return Comparison(
        changes=changes,
        aspects={key: _differing(before[key], after[key]) for key in changes.changed},
        reasons=reasons_of(new, changes.removed),
        splits={split: {kind: counts[kind][place] for kind in KINDS} for place, split in enumerate(SPLITS)},
        meaning=meaning_changed(old.manifest, new.manifest),
        version=None if old.manifest.version == UNRELEASED else next_version(old.manifest, new.manifest, changes),
    )


def _by_kind(old: Release | None, new: Release) -> dict[Kind, list[tuple[str, int]]]:
    """Return, by what happened to them, the ids and the place of their split; memory holds the older release's."""
    before = dict(_digests(old)) if old else {}
    found: dict[Kind, list[tuple[str, int]]] = {kind: [] for kind in KINDS}
    for key, digest in _digests(new):
        was = before.pop(key, None)
        if was != digest:
            found["added" if was is None else "changed"].append((key, digest[-1]))
    found["removed"] = [(key, digest[-1]) for key, digest in before.items()]
    return found


def _changes(events: Mapping[Kind, list[tuple[str, int]]]) -> Changes:
    return Changes(**{kind: tuple(sorted(key for key, _ in found)) for kind, found in events.items()})


def _digests(release: Release) -> Iterator[tuple[str, bytes]]:
    """Yield the id of each record with its digest and the place of its split in a few bytes."""
    for place, split in enumerate(SPLITS):
        for shard in release.shards("records", split):
            for table in batches(release.folder / shard.file, ["id", "digest"]):
                ids, digests = (table.column(name).to_pylist() for name in ("id", "digest"))
                for key, digest in zip(ids, digests, strict=True):
                    yield key, blake2b(str(digest).encode(), digest_size=_DIGEST_BYTES).digest() + bytes([place])


def _faces(release: Release, wanted: Collection[str]) -> dict[str, bytes]:
    """Return a short digest of each aspect of the wanted records, in the order of ASPECTS, one behind the other."""
    columns = ["id", *(name for names in _COLUMNS.values() for name in names)]
    found: dict[str, bytes] = {}
    if release.manifest.without:
        for split, row in _bare_rows(release, wanted):
            sprite = sprite_of(row, release.palette)
            found[str(row["id"])] = _face(row, split, b"" if sprite is None else _shown(sprite, release))
        return found
    for split, records, tokens in rows_of(release, wanted, columns):
        for row, ids in zip(records.to_pylist(), tokens.column("tokens").combine_chunks(), strict=True):
            found[row["id"]] = _face(row, split, _picture(ids.values.to_numpy(), release))
    return found


def _face(row: Mapping[str, object], split: Split, picture: bytes) -> bytes:
    told = {aspect: repr([row.get(name) for name in names]).encode() for aspect, names in _COLUMNS.items()}
    told |= {"split": split.encode(), "picture": picture}
    return b"".join(blake2b(told[aspect], digest_size=_ASPECT_BYTES).digest() for aspect in ASPECTS)


def _bare_rows(release: Release, wanted: Collection[str]) -> Iterator[tuple[Split, Mapping[str, object]]]:
    """Yield the wanted records of a bare release, with their splits."""
    for split in SPLITS if wanted else ():
        for shard in release.shards("records", split):
            for table in batches(release.folder / shard.file):
                yield from ((split, row) for row in table.to_pylist() if row["id"] in wanted)


def rows_of(
    release: Release, wanted: Collection[str], columns: list[str]
) -> Iterator[tuple[Split, pa.Table, pa.Table]]:
    """Yield the wanted records shard by shard: their split, their columns of `records`, their rows of `tokens`."""
    if not wanted:
        return
    keys = pa.array(sorted(wanted), type=pa.string())
    for split in SPLITS:
        for said, drawn in zip(release.shards("records", split), release.shards("tokens", split), strict=True):
            mask = pc.is_in(release.read(said, ["id"]).column("id"), value_set=keys)
            if pc.any(mask).as_py():
                tokens = release.read(drawn, ["id", "tokens"]).filter(mask)
                yield split, release.read(said, columns).filter(mask), tokens


def _picture(ids: UInt8[np.ndarray, "L"], release: Release) -> bytes:
    """Return what a record's ids show, in colours: palettes may differ."""
    try:
        sprite, _ = decode_record(ids, release.vocabulary)
    except ValueError:
        return ids.tobytes()
    return _shown(sprite, release)


def _shown(sprite: UInt8[np.ndarray, "h w"], release: Release) -> bytes:
    shown: bytes = release.palette.rgb[sprite].tobytes()
    return repr(sprite.shape).encode() + shown


def _differing(before: bytes, after: bytes) -> tuple[Aspect, ...]:
    starts = range(0, len(ASPECTS) * _ASPECT_BYTES, _ASPECT_BYTES)
    parts = (slice(start, start + _ASPECT_BYTES) for start in starts)
    return tuple(aspect for aspect, part in zip(ASPECTS, parts, strict=True) if before[part] != after[part])


def reasons_of(release: Release, ids: Collection[str]) -> dict[str, str]:
    """Return why a release lacks these ids: what its quarantine says, else that they are no longer in the list.

    Of several reasons for one id, that of the list comes last: it speaks of a second row, not of the record. Each is
    one line, but quotes the site: escape it for whatever shows it.
    """
    found: dict[str, str] = {}
    listed: dict[str, str] = {}
    if ids and "quarantine" in release.manifest.configs:
        keys = pa.array(sorted(set(ids)), type=pa.string())
        for shard in release.shards("quarantine", QUARANTINE_SPLIT):
            for table in batches(release.folder / shard.file, ["id", "stage", "reason"]):
                for row in table.filter(pc.is_in(table.column("id"), value_set=keys)).to_pylist():
                    told = listed if row["stage"] == "list" else found
                    told.setdefault(row["id"], " ".join(f"{row['stage']}: {row['reason']}".split()))
    return {key: found.get(key) or listed.get(key, NOT_LISTED) for key in sorted(ids)}


def next_version(old: Manifest | None, new: Manifest | None, changes: Changes) -> str | None:
    """Return the version that the changes call for; None when nothing changed.

    Major: what gives ids their meaning (schema, vocabulary, palette, k, token layout), or what is left out. Minor:
    records came or went. Patch: texts or pictures changed; of a bare release, those that it holds. A recipe for
    pictures that gives the rows it gave before changes nothing.

    >>> next_version(None, None, Changes(added=("0001-a",)))
    'v1.0.0'
    """
    if old is None or new is None:
        return FIRST_VERSION
    major, minor, patch = (int(part) for part in old.version.removeprefix("v").split("."))
    if meaning_changed(old, new):
        return f"v{major + 1}.0.0"
    if changes.added or changes.removed:
        return f"v{major}.{minor + 1}.0"
    return f"v{major}.{minor}.{patch + 1}" if changes.changed else None


def meaning_changed(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """Return the names of what a reader's code depends on and is not as it was."""
    before, after = _meaning(old), _meaning(new)
    return tuple(name for name in before if before[name] != after[name])


def _meaning(manifest: Manifest) -> dict[str, object]:
    return {
        "vocabulary": manifest.vocabulary["digest"],
        "palette": manifest.palette["digest"],
        "k": manifest.k,
        "configs": sorted(name for name in manifest.configs if name != "quarantine"),
        "transform": manifest.transform["version"],
        "max_side": manifest.max_side,
        "without": manifest.without,
    }
