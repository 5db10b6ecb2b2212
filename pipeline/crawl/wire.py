"""Scrapy's own way of asking over HTTP, with what it lacks: a bound on the head of an answer, and a last look.

A request may wait minutes for its turn, after all middlewares have seen it; by then its host may have put up a wall,
or the budget may be spent. Bodies are bounded by `download_maxsize` and a line by Twisted; but headers could go on for
as long as the timeout.
"""

from typing import Any

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import (
    HTTP11DownloadHandler,
    _LenientHTTP11ClientFactory,
    _LenientHTTP11ClientProtocol,
)
from scrapy.crawler import Crawler
from scrapy.http import Response
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web._newclient import HEADER, STATUS
from twisted.web._newclient import Request as SentRequest

from pipeline.crawl.budget import Budget

MAX_HEAD = 262_144  # bytes of status line and headers, interim answers (1xx) included


class HeadTooLargeError(ValueError):
    """An answer whose head did not end in time."""


class BoundedProtocol(_LenientHTTP11ClientProtocol):
    """A connection that is given up when the head of an answer is too large."""

    _head = 0  # bytes of the answer that is coming in, while its body has not begun

    def request(self, request: SentRequest) -> "Deferred[Any]":
        """Send a request, and count its answer from nothing."""
        self._head = 0
        return super().request(request)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take what came in, unless there has been too much of it."""
        if getattr(self._parser, "state", "") in (STATUS, HEADER):
            self._head += len(data)
            if self._head > MAX_HEAD + len(data):  # what came last may hold the body's beginning
                problem = f"the head of the answer is larger than {MAX_HEAD} bytes"
                self._giveUp(Failure(HeadTooLargeError(problem)))  # type: ignore[no-untyped-call]  # Twisted has no types here
                return
        super().dataReceived(data)  # type: ignore[no-untyped-call]  # nor here


class BoundedFactory(_LenientHTTP11ClientFactory):
    """Makes such connections."""

    def buildProtocol(self, addr: object) -> BoundedProtocol:  # noqa: ARG002, N802 - Twisted's name
        """Return a new connection."""
        return BoundedProtocol(self._quiescentCallback)  # type: ignore[no-untyped-call]  # nor here


class BoundedHandler(HTTP11DownloadHandler):
    """Scrapy's handler for http and https, with such connections, that looks once more before it asks."""

    def __init__(self, crawler: Crawler) -> None:
        """Make the handler, as Scrapy asks for it."""
        super().__init__(crawler)
        self._pool._factory = BoundedFactory  # noqa: SLF001 - as Scrapy does; there is no other way in

    async def download_request(self, request: Request) -> Response:
        """Return the answer; IgnoreRequest when the request may not be sent any more."""
        budget = self._crawler.get_extension(Budget)
        if budget is None:
            raise TypeError("this handler needs the extension Budget: use `settings_of`.")
        budget.spend(request)
        return await super().download_request(request)
