"""Manners, as Scrapy middlewares: which hosts, how fast, what robots.txt says, and when to stop asking.

Scrapy reads Crawl-delay and ignores it, retries without waiting, and takes a robots.txt that cannot be had for
permission. These classes put that right; all of them look at `crawler.spider.manners`.
"""

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response
from scrapy.robotstxt import RobotParser

from pipeline.crawl.changes import Wanted
from pipeline.crawl.ledger import Answer, Ledger
from pipeline.crawl.markup import is_challenge
from pipeline.crawl.sources import Source, host_of

ROBOT = "PixelBytes"  # the name that rules in robots.txt may speak to
ROBOTS_BYTES = 512_000  # what RFC 9309 asks a crawler to read at least
_BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_BUSY_API = frozenset({b"maxlag", b"ratelimited"})
_LEAST_DELAY = 0.001  # seconds; Scrapy looks at the time of the last request only where a delay is set
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(slots=True, kw_only=True)
class Manners:
    """What all middlewares of one crawl share."""

    source: Source
    ledger: Ledger
    proxy: str = ""
    user_agent: str = ""
    left_alone: dict[str, str] = field(default_factory=dict)  # host -> why it is not asked any more
    robots: dict[str, str] = field(default_factory=dict)  # host -> what its robots.txt says of itself


def manners_of(crawler: Crawler) -> Manners:
    """Return the manners of the spider that is running."""
    manners = getattr(crawler.spider, "manners", None)
    if not isinstance(manners, Manners):
        raise TypeError("this middleware needs a spider with `manners`: use SiteSpider.")
    return manners


def answer_of(response: Response) -> Answer:
    """Return a response in our own words."""

    def header(name: str) -> str:
        return (response.headers.get(name) or b"").decode("latin-1")

    return Answer(
        status=response.status,
        body=response.body,
        etag=header("ETag"),
        last_modified=header("Last-Modified"),
        content_type=header("Content-Type"),
        date=header("Date"),
        robots=str(response.meta.get("robots", "")) if response.request else "",
    )


class Gate:
    """Every request, redirected ones and robots.txt included, passes here: host, proxy, size."""

    def __init__(self, crawler: Crawler) -> None:
        """Guard the requests of `crawler`."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Gate":
        """Make the gate, as Scrapy asks for it."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Refuse what the source does not allow, and dress the rest."""
        manners = manners_of(self.crawler)
        wanted = request.meta.get("wanted")
        kind = wanted.kind if isinstance(wanted, Wanted) else "robots"
        host = host_of(request.url)
        if not manners.source.allows(request.url, kind):
            raise IgnoreRequest(
                f"{request.url[:200]!r} is not on an allowed host for a {kind} of {manners.source.name}"
            )
        if host in manners.left_alone:
            raise IgnoreRequest(manners.left_alone[host])
        limits = manners.source.limits
        sizes = {"robots": ROBOTS_BYTES, "miniature": limits.image_bytes}
        request.meta["download_maxsize"] = sizes.get(kind, limits.page_bytes)
        if manners.proxy:
            request.meta["proxy"] = manners.proxy
        elif host.rsplit(":", 1)[0] in _LOOPBACK:
            request.meta["proxy"] = None  # the environment's proxy is not for this machine itself


