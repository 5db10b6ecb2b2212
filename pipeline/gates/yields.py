"""The gates about how much came through, of the list, the text, the splits and the last release; and why not all."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.diff import diff, reasons_of
from pipeline.gates.records import WORST
from pipeline.records import SPLITS
from pipeline.release import Gate, Manifest, Release
from pipeline.schema import QUARANTINE_SPLIT
from pipeline.shards import batches

MAX_LOSS = 0.05  # share of the last release's records that may go missing
NAMED_REASONS = 3  # in a gate's value
LONGEST_REASON = 90  # characters
MOST_REASONS = 1_000  # kept apart: reasons quote the site, which may never say the same twice
OTHER = "other reasons"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropGroup:
    """Records that were dropped at one stage for one reason."""

    stage: str
    reason: str  # without what differs from record to record; as it stands where there is one record
    count: int
    ids: tuple[str, ...]  # the first of them; names where a row of the list had no id


def drop_groups(release: Release, most: int | None = WORST) -> tuple[DropGroup, ...]:
    """Return a release's quarantine by stage and reason, the largest group first, with so many ids each or all."""
    counts: Counter[tuple[str, str]] = Counter()
    ids: dict[tuple[str, str], list[str]] = {}
    whole: dict[tuple[str, str], str] = {}
    if "quarantine" in release.manifest.configs:
        for shard in release.shards("quarantine", QUARANTINE_SPLIT):
            for table in batches(release.folder / shard.file, ["id", "name", "stage", "reason"]):
                for row in table.to_pylist():
                    group = (str(row["stage"]), plain_reason(str(row["reason"])))
                    if group not in counts and len(counts) >= MOST_REASONS:
                        group = (group[0], OTHER)
                    counts[group] += 1
                    whole.setdefault(group, _clipped(str(row["reason"])))
                    named = ids.setdefault(group, [])
                    if most is None or len(named) < most:
                        named.append(_one_line(str(row["id"] or row["name"])))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        DropGroup(stage=group[0], reason=group[1] if count > 1 else whole[group], count=count, ids=tuple(ids[group]))
        for group, count in ordered
    )


def plain_reason(reason: str) -> str:
    """Return a reason without what differs from record to record: addresses, ids, quotations, numbers; one line.

    >>> plain_reason("row 12: the file 'a b.png' is 9000×9000 px, see https://example.org/a")
    'row N: the file ‘…’ is N×N px, see …'
    """
    for pattern, instead in _VARIES:
        reason = pattern.sub(instead, reason)
    return _clipped(reason)


_VARIES = (
    (re.compile(r"https?://\S+"), "…"),
    (re.compile(r"\b\d{2,}-[^\s,;:]+"), "…"),  # an id, such as 0001-aardart
    (re.compile(r"'[^']*'|\"[^\"]*\""), "‘…’"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
)


def _clipped(text: str) -> str:
    told = _one_line(text)
    return told if len(told) <= LONGEST_REASON else f"{told[: LONGEST_REASON - 1]}…"


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(text.split()))


def yield_gates(release: Release, old: Release | None) -> tuple[Gate, ...]:
    """Return the gates about a release's counts, and about its loss when there is a last release."""
    gates = [_listing_count(release.manifest), _yield(release)]
    gates += [gate(release.manifest) for gate in (_text_ratio, _split_counts)]
    return tuple(gates if old is None else [*gates, _loss(release, old)])


def _listing_count(manifest: Manifest) -> Gate:
    least = int(manifest.transform["parameters"]["assertions"]["min_listings"])
    listed = manifest.yields["listed"]
    return Gate(name="listings", limit=f"at least {least:,}", value=f"{listed:,}", passed=listed >= least)


def _yield(release: Release) -> Gate:
    """Return the gate about the records built of those listed, with the stages between and what stopped the others."""
    manifest = release.manifest
    least = float(manifest.transform["parameters"]["assertions"]["min_description_yield"])
    listed, joined, built = (manifest.yields[stage] for stage in ("listed", "joined", "built"))
    reached = built / max(1, listed)
    groups = drop_groups(release)
    value = f"{reached:.1%}: {listed:,} listed → {joined:,} joined → {built:,} built"
    if groups:
        value += f"; {_reasons((group.count, f'{group.stage}: {group.reason}') for group in groups)}"
    passed = reached >= least
    dropped = tuple(key for group in groups for key in group.ids)[:WORST]
    return Gate(
        name="yield",
        limit=f"at least {least:.1%} of the list",
        value=value,
        passed=passed,
        worst=() if passed else dropped,
    )


def _reasons(counted: Iterable[tuple[int, str]]) -> str:
    """Return the first few reasons with their counts, and how many records left for others."""
    told = list(counted)
    named = [f"{count:,} × {reason}" for count, reason in told[:NAMED_REASONS]]
    if rest := sum(count for count, _ in told[NAMED_REASONS:]):
        named.append(f"{rest:,} × {OTHER}")
    return "; ".join(named)


def _text_ratio(manifest: Manifest) -> Gate:
    low, high = manifest.transform["parameters"]["assertions"]["text_ratio"]
    ratio = manifest.text_ratio
    return Gate(name="text_ratio", limit=f"{low:.2f} to {high:.2f}", value=f"{ratio:.3f}", passed=low <= ratio <= high)


def _split_counts(manifest: Manifest) -> Gate:
    empty = [split for split in SPLITS if not manifest.counts[split]]
    value = ", ".join(f"{split} {manifest.counts[split]:,}" for split in SPLITS)
    return Gate(name="split_sizes", limit="no split is empty", value=value, passed=not empty)


def _loss(new: Release, old: Release) -> Gate:
    """Return the gate about records of the last release that are gone, with why they left."""
    before, after = (sum(release.manifest.counts.values()) for release in (old, new))
    passed = max(0.0, 1 - after / max(1, before)) <= MAX_LOSS
    removed = diff(old, new).removed
    value = f"{before:,} → {after:,}"
    if removed:
        why = Counter(map(plain_reason, reasons_of(new, removed).values())).most_common()
        value += f"; {len(removed):,} left: {_reasons((count, reason) for reason, count in why)}"
    return Gate(
        name="loss",
        limit=f"at most {MAX_LOSS:.0%} fewer records than {old.manifest.version}",
        value=value,
        passed=passed,
        worst=() if passed else removed[:WORST],
    )


YIELD_GATES = ("listings", "yield", "text_ratio", "split_sizes", "loss")
