"""What a crawl yielded, stage by stage, against what its source asserts: here a changed site is noticed, loudly."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.crawl.pages import gathered, parse_description, parse_list
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.readings import Unparsed, pages_there, why_not
from pipeline.crawl.sources import FieldText, PageText, Source
from pipeline.records import Description, Listing

SHOWN = 20  # pages named for one stage in a message; `pixelbytes survey` shows all
SAME = 3  # pages with one reason that are told together


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A page, or a row of one, that did not yield what it should have."""

    url: str
    what: str  # its title, or the row
    reason: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.what} <{self.url}>: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """How much of what went into a stage came out of it."""

    stage: str
    found: int
    of: int  # 0 where a number is expected, not a share
    least: float  # a share of `of`; a number where `of` is 0
    troubles: tuple[Trouble, ...] = ()

    @property
    def passed(self) -> bool:
        """Say whether that is enough; a stage that nothing went into has nothing to show."""
        return self.found >= self.least * (self.of or 1)

    @property
    def value(self) -> str:
        """Return what was found, in words."""
        return f"{self.found} of {self.of} ({self.found / self.of:.1%})" if self.of else f"{self.found}"

    @property
    def limit(self) -> str:
        """Return what was expected, in words."""
        return f"at least {self.least:.1%}" if self.of else f"at least {self.least:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The yields of one crawl."""

    source: str
    crawl: str
    limited: str = ""  # to how much the crawl was limited
    yields: tuple[Yield, ...]
    unknown_columns: tuple[str, ...]  # headings of the list that the source does not know

    @property
    def failed(self) -> bool:
        """Say whether a stage yielded less than the source asserts."""
        return not all(stage.passed for stage in self.yields)

    def problem(self) -> str:
        """Return what fell short, what was expected and which pages did it; empty when nothing did."""
        parts = [_told(stage) for stage in self.yields if not stage.passed]
        if not parts:
            return ""
        if self.unknown_columns:
            parts.append(f"the list has columns that the source does not know: {', '.join(self.unknown_columns)}")
        head = f"crawl {self.crawl} of {self.source} yielded less than its source asserts."
        tail = "If the site changed, or the rules never fitted, mend the source; if it did not answer, crawl again."
        return "\n".join([head, *parts, tail])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """What all list pages of a crawl say."""

    listings: tuple[Listing, ...]
    unparsed: tuple[tuple[str, Unparsed], ...]  # with the address of the page
    unknown_columns: tuple[str, ...]


def read_lists(crawl: Crawl, store: RawStore, source: Source) -> Lists:
    """Return the rows of a crawl's lists; ValueError when a list cannot be read, or when none has a row."""
    listings: list[Listing] = []
    unparsed: list[tuple[str, Unparsed]] = []
    unknown: dict[str, None] = {}
    for resource in crawl.by_url("list").values():
        if not resource.sha256:
            raise ValueError(f"the list {resource.url} is not in crawl {crawl.name}: {resource.error}. Crawl again.")
        try:
            page = parse_list(store.get(resource.sha256), resource.url, source)
        except ValueError as error:
            raise ValueError(f"the list {resource.url} cannot be read: {error}") from error
        listings += page.listings
        unparsed += [(resource.url, row) for row in page.unparsed]
        unknown |= dict.fromkeys(page.unknown_columns)
    if not listings:
        why = f": {unparsed[0][1].reason}" if unparsed else ""
        raise ValueError(
            f"the list of source {source.name!r} gave no row{why}. The page changed, or its rules are wrong."
        )
    return Lists(listings=tuple(listings), unparsed=tuple(unparsed), unknown_columns=tuple(unknown))


def survey(source: Source, store: RawStore, crawl: Crawl | None = None) -> Survey:
    """Return the yields of a crawl, the newest unless one is given.

    A crawl that was limited is judged by the rows it got to. Raises ValueError without a crawl, or a list in it.
    """
    chosen = crawl or store.latest_crawl()
    if chosen is None:
        raise ValueError(f"{store.root} holds no finished crawl: crawl {source.name} first.")
    lists = read_lists(chosen, store, source)
    asserted = source.assertions
    rows = _Reader(source, store, chosen)
    within = rows.within(lists.listings)
    stages = [_rows(lists, len(source.texts), asserted.max_unparsed)]
    for language in _languages(source):
        spoken = {listing.key: listing for listing in lists.listings if listing.language == language}
        stages.append(
            Yield(stage=f"listings ({language})", found=len(spoken), of=0, least=float(asserted.min_listings))
        )
        asked = [listing for listing in within if listing.language == language]
        stages.append(
            _stage(f"descriptions ({language})", asked, asserted.min_description_yield, map(rows.description, asked))
        )
    asked = list({listing.miniature_url: listing for listing in within}.values())
    stages.append(_stage("miniatures", asked, asserted.min_miniature_yield, map(rows.miniature, asked)))
    return Survey(
        source=source.name,
        crawl=chosen.name,
        limited=chosen.limited,
        yields=tuple(stages),
        unknown_columns=lists.unknown_columns,
    )


