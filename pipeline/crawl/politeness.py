"""Manners, as Scrapy middlewares: which hosts are asked, what is tried again, and when a host is left alone.

Beside these stand `robots.py` (what robots.txt says), `pace.py` (how fast), `budget.py` (how much in all) and `wire.py`
(the connections); all of them look at `crawler.spider.manners`.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadFailedError,
    IgnoreRequest,
    StopDownload,
)
from scrapy.http import Response

from pipeline.crawl.addresses import REFUSED, is_open, proxy_names, refusal_of_host
from pipeline.crawl.changes import Wanted
from pipeline.crawl.ledger import Answer, Ledger
from pipeline.crawl.sources import WikiSource, host_of
from pipeline.crawl.walls import HEADERS, classify
from pipeline.records import ResourceKind

ROBOT = "PixelBytes"  # the name that rules in robots.txt may speak to
MAX_ROBOTS_BYTES = 4_194_304  # of robots.txt; a longer one is not had, so the host is left alone
BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
BUSY_API = frozenset({b"maxlag", b"ratelimited"})  # what MediaWiki-API-Error says then
MAX_FAILURES = 10  # in a row, tries included
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_MAX_HEADER = 500  # characters of a header that are kept


@dataclass(slots=True, kw_only=True)
class Manners:
    """What all middlewares of one crawl share."""

    source: WikiSource
    ledger: Ledger
    no_api: set[str] = field(default_factory=set)  # addresses of APIs that are not to be had
    dry: bool = False  # ask for lists and change keys alone
    proxy: str = ""
    user_agent: str = ""
    left_alone: dict[str, str] = field(default_factory=dict)  # host -> why it is not asked any more
    in_trouble: set[str] = field(default_factory=set)  # hosts that failed by a fault that may pass by itself
    robots: dict[str, str] = field(default_factory=dict)  # host -> what its robots.txt says of itself
    delays: dict[str, float] = field(default_factory=dict)  # host -> seconds between two requests that it asks for
    failures: dict[str, int] = field(default_factory=dict)  # host -> in a row, up to now
    spent: str = ""  # why the crawl may ask no more; empty while it may


def manners_of(crawler: Crawler) -> Manners:
    """Return the manners of the spider that is running."""
    manners = getattr(crawler.spider, "manners", None)
    if not isinstance(manners, Manners):
        raise TypeError("this middleware needs a spider with `manners`: use SiteSpider.")
    return manners


def answer_of(response: Response) -> Answer:
    """Return a response in our own words; a header with control characters, or an endless one, counts as absent."""

    def header(name: str) -> str:
        text = (response.headers.get(name) or b"").decode("latin-1").strip()
        return text if text.isprintable() and len(text) <= _MAX_HEADER else ""

    return Answer(
        status=response.status,
        body=response.body,
        etag=header("ETag"),
        last_modified=header("Last-Modified"),
        content_type=header("Content-Type"),
        date=header("Date"),
        robots=str(response.meta.get("robots", "")) if response.request else "",
    )


def kind_of(request: Request) -> ResourceKind:
    """Return what a request asks for; Scrapy itself makes those for robots.txt."""
    wanted = request.meta.get("wanted")
    return wanted.kind if isinstance(wanted, Wanted) else "robots"


class Gate:
    """Every request, redirected ones and robots.txt included, passes here: host, address, proxy, size."""

    def __init__(self, crawler: Crawler) -> None:
        """Guard the requests of `crawler`."""
        self.crawler = crawler
        self._proxies: frozenset[str] | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Gate":
        """Make the gate, as Scrapy asks for it."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Refuse what the source does not allow, and dress the rest."""
        manners = manners_of(self.crawler)
        kind, host = kind_of(request), host_of(request.url)
        request.meta.pop("download_slot", None)  # a redirect keeps its first host's, and with it that host's pace
        if not manners.source.allows(request.url, kind):
            raise IgnoreRequest(
                f"{request.url[:200]!r} is not on an allowed host for a {kind} of {manners.source.name}"
            )
        if request.url.partition("?")[0] in manners.no_api:
            raise ApiGoneError(f"{host} has no API at this address")
        reason = manners.left_alone.get(host, "") or self._unfit(manners, urlsplit(request.url).hostname or "")
        if not reason and request.url.startswith("http:") and _is_https_only(manners.source):
            reason = f"{request.url[:200]!r} would leave TLS, which is all that {manners.source.name} is asked by"
        if reason:
            raise IgnoreRequest(reason)
        limits = manners.source.limits
        sizes = {"robots": MAX_ROBOTS_BYTES, "miniature": limits.image_bytes}
        request.meta["download_maxsize"] = sizes.get(kind, limits.page_bytes)
        if manners.proxy:
            request.meta["proxy"] = manners.proxy
        elif host.rsplit(":", 1)[0] in _LOOPBACK:
            request.meta["proxy"] = None  # the environment's proxy is not for this machine itself

    def _unfit(self, manners: Manners, name: str) -> str:
        """Say why a public source may not ask a host of this name; what other names mean, the resolver judges."""
        if is_open(manners.source):
            return ""
        if self._proxies is None:
            self._proxies = frozenset(proxy_names(manners.proxy))
        if name in self._proxies:
            return f"{name} is the proxy's own machine, and no host of a public site: mend the source's hosts"
        return refusal_of_host(name)


