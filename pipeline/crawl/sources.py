"""A site as metadata: where its list is, how to read it, what it allows, and what a good crawl must yield."""

import tomllib
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import quote, urlsplit

from pipeline.records import Resource, ResourceKind

SOURCE_FOLDER = Path(__file__).parent.parent / "sources"
MAX_SOURCE_BYTES = 65_536  # far beyond any real source: a longer file is a mistake
_TITLE_SAFE = "/:;@$!*(),~-._"  # what MediaWiki itself leaves unescaped in a page's URL
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
Fetch = Literal["html", "api"]


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
    page_prefix: str = ""  # how the title of the link to the describing page begins; empty: the name's own link
    page_url: str  # address of a page, with {title}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Under which licence a site's texts or pictures stand; {title} and {url} in `attribution` are filled in."""

    licence: str
    attribution: str
    redistribution: bool  # whether a release may be published with them


@dataclass(frozen=True, slots=True, kw_only=True)
class Politeness:
    """How a site is asked: one request at a time for each host, never faster than this."""

    delay: float  # seconds between two requests; robots.txt may ask for more
    contact_required: bool = True  # a crawl must name whom to write to
    retries: int = 2
    backoff: float = 5.0  # seconds to wait after 429 or 503 that does not say how long
    longest_wait: float = 120.0  # seconds; a site that asks for more is left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Sizes beyond which an answer is refused."""

    page_bytes: int = 8_388_608
    image_bytes: int = 8_388_608
    timeout: float = 60.0  # seconds for one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertions:
    """What a crawl must yield; anything less means that the site changed under us."""

    min_listings: int
    min_description_yield: float  # share of listings with a description, 0 to 1
    text_ratio: tuple[float, ...] = (0.5, 0.8)  # band of text over text and pixels, around the 2/3 aimed at


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Everything the crawler and the parsers know about one site."""

    name: str
    title: str
    language: str  # of the descriptions
    start: str  # address of the list
    section: str  # heading of the section that describes the creature
    fetch: Fetch = "html"  # descriptions as pages, or through the API
    bundled: bool = False  # served by this project itself
    page_hosts: tuple[str, ...]
    image_hosts: tuple[str, ...]
    api: tuple[Api, ...] = ()
    list: ListRules
    text: Rights
    pictures: Rights
    politeness: Politeness
    limits: Limits = Limits()
    assertions: Assertions

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _check(self)

    def api_for(self, url: str) -> str:
        """Return the API that answers for the host of `url`, or an empty string."""
        return next((api.url for api in self.api if api.host == host_of(url)), "")

    def page_url(self, title: str) -> str:
        """Return the address of the page `title` on the describing site."""
        return self.list.page_url.replace("{title}", quote(title.replace(" ", "_"), safe=_TITLE_SAFE))

    def allows(self, url: str, kind: ResourceKind) -> bool:
        """Say whether `url` is on a host that this source may ask for this kind of resource."""
        pages = {*self.page_hosts, *(host_of(api.url) for api in self.api)}
        hosts = set(self.image_hosts) if kind == "miniature" else pages
        return host_of(url) in (hosts | set(self.image_hosts) if kind == "robots" else hosts)

    def rights(self, resource: Resource) -> tuple[str, str]:
        """Return licence and attribution of a resource, with its title and address filled in."""
        rights = self.pictures if resource.kind == "miniature" else self.text
        return rights.licence, rights.attribution.replace("{title}", resource.title).replace("{url}", resource.url)


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


def known_sources() -> tuple[str, ...]:
    """Return the names of the sources that come with the project."""
    return tuple(sorted(path.stem for path in SOURCE_FOLDER.glob("*.toml")))


def load_source(name_or_path: str | Path) -> Source:
    """Return a source by its name in pipeline/sources/, or by the path of a .toml file.

    Raises ValueError for an unknown name, an unreadable file, and unknown, missing or mistyped keys.

    >>> load_source("sample").language
    'en'
    """
    text = str(name_or_path)
    by_path = text.endswith(".toml")
    if not by_path and text not in known_sources():
        raise ValueError(f"source {text!r} is not known: choose {', '.join(known_sources())}, or give a .toml file.")
    path = Path(text) if by_path else SOURCE_FOLDER / f"{text}.toml"
    if not path.is_file():
        raise ValueError(f"source file {text!r} does not exist: check the path.")
    if path.stat().st_size > MAX_SOURCE_BYTES:
        raise ValueError(f"source file {text!r} is larger than {MAX_SOURCE_BYTES} bytes: it cannot be a source.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"source file {text!r} is not TOML: {error}. Mend that line.") from error
    return source_from_table(table, where=text)


def source_from_table(table: dict[str, object], where: str) -> Source:
    """Return the source that a parsed TOML (or JSON) table describes; `where` begins the messages of errors."""
    built = _build(Source, table, where)
    if not isinstance(built, Source):  # pragma: no cover - _build returns what it was asked for
        raise TypeError(f"{where}: {type(built).__name__} is not a Source.")
    return built


def _build(cls: type, value: object, where: str) -> object:
    """Make the dataclass `cls` from a table, each key checked against the field's type."""
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r}: it must be a table of keys.")  # noqa: TRY004 - one error for all of a file
    known: dict[str, Field[object]] = {field.name: field for field in fields(cls)}
    for key in sorted(set(value) - set(known)):
        raise ValueError(f"{where} has an unknown key {key!r}: remove it, or use one of {', '.join(known)}.")
    for key, field in known.items():
        if key not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where} lacks the key {key!r}: add it.")
    hints = get_type_hints(cls)
    built: object = cls(**{key: _value(hints[key], item, f"{where}: {key}") for key, item in value.items()})
    return built


