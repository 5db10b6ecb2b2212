"""The bestiary's server: what a browser and a crawler see of it."""

import hashlib
import json
from dataclasses import replace

import pytest

from pipeline.crawl.pages import parse_description, parse_list
from pipeline.crawl.source_files import wiki_source
from pipeline.records import Description
from pipeline.sample.state import CATEGORY_TITLE, LIST_TITLE, page_path
from pipeline.sample.wiki import HOST, Fault, SampleWiki, Served, load_wiki, reply, sample_folder, serve_wiki
from tests.wikis import api, ask, creature, png, small_wiki

SOURCE = wiki_source("sample")
LIST_DIGEST = "1d679a853c6889acea909a3cd707a272a1ad3c180f17d64cdbd015d20554c43a"
ARTICLE_DIGEST = "1d7a0e1174e9362557c01f21b288e8fdc39ddc4d287f219a93b5214dee51511d"


def test_the_list_and_all_it_leads_to_can_be_read_by_the_parsers(served: Served) -> None:
    page = parse_list(ask(served, page_path(LIST_TITLE))[2], SOURCE.start[0], SOURCE)
    assert page.unparsed == ()
    keys = ["0001-beast-1", "0002-beast-2", "0003-beast-3", "0003-beast-3-frost", "0004-beast-4", "0005-beast-5"]
    assert [listing.key for listing in page.listings] == keys
    assert page.listings[3].group == "family-1"
    for listing, beast in zip(page.listings, served.wiki.creatures.values(), strict=True):
        link = listing.pages[0]
        found = parse_description(ask(served, link.url.removeprefix(HOST))[2], link.title, "en", SOURCE)
        assert isinstance(found, Description)
        assert list(found.paragraphs) == [" ".join(part.split()) for part in beast.text.split("\n\n")]
        assert ask(served, listing.miniature_url.removeprefix(HOST))[2] == served.wiki.images[beast.image]


def test_a_proxy_request_gets_the_same_page_and_leads_nowhere_else(served: Served) -> None:
    path = page_path("Beast 1 (creature)")
    assert ask(served, HOST + path)[2] == ask(served, path)[2]
    assert ask(served, "http://elsewhere.example/")[0] == 502


def test_even_numbers_have_old_headings_and_odd_ones_new(served: Served) -> None:
    assert b'<h2><span class="mw-headline" id="Biology">' in ask(served, page_path("Beast 2 (creature)"))[2]
    assert b'<h2 id="Biology">' in ask(served, page_path("Beast 1 (creature)"))[2]


def test_the_clock_stands_still_until_somebody_edits(served: Served) -> None:
    path = page_path("Beast 1 (creature)")
    before = ask(served, path)[1]
    assert before["Date"] == "Thu, 01 Jan 2026 13:00:00 GMT"
    assert before["Last-Modified"] == "Thu, 01 Jan 2026 12:00:00 GMT"
    served.wiki.replace_text("c1", "New.")
    after = ask(served, path)[1]
    assert after["Last-Modified"] == after["Date"] == "Thu, 01 Jan 2026 14:00:00 GMT"


@pytest.mark.parametrize("path", [page_path("Beast 1 (creature)"), page_path(LIST_TITLE), creature(2).image_path])
def test_who_has_the_current_state_gets_304_and_no_body(served: Served, path: str) -> None:
    _, headers, _ = ask(served, path)
    assert ask(served, path, If_None_Match=headers["ETag"])[::2] == (304, b"")
    assert ask(served, path, If_Modified_Since=headers["Last-Modified"])[::2] == (304, b"")
    assert ask(served, path, If_None_Match='"other"', If_Modified_Since=headers["Last-Modified"])[0] == 200
    assert ask(served, path, If_Modified_Since="Thu, 01 Jan 2015 00:00:00 GMT")[0] == 200


