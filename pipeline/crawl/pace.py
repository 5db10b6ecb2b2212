"""How fast: AutoThrottle that obeys Crawl-delay and Retry-After, which Scrapy reads and does not."""

import math
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from scrapy import Request, Spider, signals
from scrapy.crawler import Crawler
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Response
from scrapy.robotstxt import RobotParser

from pipeline.crawl.politeness import BUSY, BUSY_API, ROBOT, manners_of
from pipeline.crawl.sources import host_of

_LEAST_DELAY = 0.001  # seconds; Scrapy looks at the time of the last request only where a delay is set


class Pace(AutoThrottle):
    """AutoThrottle that never falls below Crawl-delay, and that waits as long as Retry-After says.

    Scrapy's slots, and so the pace, are those of a host's name: its ports share one. A Crawl-delay above 0 means one
    request at a time, whatever the source's `concurrency`.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Set the pace of `crawler`."""
        super().__init__(crawler)
        self._least: dict[str, float] = {}  # host name -> seconds between two requests
        self._single: set[str] = set()  # host names that asked for a delay
        crawler.signals.connect(self._robots_parsed, signal=signals.robots_parsed)

    def _robots_parsed(self, robotparser: RobotParser, request: Request) -> None:
        manners = manners_of(self.crawler)
        polite = manners.source.politeness
        asked = robotparser.crawl_delay(ROBOT) or 0.0
        host, name = host_of(request.url), urlsplit(request.url).hostname or ""
        if not asked <= polite.longest_wait:
            manners.left_alone[host] = f"{host} asks for {asked} s between requests, more than {polite.longest_wait} s"
            asked = polite.longest_wait
        if asked > 0:
            self._single.add(name)
            manners.robots[urlsplit(request.url).netloc] += f" (Crawl-delay {asked:g} s)"
        delay = max(asked, polite.delay, self._least.get(name, 0.0), _LEAST_DELAY)
        self._least[name] = manners.delays[host] = delay
        at_once = 1 if name in self._single else polite.concurrency
        downloader = self.crawler.engine.downloader
        downloader.per_slot_settings[name] = {"concurrency": at_once, "delay": delay, "jitter": 0.0}
        if name in downloader.slots:
            slot = downloader.slots[name]
            slot.concurrency, slot.delay, slot.jitter = at_once, max(slot.delay, delay), 0.0

    def _response_downloaded(self, response: Response, request: Request, spider: Spider) -> None:
        name = urlsplit(request.url).hostname or ""
        self.mindelay = self._least.get(name, max(manners_of(self.crawler).source.politeness.delay, _LEAST_DELAY))
        super()._response_downloaded(response, request, spider)
        if response.status in BUSY or response.headers.get("MediaWiki-API-Error") in BUSY_API:
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
            slot.lastseen = max(slot.lastseen, time.monotonic() + wait)  # another answer may have asked for longer


def retry_after(response: Response, otherwise: float) -> float:
    """Return how many seconds a site asks to wait, by Retry-After in seconds or as a date.

    A date is counted from the answer's own Date, since clocks differ; `otherwise` when there is nothing to read.
    """
    text = (response.headers.get("Retry-After") or b"").decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _moment(text)
    if math.isnan(until):
        return otherwise
    now = _moment((response.headers.get("Date") or b"").decode("latin-1"))
    return max(until - (time.time() if math.isnan(now) else now), 0.0)


def _moment(date: str) -> float:
    """Return an HTTP date in seconds since 1970; NaN when it is none."""
    try:
        moment: datetime = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return math.nan
