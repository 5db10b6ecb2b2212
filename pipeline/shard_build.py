"""One shard of a release, from entries to Parquet: what a worker process runs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from palettes.palette import load_palette
from palettes.vocabulary import FIRST_COLOUR, SEPARATORS, Vocabulary
from pipeline import rows
from pipeline.crawl.pages import gathered, parse_description
from pipeline.crawl.raw import RawStore
from pipeline.crawl.readings import MissingDescription
from pipeline.crawl.sources import Rights, Source, WikiSource
from pipeline.pixelize import MAX_SIDE, PictureError, pixelize
from pipeline.quantize import quantize
from pipeline.records import Description, Dropped, Entry, Record, Resource
from pipeline.rows import shard_digest
from pipeline.schema import record_layouts, windows_config
from pipeline.shards import ShardFile, ShardWriter, shard_name
from pipeline.text import fit_caption
from pipeline.tokenizer import encode_record
from pipeline.windows import require_odd

BATCH = 128  # records in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What shapes the rows of a release; all of it stands in the manifest."""

    palette: str = "nes"  # a name in palettes/, or the path of a .gpl or .hex file
    k: int = 3  # side of a context window, in tokens
    max_side: int = MAX_SIDE  # px on the longer side of a sprite
    text_share: float = 2 / 3  # of a record's tokens that its caption aims at
    max_caption: int = 2000  # characters, whatever the picture's size

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        require_odd(self.k)
        if not 1 <= self.max_side <= 99:  # noqa: PLR2004 - the shape segment has two digits a side
            raise ValueError(f"max_side is {self.max_side}: choose 1 to 99 px (the paper's is 25).")
        if not 0 < self.text_share < 1:
            raise ValueError(f"text_share is {self.text_share}: it is a share between 0 and 1, such as 0.667.")

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary that the palette gives; ValueError for a palette that is not known."""
        return Vocabulary(palette=load_palette(self.palette))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """What a worker needs to build one shard: plain values only, so that it can travel to another process."""

    split: str
    index: int
    count: int
    entries: tuple[Entry, ...]
    raw: Path
    out: Path
    source: Source
    config: BuildConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """What a worker built."""

    split: str
    files: dict[str, ShardFile]  # by config
    tokens: dict[str, int]
    licences: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    digest: str  # over the record digests in id order
    rows: int


def make_record(entry: Entry, page: Description, picture: bytes, config: BuildConfig, vocabulary: Vocabulary) -> Record:
    """Return the finished record of an entry; PictureError or ValueError say why it cannot be one."""
    sprite = quantize(pixelize(picture, config.max_side), vocabulary.palette)
    budget = round(sprite.shape[0] * (sprite.shape[1] + 1) * config.text_share / (1 - config.text_share))
    caption = fit_caption(page.paragraphs, budget, config.max_caption)
    if not caption.text:
        raise ValueError("no sentence of the description can be written with the vocabulary's characters")
    listing, miniature, description = entry.listing, entry.miniature, entry.descriptions[0]
    return Record(
        id=listing.key,
        group=listing.group,
        number=listing.number,
        name=listing.name,
        form=listing.form,
        language=page.language,
        sprite=sprite,
        caption=caption.text,
        ids=encode_record(sprite, caption.text, vocabulary),
        source_url=description.url,
        image_url=miniature.url,
        revision=" ".join(page.revision for page in entry.descriptions if page.revision),
        retrieved_at=max(miniature.time, *(page.time for page in entry.descriptions)),
        sha256=miniature.sha256,
        licence=_both(_joined(page.licence for page in entry.descriptions), miniature.licence),
        attribution=_both(_joined(page.attribution for page in entry.descriptions), miniature.attribution),
        replaced=caption.replaced,
    )


def _joined(stated: Iterable[str]) -> str:
    """Return what several pages state, each once."""
    return "; ".join(dict.fromkeys(stated))


def _both(text: str, picture: str) -> str:
    return text if text == picture else f"text: {text}; picture: {picture}"


def build_shard(task: ShardTask) -> ShardReport:
    """Build one shard of every config; memory holds one batch of records."""
    vocabulary = task.config.vocabulary()
    layouts = record_layouts(task.config.k)
    dropped: list[Dropped] = []
    tokens: Counter[str] = Counter({"text": 0, "pixel": 0, "separator": 0})
    licences: set[str] = set()
    digests: list[str] = []
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                ShardWriter(task.out, shard_name(name, task.split, task.index, task.count), layout)
            )
            for name, layout in layouts.items()
        }
        for records in _batches(_records(task, vocabulary, dropped)):
            batch = rows.records_batch(records, vocabulary.palette, layouts["records"])
            writers["records"].write(batch)
            writers["tokens"].write(rows.tokens_batch(records, layouts["tokens"]))
            name = windows_config(task.config.k)
            writers[name].write(rows.windows_batch(records, task.config.k, layouts[name]))
            tokens.update(count_tokens(np.concatenate([record.ids for record in records])))
            licences.update(record.licence for record in records)
            digests += batch.column("digest").to_pylist()
        files = {name: writer.close() for name, writer in writers.items()}
    return ShardReport(
        split=task.split,
        files=files,
        tokens=dict(tokens),
        licences=tuple(sorted(licences)),
        dropped=tuple(dropped),
        digest=shard_digest(digests),
        rows=len(digests),
    )


def count_tokens(ids: UInt8[np.ndarray, "L"]) -> dict[str, int]:
    """Return how many ids are text, pixels and separators; a text's own LF counts as a separator."""
    pixel = int((ids >= FIRST_COLOUR).sum())
    separator = int((ids <= max(SEPARATORS)).sum())
    return {"text": len(ids) - pixel - separator, "pixel": pixel, "separator": separator}


