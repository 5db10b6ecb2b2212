"""The one place that composes the stages: raw store → release folder. The unit of work is a shard."""

import multiprocessing
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipeline import rows
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.sources import Source
from pipeline.crawl.survey import Lists, read_lists
from pipeline.entries import join, without_twins
from pipeline.locks import only_one
from pipeline.records import SPLITS, Dropped, Entry
from pipeline.release import UNRELEASED, Manifest, Release, code_version, write_text
from pipeline.schema import QUARANTINE_SPLIT, quarantine_layout
from pipeline.shard_build import BuildConfig, ShardReport, ShardTask, build_shard
from pipeline.shards import ShardFile, ShardWriter, shard_name

TRANSFORM_VERSION = 2  # raise it whenever the same raw bytes would give other rows
SHARD_ROWS = 1024  # records of a shard; the number of shards is a power of two, so that growth rarely moves a border
Progress = Callable[[int, int], None]  # records done, records in all


def build(  # noqa: PLR0913 - the command's own options
    source: Source,
    store: RawStore,
    out: Path,
    *,
    name: str,
    config: BuildConfig = BuildConfig(),  # noqa: B008 - frozen
    crawl: str | None = None,
    workers: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> Release:
    """Build a release folder at `out` from a finished crawl of a raw store: the newest, or the one named `crawl`.

    The same crawl and config give the same Parquet bytes, on any number of workers. The folder appears whole or
    not at all; one that stood there is replaced. ValueError when there is no crawl, or nothing in it can be built.
    """
    require_replaceable(out)
    config.vocabulary()  # speaks of an unknown palette before any work is done
    with only_one(store.root, "building from"):
        chosen = store.crawl(crawl) if crawl else store.latest_crawl()
        if chosen is None:
            raise ValueError(f"{store.root} holds no finished crawl: crawl {source.name} first.")
        lists = read_lists(chosen, store, source)
        unread = _unread(lists)
        joined, unjoined = join(lists.listings, chosen.resources)
        entries, twins = without_twins(joined)
        draft = _draft(out, source)
        reports = list(_run(list(_tasks(entries, store, draft, source, config)), workers, progress))
        dropped = [*unread, *unjoined, *twins, *(drop for report in reports for drop in report.dropped)]
        if not any(report.rows for report in reports):
            raise ValueError(f"no record could be built from crawl {chosen.name}: {_reasons(dropped)}.")
        manifest = _manifest(name, source, chosen, config, reports)
        quarantine = _write_quarantine(draft, sorted(dropped, key=lambda drop: (drop.id, drop.stage, drop.reason)))
        write_text(draft / "palettes" / f"{manifest.palette['name']}.gpl", config.vocabulary().palette.gpl())
        Release(folder=draft, manifest=manifest).with_manifest(
            configs={**manifest.configs, "quarantine": {QUARANTINE_SPLIT: (quarantine,)}},
            quarantine=dict(sorted(Counter(drop.stage for drop in dropped).items())),
            yields={"listed": len(lists.listings) + len(unread), "joined": len(joined), **manifest.yields},
        )
        return Release.open(_swap(draft, out))


def _draft(out: Path, source: Source) -> Path:
    """Return a new folder to build in; what may not go out is not for every eye here either."""
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    draft.mkdir(mode=0o700 if source.withheld else 0o777)
    return draft


def _manifest(name: str, source: Source, crawl: Crawl, config: BuildConfig, reports: Sequence[ShardReport]) -> Manifest:
    """Return what the shards amount to; the quarantine and the earlier yields are added by the caller."""
    vocabulary = config.vocabulary()
    tokens = dict(sum((Counter(report.tokens) for report in reports), Counter()))
    shards = [(report.split, report.digest) for report in reports]
    counts: dict[str, int] = {
        split: sum(report.rows for report in reports if report.split == split) for split in SPLITS
    }
    return Manifest(
        name=name,
        title=source.title,
        source=source.name,
        crawl=crawl.name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=code_version(),
        transform={"version": TRANSFORM_VERSION, "parameters": _parameters(config, source)},
        palette={"name": vocabulary.palette.name, "digest": vocabulary.palette.digest},
        vocabulary={"size": len(vocabulary), "digest": vocabulary.digest},
        k=config.k,
        counts=counts,
        tokens=tokens,
        text_ratio=round(tokens["text"] / (tokens["text"] + tokens["pixel"]), 4),
        configs=_files(reports),
        digest=rows.release_digest(
            shards, rows.meaning_of_ids(TRANSFORM_VERSION, config.k, config.max_side, vocabulary)
        ),
        licences=tuple(sorted({licence for report in reports for licence in report.licences})),
        withheld=source.withheld,
        quarantine={},
        yields={"built": sum(counts.values())},
    )


def _unread(lists: Lists) -> list[Dropped]:
    """Return the rows of the lists that were not understood."""
    return [
        Dropped(id="", name=row.text, stage="list", reason=f"{row.where}: {row.reason}", source_url=url)
        for url, row in lists.unparsed
    ]


def shard_count(records: int) -> int:
    """Return how many shards hold so many records: a power of two.

    >>> [shard_count(n) for n in (0, 1, 1024, 1025, 5000)]
    [1, 1, 1, 2, 8]
    """
    return 1 << (max(0, records - 1) // SHARD_ROWS).bit_length()


def _tasks(
    entries: Sequence[Entry], store: RawStore, out: Path, source: Source, config: BuildConfig
) -> Iterator[ShardTask]:
    for split in SPLITS:
        chosen = [entry for entry in entries if entry.split == split]
        count = shard_count(len(chosen))
        borders = np.linspace(0, len(chosen), count + 1).astype(int)
        for index in range(count):
            part = tuple(chosen[borders[index] : borders[index + 1]])
            yield ShardTask(
                split=split,
                index=index,
                count=count,
                entries=part,
                raw=store.root,
                out=out,
                source=source,
                config=config,
            )


def _run(tasks: Sequence[ShardTask], workers: int, progress: Progress) -> Iterator[ShardReport]:
    """Yield the reports in order, from this process or from several; `spawn` because threads may be about."""
    total, done = sum(len(task.entries) for task in tasks), 0
    progress(0, total)
    with ExitStack() as stack:
        if workers > 1:
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context))
            reports: Iterable[ShardReport] = pool.map(build_shard, tasks)
        else:
            reports = map(build_shard, tasks)
        for task, report in zip(tasks, reports, strict=True):
            done += len(task.entries)
            progress(done, total)
            yield report


