"""robots.txt in all its forms, as a real server may answer it."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.crawl.raw import RawStore
from pipeline.crawl.robots import ROBOTS_BYTES, read_part
from pipeline.crawl.run import CrawlError, crawl
from pipeline.crawl.source_files import wiki_source
from pipeline.sample.wiki import HOST, Fault, Served
from tests.hostile_server import (
    LIST,
    Answer,
    Hostile,
    article,
    cut,
    endless,
    list_page,
    redirect,
    robots,
    serve,
    source_of,
)
from tests.hostile_server import page as answer_with
from tests.wikis import asked, creature, line, page, png

SOURCE = wiki_source("sample")
IMPATIENT = replace(SOURCE, politeness=replace(SOURCE.politeness, retries=0))


@pytest.mark.slow
@pytest.mark.parametrize("status", [HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.TOO_MANY_REQUESTS])
def test_robots_txt_that_cannot_be_had_is_a_refusal(served: Served, store: RawStore, status: HTTPStatus) -> None:
    served.wiki.break_path("/robots.txt", Fault(status=status))
    with pytest.raises(CrawlError, match=r"refused by robots.txt: no access"):
        crawl(IMPATIENT, store, proxy=served.url)
    assert set(asked(served)) == {"/robots.txt"}


@pytest.mark.slow
def test_an_absent_robots_txt_allows(served: Served, store: RawStore) -> None:
    served.wiki.break_path("/robots.txt", Fault(status=404))
    done = crawl(SOURCE, store, proxy=served.url, limit=1)
    assert line(done, page(1)).robots == f"allowed: no rules (404) at {HOST}/robots.txt"


def test_a_robots_txt_of_any_length_is_read_by_whole_lines_up_to_its_bound() -> None:
    rules = b"User-agent: *\nDisallow: /x\n"
    assert read_part(rules) == rules
    assert read_part(b"") == b""
    long = rules + b"Disallow: /abc\n" * 100_000
    part = read_part(long)
    assert ROBOTS_BYTES - 20 < len(part) <= ROBOTS_BYTES
    assert long.startswith(part)
    assert part.endswith(b"\n")
    assert read_part(b"x" * (ROBOTS_BYTES + 1)) == b""


HUGE = "\n".join(f"Disallow: /nothing/{number}" for number in range(60_000))
#: What a robots.txt says, and whether /wiki/A of a wiki may then be asked (or the picture that stands for it).
RULES: dict[str, tuple[Answer, bool]] = {
    "star": (robots("User-agent: *", "Disallow: /pic.png"), False),
    "own-group-beats-star": (robots("User-agent: *", "Disallow: /", "", "User-agent: pixelbytes", "Allow: /"), True),
    "own-group-refuses": (robots("User-agent: *", "Allow: /", "", "User-agent: PixelBytes", "Disallow: /"), False),
    "others": (robots("User-agent: OtherBot", "Disallow: /"), True),
    "byte-order-mark": (answer_with(b"\xef\xbb\xbfUser-agent: *\nDisallow: /pic.png\n"), False),
    "wildcard": (robots("User-agent: *", "Disallow: /p*.png$"), False),
    "wildcard-of-others": (robots("User-agent: *", "Disallow: /w/index.php?*action=history"), True),
    "percent-encoded": (robots("User-agent: *", "Disallow: /%70ic%2Epng"), False),
    "longest-match": (robots("User-agent: *", "Disallow: /", "Allow: /pic"), True),
    "huge": (robots("User-agent: *", "Disallow: /pic.png", HUGE), False),
    "huge-and-late": (robots("User-agent: *", HUGE, "Disallow: /pic.png"), True),
    "cut-off": (cut, False),
    "too-long": (partial(endless, claimed=-1), False),
    "not-text": (answer_with(b"\x00\xff" * 500), True),
    "moved": (redirect("/other-robots.txt", 301), False),
    "moved-to-another-host": (redirect("http://elsewhere.example/robots.txt", 301), False),
    "moved-to-a-file": (redirect("file:///etc/passwd", 301), False),
    "moved-in-a-circle": (redirect("/robots.txt", 301), False),
}


@pytest.mark.slow
def test_robots_txt_is_obeyed_in_all_its_forms(store: RawStore) -> None:
    """One crawl of a list whose pictures lie on a server each, each with a robots.txt of its own."""
    with ExitStack() as stack, serve() as first:
        servers = {name: stack.enter_context(serve({"/robots.txt": rules})) for name, (rules, _) in RULES.items()}
        for server in servers.values():
            server.paths |= {
                "/pic.png": answer_with(png(1)),
                "/other-robots.txt": robots("User-agent: *", "Disallow: /p"),
            }
        rows = [(name, f"{server.url}/pic.png") for name, server in servers.items()]
        first.paths |= {LIST: answer_with(list_page(rows))} | {
            f"/wiki/{name}": answer_with(article()) for name in RULES
        }
        done = crawl(source_of(first, *servers.values()), store)
    resources = {resource.url: resource for resource in done.resources}
    may = {name: bool(resources[f"{server.url}/pic.png"].sha256) for name, server in servers.items()}
    assert may == {name: allowed for name, (_, allowed) in RULES.items()}
    assert {name: "/pic.png" in server.asked for name, server in servers.items()} == may
    said = {name: resources[f"{server.url}/pic.png"].robots for name, server in servers.items()}
    assert said["star"] == f"refused: rules of {servers['star'].url}/robots.txt"
    assert "not on an allowed host" in said["moved-to-another-host"]
    assert "no access (301)" in said["moved-to-a-file"]
    assert "max redirections" in said["moved-in-a-circle"]


@pytest.mark.slow
def test_paths_of_a_wiki_are_refused_in_either_spelling(site: Hostile, store: RawStore) -> None:
    site.paths["/robots.txt"] = robots("User-agent: *", "Disallow: /wiki/Special%3ASearch", "Disallow: /wiki/É")
    site.paths[LIST] = answer_with(list_page([("Special:Search", "/A.png"), ("Été", "/B.png"), ("C", "/C.png")]))
    done = crawl(source_of(site), store)
    pages = {resource.title: bool(resource.sha256) for resource in done.resources if resource.kind == "description"}
    assert pages == {"Special:Search": False, "Été": False, "C": True}


@pytest.mark.slow
def test_a_page_that_robots_txt_refuses_is_not_got_through_the_api_either(served: Served, store: RawStore) -> None:
    served.wiki.disallow = (page(2),)
    done = crawl(replace(SOURCE, fetch="api"), store, proxy=served.url)
    parsed = [parse_qs(urlsplit(note.path).query)["page"][0] for note in served.wiki.asked if "=parse" in note.path]
    others = [creature(number).title for number in (1, 3, 4, 5)]
    assert sorted(title for title in parsed if title.startswith("Beast")) == sorted([*others, "Beast 3 (Frost)"])
    assert line(done, page(2)).error == f"refused by robots.txt: rules of {HOST}/robots.txt"
    assert line(done, page(1)).sha256
