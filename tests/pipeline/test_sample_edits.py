"""The bestiary's API in bulk, and its edits: what a crawler that asks for change keys meets there."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from pipeline.crawl.changes import Wanted, continued, generator_call, key_calls, read_keys
from pipeline.sample.state import CATEGORY_TITLE, LIST_TITLE, page_path
from pipeline.sample.wiki import HOST, Served, reply
from tests.wikis import api, ask, creature, picture, png

API = f"{HOST}/w/api.php"


def keys_of(served: Served, call: Wanted) -> tuple[dict[str, str], int]:
    """Return the change keys that a call gives in all its rounds, and how many rounds those were."""
    found: dict[str, str] = {}
    for rounds in range(1, 50):
        keys = read_keys(ask(served, call.url)[2], call.parts)
        assert not set(found) & set(keys.found)
        found |= keys.found
        if not keys.more:
            return found, rounds
        call = continued(call, keys.more)
    raise AssertionError("the answers never end")


def pages_and_files(served: Served) -> tuple[list[Wanted], list[Wanted]]:
    """Return what a crawl of the wiki wants: each page and picture."""
    beasts = list(served.wiki.creatures.values())
    pages = [Wanted(kind="description", url=HOST + page_path(b.title), title=b.title) for b in beasts]
    return pages, [Wanted(kind="miniature", url=HOST + b.image_path, title=b.file_title) for b in beasts]


@pytest.mark.parametrize(("limit", "rounds"), [(500, 1), (6, 1), (5, 2), (2, 3), (1, 6)])
def test_generators_say_what_naming_each_title_says_however_often_they_continue(
    served: Served, limit: int, rounds: int
) -> None:
    served.wiki.api_limit = limit
    pages, files = pages_and_files(served)
    calls = (
        generator_call(API, "categorymembers", CATEGORY_TITLE, pages),
        generator_call(API, "images", LIST_TITLE, files),
    )
    for wanted, call in zip((pages, files), calls, strict=True):
        found, asked = keys_of(served, call)
        (named,) = key_calls(API, wanted)
        assert (found, asked) == (keys_of(served, named)[0], rounds)
        assert set(found) == {item.title for item in wanted}


def test_a_generator_keeps_to_the_limit_it_is_given_and_to_the_wikis(served: Served) -> None:
    def count(**query: str) -> int:
        pages = api(served, action="query", generator="images", titles=LIST_TITLE, prop="imageinfo", **query)["query"]
        assert isinstance(pages["pages"], list)
        return len(pages["pages"])

    assert [count(gimlimit=limit) for limit in ("3", "max", "900")] == [3, 6, 6]
    served.wiki.api_limit = 4
    assert [count(gimlimit=limit) for limit in ("3", "max", "900")] == [3, 4, 4]


def test_mistakes_of_a_generator_have_mediawikis_codes(served: Served) -> None:
    def code(**query: str) -> object:
        return api(served, action="query", prop="revisions", **query)["error"]["code"]

    assert code(generator="links") == "badgenerator"
    assert code(generator="images", titles=LIST_TITLE, gimlimit="many") == "badinteger"
    assert code(generator="images", titles=LIST_TITLE, gimcontinue="zz") == "badcontinue"
    assert code(generator="categorymembers", gcmtitle="Creatures") == "invalidcategory"
    nothing = api(served, action="query", prop="revisions", generator="categorymembers", gcmtitle="Category:Nothing")
    assert list(nothing) == ["batchcomplete"]


def test_an_article_uses_its_own_picture(served: Served) -> None:
    wanted = pages_and_files(served)[1]
    found, _ = keys_of(served, generator_call(API, "images", "Beast 2 (creature)", wanted))
    assert list(found) == ["File:Miniature 0002.png"]


def test_titles_are_normalized_as_mediawiki_does(served: Served) -> None:
    odd = ["beast_1 (creature)", " Beast  2_(creature)", "file:miniature_0001.png", "Image:Miniature 0002.png"]
    query = api(served, action="query", prop="revisions", titles="|".join(odd))["query"]
    assert isinstance(query["normalized"], list)
    assert [step["to"] for step in query["normalized"]] == [
        "Beast 1 (creature)",
        "Beast 2 (creature)",
        "File:Miniature 0001.png",
        "File:Miniature 0002.png",
    ]
    bars = api(served, action="query", prop="revisions", titles="\x1fA|B\x1fBeast 1 (creature)")["query"]["pages"]
    assert isinstance(bars, list)
    assert (bars[0]["invalid"], bars[1]["revisions"][0]["revid"]) == (True, 1001)


def test_a_wiki_that_lags_puts_off_those_who_say_they_can_wait(served: Served) -> None:
    served.wiki.lag, served.wiki.lagging = 7.5, 2
    path = f"/w/api.php?{urlencode({'action': 'query', 'meta': 'siteinfo'})}"
    assert "query" in json.loads(ask(served, path)[2])
    assert "query" in json.loads(ask(served, path + "&maxlag=8")[2])
    for _ in range(2):
        status, headers, body = ask(served, path + "&maxlag=5")
        assert (status, headers["Retry-After"], headers["MediaWiki-API-Error"]) == (200, "1", "maxlag")
        assert json.loads(body)["error"]["code"] == "maxlag"
    assert "query" in json.loads(ask(served, path + "&maxlag=5")[2])
    assert json.loads(ask(served, path + "&maxlag=soon")[2])["error"]["code"] == "badinteger"


def test_a_moved_page_is_found_under_both_titles_and_the_list_names_the_new_one(served: Served) -> None:
    pages, _ = pages_and_files(served)
    served.wiki.move_page("c2", "Newt 2")
    served.wiki.move_page("c2", "Newt 3")
    for old in ("Beast 2 (creature)", "Newt 2 (creature)", "Newt 3 (creature)"):
        status, _, body = ask(served, page_path(old))
        assert status == 200
        assert f'rel="canonical" href="{HOST}{page_path("Newt 3 (creature)")}"'.encode() in body
    (call,) = key_calls(API, [*pages, Wanted(kind="description", url="", title="Newt 3 (creature)")])
    found, _ = keys_of(served, call)
    assert found["Beast 2 (creature)"] == found["Newt 3 (creature)"] != "1002"
    parsed = api(served, action="parse", page="Beast 2 (creature)", redirects="1")["parse"]
    assert (parsed["title"], len(parsed["redirects"])) == ("Newt 3 (creature)", 2)  # type: ignore[arg-type]
    unresolved = api(served, action="parse", page="Beast 2 (creature)")["parse"]
    assert "redirectMsg" in str(unresolved["text"])
    assert unresolved["revid"] != parsed["revid"]
    assert b"Newt 3" in ask(served, page_path(LIST_TITLE))[2]
    assert b"Beast 2" not in ask(served, page_path(LIST_TITLE))[2]


def test_a_page_moved_without_a_redirect_is_gone_from_its_old_title(served: Served) -> None:
    served.wiki.move_page("c2", "Newt", redirect=False)
    assert ask(served, page_path("Beast 2 (creature)"))[0] == 404
    (call,) = key_calls(API, [Wanted(kind="description", url="", title="Beast 2 (creature)")])
    assert keys_of(served, call)[0] == {"Beast 2 (creature)": ""}
    served.wiki.move_page("c2", "Beast 2")
    served.wiki.move_page("c2", "Newt")
    assert ask(served, page_path("Beast 2 (creature)"))[0] == 200
    with pytest.raises(ValueError, match=r"has a page 'Beast 1 \(creature\)' already"):
        served.wiki.move_page("c2", "Beast 1")


def test_a_removed_creature_leaves_no_page_picture_or_row(served: Served) -> None:
    served.wiki.remove_creature("c2")
    assert [ask(served, path)[0] for path in (page_path("Beast 2 (creature)"), picture(2))] == [404, 404]
    assert b"Beast 2" not in ask(served, page_path(LIST_TITLE))[2]
    files = [Wanted(kind="miniature", url="", title=f"File:Miniature 000{number}.png") for number in (1, 2)]
    assert set(keys_of(served, generator_call(API, "images", LIST_TITLE, files))[0]) == {files[0].title}
    with pytest.raises(ValueError, match="no record 'c2'"):
        served.wiki.remove_creature("c2")


def test_an_added_creature_stands_where_its_number_belongs(served: Served) -> None:
    served.wiki.remove_creature("c2")
    served.wiki.add_creature(creature(2), png(99))
    assert list(served.wiki.creatures) == ["c1", "c2", "c3", "c3frost", "c4", "c5"]
    assert ask(served, picture(2))[2] == png(99)
    assert ask(served, page_path("Beast 2 (creature)"))[0] == 200
    with pytest.raises(ValueError, match="already: choose another"):
        served.wiki.add_creature(creature(2), png(99))


def test_a_page_has_a_new_revision_exactly_when_its_bytes_change(served: Served) -> None:
    wiki = served.wiki
    edits: list[Callable[[], None]] = [
        lambda: wiki.replace_text("c1", "New."),
        lambda: wiki.replace_image("c3", png(201)),
        lambda: wiki.remove_page("c4"),
        lambda: wiki.move_page("c2", "Newt"),
        lambda: wiki.remove_creature("c5"),
        lambda: wiki.add_creature(creature(6), png(202)),
    ]

    def state() -> dict[str, tuple[bytes, int]]:
        paths = {title: page_path(title) for title in [LIST_TITLE, *wiki.members()]}
        return {title: (reply(wiki, path).body, wiki.revisions[title].id) for title, path in paths.items()}

    for edit in edits:
        before = state()
        edit()
        after = state()
        both = before.keys() & after.keys()
        bytes_changed = {title for title in both if before[title][0] != after[title][0]}
        assert bytes_changed == {title for title in both if before[title][1] != after[title][1]}
