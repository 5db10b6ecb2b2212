"""A source as metadata: where its list is, how to read it, what it allows, and what a good crawl must yield.

A source is a wiki (`WikiSource`) or a folder of pictures with a table of records (`FolderSource`).
"""

import math
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pipeline.crawl.readings import Fetched
from pipeline.recipe import BuildConfig
from pipeline.records import Resource, ResourceKind

TITLE_SAFE = "/:;@$!*(),~-._"  # what MediaWiki itself leaves unescaped in a page's URL
_PLAIN = re.compile(r"[A-Za-z0-9_.-]*")  # names that an address holds as they are
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
Fetch = Literal["html", "api"]
Form = Literal["paragraphs", "definitions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The MediaWiki API that answers for the pages and files of one host."""

    host: str  # host, with a port when it is not the scheme's own
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRules:
    """How to read the list: headings are compared without case, and any of those given will do."""

    table_class: tuple[str, ...]  # classes that a table of creatures has, all of them
    number: tuple[str, ...]
    miniature: tuple[str, ...]
    name: tuple[str, ...]
    group: tuple[str, ...] = ()  # the column that names the family; without it a group is a number
    ignored: tuple[str, ...] = ()  # further columns that are known, and not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Under which licence texts or pictures stand; {title} and {url} in `attribution` are filled in."""

    licence: str
    attribution: str
    redistribution: bool  # whether a release may be published with them


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText(Rights):
    """One language in which a wiki's creatures are described: which pages, and which section of them."""

    language: str
    page_url: str  # address of a page, with {title}
    page_prefix: str = ""  # how the title of the link to it begins in the list; empty: the name's own link
    section: str  # heading of the section that describes the creature
    form: Form = "paragraphs"  # definitions: a list of terms (games) with what each says
    subpages: tuple[str, ...] = ()  # further pages with that section, by what follows the title, such as /Generation_1
    category: str = ""  # holds all these pages: their change keys then come hundreds a call

    def url(self, title: str) -> str:
        """Return the address of the page `title`."""
        name = title.replace(" ", "_")
        return self.page_url.replace("{title}", name if _PLAIN.fullmatch(name) else quote(name, safe=TITLE_SAFE))

    def covers(self, url: str) -> bool:
        """Say whether an address is of one of these pages."""
        before, _, after = self.page_url.partition("{title}")
        return url.startswith(before) and url.endswith(after)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldText(Rights):
    """One language in which a folder's records are described: which field says it; nested ones with a dot."""

    language: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Politeness:
    """How a site is asked: never faster than this; robots.txt may ask for more patience, never for less."""

    delay: float  # seconds between two requests to one host
    concurrency: int = 1  # requests under way at once for each host
    retries: int = 2
    backoff: float = 5.0  # seconds to wait after 429 or 503 that does not say how long
    longest_wait: float = 120.0  # seconds; a site that asks for more is left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes beyond which an answer is refused, and what one crawl may cost in all."""

    page_bytes: int = 8_388_608
    image_bytes: int = 8_388_608
    timeout: float = 60.0  # seconds for one answer
    requests: int = 20_000  # of one crawl, robots.txt and change keys included
    bytes: int = 4_294_967_296  # received by one crawl


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertions:
    """What a crawl must yield; anything less means that the site changed under us."""

    min_listings: int  # rows of the list, in each language
    min_description_yield: float  # share of the listings of each language that have a description, 0 to 1
    min_miniature_yield: float = 0.9  # share of the listings that have a picture, 0 to 1
    max_unparsed: float = 0.05  # share of the list's rows that may not be understood
    text_ratio: tuple[float, ...] = (0.5, 0.8)  # band of text over text and pixels, around the 2/3 aimed at


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What every source says of itself."""

    name: str
    title: str
    texts: tuple[Rights, ...]  # one for each language
    pictures: Rights
    limits: Limits = Limits()
    assertions: Assertions
    build: BuildConfig = field(default_factory=BuildConfig)  # how its records are made, unless a command says otherwise

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _check(self)

    @property
    def withheld(self) -> tuple[str, ...]:
        """Return what may not be redistributed: texts, pictures, both or neither."""
        texts = all(text.redistribution for text in self.texts)
        return tuple(part for part, free in (("texts", texts), ("pictures", self.pictures.redistribution)) if not free)


@dataclass(frozen=True, slots=True, kw_only=True)
class WikiSource(Source):
    """Everything the crawler and the parsers know about a MediaWiki, or about two that complete each other."""

    start: tuple[str, ...]  # addresses of the list pages
    fetch: Fetch = "api"  # how pages are asked where there is an API; the pages themselves are the fallback
    bundled: bool = False  # served by this project itself
    local: bool = False  # on this machine or network: private addresses are then no surprise
    page_hosts: tuple[str, ...]
    image_hosts: tuple[str, ...]
    api: tuple[Api, ...] = ()
    list: ListRules
    texts: tuple[PageText, ...]
    politeness: Politeness

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _check(self)
        _check_wiki(self)

    def api_for(self, url: str) -> str:
        """Return the API that answers for the host of `url`, or an empty string."""
        return next((api.url for api in self.api if api.host == host_of(url)), "")

    def allows(self, url: str, kind: ResourceKind) -> bool:
        """Say whether `url` is on a host that this source may ask for this kind of resource."""
        pages = {*self.page_hosts, *(host_of(api.url) for api in self.api)}
        hosts = set(self.image_hosts) if kind == "miniature" else pages
        return host_of(url) in (hosts | set(self.image_hosts) if kind == "robots" else hosts)

    def title_at(self, url: str) -> str:
        """Return the title of the page at an address: what its query names, what `page_url` holds, or its last part."""
        parts = urlsplit(url)._replace(fragment="")
        url = parts._replace(query="").geturl()
        named = parse_qs(parts.query).get("title", [""])[0]
        text = next((text for text in self.texts if text.covers(url) and host_of(text.page_url) == host_of(url)), None)
        before, _, after = text.page_url.partition("{title}") if text else ("", "", "")
        path = url.removeprefix(before).removesuffix(after) if text else parts.path.rsplit("/", 1)[-1]
        return (named or unquote(path)).replace("_", " ")

    def rights(self, resource: Resource) -> tuple[str, str]:
        """Return licence and attribution of a resource, with its title and address filled in."""
        texts = [text for text in self.texts if text.covers(resource.url)]
        closest = max(texts, key=lambda text: len(text.page_url), default=self.texts[0])
        return self.filled(self.pictures if resource.kind == "miniature" else closest, resource)

    def filled(self, rights: Rights, resource: Fetched) -> tuple[str, str]:
        """Return licence and attribution with a resource's title and address filled in."""
        return rights.licence, rights.attribution.replace("{title}", resource.title).replace("{url}", resource.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldNames:
    """Which field of a record says what; an empty name means that there is none. Nested ones with a dot."""

    id: str = "id"
    name: str = "name"
    image: str = "image"  # path of the picture, inside the folder
    number: str = ""  # without it all have the number 0
    form: str = ""
    group: str = ""  # family: all that must stay in one split; without it each record is its own
    licence: str = ""  # of a record, where it says so itself
    attribution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource(Source):
    """A folder of pictures, with a table of records: one JSON object a line."""

    folder: str  # its path; in a source file, from where that file lies
    records: str = "records.jsonl"
    texts: tuple[FieldText, ...]
    fields: FieldNames = FieldNames()

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _check(self)
        _check_folder(self)


def host_of(url: str) -> str:
    """Return the host of an http(s) address, with its port unless it is the scheme's own; empty when it has none.

    >>> host_of("https://Example.org:443/wiki"), host_of("http://127.0.0.1:8098/a"), host_of("file:///etc")
    ('example.org', '127.0.0.1:8098', '')
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc:
        return ""
    return parts.netloc.lower().removesuffix(_DEFAULT_PORTS[parts.scheme])


def _check(source: Source) -> None:
    where = f"source {source.name!r}"
    if not source.name or not source.name.replace("-", "").replace("_", "").isalnum() or not source.name.isascii():
        raise ValueError(f"{where}: a name is letters, digits and dashes, since it names a folder; choose another.")
    languages = [getattr(text, "language", "") for text in source.texts]
    if not languages or len(set(languages)) < len(languages) or not all(map(str.isalnum, languages)):
        raise ValueError(f"{where}: its texts are in {languages}; give one [[texts]] for each language, such as 'en'.")
    sizes, asserted = source.limits, source.assertions
    if min(sizes.page_bytes, sizes.image_bytes, sizes.timeout, sizes.requests, sizes.bytes) <= 0:
        raise ValueError(f"{where}: limits must be above 0, but are {sizes}.")
    shares = (asserted.min_description_yield, asserted.min_miniature_yield, asserted.max_unparsed)
    if asserted.min_listings < 0 or not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"{where}: assertions are {asserted}; yields and shares lie between 0 and 1.")
    if len(asserted.text_ratio) != 2 or not 0 <= asserted.text_ratio[0] < asserted.text_ratio[1] <= 1:  # noqa: PLR2004
        raise ValueError(f"{where}: text_ratio is {asserted.text_ratio}; give two shares, low and high: [0.5, 0.8].")


def _check_folder(source: FolderSource) -> None:
    where, fields = f"source {source.name!r}", source.fields
    if not source.folder or not source.records:
        raise ValueError(f"{where}: folder and records must not be empty; give a path, and the table's name inside it.")
    if not all((fields.id, fields.name, fields.image, *(text.field for text in source.texts))):
        raise ValueError(f"{where}: id, name, image and each text need a field; say which one of a record it is.")


def _check_wiki(source: WikiSource) -> None:
    where = f"source {source.name!r}"
    if not source.start:
        raise ValueError(f"{where}: start is empty; give the address of a list page.")
    for url in source.start:
        if not source.allows(url, "list"):
            raise ValueError(f"{where}: start {url!r} is not on a page host; add {host_of(url)!r} to them.")
    for text in source.texts:
        if "{title}" not in text.page_url or not source.allows(text.url("x"), "description"):
            raise ValueError(f"{where}: page_url {text.page_url!r} must hold {{title}} and be on a page host.")
        if not text.section:
            raise ValueError(f"{where}: the section of {text.language} must not be empty; say which one to read.")
    if not source.list.table_class:
        raise ValueError(f"{where}: table_class must not be empty; say which table to read.")
    _check_apis(source, where)
    polite = source.politeness
    if not all(map(math.isfinite, (polite.delay, polite.backoff, polite.longest_wait, source.limits.timeout))):
        raise ValueError(f"{where}: politeness and limits are finite numbers, but are {polite}, {source.limits}.")
    if min(polite.delay, polite.retries, polite.backoff, polite.longest_wait) < 0 or polite.concurrency < 1:
        raise ValueError(f"{where}: politeness has a number below its least ({polite}); use 0 or more, concurrency 1.")


def _check_apis(source: WikiSource, where: str) -> None:
    hosts = {*source.page_hosts, *source.image_hosts}
    for api in source.api:
        if api.host not in hosts or not host_of(api.url):
            raise ValueError(
                f"{where}: the API {api.url!r} of host {api.host!r} answers for none of {', '.join(sorted(hosts))}; "
                "give one of these as host, in lower case and without a scheme, and an http(s) address as url."
            )