class Wall:
    """A wall against robots closes its host for the rest of the crawl; nobody tries to get round it."""

    def __init__(self, crawler: Crawler) -> None:
        """Watch the answers of `crawler`."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Wall":
        """Make the wall, as Scrapy asks for it."""
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        """Pass the answer on, unless it is a challenge."""
        mitigated = response.headers.get("cf-mitigated") == b"challenge"
        if mitigated or is_challenge(response.body):
            host = host_of(request.url)
            reason = f"{host} answered with a wall against robots ({response.status}); it is not asked again"
            manners_of(self.crawler).left_alone[host] = reason
            raise IgnoreRequest(reason)
        return response


class PoliteRobots(RobotsTxtMiddleware):
    """Obeys robots.txt and records it; one that cannot be had (5xx, no answer) is a refusal, as RFC 9309 says."""

    async def robot_parser(self, request: Request) -> RobotParser | None:
        """Return the rules for a request; Scrapy hands None to all but the first that waits for them together."""
        found = await super().robot_parser(request)
        kept = self._parsers.get(urlsplit(request.url).netloc)
        return kept if isinstance(kept, RobotParser) else found

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        ok = response.status < HTTPStatus.MULTIPLE_CHOICES
        absent = HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR
        absent = absent and response.status != HTTPStatus.TOO_MANY_REQUESTS
        body = response.body if ok else b"" if absent else b"User-agent: *\nDisallow: /"
        manners = manners_of(self.crawler)
        url = self._url(request)
        words = (
            "rules of" if ok else f"no rules ({response.status}) at" if absent else f"no access ({response.status}) to"
        )
        manners.robots[netloc] = f"{words} {url}"
        wanted = Wanted(kind="robots", url=url)
        if ok:
            manners.ledger.keep(wanted, answer_of(response))
        else:
            manners.ledger.fail(wanted, answer_of(response), f"answered {response.status}")
        await super()._parse_robots(response.replace(body=body), netloc, request)

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        manners = manners_of(self.crawler)
        manners.robots[netloc] = f"no access to robots.txt of {netloc}"
        url = f"{urlsplit(manners.source.start).scheme}://{netloc}/robots.txt"
        manners.ledger.fail(Wanted(kind="robots", url=url), Answer(status=0), f"{type(exc).__name__}: {exc}"[:300])
        reason = f"robots.txt of {netloc} could not be had ({type(exc).__name__}), so the host is left alone"
        manners.left_alone.setdefault(host_of(url), reason)
        super()._robots_error(exc, netloc)

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Note the decision in the request, and refuse when told so."""
        manners = manners_of(self.crawler)
        rules = manners.robots.get(urlsplit(request.url).netloc, "")
        host = host_of(request.url)
        if rp is None or not rp.allowed(request.url, ROBOT):
            request.meta["robots"] = f"refused: {rules}"
            raise IgnoreRequest(f"refused by robots.txt: {rules}")
        request.meta["robots"] = f"allowed: {rules}"
        if host in manners.left_alone:  # robots.txt itself may have led to that
            raise IgnoreRequest(manners.left_alone[host])

    @staticmethod
    def _url(request: Request) -> str:
        parts = urlsplit(request.url)
        return f"{parts.scheme}://{parts.netloc}/robots.txt"


class PoliteRetry(RetryMiddleware):
    """Retries what may pass, an API that is too busy included; `Pace` has seen to the waiting."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Return the request again while there are tries left, else the answer."""
        if response.headers.get("MediaWiki-API-Error") in _BUSY_API:
            return self._retry(request, "the API is busy") or response
        return super().process_response(request, response, spider)


class Pace(AutoThrottle):
    """AutoThrottle that never falls below Crawl-delay, and that waits as long as Retry-After says."""

    def __init__(self, crawler: Crawler) -> None:
        """Set the pace of `crawler`."""
        super().__init__(crawler)
        self._least: dict[str, float] = {}  # host name -> seconds between two requests
        crawler.signals.connect(self._robots_parsed, signal=signals.robots_parsed)

    def _robots_parsed(self, robotparser: RobotParser, request: Request) -> None:
        manners = manners_of(self.crawler)
        polite = manners.source.politeness
        asked = robotparser.crawl_delay(ROBOT) or 0.0
        host, name = host_of(request.url), urlsplit(request.url).hostname or ""
        if asked > polite.longest_wait:
            manners.left_alone[host] = f"{host} asks for {asked} s between requests, more than {polite.longest_wait} s"
        delay = max(asked, polite.delay, self._least.get(name, 0.0), _LEAST_DELAY)
        self._least[name] = delay
        downloader = self.crawler.engine.downloader
        downloader.per_slot_settings[name] = {"concurrency": 1, "delay": delay, "jitter": 0.0}
        if name in downloader.slots:
            slot = downloader.slots[name]
            slot.delay, slot.jitter = max(slot.delay, delay), 0.0
        if asked:
            manners.robots[urlsplit(request.url).netloc] += f" (Crawl-delay {asked:g} s)"

    def _response_downloaded(self, response: Response, request: Request, spider: Spider) -> None:
        name = urlsplit(request.url).hostname or ""
        self.mindelay = self._least.get(name, max(manners_of(self.crawler).source.politeness.delay, _LEAST_DELAY))
        super()._response_downloaded(response, request, spider)
        if response.status in _BUSY or response.headers.get("MediaWiki-API-Error") in _BUSY_API:
            self._rest(name, response)

    def _rest(self, name: str, response: Response) -> None:
        """Let a host's queue stand still; the signal comes before Scrapy takes the next request from it."""
        manners = manners_of(self.crawler)
        polite = manners.source.politeness
        wait = retry_after(response, polite.backoff)
        if wait > polite.longest_wait:
            host = host_of(response.url)
            manners.left_alone[host] = f"{host} asks to wait {wait:g} s, more than {polite.longest_wait:g} s"
            return
        slot = self.crawler.engine.downloader.slots.get(name)
        if slot is not None:
            slot.delay = max(slot.delay, _LEAST_DELAY)
            slot.lastseen = time.monotonic() + wait


def retry_after(response: Response, otherwise: float) -> float:
    """Return how many seconds a site asks to wait, by Retry-After in seconds or as a date."""
    text = (response.headers.get("Retry-After") or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return otherwise
