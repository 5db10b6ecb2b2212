"""The spider: list, change keys, then the pages and pictures that changed. It only asks; pages.py reads."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from scrapy import Request, Spider
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from pipeline.crawl.changes import Wanted, file_title, key_calls, parse_url, read_keys
from pipeline.crawl.ledger import Answer, Ledger
from pipeline.crawl.pages import parse_list
from pipeline.crawl.politeness import ROBOT, Manners, answer_of
from pipeline.crawl.sources import Source
from pipeline.records import Listing, Resource

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"\xff\xd8\xff", b"RIFF")


class SiteSpider(Spider):
    """Crawls one source into its ledger; each resource ends as one line, whatever happened to it."""

    name = "site"

    def __init__(self, manners: Manners, limit: int | None = None) -> None:
        """Crawl what `manners` describes, at most the first `limit` listings."""
        super().__init__()
        self.manners = manners
        self.source: Source = manners.source
        self.ledger: Ledger = manners.ledger
        self.limit = limit
        self.problem = ""  # why the crawl as a whole failed
        self.total = 0  # resources the list asks for

    async def start(self) -> AsyncIterator[Request]:
        """Begin with the list, from the store when an interrupted crawl has it already."""
        title = unquote(urlsplit(self.source.start).path.rsplit("/", 1)[-1]).replace("_", " ")
        wanted = Wanted(kind="list", url=self.source.start, title=title)
        there = self.ledger.finished(wanted)
        listings, _ = self._read_list(there) if there is not None else ((), "")
        if not listings:  # a stored list that cannot be read is asked for again: the site may have healed
            yield self._ask(wanted)
        for request in self._plan(listings):
            yield request

    def on_answer(self, response: Response) -> Iterator[Request]:
        """Write the line of one answer, and go on with what it leads to."""
        wanted: Wanted = response.meta["wanted"]
        answer = answer_of(response)
        if wanted.ask and _objection(wanted, answer) and "error" not in _json(answer.body):
            yield self._ask(replace(wanted, ask=""))  # the API is not to be had: the page itself says the same
            return
        resource = self._receive(wanted, answer)
        if wanted.kind == "list" and resource is not None:
            listings, reason = self._read_list(resource)
            if reason:  # a failed line takes the kept one's place, so that the next run asks again
                self.ledger.fail(wanted, answer, reason)
                self.problem = f"the list {wanted.url} could not be read: {reason}."
            yield from self._plan(listings)
        elif wanted.kind == "list":
            self.problem = self.problem or f"the list {wanted.url} could not be read: it answered {response.status}."
        elif wanted.kind == "api":
            yield from self._compare(wanted, resource)

    def on_failure(self, failure: Failure) -> Iterator[Request]:
        """Write the line of a request that got no answer, or was refused, and go on."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        wanted: Wanted = request.meta["wanted"]
        value = failure.value
        error = str(value) if isinstance(value, IgnoreRequest) else f"{type(value).__name__}: {value}"
        self.ledger.fail(wanted, Answer(status=0, robots=str(request.meta.get("robots", ""))), error[:300])
        if wanted.kind == "list":
            self.problem = f"the list {wanted.url} could not be fetched: {error[:300]}"
        elif wanted.kind == "api":
            yield from self._compare(wanted, None)

    def _ask(self, wanted: Wanted) -> Request:
        """Return the request for a resource; conditional when the last crawl has it and no change key spoke."""
        headers: dict[str, str] = {}
        known = self.ledger.known(wanted)
        if known is not None and not wanted.revision and not wanted.ask and wanted.kind != "api":
            names = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
            headers = {name: value for name, value in names.items() if value}
        return Request(
            wanted.ask or wanted.url,
            headers=headers,
            meta={"wanted": wanted},
            callback=self.on_answer,
            errback=self.on_failure,
            dont_filter=True,
        )

    def _receive(self, wanted: Wanted, answer: Answer) -> Resource | None:
        """Keep, carry or fail a resource by its answer."""
        known = self.ledger.known(wanted)
        if answer.status == HTTPStatus.NOT_MODIFIED and known is not None:
            self.ledger.carry(known, asked=True)
            return known
        error = _objection(wanted, answer)
        if error:
            self.ledger.fail(wanted, answer, error)
            return None
        return self.ledger.keep(replace(wanted, revision=wanted.revision or _revision(wanted, answer)), answer)

    def _read_list(self, resource: Resource) -> tuple[tuple[Listing, ...], str]:
        """Return the listings of the list, or none and the reason."""
        try:
            page = parse_list(self.ledger.store.get(resource.sha256), self.source.start, self.source)
        except ValueError as error:
            return (), str(error).removesuffix(".")
        for row in page.unparsed:
            self.logger.warning("%s was not understood (%s): %s", row.where, row.reason, row.text)
        if not page.listings:
            reason = page.unparsed[0].reason if page.unparsed else "no row"
            return (), f"it has no listing that this source understands: {reason}"
        self.ledger.count(listings=len(page.listings), unparsed=len(page.unparsed))
        return page.listings, ""

    def _plan(self, listings: tuple[Listing, ...]) -> Iterator[Request]:
        """Yield what `listings` lead to: calls for change keys where there is an API, else all at once."""
        wanted: dict[tuple[str, str], Wanted] = {}
        for listing in listings[: self.limit]:
            for item in self._wanted(listing.page_title, listing.page_url, listing.miniature_url):
                wanted[item.kind, item.url] = item
        self.total = len(wanted)
        left = [item for item in wanted.values() if self.ledger.finished(item) is None]
        self.ledger.count(resumed=len(wanted) - len(left))
        for kind in ("description", "miniature"):
            yield from self._ask_keys([item for item in left if item.kind == kind])

    def _wanted(self, title: str, page_url: str, miniature_url: str) -> Iterator[Wanted]:
        api = self.source.api_for(page_url) if self.source.fetch == "api" else ""
        yield Wanted(kind="description", url=page_url, title=title, ask=parse_url(api, title) if api else "")
        yield Wanted(kind="miniature", url=miniature_url, title=file_title(miniature_url))

    def _ask_keys(self, wanted: list[Wanted]) -> Iterator[Request]:
        """Yield calls for the change keys of `wanted`; those without an API are asked for at once."""
        by_api: dict[str, list[Wanted]] = {}
        for item in wanted:
            api = self.source.api_for(item.url) if "|" not in item.title else ""  # the API's own separator
            by_api.setdefault(api, []).append(item)
        for api, items in by_api.items():
            if not api:
                yield from map(self._ask, items)
                continue
            for call in key_calls(api, items):
                there = self.ledger.finished(call)
                yield from self._compare(call, there) if there is not None else [self._ask(call)]

    def _compare(self, call: Wanted, answer: Resource | None) -> Iterable[Request]:
        """Carry over what has the change key it had, record what is gone, and ask for the rest."""
        keys: dict[str, str] = {}
        if answer is not None:
            try:
                keys = read_keys(self.ledger.store.get(answer.sha256), call.parts)
            except ValueError as error:
                self.logger.warning("no change keys, so all are asked for: %s", error)
        for item in call.parts:
            key, known = keys.get(item.title), self.ledger.known(item)
            if key == "" and item.kind == "description":
                gone = Answer(status=HTTPStatus.NOT_FOUND.value)
                self.ledger.fail(item, gone, f"the wiki has no page {item.title!r}")
            elif key and known is not None and known.revision == key:
                self.ledger.carry(known, asked=False)
            else:
                yield self._ask(replace(item, revision=key or ""))


