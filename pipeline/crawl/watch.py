"""Watches a crawl from inside the child process: tells how far it is, and whether it ended well."""

import json
import sys
import time
from dataclasses import asdict, replace

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.defer import deferred_from_coro
from twisted.python.failure import Failure

from pipeline.crawl.ledger import Ledger
from pipeline.crawl.politeness import manners_of
from pipeline.crawl.raw import CrawlReport
from pipeline.crawl.spiders import SiteSpider

NOTES = 10  # reasons told
TELL_EVERY = 0.1  # seconds between two lines about progress


class Watch:
    """Listens to the signals of one crawler; Scrapy holds listeners weakly, so keep it."""

    def __init__(self, crawler: Crawler, ledger: Ledger) -> None:
        """Watch `crawler`, which writes to `ledger`."""
        self.crawler = crawler
        self.ledger = ledger
        self.problem = "the crawler did not start."
        self._told = 0.0
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._error, signal=signals.spider_error)
        crawler.signals.connect(self._response, signal=signals.response_received)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    def finish(self) -> None:
        """Declare the crawl finished when nothing is wrong with it as a whole, and tell the report."""
        stats = self.crawler.stats
        count = stats.get_value if stats is not None else lambda _name, otherwise: otherwise
        report = replace(
            self.ledger.report,
            requests=int(count("budget/requests", 0)),
            bytes=int(count("budget/bytes", 0)),
        )
        problem = self.problem or str(getattr(self.crawler.spider, "problem", ""))
        may_pass = not self.problem and bool(getattr(self.crawler.spider, "may_pass", False))
        if problem:
            self.ledger.crawl.close()
        else:
            self.ledger.crawl.finish()
        self._progress(report)
        ended = {"report": asdict(report), "problem": problem, "may_pass": may_pass}
        tell({**ended, "hosts": self._hosts(), "notes": self._notes()})

    def _hosts(self) -> list[dict[str, object]]:
        """Return what a dry spider would have asked each host for, and at which pace."""
        spider = self.crawler.spider
        if not isinstance(spider, SiteSpider):
            return []
        return [
            {
                "host": host,
                "pages": spider.would[host, "description"],
                "pictures": spider.would[host, "miniature"],
                "delay": spider.manners.delays.get(host, spider.source.politeness.delay),
            }
            for host in dict.fromkeys(host for host, _ in spider.would)
        ]

    def _notes(self) -> list[str]:
        """Return what a spider did not understand of the lists."""
        spider = self.crawler.spider
        return list(spider.notes.values())[:NOTES] if isinstance(spider, SiteSpider) else []

    def _opened(self) -> None:
        self.problem = ""

    def _error(self, failure: Failure) -> None:
        """Stop at once: a site is not to be asked for what cannot be kept."""
        fault = failure.value
        what = "the raw store cannot be written" if isinstance(fault, OSError) else "a fault of ours, please report it"
        self.problem = self.problem or f"{what}: {failure.getErrorMessage()[:300]}."
        manners = manners_of(self.crawler)
        if not manners.spent:
            manners.spent = self.problem
            deferred_from_coro(self.crawler.engine.close_spider_async(reason="it could not go on"))

    def _response(self, response: Response) -> None:
        if time.monotonic() - self._told >= TELL_EVERY and response.status:
            self._progress(self.ledger.report)

    def _closed(self, reason: str) -> None:
        if reason != "finished":
            self.problem = self.problem or f"it was stopped ({reason})."

    def _progress(self, report: CrawlReport) -> None:
        self._told = time.monotonic()
        spider = self.crawler.spider
        planned, lists = (len(spider.planned), len(spider.source.start)) if isinstance(spider, SiteSpider) else (0, 0)
        done = report.fetched + report.not_modified + report.carried + report.resumed + report.failed + report.absent
        shown = max(done - lists, 0)  # the lists themselves are not among what they ask for
        tell({"done": shown, "total": planned, "failed": report.failed})


def tell(news: dict[str, object]) -> None:
    """Write one line of JSON for the parent process."""
    stream = sys.__stdout__  # sys.stdout itself is left to libraries that print
    if stream is not None:
        stream.write(json.dumps(news) + "\n")
        stream.flush()