def _languages(source: Source) -> list[str]:
    """Return the languages of a source: one that no row has is missed, not forgotten."""
    return [text.language for text in source.texts if isinstance(text, PageText | FieldText)]


def _rows(lists: Lists, languages: int, most: float) -> Yield:
    """Return how many rows of the lists were understood; one that lacks a language counts as not understood."""
    troubles = tuple(
        Trouble(url=url, what=f"{row.where} ({row.text})" if row.text else row.where, reason=row.reason)
        for url, row in lists.unparsed
    )
    spoken = Counter(listing.key.partition(".")[0] for listing in lists.listings)  # keys without their language
    found = sum(count >= languages for count in spoken.values())
    amiss = len({(url, row.where) for url, row in lists.unparsed})
    return Yield(stage="rows of the list", found=found, of=found + amiss, least=1 - most, troubles=troubles)


def _stage(name: str, asked: Sequence[Listing], least: float, troubles: Iterable[Trouble | None]) -> Yield:
    found = list(troubles)
    told = tuple(dict.fromkeys(trouble for trouble in found if trouble is not None))
    return Yield(stage=name, found=found.count(None), of=len(asked), least=least, troubles=told)


def _told(stage: Yield) -> str:
    """Return a stage that fell short, with the pages that did it, and why; a reason that many share is told once."""
    lines = [f"{stage.stage}: {stage.value}, expected {stage.limit}"]
    shared: dict[str, list[Trouble]] = {}
    for trouble in stage.troubles[:SHOWN]:
        shared.setdefault(trouble.reason, []).append(trouble)
    for reason, troubles in shared.items():
        if len(troubles) < SAME:
            lines += [f"  {trouble}" for trouble in troubles]
        else:
            named = ", ".join(f"{trouble.what} <{trouble.url}>" for trouble in troubles)
            lines.append(f"  {len(troubles)} × {reason}: {named}")
    more = len(stage.troubles) - SHOWN
    return "\n".join([*lines, f"  … and {more} more"] if more > 0 else lines)


class _Reader:
    """Looks at the pages and pictures of one crawl, each body once."""

    def __init__(self, source: Source, store: RawStore, crawl: Crawl) -> None:
        self.source = source
        self.store = store
        self.pages = crawl.by_url("description")
        self.pictures = crawl.by_url("miniature")
        self._seen: dict[tuple[str, str], str] = {}  # page and language -> why it says nothing

    def within(self, listings: Sequence[Listing]) -> list[Listing]:
        """Return the listings that the crawl got to: of each list, all up to the last one that it asked for whole.

        Those behind may share a page with one before them, as forms do, and were still never asked for.
        """
        last: dict[str, int] = {}
        for place, listing in enumerate(listings):
            if listing.pages[0].url in self.pages and listing.miniature_url in self.pictures:
                last[listing.list_url] = place
        return [listing for place, listing in enumerate(listings) if place <= last.get(listing.list_url, -1)]

    def description(self, listing: Listing) -> Trouble | None:
        """Return why a listing has no description; None when it has one."""
        first = listing.pages[0]
        key = first.url, listing.language
        if key not in self._seen:
            self._seen[key] = self._silence(listing)
        reason = self._seen[key]
        return Trouble(url=first.url, what=first.title, reason=reason) if reason else None

    def _silence(self, listing: Listing) -> str:
        there, reason = pages_there(listing, self.pages)
        if reason:
            return reason
        said = gathered(
            parse_description(self.store.get(page.sha256), page.title, listing.language, self.source) for page in there
        )
        return "" if isinstance(said, Description) else said.reason

    def miniature(self, listing: Listing) -> Trouble | None:
        """Return why a listing has no picture; None when it has one."""
        resource = self.pictures.get(listing.miniature_url)
        if resource is not None and resource.sha256:
            return None
        return Trouble(url=listing.miniature_url, what=listing.name, reason=why_not(resource, "picture"))