def _records(task: ShardTask, vocabulary: Vocabulary, dropped: list[Dropped]) -> Iterator[Record]:
    """Yield the records of a shard in id order; what cannot be one goes to `dropped` with stage and reason."""
    store = RawStore(task.raw)
    seen: dict[tuple[bytes, tuple[int, ...], str], str] = {}
    for joined in task.entries:
        page, entry = _described(_restated(joined, task.source), store, task.source)
        if not isinstance(page, Description):
            dropped.append(_drop(entry, "description", page.reason, entry.descriptions[0]))
            continue
        picture = store.get(entry.miniature.sha256)  # an altered blob stops the build: it is no fault of the record
        try:
            record = make_record(entry, page, picture, task.config, vocabulary)
        except PictureError as error:
            dropped.append(_drop(entry, "pixelize", str(error), entry.miniature))
            continue
        except ValueError as error:
            dropped.append(_drop(entry, "text", str(error), entry.descriptions[0]))
            continue
        same = (record.sprite.tobytes(), record.sprite.shape, record.caption)
        if (twin := seen.setdefault(same, record.id)) != record.id:
            dropped.append(_drop(entry, "duplicate", f"same picture and same text as {twin}", entry.miniature))
            continue
        yield record


def _restated(entry: Entry, source: Source) -> Entry:
    """Return an entry under the rights that its source states; in a folder each record states its own."""
    if not isinstance(source, WikiSource):
        return entry
    text = next(text for text in source.texts if text.language == entry.listing.language)

    def stated(resource: Resource, rights: Rights) -> Resource:
        licence, attribution = source.filled(rights, resource)
        return replace(resource, licence=licence, attribution=attribution)

    pages = tuple(stated(page, text) for page in entry.descriptions)
    return replace(entry, descriptions=pages, miniature=stated(entry.miniature, source.pictures))


def _described(entry: Entry, store: RawStore, source: Source) -> tuple[Description | MissingDescription, Entry]:
    """Return what all pages of an entry say together, and the entry with those pages that said something."""
    language = entry.listing.language
    read = [parse_description(store.get(page.sha256), page.title, language, source) for page in entry.descriptions]
    pages = zip(entry.descriptions, read, strict=True)
    spoke = tuple(page for page, said in pages if isinstance(said, Description))
    return gathered(read), replace(entry, descriptions=spoke or entry.descriptions)


def _drop(entry: Entry, stage: str, reason: str, resource: Resource) -> Dropped:
    return Dropped(id=entry.listing.key, name=entry.listing.name, stage=stage, reason=reason, source_url=resource.url)


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    stream = iter(records)
    while batch := list(islice(stream, BATCH)):
        yield batch
