"""The spider: lists, change keys, then the pages and pictures that changed. It only asks; pages.py reads."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus

from scrapy import Request, Spider
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from twisted.python.failure import Failure

from pipeline.crawl.answers import is_api_error, is_missing, objection, revision_of
from pipeline.crawl.changes import (
    MAX_ROUNDS,
    TITLES_A_CALL,
    Wanted,
    continued,
    file_title,
    generator_call,
    key_calls,
    parse_url,
    read_keys,
)
from pipeline.crawl.ledger import Answer, Ledger
from pipeline.crawl.pages import parse_list
from pipeline.crawl.politeness import BUSY, ApiGoneError, Manners, WouldAskError, answer_of
from pipeline.crawl.sources import WikiSource, host_of
from pipeline.records import Listing, Resource, ResourceKind

_NO_API = frozenset({400, 404, 405, 410, 501})  # there is none
_ILL_API = frozenset({500, 502})  # not 429, 503, 504: a busy API comes back
_TRUSTED = 3  # answers of an ill one before the pages themselves are asked
_GONE = Answer(status=HTTPStatus.NOT_FOUND.value)


class SiteSpider(Spider):
    """Crawls one source into its ledger; each resource ends as one line, whatever happened to it.

    In a dry run robots.txt, lists and change keys are asked for, and what else would be is counted.
    """

    name = "site"

    def __init__(self, manners: Manners, limit: int | None = None) -> None:
        """Crawl what `manners` describes, at most the first `limit` rows of each list."""
        super().__init__()
        self.manners = manners
        self.source: WikiSource = manners.source
        self.ledger: Ledger = manners.ledger
        self.limit = limit
        self.problem = ""  # why the crawl as a whole failed
        self.may_pass = False  # whether that is a fault of the network or of the site, which passes by itself
        self.planned: dict[tuple[str, str], Wanted] = {}  # what the lists ask for
        self.notes: dict[str, str] = {}  # what the lists have that was not understood, each reason once
        self._ill: Counter[str] = Counter()  # API -> how often it failed
        self.would: Counter[tuple[str, str]] = Counter()  # host and kind -> requests that a dry spider did not make

    async def start(self) -> AsyncIterator[Request]:
        """Begin with the lists, from the store when an interrupted crawl has them already."""
        wanted = []
        for url in self.source.start:
            item = self._page("list", url, self.source.title_at(url))
            there = self.ledger.finished(item)
            listings, _ = self._read_list(there) if there is not None else ((), "")
            for request in self._plan(listings):
                yield request
            if not listings:  # a stored list that cannot be read is asked for again: the site may have healed
                wanted.append(item)
        for request in self._ask_keys(wanted):
            yield request

    def on_answer(self, response: Response) -> Iterator[Request]:
        """Write the line of one answer, and go on with what it leads to."""
        wanted: Wanted = response.meta["wanted"]
        answer = answer_of(response)
        asked_api = bool(wanted.ask) or wanted.kind == "api"
        if asked_api:
            self._judge_api(response.url.partition("?")[0], answer.status)
        if wanted.ask and objection(wanted, answer) and not is_api_error(answer):
            yield self._ask(replace(wanted, ask=""))  # the API is not to be had: the page itself says the same
            return
        resource = self._receive(wanted, answer)
        if wanted.kind == "list" and resource is not None:
            yield from self._on_list(wanted, resource, answer)
        elif wanted.kind == "list":
            busy = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in BUSY
            self._fail_list(wanted, objection(wanted, answer), may_pass=busy)
        elif wanted.kind == "api":
            yield from self._compare(wanted, resource)

    def _judge_api(self, api: str, status: int) -> None:
        """Note an API that is not to be had, so that nobody asks it for every page."""
        self._ill[api] += status in _ILL_API
        if status in _NO_API or self._ill[api] >= _TRUSTED:
            self.manners.no_api.add(api)

    def on_failure(self, failure: Failure) -> Iterator[Request]:
        """Write the line of a request that got no answer, or was refused, and go on."""
        request: Request = failure.request  # type: ignore[attr-defined]  # Scrapy sets it
        wanted: Wanted = request.meta["wanted"]
        value = failure.value
        if isinstance(value, WouldAskError):
            self.would[host_of(request.url), wanted.kind] += 1
            return
        if isinstance(value, ApiGoneError) and wanted.ask:
            yield self._ask(replace(wanted, ask=""))
            return
        error = str(value) if isinstance(value, IgnoreRequest) else f"{type(value).__name__}: {value}"
        self.ledger.fail(wanted, Answer(status=0, robots=str(request.meta.get("robots", ""))), error[:300])
        if wanted.kind == "list":
            may_pass = not isinstance(value, IgnoreRequest) or host_of(request.url) in self.manners.in_trouble
            self._fail_list(wanted, error[:300], may_pass=may_pass)
        elif wanted.kind == "api":
            yield from self._compare(wanted, None)

    def _page(self, kind: ResourceKind, url: str, title: str, *, optional: bool = False) -> Wanted:
        """Return a page as wanted: through the API where there is one and the source says so."""
        api = self.source.api_for(url) if self.source.fetch == "api" else ""
        return Wanted(kind=kind, url=url, title=title, ask=parse_url(api, title) if api else "", optional=optional)

    def _ask(self, wanted: Wanted) -> Request:
        """Return the request for a resource; conditional when the last crawl has it and no change key spoke."""
        headers: dict[str, str] = {}
        known = self.ledger.known(wanted)
        plain = not wanted.revision and not wanted.ask and wanted.kind != "api"
        if plain and known is not None and self.ledger.store.intact(known.sha256):
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
        error = objection(wanted, answer)
        if error and wanted.optional and (answer.status == HTTPStatus.NOT_FOUND or is_missing(answer)):
            self.ledger.absent(wanted, replace(answer, status=HTTPStatus.NOT_FOUND.value))
        elif error:
            self.ledger.fail(wanted, answer, error)
        if error:
            return None
        named = revision_of(wanted, answer)
        return self.ledger.keep(replace(wanted, revision=named or wanted.revision), answer)

    def _on_list(self, wanted: Wanted, resource: Resource, answer: Answer) -> Iterator[Request]:
        """Plan what a list asks for."""
        listings, reason = self._read_list(resource)
        if reason:  # a failed line takes the kept one's place, so that the next run asks again
            self.ledger.fail(wanted, answer, reason)
            self._fail_list(wanted, reason)
        yield from self._plan(listings)

    def _fail_list(self, wanted: Wanted, reason: str, *, may_pass: bool = False) -> None:
        if not self.problem:
            self.problem, self.may_pass = f"the list {wanted.url} could not be read: {reason}.", may_pass

    def _read_list(self, resource: Resource) -> tuple[tuple[Listing, ...], str]:
        """Return the listings of the list, or none and the reason."""
        try:
            page = parse_list(self.ledger.store.get(resource.sha256), resource.url, self.source)
        except ValueError as error:
            return (), str(error).removesuffix(".")
        for row in page.unparsed:
            self.logger.warning("%s was not understood (%s): %s", row.where, row.reason, row.text)
        self.notes |= {row.reason: f"{row.where}: {row.reason}" for row in page.unparsed}
        self.notes |= {name: f"column {name!r} is neither read nor ignored" for name in page.unknown_columns}
        if not page.listings:
            reason = page.unparsed[0].reason if page.unparsed else "no row"
            return (), f"it has no listing that this source understands: {reason}"
        self.ledger.count(listings=len(page.listings), unparsed=len(page.unparsed))
        return page.listings, ""

    def _plan(self, listings: tuple[Listing, ...]) -> Iterator[Request]:
        """Yield what `listings` lead to: calls for change keys where there is an API, else all at once."""
        rows = list(dict.fromkeys(_row_of(listing) for listing in listings))
        within = set(rows[: self.limit])
        new: dict[tuple[str, str], Wanted] = {}
        for listing in listings:
            if _row_of(listing) in within:
                new |= {(item.kind, item.url): item for item in self._wanted(listing)}
        new = {key: item for key, item in new.items() if key not in self.planned}
        self.planned |= new
        left = [item for item in new.values() if self.ledger.finished(item) is None]
        self.ledger.count(resumed=len(new) - len(left))
        for kind in ("description", "miniature"):
            yield from self._ask_keys([item for item in left if item.kind == kind])

    def _wanted(self, listing: Listing) -> Iterator[Wanted]:
        for place, page in enumerate(listing.pages):
            yield self._page("description", page.url, page.title, optional=place > 0)
        yield Wanted(kind="miniature", url=listing.miniature_url, title=file_title(listing.miniature_url))

    def _ask_keys(self, wanted: list[Wanted]) -> Iterator[Request]:
        """Yield calls for the change keys of `wanted`; those without an API are asked for at once."""
        groups: dict[tuple[str, str, str], list[Wanted]] = {}
        for item in wanted:
            groups.setdefault((self.source.api_for(item.url), *self._found_by(item)), []).append(item)
        for (api, generator, title), items in groups.items():
            if not api:
                yield from self._fetch(items)
            elif generator and len(items) > TITLES_A_CALL:
                yield from self._call(replace(generator_call(api, generator, title, items), rounds=_worth(items)))
            else:
                for call in key_calls(api, items):
                    yield from self._call(call)

    def _found_by(self, item: Wanted) -> tuple[str, str]:
        """Return generator and title by which the wiki itself finds many resources like this one; else empty texts."""
        if item.kind == "miniature":
            host = host_of(item.url)
            return next(
                (("images", self.source.title_at(url)) for url in self.source.start if host_of(url) == host), ("", "")
            )
        text = next((text for text in self.source.texts if text.category and text.covers(item.url)), None)
        return ("categorymembers", text.category) if text and item.kind == "description" else ("", "")

    def _call(self, call: Wanted) -> Iterator[Request]:
        """Ask for change keys, or take the answer that an interrupted crawl has kept."""
        there = self.ledger.finished(call)
        if there is None:
            yield self._ask(call)
        else:
            yield from self._compare(call, there)

    def _compare(self, call: Wanted, answer: Resource | None) -> Iterator[Request]:
        """Settle what the answer speaks of, and ask further for the rest."""
        found: dict[str, str] = {}
        more: tuple[tuple[str, str], ...] = ()
        if answer is not None:
            try:
                keys = read_keys(self.ledger.store.get(answer.sha256), call.parts)
            except ValueError as error:
                self.logger.warning("no change keys, so all are asked for: %s", error)
            else:
                found, more = keys.found, keys.more
        left = tuple(item for item in call.parts if item.title not in found)
        for item in call.parts:
            if item.title in found:
                yield from self._settle(item, found[item.title])
        if left and more and more != call.more and call.rounds > 1:
            yield from self._call(replace(continued(call, more), parts=left, rounds=call.rounds - 1))
        elif call.generator:  # not on that page, not in that category: ask by their titles
            for next_call in key_calls(call.url.partition("?")[0], left):
                yield from self._call(next_call)
        else:
            yield from self._fetch(left)

    def _settle(self, item: Wanted, key: str) -> Iterator[Request]:
        """Carry over what has the change key it had, record what is gone, and fetch the rest."""
        known = self.ledger.known(item)
        if key and known is not None and known.revision == key and self.ledger.store.intact(known.sha256):
            self.ledger.carry(known, asked=False)
            if item.kind == "list":
                yield from self._on_list(item, known, _GONE)
        elif key or item.kind == "miniature":  # a file may lie in a repository that the wiki shares
            yield from self._fetch([replace(item, revision=key)])
        elif item.optional:
            self.ledger.absent(item, _GONE)
        else:
            self.ledger.fail(item, _GONE, f"the wiki has no page {item.title!r}")
            if item.kind == "list":
                self._fail_list(item, f"the wiki has no page {item.title!r}")

    def _fetch(self, wanted: Iterable[Wanted]) -> Iterator[Request]:
        """Ask for the bodies themselves."""
        return map(self._ask, wanted)


def _worth(items: list[Wanted]) -> int:
    """Return after how many answers of a generator it would have been cheaper to name the titles."""
    return min(MAX_ROUNDS, -(-len(items) // TITLES_A_CALL))


def _row_of(listing: Listing) -> str:
    """Return what the languages of one row share: a key without its language."""
    return listing.key.partition(".")[0]
