"""The one place that composes the stages: raw store → release folder. The unit of work is a shard."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from palettes.vocabulary import Vocabulary
from pipeline import joining, rows
from pipeline.borders import Cut, borders, equal, weights
from pipeline.crawl.ledger import source_line
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import Source
from pipeline.drafts import WORK, draft_for, end_work, forget_others, require_replaceable, scratch_for, swap
from pipeline.engines import Pool, alone
from pipeline.index import FORMAT, BuildIndex, Part, parts
from pipeline.joining import Run
from pipeline.locks import only_one
from pipeline.own_code import code_digest
from pipeline.recipe import TRANSFORM_VERSION, BuildConfig
from pipeline.records import SPLITS
from pipeline.release import Manifest, Release, code_version, made_with, write_text
from pipeline.schema import QUARANTINE_SPLIT, quarantine_layout
from pipeline.shard_build import ShardReport, ShardTask, build_shard, said
from pipeline.shards import ShardFile, ShardWriter, file_sha256, shard_name
from pipeline.sketching import chunks, sketch

SHARD_ROWS = 1024  # records of a shard; the number of shards is a power of two, so that growth rarely moves a border
Progress = Callable[[int, int], None]  # steps done (pictures drawn, records built), and steps in all


@dataclass(slots=True, kw_only=True)
class _Job:
    """One build: what goes in, where it is drafted, and how far it is."""

    source: Source
    store: RawStore
    crawl: str
    name: str
    config: BuildConfig
    vocabulary: Vocabulary  # loaded once: the palette's file may change under a build
    draft: Path
    run: Run
    cut: Cut
    progress: Progress
    scratch: Path = field(init=False)  # where shards grow
    done: int = field(default=0, init=False)
    steps: int = field(default=0, init=False)

    def step(self, more: int) -> None:
        """Tell that so many steps are done."""
        self.done += more
        self.progress(self.done, self.steps)


def build(  # noqa: PLR0913 - the command's own options
    source: Source,
    store: RawStore,
    out: Path,
    *,
    name: str,
    config: BuildConfig | None = None,
    crawl: str | None = None,
    pool: Pool = alone,
    cut: Cut = "by-key",
    progress: Progress = lambda _done, _all: None,
) -> Release:
    """Build a release folder at `out` from a finished crawl of a raw store: the newest, or the one named `crawl`.

    Records are made as the source says, unless another `config` is given, and cut into shards at keys that stay borders
    (pipeline.borders), unless it is an older release that is made again.
    `pool` says where the work is done (pipeline.engines).
    The same crawl and config give the same Parquet bytes, on any number of workers. The folder appears whole or
    not at all; one that stood there is replaced. A build that was killed goes on from the shards that it had finished.
    ValueError when there is no crawl, or nothing in it can be built.
    """
    require_replaceable(out)
    config = config or source.build
    vocabulary = config.vocabulary()  # speaks of an unknown palette before any work is done
    with only_one(store.root, "building from"):
        chosen = crawl or next(reversed(store.crawl_names()), None)
        if chosen is None:
            raise ValueError(f"{store.root} holds no finished crawl: crawl {source.name} first.")
        store.manifest(chosen)  # speaks of a crawl that is not there
        with only_one(out.parent, f"building {out.name} in", f".{out.name}.lock"), pool() as run:
            draft = draft_for(out, secret=bool(source.withheld))
            job = _Job(
                source=source,
                store=store,
                crawl=chosen,
                name=name,
                config=config,
                vocabulary=vocabulary,
                draft=draft,
                run=run,
                cut=cut,
                progress=progress,
            )
            _fill(job)
            end_work(draft)
            return Release.open(swap(draft, out))


def _fill(job: _Job) -> None:
    """Build all of a release in its draft: index, sprites, splits, shards, quarantine, manifest."""
    with BuildIndex(_index(job)) as index:
        _gather(job, index)
        reports = _shards(job, index)
        for report in reports:
            index.add_dropped(report.dropped)
        if not any(report.rows for report in reports):
            raise ValueError(f"no record could be built from crawl {job.crawl}: {_reasons(index)}.")
        forget_others(job.draft, [file.file for report in reports for file in report.files.values()])
        quarantine = _write_quarantine(job.draft, index)
        palette = job.vocabulary.palette
        write_text(job.draft / "palettes" / f"{palette.name}.gpl", palette.gpl())
        Release(folder=job.draft, manifest=_manifest(job, index, reports)).with_manifest(
            configs={**_files(reports), "quarantine": {QUARANTINE_SPLIT: (quarantine,)}}
        )


def _index(job: _Job) -> Path:
    """Return where the index of this build is; one that was left by another build is taken away."""
    rules = {"source": asdict(job.source), "config": asdict(job.config), "crawl": job.crawl, "raw": str(job.store.root)}
    with job.store.manifest(job.crawl).open("rb") as manifest:
        crawled = hashlib.file_digest(manifest, "sha256").hexdigest()
    code = [FORMAT, TRANSFORM_VERSION, code_digest(), made_with()]  # what another code began is begun anew
    asked = json.dumps([code, job.vocabulary.digest, crawled, rules], sort_keys=True)
    work = job.draft / WORK
    note = work / "build.json"
    if not note.is_file() or note.read_text(encoding="utf-8") != asked:
        for left in (note, *work.glob("index.sqlite*")):
            left.unlink(missing_ok=True)
        write_text(note, asked)
    job.scratch = scratch_for(work, hashlib.sha256(asked.encode()).hexdigest())
    return work / "index.sqlite"


def _gather(job: _Job, index: BuildIndex) -> None:
    """Let the index hold every entry with its sprite and its split."""
    gathered = bool(index.state("gathered"))
    if not gathered:
        joining.read_crawl(index, job.store, job.crawl, job.source, job.run)
    pictures = index.undrawn()
    palette = job.vocabulary.palette
    draw = partial(sketch, raw=job.store.root, palette=palette, recipe=job.config.pictures)
    drawn = job.run(draw, chunks(pictures))  # workers of this machine begin
    if not gathered:
        joining.drop_same(index)
        index.keep("gathered", "yes")
        index.commit()
    job.steps = len(pictures) + index.count()
    job.step(0)
    for sketches in drawn:
        index.add_sketches(sketches)
        index.commit()
        job.step(len(sketches))
    if not index.state("split"):
        joining.drop_faulty(index)
        caption = partial(said, index=index, store=job.store, source=job.source, config=job.config)
        joining.drop_repeated(index, caption)
        index.keep("split", json.dumps(joining.split_families(index, caption, job.run)))
        index.commit()
    job.steps = job.done + index.count()


def _shards(job: _Job, index: BuildIndex) -> list[ShardReport]:
    """Build every shard, and return the reports in order."""
    index.share()  # nothing is written to it any more until all shards stand
    tasks = [
        ShardTask(
            part=part,
            place=place,
            count=len(ranges),
            index=index.path,
            raw=job.store.root,
            out=job.draft,
            scratch=job.scratch,
            source=job.source,
            config=job.config,
            palette=job.vocabulary.palette,
        )
        for ranges in _ranges(index, job.cut)
        for place, part in enumerate(ranges)
    ]
    order = sorted(range(len(tasks)), key=lambda place: -tasks[place].records)  # large ones first
    reports: dict[int, ShardReport] = {}
    for place, report in zip(order, job.run(build_shard, [tasks[place] for place in order]), strict=True):
        job.step(tasks[place].records)
        reports[place] = report
    return [reports[place] for place in range(len(tasks))]


def _ranges(index: BuildIndex, cut: Cut) -> list[Sequence[Part]]:
    ranges = []
    for split in SPLITS:
        weight = weights(index.keys(split))
        shards = shard_count(len(weight))
        ranges.append(parts(split, borders(weight, shards) if cut == "by-key" else equal(len(weight), shards)))
    return ranges


def shard_count(records: int) -> int:
    """Return how many shards hold so many records: a power of two.

    >>> [shard_count(n) for n in (0, 1, 1024, 1025, 5000)]
    [1, 1, 1, 2, 8]
    """
    return 1 << (max(0, records - 1) // SHARD_ROWS).bit_length()


def _manifest(job: _Job, index: BuildIndex, reports: Sequence[ShardReport]) -> Manifest:
    """Return what the shards amount to."""
    config, source, vocabulary = job.config, job.source, job.vocabulary
    tokens = dict(sum((Counter(report.tokens) for report in reports), Counter()))
    counts: dict[str, int] = {
        split: sum(report.rows for report in reports if report.split == split) for split in SPLITS
    }
    meaning = rows.meaning_of_ids(TRANSFORM_VERSION, config.k, config.pictures.max_side, vocabulary)
    return Manifest(
        name=job.name,
        title=source.title,
        source=source.name,
        crawl=job.crawl,
        crawl_sha256=file_sha256(job.store.manifest(job.crawl)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        code_version=code_version(),
        transform={
            "version": TRANSFORM_VERSION,
            "parameters": _parameters(job),
        },
        palette={"name": vocabulary.palette.name, "digest": vocabulary.palette.digest},
        vocabulary={"size": len(vocabulary), "digest": vocabulary.digest},
        k=config.k,
        counts=counts,
        tokens=tokens,
        text_ratio=round(tokens["text"] / (tokens["text"] + tokens["pixel"]), 4),
        configs={},
        digest=rows.release_digest([(report.split, report.digest) for report in reports], meaning),
        licences=tuple(sorted({licence for report in reports for licence in report.licences})),
        withheld=source.withheld,
        quarantine=dict(sorted(index.dropped_by_stage().items())),
        yields={
            "listed": int(index.state("listed")),
            "joined": int(index.state("joined")),
            "drawn": index.count(),
            "built": sum(counts.values()),
        },
        twins=json.loads(index.state("split")),
        made_with=made_with(),
    )


def _files(reports: Sequence[ShardReport]) -> dict[str, dict[str, tuple[ShardFile, ...]]]:
    names = sorted({name for report in reports for name in report.files})
    return {
        name: {split: tuple(r.files[name] for r in reports if r.split == split) for split in SPLITS} for name in names
    }


def _write_quarantine(draft: Path, index: BuildIndex) -> ShardFile:
    with ShardWriter(draft, shard_name("quarantine", QUARANTINE_SPLIT, 0, 1), quarantine_layout()) as writer:
        for dropped in index.dropped():
            writer.write(rows.quarantine_batch(dropped))
        return writer.close()


def _parameters(job: _Job) -> dict[str, object]:
    said = asdict(job.config) | {"palette": job.vocabulary.palette.name}  # the path is nobody's business
    rules = source_line(job.store, job.source).sha256  # kept in the raw store, so that the same rows can be built again
    shards = {"shard_rows": SHARD_ROWS, "borders": job.cut}
    return {**said, **shards, "assertions": asdict(job.source.assertions), "rules": rules}


def _reasons(index: BuildIndex) -> str:
    return "; ".join(f"{count} × {reason}" for reason, count in index.most_dropped(3)) or "it lists nothing"
