"""Change keys: asking a MediaWiki API which pages and files differ from the last crawl, many at a time.

The key of a page is its revision id, that of a file its SHA-1. A page's SHA-1 would survive protecting and moving it,
where the id costs one needless fetch; but the id is also what `action=parse` names and what a record keeps as its
provenance, so that one number does for all three.

A list is more than its own text: a template it uses, or a file that was moved, changes what it says and leaves its
revision alone. So its key has the time at which the wiki last saw any of that change (`touched`) as well.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote_plus, unquote, urlencode, urlsplit

from pipeline.records import ResourceKind

TITLES_A_CALL = 50  # MediaWiki's own limit for readers without special rights
MAX_QUERY = 6000  # characters: servers cut off request lines near 8 kB
MAX_ROUNDS = 200  # continuations of one call that are worth following: 100,000 files
_MAX_MORE = 2000  # characters of continuation: a category's holds a sort key of 230 bytes in hexadecimal
_MAX_HOPS = 16  # steps from a title to its page: normalized twice, converted, redirected by a chain
_FILE_SPACE = 6  # number of the namespace File, whatever a wiki's language calls it
_FORMAT = {"format": "json", "formatversion": "2", "maxlag": "5"}
_OF_PAGES = {"prop": "revisions", "rvprop": "ids|sha1|timestamp", "redirects": "1"}
_OF_LISTS = _OF_PAGES | {"prop": "info|revisions"}
_OF_FILES = {"prop": "imageinfo", "iiprop": "url|sha1|size|mime|timestamp"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # halves of characters too: no address can hold them
_SHA1 = re.compile(r"[0-9a-f]{40}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_CONTINUES = re.compile(r"[a-z]{0,30}(continue|offset|start)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A resource that a crawl needs: `url` names it for ever, `ask` is what is requested to get it."""

    kind: ResourceKind
    url: str
    title: str = ""
    ask: str = ""  # empty: the URL itself
    revision: str = ""  # change key announced by the API
    optional: bool = False  # a page that need not exist
    parts: tuple["Wanted", ...] = ()  # of a call for change keys: what it asks about
    generator: str = ""  # of such a call: "" names titles, "images" and "categorymembers" let the wiki find them
    rounds: int = MAX_ROUNDS  # of such a call: answers it is worth, continued ones included
    more: tuple[tuple[str, str], ...] = ()  # of such a call: where it continues


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What one answer says about change keys."""

    found: dict[str, str]  # by wanted title: revision id or SHA-1; empty for what does not exist
    more: tuple[tuple[str, str], ...] = ()  # parameters that ask for the rest, sorted; empty when complete


def parse_url(api: str, title: str) -> str:
    """Return the API call that gives a page as HTML inside JSON."""
    query = {"action": "parse", "page": title, "prop": "text|revid", "redirects": "1", "disableeditsection": "1"}
    return f"{api}?{urlencode(query | _FORMAT)}"


def file_title(url: str) -> str:
    """Return the wiki's title of the file at `url`.

    >>> file_title("http://host/images/d/db/Miniature_0001_EV.png")
    'File:Miniature 0001 EV.png'
    """
    return "File:" + unquote(urlsplit(url).path.rsplit("/", 1)[-1]).replace("_", " ")


def key_calls(api: str, wanted: Sequence[Wanted]) -> Iterator[Wanted]:
    """Yield the calls that ask `api` for the change keys of `wanted`: each title in one call, one kind in a call."""
    for kind, asked in (("list", _OF_LISTS), ("description", _OF_PAGES), ("miniature", _OF_FILES)):
        by_title: dict[str, list[Wanted]] = {}
        for item in wanted:
            if item.kind == kind:
                by_title.setdefault(item.title, []).append(item)
        for titles in _batches(list(by_title)):
            parts = [item for title in titles for item in by_title[title]]
            query = {"action": "query", "titles": _joined(titles)} | asked
            yield Wanted(kind="api", url=f"{api}?{urlencode(query | _FORMAT)}", title="change keys", parts=tuple(parts))


def _batches(titles: list[str]) -> Iterator[list[str]]:
    """Yield the titles in order, cut where one call would become too long."""
    batch: list[str] = []
    length = 0
    for title in titles:
        size = len(quote_plus(title)) + len("%7C")
        if batch and (len(batch) == TITLES_A_CALL or length + size > MAX_QUERY):
            yield batch
            batch, length = [], 0
        batch.append(title)
        length += size
    if batch:
        yield batch


def _joined(titles: list[str]) -> str:
    """Return titles as one parameter, with MediaWiki's other separator where a title holds the usual one."""
    return "\x1f" + "\x1f".join(titles) if any("|" in title for title in titles) else "|".join(titles)


def generator_call(api: str, generator: str, title: str, wanted: Sequence[Wanted]) -> Wanted:
    """Return the call for the keys of up to 500 files of the page `title` ("images"), or pages of the category `title`.

    Redirects are resolved twice over: of `title` itself, and of what the generator finds there.
    """
    match generator:
        case "images":
            query = {"titles": title, "gimlimit": "500"} | _OF_FILES | {"redirects": "1"}
        case "categorymembers":
            query = {"gcmtitle": title, "gcmlimit": "500", "gcmtype": "page"} | _OF_PAGES
        case _:
            raise ValueError(f"no generator {generator!r} gives change keys: choose images or categorymembers.")
    query = {"action": "query", "generator": generator} | query | _FORMAT
    url = f"{api}?{urlencode(query)}"
    return Wanted(kind="api", url=url, title="change keys", parts=tuple(wanted), generator=generator)