def _value(kind: Any, value: object, where: str) -> object:  # noqa: ANN401 - any annotation
    """Return `value` as `kind`, or raise ValueError with the place and the value."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _build(kind, value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} is {value!r}: it must be a list.")
        return tuple(_value(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"{where} is {value!r}: choose one of {', '.join(map(repr, get_args(kind)))}.")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where} is {value!r}: it must be of type {kind.__name__}.")
    return value


def _check(source: Source) -> None:
    where = f"source {source.name!r}"
    if not source.name or not source.name.replace("-", "").replace("_", "").isalnum() or not source.name.isascii():
        raise ValueError(f"{where}: a name is letters, digits and dashes, since it names a folder; choose another.")
    if not source.allows(source.start, "list"):
        raise ValueError(
            f"{where}: start {source.start!r} is not on a page host; add {host_of(source.start)!r} to them."
        )
    if "{title}" not in source.list.page_url or not source.allows(source.page_url("x"), "description"):
        raise ValueError(f"{where}: page_url {source.list.page_url!r} must hold {{title}} and be on a page host.")
    if not source.list.table_class or not source.section:
        raise ValueError(f"{where}: table_class and section must not be empty; say which table and section to read.")
    if source.fetch == "api" and not source.api_for(source.page_url("x")):
        raise ValueError(f"{where}: fetch is 'api', but no [[api]] answers for {source.list.page_url!r}; add one.")
    polite, sizes, asserted = source.politeness, source.limits, source.assertions
    if min(polite.delay, polite.retries, polite.backoff, polite.longest_wait) < 0:
        raise ValueError(f"{where}: politeness has a negative number ({polite}); use 0 or more.")
    if min(sizes.page_bytes, sizes.image_bytes, sizes.timeout) <= 0:
        raise ValueError(f"{where}: limits must be above 0, but are {sizes}.")
    if asserted.min_listings < 0 or not 0 <= asserted.min_description_yield <= 1:
        raise ValueError(f"{where}: assertions are {asserted}; min_description_yield lies between 0 and 1.")
    if len(asserted.text_ratio) != 2 or not 0 <= asserted.text_ratio[0] < asserted.text_ratio[1] <= 1:  # noqa: PLR2004
        raise ValueError(f"{where}: text_ratio is {asserted.text_ratio}; give two shares, low and high: [0.5, 0.8].")
