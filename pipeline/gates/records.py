"""The gates about records: one pass over all rows of a release, a few hundred at a time; memory holds no row longer.

What must be known of all records at once (ids, families, contents, pictures) is kept as a few dozen bytes each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64, UInt8

from pipeline.gates.leakage import Sketches
from pipeline.gates.rows import (
    CONTENT_BYTES,
    MAX_REPLACED,
    Row,
    content_of,
    faults_shown,
    faults_told,
    rows_of,
    sprite_of,
)
from pipeline.records import SPLITS
from pipeline.release import Gate, Manifest, Release
from pipeline.schema import QUARANTINE_SPLIT, record_layouts, windows_config
from pipeline.shards import batches

MIN_CAPTION = 20  # characters, of a release that does not say it: less says nothing about a picture
WORST = 20  # ids named per gate
_SEEN = pa.schema(
    [("id", pa.string()), ("group", pa.string()), ("split", pa.uint8()), ("content", pa.binary(CONTENT_BYTES))]
)


@dataclass(slots=True)
class Offenders:
    """The records against each gate: how many, and the first few by name."""

    counts: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add(self, gate: str, who: str) -> None:
        """Note one more."""
        self.counts[gate] += 1
        first = self.named.setdefault(gate, [])
        if len(first) < WORST:
            first.append(who)


@dataclass(slots=True)
class Findings:
    """What one pass over a release saw."""

    offenders: Offenders = field(default_factory=Offenders)
    tokens: Int64[np.ndarray, "256"] = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    seen: list[pa.RecordBatch] = field(default_factory=list)  # id, group, split (its place), content of each record
    unread: int = 0  # records that no gate could be asked about
    sketches: Sketches | None = None  # where the pictures go, in the order of `seen`

    @property
    def records(self) -> int:
        """Count the records that were looked at."""
        return sum(batch.num_rows for batch in self.seen)

    def table(self) -> pa.Table:
        """Return id, group, split (its place in SPLITS) and content of each record, in order."""
        return pa.Table.from_batches(self.seen, schema=_SEEN)


def look(release: Release, sketches: Sketches | None = None) -> Findings:
    """Look at every record of a release once, through all its configs; `sketches` are given what the records show."""
    findings = Findings(sketches=sketches)
    names = list(record_layouts(sides_of(release.manifest)))
    for name in _unknown(release.manifest):
        findings.offenders.add("schema", f"{name} is unknown to this version")
    for place, split in enumerate(SPLITS):
        last = ""
        for files in zip(*(release.shards(name, split) for name in names), strict=True):
            paths = {name: release.folder / file.file for name, file in zip(names, files, strict=True)}
            if wrong := _wrong_schemas(paths, release.manifest):
                findings.offenders.add("schema", ", ".join(f"{name}/{split}" for name in wrong))
                findings.unread += files[0].rows
                continue
            for tables in zip(*(batches(path) for path in paths.values()), strict=True):
                last = _look(dict(zip(names, tables, strict=True)), place, last, release, findings)
    _compare_all(findings.table(), findings.offenders)
    return findings


def sides_of(manifest: Manifest) -> tuple[int, ...]:
    """Return the sides of the windows that are written out and can be: odd ones, under the name of their config."""
    return tuple(k for k in manifest.windows if k % 2 and windows_config(k) in manifest.configs)


def _unknown(manifest: Manifest) -> Iterator[str]:
    """Yield what the manifest lists and no gate looks at: configs, or splits of one, that are never written."""
    known = {**dict.fromkeys(record_layouts(sides_of(manifest)), SPLITS), "quarantine": (QUARANTINE_SPLIT,)}
    for name, splits in sorted(manifest.configs.items()):
        if name not in known:
            yield name
        else:
            yield from (f"{name}/{split}" for split in sorted(set(splits) - set(known[name])))


def _wrong_schemas(paths: Mapping[str, Path], manifest: Manifest) -> list[str]:
    layouts = record_layouts(sides_of(manifest))
    asked = {name: layouts[name].schema for name in paths}
    found = {name: pq.read_schema(path) for name, path in paths.items()}
    return [n for n, one in found.items() if not one.equals(asked[n]) or one.metadata != asked[n].metadata]


def _look(tables: Mapping[str, pa.Table], place: int, last: str, release: Release, findings: Findings) -> str:
    """Look at a batch of records; return the id of its last one, which the next batch must come after."""
    bad, split = findings.offenders, SPLITS[place]
    for name, table in tables.items():
        if any(_holds_null(column.combine_chunks()) for column in table.columns):
            bad.add("schema", f"{name}/{split} holds an empty value")
            findings.unread += table.num_rows
            return last
    keys = tables["records"].column("id").to_pylist()
    if [last, *keys] != sorted([last, *keys]) or any(
        table.column("id").to_pylist() != keys for table in tables.values()
    ):
        bad.add("order", f"{split}, records from {keys[0]}")
        findings.unread += len(keys)
        return str(keys[-1])
    rows = list(rows_of(tables, sides_of(release.manifest)))
    sprites = [_look_at(row, release, findings) for row in rows]
    if findings.sketches is not None:
        findings.sketches.add(sprites)
    columns = {
        "id": tables["records"].column("id").combine_chunks(),
        "group": tables["records"].column("group").combine_chunks(),
        "split": pa.array([place] * len(keys), type=pa.uint8()),
        "content": pa.array(map(content_of, rows), type=pa.binary(CONTENT_BYTES)),
    }
    findings.seen.append(pa.RecordBatch.from_pydict(columns, schema=_SEEN))
    return str(keys[-1])


def _holds_null(column: pa.Array) -> bool:
    """Tell whether a value, or a value inside it, is missing."""
    if column.null_count:
        return True
    if pa.types.is_struct(column.type) or pa.types.is_list(column.type):
        inside = column.flatten()
        return any(map(_holds_null, inside if isinstance(inside, list) else [inside]))
    return False


def _look_at(row: Row, release: Release, findings: Findings) -> UInt8[np.ndarray, "h w"] | None:
    """Note what one record trips; return its sprite, or None when it cannot be read."""
    findings.tokens += np.bincount(row.ids, minlength=256)
    sprite = sprite_of(row, release)
    if not len(row.ids) or int(row.ids.max()) >= len(release.vocabulary):
        faults = ["vocabulary"]
    else:
        faults = ["decode"] if sprite is None else list(faults_shown(row, sprite, release))
    for gate in (*faults, *faults_told(row.record, least_caption(release.manifest))):
        findings.offenders.add(gate, str(row.record["id"]))
    return sprite


def least_caption(manifest: Manifest) -> int:
    """Return how many characters a caption of this release must have."""
    return int(manifest.transform["parameters"].get("min_caption", MIN_CAPTION))


def _compare_all(seen: pa.Table, bad: Offenders) -> None:
    """Note ids that stand twice, records that show and say the same, and families in more than one split."""
    for column, gate in (("id", "ids"), ("content", "duplicates")):
        codes, _ = _codes(seen, column)
        first = np.unique(codes, return_index=True)[1]
        for position in np.setdiff1d(np.arange(len(codes)), first).tolist():
            bad.add(gate, seen.column("id")[position].as_py())
    codes, groups = _codes(seen, "group")
    places = seen.column("split").to_numpy()
    least, most = np.full(len(groups), len(SPLITS)), np.full(len(groups), -1)
    np.minimum.at(least, codes, places)
    np.maximum.at(most, codes, places)
    for group in np.flatnonzero(least != most).tolist():
        bad.add("splits", groups[group].as_py())


def _codes(table: pa.Table, column: str) -> tuple[Int64[np.ndarray, "n"], pa.Array]:
    """Return a column as places in the array of its different values."""
    encoded = table.column(column).combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary


def record_gates(findings: Findings, manifest: Manifest) -> tuple[Gate, ...]:
    """Return the gates that one pass over the records answers; what could not be asked of a record does not pass."""
    bad = findings.offenders
    gates = []
    for name, limit in RECORD_GATES.items():
        count = bad.counts[name]
        unread = 0 if name in ("schema", "order") else findings.unread
        value = f"{count:,} against it" if count else f"holds for {findings.records:,} records"
        if name == "windows" and not sides_of(manifest):
            value = "none are written out"
        gates.append(
            Gate(
                name=name,
                limit=limit.format(least=least_caption(manifest)),
                value=f"{value}; {unread:,} could not be read" if unread else value,
                passed=not count and not unread,
                worst=tuple(bad.named.get(name, ())),
            )
        )
    return tuple(gates)


RECORD_GATES = {
    "schema": "every config is known, every file has its config's schema, and no value is missing",
    "order": "all configs hold the same ids, sorted",
    "ids": "every id is unique",
    "digests": "every record's digest is that of what it says and shows",
    "duplicates": "no two records show and say the same",
    "vocabulary": "every id is within the vocabulary",
    "decode": "every record's ids decode to its picture and caption",
    "windows": "every record's windows are those of its ids",
    "sprites": "no sprite is blank or of one colour",
    "captions": "every caption has at least {least} characters",
    "replaced": f"at most {MAX_REPLACED:.0%} of a caption's characters had no token",
    "licence": "every record has a licence and an attribution",
    "splits": "every family is in one split",
}