def continued(call: Wanted, more: tuple[tuple[str, str], ...]) -> Wanted:
    """Return the same call, continued by `more` in place of what it was continued by."""
    parts = urlsplit(call.url)
    old = {name for name, _ in (*call.more, *more)}
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in old]
    return replace(call, url=parts._replace(query=urlencode([*kept, *more])).geturl(), more=more)


def read_keys(body: bytes, wanted: Sequence[Wanted]) -> Keys:
    """Return the change key of each wanted title that the answer speaks of, and how to ask for the rest.

    A title whose key the answer does not say is left out. Raises ValueError when the body is no such answer.
    """
    answer = _answer(body)
    more = _more(answer.get("continue"))
    query = answer.get("query", {})
    listed = query.get("pages", []) if isinstance(query, dict) else None
    if not isinstance(query, dict) or not isinstance(listed, list):
        raise ValueError(f"the API did not answer the question: {body[:200]!r}")  # noqa: TRY004 - the site's fault
    files = any(item.kind == "miniature" for item in wanted)
    pages: dict[str, dict[str, object]] = {}
    for page in _tables(listed):
        title = page.get("title")
        if isinstance(title, str):
            pages[title] = page
            if not files or page.get("ns") == _FILE_SPACE:
                pages.setdefault(_plain(title, files=files), page)
    moves = _moves(query, files=files)
    keys: dict[str, str | None] = {}
    for item in wanted:
        page = _page(item.title, pages, moves, files=files)
        keys[item.title] = _list_key(page) if item.kind == "list" else _key(page)
    return Keys(found={title: key for title, key in keys.items() if key is not None}, more=more)


def _answer(body: bytes) -> dict[str, object]:
    """Return an answer that is no error; a query that found nothing has only its `batchcomplete`."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the API did not answer with JSON ({body[:40]!r})") from error
    table = answer if isinstance(answer, dict) else {}
    if "error" in table or not {"query", "continue", "batchcomplete"} & set(table):
        said = table.get("error")
        words = [said.get(name) for name in ("code", "info")] if isinstance(said, dict) else []
        text = ": ".join(word for word in words if isinstance(word, str)) or repr(body[:200])
        raise ValueError(f"the API did not answer the question: {text[:200]}")
    return table


def _more(value: object) -> tuple[tuple[str, str], ...]:
    """Return an answer's continuation parameters; only such parameters, lest a site rewrite the question."""
    table = value if isinstance(value, dict) else {}
    more: list[tuple[str, str]] = []
    for name, item in table.items():
        text = str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        if not isinstance(text, str) or _CONTROL.search(text) or not _CONTINUES.fullmatch(name):
            raise ValueError(f"the API's answer continues with what is no such parameter: {name[:40]!r}.")
        more.append((name, text))
    if value is not None and not 0 < len(urlencode(more)) <= _MAX_MORE:
        raise ValueError(f"the API's answer continues, but not with 1 to {_MAX_MORE} characters of parameters.")
    return tuple(sorted(more))


def _moves(query: dict[str, object], *, files: bool) -> dict[str, str]:
    """Return where titles lead, in steps: normalized, converted to another script, redirected."""
    moves: dict[str, str] = {}
    for name in ("normalized", "converted", "redirects"):
        for step in _tables(query.get(name)):
            here, there = step.get("from"), step.get("to")
            if isinstance(here, str) and isinstance(there, str):
                here = unquote(here) if step.get("fromencoded") is True else here
                moves.setdefault(_plain(here, files=files), there)
                moves[here] = there
    return moves


def _page(title: str, pages: dict[str, dict[str, object]], moves: dict[str, str], *, files: bool) -> dict[str, object]:
    """Return the page that a title leads to; nothing when it leads nowhere, or in a circle."""
    for _ in range(_MAX_HOPS):
        if title in moves:
            title = moves[title]
        elif title not in pages and _plain(title, files=files) in moves:
            title = moves[_plain(title, files=files)]
        else:
            break
    return pages.get(title) or pages.get(_plain(title, files=files), {})


def _plain(title: str, *, files: bool) -> str:
    """Return a title as any wiki stores it: spaces, a capital first, and one name for the namespace of files.

    >>> _plain("Fichier:miniature_0001.png", files=True)
    'File:Miniature 0001.png'
    """
    title = " ".join(title.replace("_", " ").split())
    if files:
        return "File:" + _capital(title.partition(":")[2].strip())
    return _capital(title)


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _key(page: dict[str, object]) -> str | None:
    """Return a page's change key; empty when the page does not exist, None when the answer does not say."""
    for line in _tables(page.get("imageinfo"))[:1]:
        sha1 = line.get("sha1")
        if isinstance(sha1, str) and _SHA1.fullmatch(sha1):
            return sha1
    for line in _tables(page.get("revisions"))[:1]:
        revision = line.get("revid")
        if isinstance(revision, int) and not isinstance(revision, bool) and 0 < revision < 1 << 63:
            return str(revision)
    return "" if page.get("missing") is True or page.get("invalid") is True else None


def _list_key(page: dict[str, object]) -> str | None:
    """Return the change key of a list: its revision, and when the wiki last saw something in it change."""
    key, touched = _key(page), page.get("touched")
    if not key:
        return key
    return f"{key} {touched}" if isinstance(touched, str) and _TIME.fullmatch(touched) else None


def _tables(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
