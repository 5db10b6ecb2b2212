"""What a release holds, in numbers: one pass over its shards, in memory that does not grow with the records.

Axes: N records of a shard, V ids of the vocabulary, C colours of the palette.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64, Integer

from palettes.palette import Palette
from palettes.vocabulary import FIRST_COLOUR, SEPARATORS
from pipeline.bare import sprite_of
from pipeline.cards.credits import Credits
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.schema import QUARANTINE_SPLIT, withheld_columns
from pipeline.shards import batches

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
REASONS = 10  # of drops that are named
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|«[^»]*»")
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_ADDRESS = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """How often each whole number was seen: `counts[n]` times n."""

    counts: Int64[np.ndarray, "n"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def plus(self, values: Integer[np.ndarray, "m"]) -> "Tally":
        """Return the tally with further numbers, none below 0."""
        more = np.bincount(values.astype(np.int64), minlength=len(self.counts)).astype(np.int64)
        more[: len(self.counts)] += self.counts
        return Tally(more)

    @property
    def seen(self) -> int:
        """Return how many numbers were seen."""
        return int(self.counts.sum())

    @property
    def total(self) -> int:
        """Return the sum of the numbers."""
        return int(self.counts @ np.arange(len(self.counts)))

    @property
    def mean(self) -> float:
        """Return their mean; 0 when none was seen."""
        return self.total / self.seen if self.seen else 0.0

    def quantile(self, share: float) -> int:
        """Return the least number that at least this share of the numbers does not exceed; 0 when none was seen.

        >>> Tally().plus(np.array([1, 2, 3, 10])).quantile(0.5)
        2
        """
        if not self.seen:
            return 0
        wanted = max(1, int(np.ceil(share * self.seen)))
        return int(np.searchsorted(np.cumsum(self.counts), wanted))

    def quantiles(self) -> tuple[int, ...]:
        """Return the numbers at QUANTILES."""
        return tuple(self.quantile(share) for share in QUANTILES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statistics:
    """What the documents of a release say about its rows; what a bare release leaves out was never seen."""

    records: dict[str, dict[str, int]]  # by split, by language
    families: dict[str, int]  # by split
    captions: Tally  # characters of each caption
    lengths: Tally  # ids of each record
    colours: Tally  # different colours of each sprite
    sizes: Int64[np.ndarray, "_ _"]  # how many sprites have the height and width
    ids: Int64[np.ndarray, "V"]  # how often each id stands in the release
    replaced: Tally  # characters of each record's text that had no token
    dropped: tuple[tuple[str, str, int], ...]  # stage, kind of reason, how many; the most common first

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages of the records, in order."""
        return tuple(sorted({language for counts in self.records.values() for language in counts}))

    @property
    def palette_use(self) -> Int64[np.ndarray, "C"]:
        """Return how many pixels have each colour."""
        return self.ids[FIRST_COLOUR:]

    @property
    def characters(self) -> Int64[np.ndarray, "b"]:
        """Return how often each byte stands in shapes and captions, separators left out as 0."""
        found: Int64[np.ndarray, "b"] = self.ids[:FIRST_COLOUR].copy()
        found[list(SEPARATORS)] = 0
        return found


@dataclass(slots=True)
class _Sums:
    """What one pass adds up; everything here is as large as the vocabulary, the longest record or the families."""

    records: dict[str, Counter[str]]
    families: dict[str, set[str]]
    sizes: Int64[np.ndarray, "_ _"]
    ids: Int64[np.ndarray, "V"]
    captions: Tally = field(default_factory=Tally)
    lengths: Tally = field(default_factory=Tally)
    colours: Tally = field(default_factory=Tally)
    replaced: Tally = field(default_factory=Tally)


