"""One way to bring a raw store up to date, whatever its source is: a wiki is crawled, a folder is read."""

import json
from collections.abc import Callable
from dataclasses import replace

from pipeline.crawl.folder import gather
from pipeline.crawl.progress import Progress, bar
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.records_file import SCHEME
from pipeline.crawl.run import check_request, crawl
from pipeline.crawl.source_files import source_from_table
from pipeline.crawl.sources import FolderSource, Rights, Source, WikiSource


def collect(
    source: Source,
    store: RawStore,
    *,
    limit: int | None = None,
    proxy: str | None = None,
    contact: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Crawl:
    """Bring `store` up to date with `source`, and return the finished crawl with its report.

    `proxy` and `contact` are for wikis. Raises as `crawl` and `gather` do.
    """
    if isinstance(source, FolderSource):
        with bar(f"reading {source.name}") as draw:
            return gather(source, store, limit=limit, progress=progress or draw)
    if not isinstance(source, WikiSource):
        raise TypeError(f"source {source.name!r} is a {type(source).__name__}, which nothing collects.")
    latest = store.latest_crawl()
    if latest is not None and any(line.url.startswith(SCHEME) for line in latest.resources):
        raise ValueError(f"{store.root} holds a folder's crawls: give the wiki {source.name!r} another name.")
    return crawl(source, store, limit=limit, proxy=proxy, contact=contact, progress=progress)


def check_collect(source: Source, limit: int | None = None, contact: str | None = None) -> None:
    """Raise ValueError when `collect` would refuse these arguments; nothing is asked or written."""
    if isinstance(source, WikiSource):
        check_request(source, limit, None, contact)
    elif limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}, but a crawl needs at least one record: give 1 or more, or no limit.")


def rules_for(source: Source, store: RawStore, crawl: str | None) -> Source:
    """Return the rules to read a crawl by: today's for the newest one, for one named `crawl` those it was made with.

    What may be redistributed is a question of today: an older answer never frees what today's withholds.
    """
    if not crawl:
        return source
    past = source_of(store.crawl(crawl), store)
    texts = tuple(replace(text, redistribution=_free(text, *source.texts)) for text in past.texts)
    return replace(
        past, texts=texts, pictures=replace(past.pictures, redistribution=_free(past.pictures, source.pictures))
    )


def _free(*rights: Rights) -> bool:
    return all(right.redistribution for right in rights)


def source_of(crawl: Crawl, store: RawStore) -> Source:
    """Return the source as it was when a crawl was made; ValueError when the crawl does not say, or not readably."""
    rules = next((line for line in crawl.resources if line.kind == "source" and line.sha256), None)
    if rules is None:
        raise ValueError(f"crawl {crawl.name} in {store.root} does not keep the rules it was read by: crawl again.")
    table = json.loads(store.get(rules.sha256))
    if not isinstance(table, dict):
        raise ValueError(f"the rules of crawl {crawl.name} are no table: restore {store.blob_path(rules.sha256)}.")  # noqa: TRY004
    return source_from_table(table, where=f"the rules of crawl {crawl.name}")
