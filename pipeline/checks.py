"""What a release must satisfy before anyone sees it: gates, each with its limit, its value and the worst records."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from palettes.vocabulary import Vocabulary
from pipeline.records import SPLITS
from pipeline.release import Gate, Manifest, Release
from pipeline.rows import sprite_png
from pipeline.schema import record_layouts, windows_config
from pipeline.tokenizer import decode_record, grids
from pipeline.windows import record_windows

MIN_CAPTION = 20  # characters: less says nothing about a picture
MAX_REPLACED = 0.1  # share of a caption's characters that had no token
MAX_LOSS = 0.05  # share of the last release's records that may go missing
WORST = 20  # ids named per gate


@dataclass(slots=True)
class Findings:
    """What one pass over a release saw: ids by gate, and the counts that the limits are about."""

    offenders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    ids: Counter[str] = field(default_factory=Counter)
    contents: dict[str, str] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def check(release: Release, against: Release | None = None) -> tuple[Gate, ...]:
    """Return all gates of a release, passed or not; nothing is written.

    Reads each shard once; memory holds one. `against` is the last release, when there is one.
    """
    findings = _findings(release)
    gates = [_record_gate(name, limit, findings) for name, limit in _RECORD_GATES.items()]
    gates += [gate(release.manifest) for gate in _MANIFEST_GATES]
    return tuple(gates if against is None else [*gates, _loss(release.manifest, against.manifest)])


def row_faults(release: Release) -> dict[str, tuple[str, ...]]:
    """Return, by gate, the ids whose windows, ids, pictures and captions do not say the same."""
    offenders = _findings(release).offenders
    return {name: tuple(offenders[name][:WORST]) for name in ("schema", "order", "vocabulary", "decode", "windows")}


def _findings(release: Release) -> Findings:
    """Look at every record once, shard by shard."""
    findings = Findings()
    for split in SPLITS:
        for shard in _shards(release, split):
            _look(shard, split, release, findings)
    for key, groups in findings.groups.items():
        if len(groups) > 1:
            findings.offenders["splits"].append(key)
    findings.offenders["ids"] += [key for key, count in findings.ids.items() if count > 1]
    return findings


def override(gates: tuple[Gate, ...], name: str, because: str) -> tuple[Gate, ...]:
    """Return the gates with one failure let through; the reason goes into the manifest.

    ValueError for a gate that does not exist or a reason that says nothing.
    """
    if name not in {gate.name for gate in gates}:
        raise ValueError(f"gate {name!r} is not known: choose one of {', '.join(gate.name for gate in gates)}.")
    if not because.strip():
        raise ValueError(f"gate {name!r} can only be let through with a reason: add --because TEXT.")
    return tuple(replace(gate, override=because) if gate.name == name and not gate.passed else gate for gate in gates)


def _shards(release: Release, split: str) -> Iterator[dict[str, pa.Table]]:
    """Yield, shard by shard, the table of each config."""
    names = list(record_layouts(release.manifest.k))
    for files in zip(*(release.shards(name, split) for name in names), strict=True):
        yield {name: release.read(file) for name, file in zip(names, files, strict=True)}


def _look(shard: dict[str, pa.Table], split: str, release: Release, findings: Findings) -> None:
    """Look at every record of a shard through all its configs."""
    k = release.manifest.k
    bad = findings.offenders
    for name, layout in record_layouts(k).items():
        found = shard[name].schema
        if not found.equals(layout.schema) or found.metadata != layout.schema.metadata:
            bad["schema"].append(f"{name}/{split}")
            return
    keys = shard["records"].column("id").to_pylist()
    if keys != sorted(keys) or any(shard[name].column("id").to_pylist() != keys for name in shard):
        bad["order"].append(f"{split} shard beginning with {keys[0] if keys else 'nothing'}")
        return
    tokens = shard["tokens"].column("tokens").combine_chunks()
    windows = shard[windows_config(k)].column("windows").combine_chunks()
    for row, record in enumerate(shard["records"].to_pylist()):
        key = record["id"]
        findings.ids[key] += 1
        findings.groups[record["group"]].add(split)
        ids = tokens[row].values.to_numpy()
        stored = windows[row].values.flatten().flatten().to_numpy().reshape(-1, k, k)
        for gate in _record_faults(record, ids, stored, release.vocabulary):
            bad[gate].append(key)
        content = f"{record['caption']}\x00{ids.tobytes().hex()}"
        if findings.contents.setdefault(content, key) != key:
            bad["duplicates"].append(key)


def _record_faults(
    record: dict[str, object], ids: UInt8[np.ndarray, "L"], stored: UInt8[np.ndarray, "L2 k k"], vocabulary: Vocabulary
) -> Iterator[str]:
    """Yield the names of the gates that one record trips."""
    caption = str(record["caption"])
    if not len(ids) or int(ids.max()) >= len(vocabulary):
        yield "vocabulary"
        return
    try:
        sprite, text = decode_record(ids, vocabulary)
    except ValueError:
        yield "decode"
        return
    if not np.array_equal(stored, record_windows(grids(ids), stored.shape[-1])):
        yield "windows"
    image = record["image"]
    shown = image["bytes"] if isinstance(image, dict) else b""
    if text != caption or shown != sprite_png(sprite, vocabulary.palette):
        yield "decode"
    if len(np.unique(sprite)) == 1:
        yield "sprites"
    if len(caption) < MIN_CAPTION:
        yield "captions"
    if int(str(record["replaced"])) > MAX_REPLACED * len(caption):
        yield "replaced"
    if not record["licence"] or not record["attribution"]:
        yield "licence"


_RECORD_GATES = {
    "schema": "every file has its config's schema",
    "order": "all configs hold the same ids, sorted",
    "ids": "every id is unique",
    "duplicates": "no two records show and say the same",
    "vocabulary": "every id is within the vocabulary",
    "decode": "every record's ids decode to its picture and caption",
    "windows": "every record's windows are those of its ids",
    "sprites": "no sprite is blank or of one colour",
    "captions": f"every caption has at least {MIN_CAPTION} characters",
    "replaced": f"at most {MAX_REPLACED:.0%} of a caption's characters had no token",
    "licence": "every record has a licence and an attribution",
    "splits": "every family is in one split",
}


GATE_NAMES = (*_RECORD_GATES, "listings", "yield", "text_ratio", "split_sizes", "loss")


def _record_gate(name: str, limit: str, findings: Findings) -> Gate:
    offenders = findings.offenders.get(name, [])
    value = f"{len(offenders)} against it" if offenders else f"holds for {len(findings.ids)} records"
    return Gate(name=name, limit=limit, value=value, passed=not offenders, worst=tuple(offenders[:WORST]))


def _listing_count(manifest: Manifest) -> Gate:
    least = int(manifest.transform["parameters"]["assertions"]["min_listings"])
    listed = manifest.yields["listed"]
    return Gate(name="listings", limit=f"at least {least}", value=str(listed), passed=listed >= least)


def _description_yield(manifest: Manifest) -> Gate:
    least = float(manifest.transform["parameters"]["assertions"]["min_description_yield"])
    reached = manifest.yields["built"] / max(1, manifest.yields["listed"])
    passed = reached >= least
    return Gate(name="yield", limit=f"at least {least:.1%} of the list", value=f"{reached:.1%}", passed=passed)


def _text_ratio(manifest: Manifest) -> Gate:
    low, high = manifest.transform["parameters"]["assertions"]["text_ratio"]
    ratio = manifest.text_ratio
    return Gate(name="text_ratio", limit=f"{low:.2f} to {high:.2f}", value=f"{ratio:.3f}", passed=low <= ratio <= high)


def _split_counts(manifest: Manifest) -> Gate:
    empty = [split for split in SPLITS if not manifest.counts[split]]
    value = ", ".join(f"{split} {manifest.counts[split]}" for split in SPLITS)
    return Gate(name="split_sizes", limit="no split is empty", value=value, passed=not empty)


_MANIFEST_GATES: tuple[Callable[[Manifest], Gate], ...] = (
    _listing_count,
    _description_yield,
    _text_ratio,
    _split_counts,
)


def _loss(new: Manifest, old: Manifest) -> Gate:
    before, after = sum(old.counts.values()), sum(new.counts.values())
    lost = max(0.0, 1 - after / max(1, before))
    limit = f"at most {MAX_LOSS:.0%} fewer records than {old.version}"
    return Gate(name="loss", limit=limit, value=f"{before} → {after}", passed=lost <= MAX_LOSS)