def statistics(release: Release, credits_: Credits) -> Statistics:
    """Return the statistics of a release; `credits_` are given what its records state.

    Each shard of `records`, `tokens` and `quarantine` is read once, a few hundred rows at a time. A bare release has
    no tokens: its pictures, if it holds them, are counted as they lie in `records`.
    """
    bare = release.manifest.without
    lost = withheld_columns(bare)
    columns = [name for name in (*_RECORDS, *(("image",) if bare else ())) if name not in lost]
    size = int(release.manifest.vocabulary["size"])
    sums = _Sums(
        records={split: Counter() for split in SPLITS},
        families={split: set() for split in SPLITS},
        sizes=np.zeros((256, 256), dtype=np.int64),
        ids=np.zeros(size, dtype=np.int64),
    )
    for split in SPLITS:
        for shard in release.shards("records", split):
            for table in batches(release.folder / shard.file, columns):
                _add_records(sums, split, table)
                if "image" in columns:
                    _add_pictures(sums, table, release.palette)
                credits_.add(zip(*(table.column(name).to_pylist() for name in _CREDITS), strict=True))
        for shard in () if bare else release.shards("tokens", split):
            for table in batches(release.folder / shard.file, ["tokens", "h", "w"]):
                _add_tokens(sums, table)
    return Statistics(
        records={split: dict(sorted(counts.items())) for split, counts in sums.records.items()},
        families={split: len(groups) for split, groups in sums.families.items()},
        captions=sums.captions,
        lengths=sums.lengths,
        colours=sums.colours,
        sizes=sums.sizes,
        ids=sums.ids,
        replaced=sums.replaced,
        dropped=_dropped(release),
    )


_CREDITS = ("licence", "attribution")
_RECORDS = ["caption", "group", "language", "replaced", *_CREDITS]


def _add_records(sums: _Sums, split: str, table: pa.Table) -> None:
    column = dict(zip(table.column_names, table.columns, strict=True))
    sums.records[split].update(_counted(column["language"]))
    sums.families[split].update(pc.unique(column["group"]).to_pylist())
    if "caption" in column:
        sums.captions = sums.captions.plus(pc.utf8_length(column["caption"]).to_numpy())
        sums.replaced = sums.replaced.plus(column["replaced"].to_numpy())


def _add_pictures(sums: _Sums, table: pa.Table, palette: Palette) -> None:
    found = (sprite_of(row, palette) for row in table.select(["image"]).to_pylist())
    for sprite in (sprite for sprite in found if sprite is not None):
        counts = np.bincount(sprite.ravel(), minlength=len(palette))
        sums.ids[FIRST_COLOUR : FIRST_COLOUR + len(palette)] += counts
        sums.colours = sums.colours.plus(np.array([(counts > 0).sum()]))
        sums.sizes[sprite.shape] += 1


def _add_tokens(sums: _Sums, table: pa.Table) -> None:
    for batch in table.to_batches():
        tokens = batch.column("tokens")
        ids = tokens.flatten().to_numpy()
        lengths = pc.list_value_length(tokens).to_numpy()
        sums.lengths = sums.lengths.plus(lengths)
        size = len(sums.ids)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        by_record = np.bincount(owner * 256 + ids, minlength=len(lengths) * 256).reshape(-1, 256)  # (N, 256)
        sums.ids += by_record.sum(axis=0)[:size]
        sums.colours = sums.colours.plus((by_record[:, FIRST_COLOUR:size] > 0).sum(axis=1))
        np.add.at(sums.sizes, (batch.column("h").to_numpy(), batch.column("w").to_numpy()), 1)


def _counted(column: pa.ChunkedArray) -> Mapping[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist()}


def _dropped(release: Release) -> tuple[tuple[str, str, int], ...]:
    """Return the most common reasons for which records are missing, with what is particular to one record left out."""
    counted: Counter[tuple[str, str]] = Counter()
    if "quarantine" in release.manifest.configs:
        for shard in release.shards("quarantine", QUARANTINE_SPLIT):
            for table in batches(release.folder / shard.file, ["stage", "reason"]):
                counted.update(_reasons(table))
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple((stage, reason, count) for (stage, reason), count in ordered[:REASONS])


def _reasons(table: pa.Table) -> Iterator[tuple[str, str]]:
    pairs: Iterable[tuple[str, str]] = zip(
        table.column("stage").to_pylist(), table.column("reason").to_pylist(), strict=True
    )
    return ((stage, kind_of(reason)) for stage, reason in pairs)


def kind_of(reason: str) -> str:
    """Return a reason without the names, addresses and numbers of the one record it was given for.

    >>> kind_of("page 'Aardart' has 3 sections, none of 12")
    "page '…' has … sections, none of …"
    """
    bare = _ADDRESS.sub("…", _QUOTED.sub(lambda found: f"{found[0][0]}…{found[0][-1]}", reason))
    return _NUMBER.sub("…", bare)