def _objection(wanted: Wanted, answer: Answer) -> str:
    """Say why an answer's body is not what was wanted; empty when it is."""
    if answer.status != HTTPStatus.OK:
        known = answer.status in set(HTTPStatus)
        return f"answered {answer.status} {HTTPStatus(answer.status).phrase if known else ''}".rstrip()
    if not answer.body:
        return "answered with an empty body"
    if wanted.kind == "miniature" and not answer.body.startswith(_PICTURES):
        return f"answered {answer.content_type or 'something'}, not a picture (it begins with {answer.body[:8]!r})"
    if wanted.kind == "description" and wanted.ask:
        table = _json(answer.body)
        if "parse" not in table:
            return f"the API gave no page: {str(table.get('error', answer.body[:80]))[:200]}"
    return ""


def _revision(wanted: Wanted, answer: Answer) -> str:
    """Return the revision that an API's page names itself."""
    parse = _json(answer.body).get("parse") if wanted.kind == "description" and wanted.ask else None
    return str(parse.get("revid", "")) if isinstance(parse, dict) else ""


def _json(body: bytes) -> dict[str, object]:
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


_OFF = (
    "offsite.OffsiteMiddleware",
    "robotstxt.RobotsTxtMiddleware",
    "retry.RetryMiddleware",
    "redirect.MetaRefreshMiddleware",
)
_POLITE = "pipeline.crawl.politeness"
_CAREFUL: dict[str, object] = {
    "ROBOTSTXT_OBEY": True,
    "ROBOTSTXT_USER_AGENT": ROBOT,
    "CONCURRENT_REQUESTS": 4,  # over all hosts
    "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
    "DOWNLOAD_DELAY_JITTER": 0.0,
    "AUTOTHROTTLE_ENABLED": True,
    "DOWNLOAD_WARNSIZE": 0,
    "DOWNLOAD_VERIFY_CERTIFICATES": True,
    "DOWNLOAD_HANDLERS": dict.fromkeys(("data", "file", "ftp", "s3")),
    "DOWNLOADER_MIDDLEWARES": dict.fromkeys(f"scrapy.downloadermiddlewares.{name}" for name in _OFF)
    | {f"{_POLITE}.Gate": 50, f"{_POLITE}.PoliteRobots": 100, f"{_POLITE}.PoliteRetry": 550, f"{_POLITE}.Wall": 555},
    "SPIDER_MIDDLEWARES": {"scrapy.spidermiddlewares.referer.RefererMiddleware": None},
    "EXTENSIONS": {"scrapy.extensions.throttle.AutoThrottle": None, f"{_POLITE}.Pace": 0},
    "REDIRECT_MAX_TIMES": 5,
    "HTTPERROR_ALLOW_ALL": True,  # an error is a line in the ledger, not silence
    "URLLENGTH_LIMIT": 0,  # fifty titles make a long address
    "COOKIES_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "LOG_LEVEL": "INFO",
}


def settings_of(source: Source, user_agent: str, log_file: str) -> dict[str, object]:
    """Return Scrapy's settings for a source: careful where Scrapy's defaults are not."""
    polite, limits = source.politeness, source.limits
    return _CAREFUL | {
        "USER_AGENT": user_agent,
        "DOWNLOAD_DELAY": polite.delay,
        "AUTOTHROTTLE_START_DELAY": polite.delay,
        "AUTOTHROTTLE_MAX_DELAY": max(60.0, polite.longest_wait),
        "DOWNLOAD_TIMEOUT": limits.timeout,
        "DOWNLOAD_MAXSIZE": max(limits.page_bytes, limits.image_bytes),
        "RETRY_TIMES": polite.retries,
        "LOG_FILE": log_file,
    }
