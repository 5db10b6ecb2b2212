"""The book of a crawl under way: what the last crawl knew, what this one has, and one line for each resource."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.crawl.changes import Wanted
from pipeline.crawl.names import clean
from pipeline.crawl.raw import CrawlReport, RawStore
from pipeline.crawl.sources import Source, WikiSource
from pipeline.records import Resource

_COUNTED = frozenset({"list", "description", "miniature"})  # robots.txt and change keys are not what one crawls for


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a site answered, free of any library's types."""

    status: int
    body: bytes = b""
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""
    date: str = ""  # its Date header
    robots: str = ""  # the rule under which it was asked


class Ledger:
    """Writes the crawl's lines, and knows which bodies need not be fetched."""

    def __init__(self, store: RawStore, source: WikiSource, limit: int | None = None) -> None:
        """Open the crawl in `store`, or continue the one that was interrupted lately."""
        self.store = store
        self.source = source
        self.crawl = store.open_crawl()
        self._previous = store.remembered()  # after opening, which may have set a crawl aside
        self._done = {(r.kind, r.url): r for r in self.crawl.resources if store.has(r.sha256)}
        self.report = CrawlReport()
        rules = source_line(store, source, limit)
        if self._done.get((rules.kind, rules.url)) != rules:
            self._write(rules)

    def finished(self, wanted: Wanted) -> Resource | None:
        """Return the resource when this crawl has its body already."""
        return self._done.get((wanted.kind, wanted.url))

    def known(self, wanted: Wanted) -> Resource | None:
        """Return the resource as the last finished crawls had it, when its body still lies in the store."""
        return self._previous.get((wanted.kind, wanted.url))

    def count(self, **more: int) -> None:
        """Add to the counters of the report."""
        self.report = replace(self.report, **{name: getattr(self.report, name) + by for name, by in more.items()})

    def carry(self, resource: Resource, *, asked: bool) -> None:
        """Take a line over from the last crawl, its time included; the rights are those that the source names today."""
        licence, attribution = self.source.rights(resource)
        self._write(replace(resource, licence=licence, attribution=attribution))
        self.count(**{"not_modified" if asked else "carried": 1})

    def keep(self, wanted: Wanted, answer: Answer) -> Resource:
        """Store a body and write its line."""
        resource = replace(self._line(wanted, answer), sha256=self.store.put(answer.body))
        self._write(resource)
        self.count(fetched=1 if wanted.kind in _COUNTED else 0)
        return resource

    def fail(self, wanted: Wanted, answer: Answer, error: str) -> None:
        """Write a line that says why there is no body; the crawl goes on."""
        self._write(replace(self._line(wanted, answer), error=error))
        self.count(failed=1 if wanted.kind in _COUNTED else 0)

    def absent(self, wanted: Wanted, answer: Answer) -> None:
        """Write a line for a page that need not exist, and does not."""
        self._write(replace(self._line(wanted, answer), error=f"the wiki has no page {wanted.title!r}"))
        self.count(absent=1)

    def _line(self, wanted: Wanted, answer: Answer) -> Resource:
        resource = Resource(
            url=wanted.url,
            kind=wanted.kind,
            title=clean(wanted.title),
            revision=wanted.revision,
            etag=answer.etag,
            last_modified=answer.last_modified,
            content_type=answer.content_type,
            status=answer.status,
            time=iso_time(answer.date),
            robots=answer.robots,
        )
        licence, attribution = self.source.rights(resource) if wanted.kind in _COUNTED else ("", "")
        return replace(resource, licence=licence, attribution=attribution)

    def _write(self, resource: Resource) -> None:
        self.crawl.append(resource)
        self._done.pop((resource.kind, resource.url), None)  # the last line counts, here as in the manifest
        if resource.sha256:
            self._done[resource.kind, resource.url] = resource


def source_line(store: RawStore, source: Source, limit: int | None = None) -> Resource:
    """Keep the rules that a crawl is read by, so that it can be read the same way later; return their line.

    Its title says when the crawl was limited to so many rows.
    """
    body = json.dumps(asdict(source), ensure_ascii=False, sort_keys=True).encode()
    sha256 = store.put(body)
    title = f"first {limit} rows" if limit else ""
    return Resource(
        url=f"source:{source.name}",
        kind="source",
        title=title,
        content_type="application/json",
        status=200,
        sha256=sha256,
    )


def iso_time(date: str) -> str:
    """Return an HTTP date as ISO 8601 in UTC; this machine's clock when there is none to read.

    >>> iso_time("Sat, 21 Nov 2026 04:00:00 GMT")
    '2026-11-21T04:00:00Z'
    """
    try:
        moment = parsedate_to_datetime(date).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        moment = datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
