"""A folder of pictures with a table of records, into the raw store: the same lines and bodies as a crawl of a wiki.

Nothing in the folder is trusted: only plain files that lie inside it are read, none beyond the source's limits.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pipeline.crawl.inside import MISSING, UnreadableFileError, read_inside
from pipeline.crawl.ledger import source_line
from pipeline.crawl.progress import Progress
from pipeline.crawl.raw import LOCK, Crawl, CrawlReport, OpenCrawl, RawStore
from pipeline.crawl.readings import Unparsed
from pipeline.crawl.records_file import (
    TABLE_PAGES,
    FolderRecord,
    list_url,
    parse_records,
    picture_url,
    read_records,
    record_url,
    rights_of,
)
from pipeline.crawl.sources import FolderSource
from pipeline.locks import only_one
from pipeline.records import Resource, ResourceKind

OK = 200  # status of what was read
ROBOTS = "not asked: a local folder"


def gather(
    source: FolderSource,
    store: RawStore,
    *,
    limit: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Crawl:
    """Bring `store` up to date with the folder of `source`, and return the finished crawl with its report.

    What did not change keeps its line, its time included. `limit` stops after that many records; `progress` is called
    after each. One that was killed is continued within a day. Raises ValueError when the folder or its table cannot be
    read or holds no record, or the store is another source's, and RuntimeError when another crawl is writing to it.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, but a crawl needs at least one record: give 1 or more, or no limit.")
    body, time = _table(source)
    listed = parse_records(body, source)
    if not listed.listings:
        raise ValueError(f"{_table_path(source)} holds no record: {_first(listed.unparsed)} {_example(source)}")
    total = min(limit or len(listed.listings), len(listed.listings) // len(source.texts))
    with only_one(store.root, "crawling into", LOCK):
        _require_same(source, store)
        book = _Book(store, source, limit)
        book.count(listings=len(listed.listings), unparsed=len(listed.unparsed))
        try:
            book.keep(_table_line(source, time), body)
            records = (record for record in read_records(body, source) if isinstance(record, FolderRecord))
            for done, record in enumerate(islice(records, total), start=1):
                _gather_record(record, source, book, time)
                if progress is not None:
                    progress(Progress(done=done, total=total, failed=book.report.failed))
            book.crawl.finish()
        finally:
            book.crawl.close()
        return replace(store.crawl(book.crawl.name), report=book.report)


def _gather_record(record: FolderRecord, source: FolderSource, book: "_Book", time: str) -> None:
    """Write the lines of a record and of its picture."""
    url = record_url(record, source)
    licence, attribution = _text_rights(record, source, url)
    page = _line(url, "description", record.name, time)
    book.keep(replace(page, licence=licence, attribution=attribution, content_type="application/json"), record.body)
    url = picture_url(record)
    if url in book.seen:
        return
    book.seen.add(url)
    licence, attribution = rights_of(record, source.pictures, url)
    line = replace(_line(url, "miniature", record.name, time), licence=licence, attribution=attribution)
    try:
        body, time = read_inside(Path(source.folder), record.image, source.limits.image_bytes)
        book.keep(replace(line, time=time), body)
    except UnreadableFileError as error:
        book.fail(line, error)


def _text_rights(record: FolderRecord, source: FolderSource, url: str) -> tuple[str, str]:
    """Return licence and attribution of a record's texts; where languages differ, each is named."""
    stated = {text.language: rights_of(record, text, url) for text in source.texts}
    licence, attribution = (
        values[0] if len(set(values)) == 1 else "; ".join(map(": ".join, zip(stated, values, strict=True)))
        for values in zip(*stated.values(), strict=True)
    )
    return licence, attribution


def _table_line(source: FolderSource, time: str) -> Resource:
    url, rights = list_url(source), source.texts[0]
    attribution = rights.attribution.replace("{url}", url).replace("{title}", source.title)
    line = _line(url, "list", source.records, time)
    return replace(line, licence=rights.licence, attribution=attribution, content_type="application/x-ndjson")


def _line(url: str, kind: ResourceKind, title: str, time: str) -> Resource:
    return Resource(url=url, kind=kind, title=title, time=time, robots=ROBOTS)


def _table(source: FolderSource) -> tuple[bytes, str]:
    """Return the table's bytes and time; raise ValueError that says what is missing and what a line looks like."""
    folder = Path(source.folder)
    if not folder.is_dir():
        raise ValueError(f"the folder {source.folder!r} of source {source.name!r} does not exist: check its path.")
    try:
        return read_inside(folder, source.records, TABLE_PAGES * source.limits.page_bytes)
    except UnreadableFileError as error:
        hint = _example(source) if error.status == MISSING else "Mend that, or name another file as `records`."
        raise ValueError(f"{source.folder}: {error}. {hint}") from error


def _table_path(source: FolderSource) -> Path:
    return Path(source.folder) / source.records


def _first(unparsed: Sequence[Unparsed]) -> str:
    return f"{unparsed[0].where}: {unparsed[0].reason}." if unparsed else "it is empty."


def _example(source: FolderSource) -> str:
    """Say what a line of the table looks like, with the source's own names of fields."""
    fields = source.fields
    said = {fields.id: "aardart", fields.name: "Aardart", fields.image: "images/aardart.png"}
    said |= {text.field: "It eats ants." for text in source.texts}
    line: dict[str, object] = {}
    for name, value in said.items():
        outer, dot, inner = name.partition(".")
        table = line.setdefault(outer, {}) if dot else line
        if isinstance(table, dict):
            table[inner or outer] = value
    return f"Give it one line for each picture, such as {json.dumps(line)}"


def _require_same(source: FolderSource, store: RawStore) -> None:
    """Raise ValueError when the store holds another source's crawls: folders of one name would replace each other."""
    latest = store.latest_crawl()
    line = next((line for line in latest.resources if line.kind == "source"), None) if latest else None
    if line is None or not store.has(line.sha256):
        return
    before = json.loads(store.get(line.sha256)).get("folder", "")
    moved = before and (not Path(before).is_dir() or Path(before).samefile(source.folder))
    if before != source.folder and not moved:
        raise ValueError(
            f"{store.root} holds crawls of {before or 'a wiki'!r}, not of {source.folder!r}: "
            "give this folder another name, in a source.toml inside it."
        )


class _Book:
    """Writes the crawl's lines, and knows those of the last crawls and of this one if it was interrupted."""

    def __init__(self, store: RawStore, source: FolderSource, limit: int | None = None) -> None:
        """Open the crawl in `store`, or continue the one that was interrupted lately."""
        self.store = store
        self.crawl: OpenCrawl = store.open_crawl()
        self._before = store.remembered()  # after opening, which may have set a crawl aside
        self._done = {(line.kind, line.url): line for line in self.crawl.resources}
        self.seen: set[str] = set()  # addresses of pictures that have their line: records may share one
        self.report = CrawlReport()
        rules = source_line(store, source, limit)
        if self._done.get((rules.kind, rules.url)) != rules:
            self.crawl.append(rules)

    def count(self, **more: int) -> None:
        """Add to the counters of the report."""
        self.report = replace(self.report, **{name: getattr(self.report, name) + by for name, by in more.items()})

    def keep(self, line: Resource, body: bytes) -> None:
        """Store a body and write its line; the one there was, when it says the same at another time."""
        digest = self.store.put(body)  # even when it is known: the body may have been lost
        self.count(**{self._write(replace(line, sha256=digest, revision=digest, status=OK)): 1, "bytes": len(body)})

    def fail(self, line: Resource, error: UnreadableFileError) -> None:
        """Write a line that says why there is no body; the crawl goes on."""
        self._write(replace(line, status=error.status, error=str(error)))
        self.count(failed=1)

    def _write(self, line: Resource) -> str:
        """Write a line, unless it stands there already; return which counter it belongs to."""
        key = (line.kind, line.url)
        done, before = self._done.get(key), self._before.get(key)
        if done is not None and replace(done, time=line.time) == line:
            return "resumed"
        same = before is not None and replace(before, time=line.time) == line
        self._done[key] = before if before is not None and same else line
        self.crawl.append(self._done[key])
        return "carried" if same else "fetched"
