"""How much in all: the requests and bytes that one run of a crawl may cost."""

from collections.abc import Mapping

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, StopDownload
from scrapy.utils.defer import deferred_from_coro

from pipeline.crawl.politeness import Manners, manners_of
from pipeline.crawl.sources import host_of


class Budget:
    """The total that one run of a crawl may cost, as an extension of Scrapy's; `BoundedHandler` spends it.

    Everything that is sent counts: robots.txt, change keys, redirects, retries. Bytes are those that come over the
    network, before decompression, with the headers. When either is spent, transfers are cut off, the crawl stops in
    order and what arrived is kept. The next run continues the same crawl with a budget of its own.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Count what `crawler` spends."""
        self.crawler = crawler
        self.requests = 0
        self.bytes = 0
        crawler.signals.connect(self._headers, signal=signals.headers_received)
        crawler.signals.connect(self._body, signal=signals.bytes_received)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> "Budget":
        """Open the budget, as Scrapy asks for it."""
        return cls(crawler)

    def spend(self, request: Request) -> None:
        """Count a request whose turn has come; IgnoreRequest when nothing is left, or its host was closed meanwhile."""
        manners = manners_of(self.crawler)
        limit = manners.source.limits.requests
        if not manners.spent and self.requests >= limit:
            self._stop(manners, f"the budget of {limit} requests is spent")
        reason = manners.spent or manners.left_alone.get(host_of(request.url), "")
        if reason:
            raise IgnoreRequest(reason)
        self.requests += 1
        self._note("requests", 1)

    def _headers(self, headers: Mapping[bytes, list[bytes]]) -> None:
        self._receive(sum(len(name) + len(value) + 4 for name, values in headers.items() for value in values))

    def _body(self, data: bytes) -> None:
        self._receive(len(data))

    def _receive(self, size: int) -> None:
        self.bytes += size
        self._note("bytes", size)
        manners = manners_of(self.crawler)
        limit = manners.source.limits.bytes
        if not manners.spent and self.bytes > limit:
            self._stop(manners, f"the budget of {limit} bytes is spent")
        if self.bytes > limit:
            raise StopDownload(fail=True)

    def _note(self, what: str, more: int) -> None:
        if self.crawler.stats is not None:
            self.crawler.stats.inc_value(f"budget/{what}", more)

    def _stop(self, manners: Manners, reason: str) -> None:
        manners.spent = reason
        deferred_from_coro(self.crawler.engine.close_spider_async(reason=reason))
