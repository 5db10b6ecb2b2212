"""The part of MediaWiki's API that the bestiary speaks: siteinfo, revisions, imageinfo and parse, format version 2."""

from collections.abc import Mapping

from pipeline.sample.skin import article
from pipeline.sample.state import HOST, LIST_TITLE, Creature, Revision, SampleWiki

Json = dict[str, object]
MAX_TITLES = 50


def answer(wiki: SampleWiki, query: Mapping[str, str]) -> Json:
    """Return what the API answers to a query; mistakes are answers too, as in MediaWiki."""
    action = query.get("action", "")
    if action == "parse":
        return _parse(wiki, query.get("page", ""))
    if action != "query":
        return _error("badvalue", f"Unrecognized value for parameter “action”: {action}.")
    if query.get("meta") == "siteinfo":
        general = {"sitename": "The bestiary", "server": HOST, "generator": "MediaWiki 1.39.0", "lang": "en"}
        return {"batchcomplete": True, "query": {"general": general}}
    titles = [title for title in query.get("titles", "").split("|") if title]
    if len(titles) > MAX_TITLES:
        return _error("toomanyvalues", f"Too many values supplied for parameter “titles”. The limit is {MAX_TITLES}.")
    describe = {"revisions": _revisions, "imageinfo": _imageinfo}.get(query.get("prop", ""))
    if describe is None:
        return _error("badvalue", f"Unrecognized value for parameter “prop”: {query.get('prop', '')}.")
    normal = {title: title.replace("_", " ") for title in titles}
    renamed = [{"fromencoded": False, "from": old, "to": new} for old, new in normal.items() if old != new]
    pages = [describe(wiki, title) for title in dict.fromkeys(normal.values())]
    found: Json = {"normalized": renamed, "pages": pages} if renamed else {"pages": pages}
    return {"batchcomplete": True, "query": found}


def _error(code: str, info: str) -> Json:
    return {"error": {"code": code, "info": info}}


def _time(revision: Revision) -> str:
    return revision.time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _page_id(wiki: SampleWiki, creature: Creature | None) -> int:
    return 1 if creature is None else 2 + list(wiki.creatures).index(creature.id)


def _revisions(wiki: SampleWiki, title: str) -> Json:
    creature, revision = wiki.page(title), wiki.revisions.get(title)
    if revision is None or (creature is None and title != LIST_TITLE):
        return {"ns": 0, "title": title, "missing": True}
    line = {"revid": revision.id, "parentid": 0, "timestamp": _time(revision), "sha1": revision.sha1}
    return {"pageid": _page_id(wiki, creature), "ns": 0, "title": title, "revisions": [line]}


def _imageinfo(wiki: SampleWiki, title: str) -> Json:
    name = title.removeprefix("File:")
    creature = next((c for c in wiki.creatures.values() if c.file_name.replace("_", " ") == name), None)
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
    return {"pageid": 5000 + revision.id, "ns": 6, "title": title, "imagerepository": "local", "imageinfo": [info]}


def _parse(wiki: SampleWiki, page: str) -> Json:
    title = page.replace("_", " ")
    creature, revision = wiki.page(title), wiki.revisions.get(title)
    if creature is None or revision is None:
        return _error("missingtitle", "The page you specified doesn't exist.")
    text = f'<div class="mw-parser-output">{article(wiki, creature)}</div>'
    parse = {"title": title, "pageid": _page_id(wiki, creature), "revid": revision.id, "text": text}
    return {"parse": parse}
