"""Change keys: asking a MediaWiki API which pages and files differ from the last crawl, fifty at a time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode, urlsplit

from pipeline.records import ResourceKind

TITLES_A_CALL = 50  # MediaWiki's own limit for readers without special rights
MAX_QUERY = 6000  # characters: servers cut off request lines near 8 kB
_PROPERTIES = {
    "description": {"prop": "revisions", "rvprop": "ids|sha1|timestamp", "redirects": "1"},
    "miniature": {"prop": "imageinfo", "iiprop": "url|sha1|size|mime|timestamp"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A resource that a crawl needs: `url` names it for ever, `ask` is what is requested to get it."""

    kind: ResourceKind
    url: str
    title: str = ""
    ask: str = ""  # empty: the URL itself
    revision: str = ""  # change key announced by the API
    parts: tuple["Wanted", ...] = ()  # of a call for change keys: what it asks about


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
    """Yield the calls that ask `api` for the change keys of `wanted`, which are all of one kind."""
    batch: list[Wanted] = []
    titles: list[str] = []
    for item in wanted:
        is_new = item.title not in titles
        long = sum(len(quote(title)) + 3 for title in [*titles, item.title]) > MAX_QUERY
        if batch and is_new and (len(titles) == TITLES_A_CALL or long):
            yield _call(api, titles, batch)
            batch, titles = [], []
        batch.append(item)
        if item.title not in titles:
            titles.append(item.title)
    if batch:
        yield _call(api, titles, batch)


def _call(api: str, titles: list[str], batch: list[Wanted]) -> Wanted:
    query = {"action": "query", "titles": "|".join(titles)} | _PROPERTIES[batch[0].kind]
    return Wanted(kind="api", url=f"{api}?{urlencode(query | _FORMAT)}", title="change keys", parts=tuple(batch))


def read_keys(body: bytes, wanted: Sequence[Wanted]) -> dict[str, str]:
    """Return the change key of each title the API knows: revision id or SHA-1; empty for what does not exist.

    A title whose key is not in the answer is left out. Raises ValueError when the body is no such answer.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the API did not answer with JSON ({body[:40]!r})") from error
    if not isinstance(answer, dict) or "error" in answer or not isinstance(answer.get("query"), dict):
        said = answer.get("error") if isinstance(answer, dict) else answer
        raise ValueError(f"the API did not answer the question: {str(said)[:200]}")
    query = answer["query"]
    pages = {page["title"]: page for page in _tables(query.get("pages")) if isinstance(page.get("title"), str)}
    renamed = {r.get("from"): r.get("to") for r in _tables(query.get("normalized"))}
    redirected = {r.get("from"): r.get("to") for r in _tables(query.get("redirects"))}
    keys: dict[str, str] = {}
    for title in {item.title for item in wanted}:
        normal = renamed.get(title, title)
        key = _key(pages.get(redirected.get(normal, normal), {}))
        if key is not None:
            keys[title] = key
    return keys


def _key(page: dict[str, object]) -> str | None:
    """Return a page's change key; empty when the page does not exist, None when the answer does not say."""
    for name, field in (("imageinfo", "sha1"), ("revisions", "revid")):
        first = next(iter(_tables(page.get(name))), None)
        if first is not None and first.get(field):
            return str(first[field])
    return "" if page.get("missing") else None


def _tables(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_FORMAT = {"format": "json", "formatversion": "2", "maxlag": "5"}