class ApiGoneError(IgnoreRequest):
    """A request to an API that has shown to be none."""


class WouldAskError(IgnoreRequest):
    """A request that a dry run does not make, though nothing forbids it."""


class DryRun:
    """The last gate: in a dry run pages and pictures stop here, after robots.txt and all else had their say."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand before the network of `crawler`."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "DryRun":
        """Make the gate, as Scrapy asks for it."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Let a request pass, unless it would fetch what a dry run only counts."""
        if manners_of(self.crawler).dry and kind_of(request) in ("description", "miniature"):
            raise WouldAskError(request.url[:200])


class Wall:
    """A wall against robots closes its host for the rest of the crawl; nobody tries to get round it.

    A wall before an API closes the hosts whose pages the API stands for too, so that their HTML is no way round.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Watch the answers of `crawler`."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Wall":
        """Make the wall, as Scrapy asks for it."""
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        """Pass the answer on, unless it is a challenge."""
        manners, wanted = manners_of(self.crawler), request.meta.get("wanted")
        asked_api = isinstance(wanted, Wanted) and (wanted.kind == "api" or bool(wanted.ask))
        if classify(response.status, _telling(response), response.body, asked_api=asked_api) != "challenge":
            return response
        host = host_of(request.url)
        reason = f"{host} answered with a wall against robots ({response.status}); it is not asked again"
        if classify(response.status, _telling(response), response.body, asked_api=False) != "challenge":
            reason += ". (What came is no JSON: if there is no wall, mend the address of the API.)"
        behind = {api.host for api in manners.source.api if asked_api and host_of(api.url) == host}
        for closed in {host} | behind:
            manners.left_alone[closed] = reason
        raise IgnoreRequest(reason)


class PoliteRetry(RetryMiddleware):
    """Retries what may pass, an API that is too busy included; `Pace` has seen to the waiting.

    A host that fails `MAX_FAILURES` times in a row, whatever it is asked, is in trouble, and is left alone.
    """

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Return the request again while there are tries left, else the answer."""
        troubled = response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status in BUSY
        self._count(request, f"answered {response.status}" if troubled else "")
        if response.headers.get("MediaWiki-API-Error") in BUSY_API:
            return self._retry(request, "the API is busy") or response
        return super().process_response(request, response, spider)

    def process_exception(
        self, request: Request, exception: Exception, spider: Spider | None = None
    ) -> Request | Response | None:
        """Return the request again when the fault may pass; say in plain words which one never does."""
        reason = self._lasting(request, exception)
        if reason:
            raise IgnoreRequest(reason) from exception
        if not isinstance(exception, IgnoreRequest):
            self._count(request, type(exception).__name__)
        return super().process_exception(request, exception, spider)

    def _count(self, request: Request, failure: str) -> None:
        """Count failures of a host in a row; anything else, an empty `failure`, begins anew."""
        manners, host = manners_of(self.crawler), host_of(request.url)
        count = manners.failures[host] = manners.failures.get(host, 0) + 1 if failure else 0
        if count >= MAX_FAILURES:
            reason = f"{host} failed {count} times in a row ({failure}), so it is left alone; try again later"
            manners.left_alone.setdefault(host, reason)
            manners.in_trouble.add(host)

    def _lasting(self, request: Request, exception: Exception) -> str:
        """Return why no further try would help; empty when one may."""
        name = urlsplit(request.url).hostname or ""
        if isinstance(exception, StopDownload):
            return manners_of(self.crawler).spent
        if isinstance(exception, DownloadCancelledError):
            size = request.meta.get("download_maxsize")
            return f"the answer is larger than the limit of {size} bytes, so it was not read to its end"
        if isinstance(exception, CannotResolveHostError):
            return REFUSED.get(name, "")
        if isinstance(exception, DownloadFailedError) and "certificate" in str(exception):
            return f"the certificate of {name} cannot be trusted, so nothing was asked: {exception}"
        return ""


def _is_https_only(source: WikiSource) -> bool:
    """Say whether a source itself names no address without TLS: no redirect or link leads it out then."""
    addresses = (*source.start, *(api.url for api in source.api), *(text.page_url for text in source.texts))
    return all(address.startswith("https:") for address in addresses)


def _telling(response: Response) -> dict[str, str]:
    """Return the headers that tell a wall."""
    return {name: (response.headers.get(name) or b"").decode("latin-1") for name in HEADERS}
