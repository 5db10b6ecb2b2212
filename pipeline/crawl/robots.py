"""robots.txt as RFC 9309 has it: obeyed, recorded with each request, and a refusal when it cannot be had."""

from http import HTTPStatus
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.robotstxt import RobotParser

from pipeline.crawl.changes import Wanted
from pipeline.crawl.ledger import Answer
from pipeline.crawl.politeness import ROBOT, answer_of, manners_of
from pipeline.crawl.sources import host_of

ROBOTS_BYTES = 512_000  # of robots.txt that are read: what RFC 9309 asks of a crawler; the rest is cut off
_REFUSAL = b"User-agent: *\nDisallow: /"


class PoliteRobots(RobotsTxtMiddleware):
    """Obeys robots.txt and records it; one that cannot be had (5xx, 429, no answer) is a refusal, as RFC 9309 says.

    It may be redirected, five times at most, to hosts that the source allows. Other 4xx mean that there are no rules.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Obey the rules of all hosts that `crawler` asks."""
        super().__init__(crawler)
        self._urls: dict[str, str] = {}  # network location -> where its rules are

    async def robot_parser(self, request: Request) -> RobotParser | None:
        """Return the rules for a request; Scrapy hands None to all but the first that waits for them together."""
        self._urls.setdefault(urlsplit(request.url).netloc, _robots_url(request))
        found = await super().robot_parser(request)
        kept = self._parsers.get(urlsplit(request.url).netloc)
        return kept if isinstance(kept, RobotParser) else found

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        ok = response.status < HTTPStatus.MULTIPLE_CHOICES
        absent = HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR
        absent = absent and response.status != HTTPStatus.TOO_MANY_REQUESTS
        response = response.replace(body=read_part(response.body) if ok else b"" if absent else _REFUSAL)
        manners, url = manners_of(self.crawler), _robots_url(request)
        words = (
            "rules of" if ok else f"no rules ({response.status}) at" if absent else f"no access ({response.status}) to"
        )
        manners.robots[netloc] = f"{words} {url}"
        if not ok and not absent:
            manners.in_trouble.add(host_of(url))
        wanted = Wanted(kind="robots", url=url)
        if ok:
            manners.ledger.keep(wanted, answer_of(response))
        else:
            manners.ledger.fail(wanted, answer_of(response), f"answered {response.status}")
        await super()._parse_robots(response, netloc, request)

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        manners = manners_of(self.crawler)
        cause = str(exc) if isinstance(exc, IgnoreRequest) else f"{type(exc).__name__}: {exc}".removesuffix(": ")
        manners.robots[netloc] = f"no access to robots.txt of {netloc} ({cause[:200]})"
        url = self._urls[netloc]
        manners.ledger.fail(Wanted(kind="robots", url=url), Answer(status=0), cause[:300])
        reason = f"robots.txt of {netloc} could not be had ({cause[:200]}), so the host is left alone"
        manners.left_alone.setdefault(host_of(url), reason)
        if not isinstance(exc, IgnoreRequest):
            manners.in_trouble.add(host_of(url))
        super()._robots_error(exc, netloc)

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Note the decision in the request, and refuse when told so."""
        manners = manners_of(self.crawler)
        rules = manners.robots.get(urlsplit(request.url).netloc, "")
        host = host_of(request.url)
        wanted = request.meta.get("wanted")
        urls = {request.url}  # what the API is asked for in a page's stead is allowed when the page is
        if isinstance(wanted, Wanted) and wanted.ask and host_of(wanted.url) == host:
            urls.add(wanted.url)
        if rp is None or not all(rp.allowed(url, ROBOT) for url in urls):
            request.meta["robots"] = f"refused: {rules}"
            raise IgnoreRequest(f"refused by robots.txt: {rules}")
        request.meta["robots"] = f"allowed: {rules}"
        if host in manners.left_alone:  # robots.txt itself may have led to that
            raise IgnoreRequest(manners.left_alone[host])


def read_part(body: bytes) -> bytes:
    """Return what is read of a robots.txt: all of it, or the whole lines among its first `ROBOTS_BYTES`."""
    if len(body) <= ROBOTS_BYTES:
        return body
    return body[: body.rfind(b"\n", 0, ROBOTS_BYTES) + 1]


def _robots_url(request: Request) -> str:
    parts = urlsplit(request.url)
    return f"{parts.scheme}://{parts.netloc}/robots.txt"