def test_head_has_the_headers_of_get_and_no_body(served: Served) -> None:
    status, headers, body = ask(served, "/", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == ask(served, "/")[1]["Content-Length"]


@pytest.mark.parametrize("path", ["/nothing", "/wiki/Nobody", "/images/0/00/x.png", "/../etc/passwd", "/wiki/%FF%FE"])
def test_what_is_not_there_is_404(served: Served, path: str) -> None:
    assert ask(served, path)[0] == 404


def test_robots_txt_names_its_rules(served: Served) -> None:
    served.wiki.crawl_delay = 0.5
    body = ask(served, "/robots.txt")[2].decode()
    assert "Crawl-delay: 0.5" in body
    assert "Disallow: /wiki/Special:" in body


def test_the_api_names_revisions_and_what_is_missing(served: Served) -> None:
    query = api(served, action="query", prop="revisions", titles="Beast_1_(creature)|Nobody")["query"]
    assert query["normalized"] == [{"fromencoded": False, "from": "Beast_1_(creature)", "to": "Beast 1 (creature)"}]
    pages = query["pages"]
    assert isinstance(pages, list)
    assert (pages[0]["revisions"][0]["revid"], pages[1]["missing"]) == (1001, True)


def test_a_replaced_picture_keeps_its_url_and_changes_its_sha1(served: Served) -> None:
    def info() -> dict[str, object]:
        pages = api(served, action="query", prop="imageinfo", titles="File:Miniature 0002.png")["query"]["pages"]
        assert isinstance(pages, list)
        found: dict[str, object] = pages[0]["imageinfo"][0]
        return found

    before = info()
    served.wiki.replace_image("c2", png(77))
    after = info()
    assert before["url"] == after["url"] == HOST + creature(2).image_path
    assert before["sha1"] != after["sha1"]


def test_the_api_parses_pages_and_says_what_it_cannot(served: Served) -> None:
    parsed = api(served, action="parse", page="Beast 2 (creature)", prop="text")
    found = parse_description(json.dumps(parsed).encode(), "Beast 2", "en", SOURCE)
    assert isinstance(found, Description)
    assert api(served, action="parse", page="Nobody")["error"]["code"] == "missingtitle"
    assert api(served, action="edit")["error"]["code"] == "badvalue"
    assert api(served, action="query", titles="|".join(map(str, range(51))))["error"]["code"] == "toomanyvalues"
    assert "general" in api(served, action="query", meta="siteinfo")["query"]


def test_a_removed_page_is_404_and_missing_while_its_picture_stays(served: Served) -> None:
    served.wiki.remove_page("c2")
    assert ask(served, page_path("Beast 2 (creature)"))[0] == 404
    assert ask(served, creature(2).image_path)[0] == 200
    assert api(served, action="parse", page="Beast 2 (creature)")["error"]["code"] == "missingtitle"


def test_a_fault_counts_down_and_ends(served: Served) -> None:
    served.wiki.break_path("/", Fault(status=429, headers=(("Retry-After", "1"),), times=2))
    answers = [ask(served, "/") for _ in range(3)]
    assert [status for status, _, _ in answers] == [429, 429, 200]
    assert answers[0][1]["Retry-After"] == "1"


def test_two_wikis_of_the_same_records_give_the_same_bytes() -> None:
    paths = ["/", page_path(LIST_TITLE), page_path("Beast 3 (Frost)"), creature(1).image_path, "/robots.txt"]
    seen = []
    for _ in range(2):
        with serve_wiki(small_wiki()) as served:
            seen.append([ask(served, path) for path in paths])
    assert seen[0] == seen[1]


def test_records_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs the picture '1.png'"):
        SampleWiki.of([creature(1)], {})
    with pytest.raises(ValueError, match="two records make the page"):
        SampleWiki.of([creature(1), replace(creature(1), id="other")], {"1.png": png(1)})


def test_the_bundled_sample_keeps_its_bytes() -> None:
    wiki = load_wiki(sample_folder())
    for path, digest in ((page_path(LIST_TITLE), LIST_DIGEST), ("/wiki/Rillapip_(creature)", ARTICLE_DIGEST)):
        assert hashlib.sha256(reply(wiki, path).body).hexdigest() == digest


def test_the_api_parses_the_list_too(served: Served) -> None:
    parsed = api(served, action="parse", page=LIST_TITLE, prop="text|revid")
    page = parse_list(json.dumps(parsed).encode(), SOURCE.start[0], SOURCE)
    assert page == parse_list(ask(served, page_path(LIST_TITLE))[2], SOURCE.start[0], SOURCE)
    assert parsed["parse"]["revid"] == 1000


def test_the_category_page_links_to_its_members(served: Served) -> None:
    body = ask(served, page_path(CATEGORY_TITLE))[2].decode()
    assert all(f'href="{page_path(beast.title)}"' in body for beast in served.wiki.creatures.values())
