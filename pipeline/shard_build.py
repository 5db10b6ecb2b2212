"""One shard of a release, from entries to Parquet: what a worker process runs."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from palettes.palette import Palette
from palettes.vocabulary import FIRST_COLOUR, SEPARATORS, Vocabulary
from pipeline import rows
from pipeline.crawl.lines import Line
from pipeline.crawl.raw import RawStore
from pipeline.crawl.sources import Source
from pipeline.entries import Entry
from pipeline.index import BuildIndex, EntryRow, Part, opened
from pipeline.own_code import code_digest
from pipeline.recipe import TRANSFORM_VERSION, BuildConfig
from pipeline.record_build import caption_of, described, records_of
from pipeline.records import Description, Dropped, Record
from pipeline.release import made_with, write_text
from pipeline.rows import shard_digest
from pipeline.schema import record_layouts, windows_config
from pipeline.shards import ShardFile, ShardWriter, file_sha256, shard_name

BATCH = 128  # records in memory at once
WIDE = 9  # side of windows beyond which fewer records go into a batch: a record's windows are k² times its ids


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """What a worker needs to build one shard: plain values only, so that it can travel to another process."""

    part: Part
    place: int  # of the shard in its split
    count: int  # shards of its split
    index: Path  # the build's index
    raw: Path
    out: Path
    scratch: Path  # where files grow: gone once nobody waits for them any more, so that a late worker spoils nothing
    source: Source
    config: BuildConfig
    palette: Palette  # loaded once for all: the file may change under a build

    @property
    def records(self) -> int:
        """Return how many entries go in."""
        return self.part.stop - self.part.start

    def name(self, config: str) -> str:
        """Return the path of the shard's file of one config."""
        return shard_name(config, self.part.split, self.place, self.count)

    @property
    def report(self) -> Path:
        """Return where the report of the finished shard is kept until the build is done."""
        return self.index.parent / f"{self.part.split}-{self.place:05d}-of-{self.count:05d}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What a worker built."""

    key: str  # of all that went in: input digest, transform version, config digest
    split: str
    files: dict[str, ShardFile]  # by config
    tokens: dict[str, int]
    licences: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    digest: str  # over the record digests in id order
    rows: int

    def to_json(self) -> str:
        """Return the report as it is kept beside the draft."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ShardReport":
        """Read a kept report; ValueError, KeyError or TypeError when it is none."""
        raw = json.loads(text)
        files = {name: ShardFile(**file) for name, file in raw.pop("files").items()}
        dropped = tuple(Dropped(**one) for one in raw.pop("dropped"))
        return cls(**{**raw, "files": files, "dropped": dropped, "licences": tuple(raw["licences"])})


def ready() -> None:
    """Do nothing: a process that was asked to has begun, and imported what it needs."""


def build_shard(task: ShardTask) -> ShardReport:
    """Build one shard of every config, unless it stands there from a build that was killed.

    Memory holds its rows of the index, a kilobyte or two and a sprite each, and one batch of records. Arrow takes it
    from the system from then on: its own allocator begins with large pages, a tenth of a second in every process.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    with BuildIndex(task.index, readonly=True) as index:
        held = index.rows(task.part)
        key = shard_key(task, held)
        if (kept := _kept(task, key)) is not None:
            return kept
        report = _build(task, held, key)
    write_text(task.report, report.to_json())
    return report


def shard_key(task: ShardTask, held: Sequence[EntryRow]) -> str:
    """Return the digest of all that shapes a shard's bytes: input, rules, transform, config, and who writes Parquet."""
    rules = {"source": asdict(task.source), "config": asdict(task.config), "arrow": pa.__version__}
    code = [TRANSFORM_VERSION, code_digest(), made_with()]
    head = json.dumps([code, task.palette.digest, task.place, task.count, rules], sort_keys=True)
    digest = hashlib.sha256(head.encode())
    digest.update(b"\x1e".join([body for body, *_ in held]))
    return digest.hexdigest()


def _kept(task: ShardTask, key: str) -> ShardReport | None:
    """Return the report of a shard that stands whole in the draft; None when it is another's, or damaged."""
    try:
        report = ShardReport.from_json(task.report.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is none, or it was torn: the shard is built
    paths = {name: task.out / file.file for name, file in report.files.items()}
    whole = all(
        path.is_file() and not path.is_symlink() and file_sha256(path) == report.files[name].sha256
        for name, path in paths.items()
    )
    return report if report.key == key and whole else None


def _build(task: ShardTask, held: Sequence[EntryRow], key: str) -> ShardReport:
    vocabulary = Vocabulary(palette=task.palette)
    layouts = record_layouts(task.config.windows)
    dropped: list[Dropped] = []
    tokens: Counter[str] = Counter({"text": 0, "pixel": 0, "separator": 0})
    licences: set[str] = set()
    digests: list[str] = []
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(ShardWriter(task.out, task.name(name), layout, task.scratch))
            for name, layout in layouts.items()
        }
        made = records_of(map(opened, held), RawStore(task.raw), task.source, task.config, vocabulary, dropped)
        size = max(1, BATCH * WIDE**2 // max((WIDE, *task.config.windows)) ** 2)
        for records in _batches(made, size):
            batch = rows.records_batch(records, vocabulary.palette, layouts["records"])
            writers["records"].write(batch)
            writers["tokens"].write(rows.tokens_batch(records, layouts["tokens"]))
            for k in task.config.windows:
                name = windows_config(k)
                writers[name].write(rows.windows_batch(records, k, layouts[name]))
            tokens.update(count_tokens(np.concatenate([record.ids for record in records])))
            licences.update(record.licence for record in records)
            digests += batch.column("digest").to_pylist()
        files = {name: writer.close() for name, writer in writers.items()}
    return ShardReport(
        key=key,
        split=task.part.split,
        files=files,
        tokens=dict(tokens),
        licences=tuple(sorted(licences)),
        dropped=tuple(dropped),
        digest=shard_digest(digests),
        rows=len(digests),
    )


def said(entry: Entry[Line], index: BuildIndex, store: RawStore, source: Source, config: BuildConfig) -> str:
    """Return the caption that an entry will have; empty when it will have none."""
    page, _ = described(entry, store, source)
    try:
        sprite = index.sprite(entry.miniature.sha256)
        return caption_of(page, sprite, config).text if isinstance(page, Description) else ""
    except ValueError:
        return ""


def count_tokens(ids: UInt8[np.ndarray, "L"]) -> dict[str, int]:
    """Return how many ids are text, pixels and separators; a text's own LF counts as a separator."""
    pixel = int((ids >= FIRST_COLOUR).sum())
    separator = int((ids <= max(SEPARATORS)).sum())
    return {"text": len(ids) - pixel - separator, "pixel": pixel, "separator": separator}


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    stream = iter(records)
    while batch := list(islice(stream, size)):
        yield batch
