"""What the API's generators find: files used on pages, and members of the category, a limited number at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.sample.state import CATEGORY_TITLE, LIST_TITLE, SampleWiki

_DEFAULT_LIMIT = 10


class ApiError(Exception):
    """A mistake of the asker, which the API answers with its code."""

    def __init__(self, code: str, info: str, **more: object) -> None:
        """Keep the code, the words and what else MediaWiki says."""
        super().__init__(info)
        self.code = code
        self.more = more


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Titles, and the parameters that ask for those after them."""

    titles: list[str]
    more: dict[str, str] = field(default_factory=dict)


def generate(wiki: SampleWiki, query: Mapping[str, str], titles: Sequence[str]) -> Found:
    """Return what the query's generator finds, on the pages `titles` or in the category it names."""
    match query["generator"]:
        case "images":
            return _cut(wiki, query, _used(wiki, titles), "gim")
        case "categorymembers":
            return _cut(wiki, query, _members(wiki, query.get("gcmtitle", "")), "gcm")
        case name:
            raise ApiError("badgenerator", f'Unknown "generator={name}".')


def _used(wiki: SampleWiki, titles: Sequence[str]) -> dict[str, str]:
    """Return the files used on pages, by the key they are sorted and continued by."""
    keys: dict[str, str] = {}
    for title in titles:
        creature = wiki.page(title) if title in wiki.revisions else None
        files = [c.file_title for c in wiki.creatures.values()] if title == LIST_TITLE else []
        for file in files if creature is None else [creature.file_title]:
            keys[f"{wiki.page_ids[title]}|{file.removeprefix('File:').replace(' ', '_')}"] = file
    return dict(sorted(keys.items()))


def _members(wiki: SampleWiki, category: str) -> dict[str, str]:
    if not category.startswith("Category:"):
        raise ApiError("invalidcategory", "The category name you entered is not valid.")
    if category.replace("_", " ") != CATEGORY_TITLE:
        return {}
    return {f"page|{title.upper().encode().hex()}|{wiki.page_ids[title]}": title for title in wiki.members()}


def _cut(wiki: SampleWiki, query: Mapping[str, str], keys: dict[str, str], prefix: str) -> Found:
    """Return as many titles as the limit allows, from where the query continues."""
    limit, start = query.get(f"{prefix}limit", str(_DEFAULT_LIMIT)), query.get(f"{prefix}continue", "")
    if limit != "max" and not limit.isdecimal():
        raise ApiError("badinteger", f'Invalid value "{limit}" for integer parameter "{prefix}limit".')
    if start and start.count("|") != (1 if prefix == "gim" else 2):
        info = "Invalid continue param. You should pass the original value returned by the previous query."
        raise ApiError("badcontinue", info)
    most = wiki.api_limit if limit == "max" else max(1, min(int(limit), wiki.api_limit))
    left = [key for key in keys if key >= start]
    more = {f"{prefix}continue": left[most], "continue": f"{prefix}continue||"} if len(left) > most else {}
    return Found(titles=list(dict.fromkeys(keys[key] for key in left[:most])), more=more)