def _files(reports: Sequence[ShardReport]) -> dict[str, dict[str, tuple[ShardFile, ...]]]:
    names = sorted({name for report in reports for name in report.files})
    return {
        name: {split: tuple(r.files[name] for r in reports if r.split == split) for split in SPLITS} for name in names
    }


def _write_quarantine(out: Path, dropped: Sequence[Dropped]) -> ShardFile:
    with ShardWriter(out, shard_name("quarantine", QUARANTINE_SPLIT, 0, 1), quarantine_layout()) as writer:
        writer.write(rows.quarantine_batch(dropped))
        return writer.close()


def _parameters(config: BuildConfig, source: Source) -> dict[str, object]:
    return {**asdict(config), "shard_rows": SHARD_ROWS, "assertions": asdict(source.assertions)}


def _reasons(dropped: Sequence[Dropped]) -> str:
    counted = Counter(f"{drop.stage}: {drop.reason}" for drop in dropped).most_common(3)
    return "; ".join(f"{count} × {reason}" for reason, count in counted) or "it lists nothing"


def require_replaceable(out: Path) -> None:
    """Refuse to put a build where something else stands: only nothing, an empty folder or an older build may go."""
    if out.is_symlink() or not out.name:
        raise ValueError(f"{out} is a link or has no name of its own: give the path of a new folder.")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "manifest.json").is_file() or Release.open(out).manifest.version != UNRELEASED:
        raise ValueError(f"{out} holds something else than an unpublished build: give the path of a new folder.")


def _swap(draft: Path, out: Path) -> Path:
    """Put the finished folder in its place; an older one goes only once the new one is there."""
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    draft.replace(out)
    shutil.rmtree(old, ignore_errors=True)
    return out
