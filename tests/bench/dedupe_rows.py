"""How many new bytes the next release uploads when one record in a hundred changed, by the chunker that the Hub uses.

`python -m tests.bench dedupe`: builds a release and its successors (some minutes), and hands both to hf_xet, which
finds the pieces that a store on disk has already; nothing leaves this machine. A changed record costs the whole piece
around it, of 64 KiB on average: as 160 records of `tokens` fill one, changes strewn evenly renew most of them, whatever
the layout; changes that lie together renew few. Beside it what whole files by SHA-256 give, the way of LFS.
"""

import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_XET_LOG_DEST", os.devnull)  # it would write into the user's cache

import hf_xet  # type: ignore[import-untyped]  # it comes without types

from pipeline.build import build
from pipeline.recipe import BuildConfig
from pipeline.release import Release
from pipeline.shards import file_sha256
from tests.augmented import augmented, make_large_store, picture
from tests.bench.build_rows import scratch
from tests.bench.one_build import NAME
from tests.bench.rows import Row
from tests.raw_stores import Creature, sample_source

RECORDS = 10_000
CHANGED = RECORDS // 100
MOST_NEW = 0.25  # of the release, what 1 % of records may renew
CONFIGS = ("records", "tokens", "windows_k3")
PLACE = 5000  # number of the creature behind which new ones are put
FAMILY = 8  # creatures of one family
SAID = "Seen anew beside a river. "

Change = Callable[[Sequence[Creature], Sequence[int]], list[Creature]]


class New(NamedTuple):
    """What the files of one config cost to upload, in bytes."""

    size: int
    new: int  # that no piece of the release before had
    files: int  # of files that the release before had not: what LFS uploads


def rows() -> Iterator[Row]:
    """Yield, for each way of changing 1 % of records, the share of new bytes: per config, and of the whole release."""
    beasts = list(augmented(RECORDS))
    strewn = sorted(random.Random(1).sample(range(RECORDS), CHANGED))  # noqa: S311 - a seeded choice
    with scratch() as folder:
        before = _built(folder, "before", beasts)
        for name, change in CHANGES.items():
            after = _built(folder, name, change(beasts, strewn))
            found = {config: new_bytes(_files(before, (config,)), _files(after, (config,))) for config in CONFIGS}
            found["in all, without windows"] = _sum(found["records"], found["tokens"])
            found["in all"] = _sum(*(found[config] for config in CONFIGS))
            for config, cost in found.items():
                yield _row(f"dedupe, {name}, {config}", cost)


def new_bytes(before: Sequence[Path], after: Sequence[Path]) -> New:
    """Return what uploading the files `after` costs where those `before` are already; in a store that goes away."""
    with tempfile.TemporaryDirectory() as place:
        session = hf_xet.XetSession()
        _uploaded(session, place, before)
        found = _uploaded(session, place, after)
    known = {file_sha256(file) for file in before}
    files = sum(file.stat().st_size for file in after if file_sha256(file) not in known)
    return New(found.total_bytes, found.new_bytes, files)


def _uploaded(session: hf_xet.XetSession, place: str, files: Sequence[Path]) -> hf_xet.DeduplicationMetrics:
    commit = session.new_upload_commit(endpoint=f"local://{place}")
    for file in files:
        commit.start_upload_file(str(file))
    return commit.wait_to_finish().dedup_metrics


def _row(name: str, cost: New) -> Row:
    new, files = (part / cost.size for part in (cost.new, cost.files))
    note = f"{new:.0%} of {cost.size / 1e6:.2f} MB are new; by whole files {files:.0%}"
    return Row(name=name, unit="bytes released a byte sent", reference="the whole release", usual=1,
               ours=cost.size / max(1, cost.new), target=1 / MOST_NEW, note=note)  # fmt: skip


def _sum(*costs: New) -> New:
    return New(*(sum(parts) for parts in zip(*costs, strict=True)))


def _built(folder: Path, name: str, beasts: Sequence[Creature]) -> Release:
    store = make_large_store(folder / f"{name} raw", beasts)
    return build(sample_source(), store, folder / name, name=NAME, config=BuildConfig(windows=(3,)))


def _files(release: Release, configs: Sequence[str]) -> list[Path]:
    return sorted(file for config in configs for file in (release.folder / config).glob("*.parquet"))


def _said_anew(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    made = list(beasts)
    for place in places:
        made[place] = replace(made[place], text=SAID + made[place].text)
    return made


def _drawn_anew(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    made = list(beasts)
    for place in places:
        made[place] = replace(made[place], picture=picture(2 * RECORDS + place))
    return made


def _removed(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    gone = set(places)
    return [beast for place, beast in enumerate(beasts) if place not in gone]


def _new(beast: Creature, order: int) -> Creature:
    """Return a creature that looks and says else than any other; its key stands behind that of `beast`."""
    return replace(beast, name=f"{beast.name}x{order:05d}", family=f"new {order // FAMILY}",
                   picture=picture(4 * RECORDS + order), text=f"New is number {order}. {beast.text}")  # fmt: skip


def _added(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    return [*beasts, *(_new(beasts[place], order) for order, place in enumerate(places))]


def _inserted(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    texts = (beasts[place].text for place in places)  # as different from one another as elsewhere
    return [*beasts, *(_new(replace(beasts[PLACE], text=text), order) for order, text in enumerate(texts))]


def _side_by_side(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    return _said_anew(beasts, range(PLACE, PLACE + len(places)))


def _at_the_end(beasts: Sequence[Creature], places: Sequence[int]) -> list[Creature]:
    return list(augmented(len(beasts) + len(places)))


CHANGES: dict[str, Change] = {
    "texts here and there": _said_anew,
    "pictures here and there": _drawn_anew,
    "removed here and there": _removed,
    "added here and there": _added,
    "texts side by side": _side_by_side,
    "added in one place": _inserted,
    "added at the end": _at_the_end,
}
