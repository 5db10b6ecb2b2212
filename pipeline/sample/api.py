"""The part of MediaWiki's API that the bestiary speaks, as version 1.39 does in format version 2.

`meta=siteinfo`; `prop=revisions` and `prop=imageinfo` of named titles or of what a generator finds, continued where an
answer has its limit; `action=parse` of any page; redirects, `maxlag`, and errors as answers.
"""

from collections.abc import Mapping, Sequence

from pipeline.sample.lists import ApiError, Found, generate
from pipeline.sample.skin import article, list_article
from pipeline.sample.state import HOST, LIST_TITLE, Revision, SampleWiki, page_path

Json = dict[str, object]
MAX_TITLES = 50


def answer(wiki: SampleWiki, query: Mapping[str, str]) -> Json:
    """Return what the API answers to a query; mistakes are answers too, as in MediaWiki."""
    try:
        _check_lag(wiki, query.get("maxlag", ""))
        return _act(wiki, query)
    except ApiError as error:
        return {"error": {"code": error.code, "info": str(error)} | error.more}


def _act(wiki: SampleWiki, query: Mapping[str, str]) -> Json:
    match query.get("action", ""):
        case "parse":
            return _parse(wiki, query)
        case "query":
            return _query(wiki, query)
        case action:
            raise ApiError("badvalue", f"Unrecognized value for parameter “action”: {action}.")


def _check_lag(wiki: SampleWiki, most: str) -> None:
    if not most:
        return
    try:
        late = wiki.take_lag(int(most))
    except ValueError:
        raise ApiError("badinteger", f'Invalid value "{most}" for integer parameter "maxlag".') from None
    if late:
        seconds = round(wiki.lag, 3)
        raise ApiError("maxlag", f"Waiting for db1: {seconds:g} seconds lagged.", host="db1", lag=seconds, type="db")


def _query(wiki: SampleWiki, query: Mapping[str, str]) -> Json:
    if query.get("meta") == "siteinfo":
        general = {"sitename": "The bestiary", "server": HOST, "generator": "MediaWiki 1.39.0", "lang": "en"}
        return {"batchcomplete": True, "query": {"general": general}}
    titles = _titles(query.get("titles", ""))
    describe = {"revisions": _revisions, "info|revisions": _touched, "imageinfo": _imageinfo}.get(query.get("prop", ""))
    if describe is None:
        raise ApiError("badvalue", f"Unrecognized value for parameter “prop”: {query.get('prop', '')}.")
    normal = {title: normalized(title) for title in titles}
    renamed = [{"fromencoded": False, "from": old, "to": new} for old, new in normal.items() if old != new]
    found = Found(titles=list(dict.fromkeys(normal.values())))
    hops: list[Json] = []
    if "redirects" in query:
        found, hops = _resolved(wiki, found.titles)
    if "generator" in query:
        found = generate(wiki, query, found.titles)
        renamed, hops = [], []  # MediaWiki speaks of the generated titles only, and those are normal
    said: Json = {"normalized": renamed} if renamed else {}
    said |= {"redirects": hops} if hops else {}
    pages = [describe(wiki, title) for title in found.titles]
    head: Json = {"batchcomplete": True} | ({"continue": found.more} if found.more else {})
    if "generator" in query and not pages:
        return head
    return head | {"query": said | {"pages": pages}}


def _titles(value: str) -> list[str]:
    """Return the titles of a parameter: between bars, or between the separators that stand at its beginning."""
    separator, value = ("\x1f", value[1:]) if value.startswith("\x1f") else ("|", value)
    titles = [title for title in value.split(separator) if title]
    if len(titles) > MAX_TITLES:
        info = f"Too many values supplied for parameter “titles”. The limit is {MAX_TITLES}."
        raise ApiError("toomanyvalues", info, limit=MAX_TITLES, lowlimit=MAX_TITLES, highlimit=500)
    return titles


def normalized(title: str) -> str:
    """Return a title as the wiki stores it: spaces, capitals first, one name for each namespace."""
    space, colon, name = " ".join(title.replace("_", " ").split()).partition(":")
    spaces = {"file": "File", "image": "File", "category": "Category"}
    if colon and space.strip().lower() in spaces:
        name = name.strip()
        return f"{spaces[space.strip().lower()]}:{name[:1].upper()}{name[1:]}"
    whole = space + colon + name
    return whole[:1].upper() + whole[1:]


def _resolved(wiki: SampleWiki, titles: Sequence[str]) -> tuple[Found, list[Json]]:
    """Return the titles with redirects followed, and the steps that were taken."""
    steps: dict[str, str] = {}
    for title in titles:
        here = title
        while here in wiki.redirects and here not in steps:
            steps[here] = wiki.redirects[here]
            here = steps[here]
    ends = dict.fromkeys(wiki.target(title) for title in titles)
    return Found(titles=list(ends)), [{"from": old, "to": new} for old, new in steps.items()]


def _time(revision: Revision) -> str:
    return revision.time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _touched(wiki: SampleWiki, title: str) -> Json:
    """Return a page with the time of what last changed in it: here nothing is included, so its own revision's."""
    said, revision = _revisions(wiki, title), wiki.revisions.get(title)
    return said | {"touched": _time(revision)} if revision is not None and "revisions" in said else said


def _revisions(wiki: SampleWiki, title: str) -> Json:
    if "|" in title:
        reason = 'The requested page title contains invalid characters: "|".'
        return {"title": title, "invalidreason": reason, "invalid": True}
    revision = wiki.revisions.get(title)
    if revision is None or not _is_page(wiki, title):
        return {"ns": 0, "title": title, "missing": True}
    line = {"revid": revision.id, "parentid": 0, "timestamp": _time(revision), "sha1": revision.sha1}
    return {"pageid": wiki.page_ids[title], "ns": 0, "title": title, "revisions": [line]}


def _is_page(wiki: SampleWiki, title: str) -> bool:
    return title == LIST_TITLE or title in wiki.redirects or wiki.page(title) is not None


def _imageinfo(wiki: SampleWiki, title: str) -> Json:
    creature = wiki.file(title)
    if creature is None:
        return {"ns": 6, "title": title, "missing": True, "imagerepository": ""}
    revision = wiki.revisions[creature.image_path]
    info = {
        "timestamp": _time(revision),
        "size": len(wiki.images[creature.image]),
        "url": f"{HOST}{creature.image_path}",
        "sha1": revision.sha1,
        "mime": "image/png",
    }
    page_id = wiki.page_ids[creature.image_path]
    return {"pageid": page_id, "ns": 6, "title": title, "imagerepository": "local", "imageinfo": [info]}


def _parse(wiki: SampleWiki, query: Mapping[str, str]) -> Json:
    title = normalized(query.get("page", ""))
    found, hops = _resolved(wiki, [title] if "redirects" in query else [])
    title = next(iter(found.titles), title)
    creature, revision = wiki.page(title), wiki.revisions.get(title)
    if revision is None or not _is_page(wiki, title):
        raise ApiError("missingtitle", "The page you specified doesn't exist.")
    if creature is not None:
        inside = article(wiki, creature)
    elif title == LIST_TITLE:
        inside = list_article(wiki)
    else:
        target = wiki.redirects[title]
        inside = f'<div class="redirectMsg"><p>Redirect to:</p><a href="{page_path(target)}">{target}</a></div>'
    parse: Json = {"title": title, "pageid": wiki.page_ids[title], "revid": revision.id}
    parse |= {"redirects": hops} if hops else {}
    return {"parse": parse | {"text": f'<div class="mw-parser-output">{inside}</div>'}}
