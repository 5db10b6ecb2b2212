"""Parsers against golden pages, and against what is no page at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.crawl.markup import find_section, markup, to_section_end
from pipeline.crawl.names import picture_address, slug
from pipeline.crawl.pages import gathered, parse_description, parse_list
from pipeline.crawl.readings import MissingDescription
from pipeline.crawl.source_files import wiki_source
from pipeline.crawl.walls import is_challenge
from pipeline.records import Description

FIXTURES = Path(__file__).parent.parent / "fixtures" / "pages"
SOURCE = wiki_source("mediawiki-local")
LIST_URL = SOURCE.start[0]
CASES = sorted(folder.name for folder in FIXTURES.iterdir())


def golden(case: str) -> tuple[bytes, dict[str, list[object]]]:
    folder = FIXTURES / case
    body = next(folder.glob("page.*")).read_bytes()
    return body, json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("biology") and case != "biology-missing"])
def test_a_description_is_the_same_in_each_heading_dom_and_through_the_api(case: str) -> None:
    body, expected = golden(case)
    found = parse_description(body, "Fernling (Creature)", "en", SOURCE)
    assert isinstance(found, Description)
    assert (found.title, found.language) == ("Fernling (Creature)", "en")
    assert list(found.paragraphs) == expected["paragraphs"]


@pytest.mark.parametrize("case", ["definitions-old", "definitions-new", "definitions-api"])
def test_definitions_are_what_each_game_says_and_repeats_are_said_once(case: str) -> None:
    body, expected = golden(case)
    found = parse_description(body, "Fougère", "fr", SOURCE)
    assert isinstance(found, Description)
    assert (found.title, found.language) == ("Fougère", "fr")
    assert list(found.paragraphs) == expected["paragraphs"]


@pytest.mark.parametrize(("case", "language"), [("biology-missing", "en"), ("definitions-missing", "fr")])
def test_a_page_that_says_nothing_says_why(case: str, language: str) -> None:
    body, expected = golden(case)
    missing = MissingDescription(title="x", reason=str(expected["reason"]))
    assert parse_description(body, "x", language, SOURCE) == missing


def test_the_section_is_found_by_the_spelling_of_old_wikis_too() -> None:
    body = "<h2><span class='mw-headline' id='Descriptions_du_Pok.C3.A9dex'>x</span></h2><dl><dd>Elle dort.</dd></dl>"
    found = parse_description(body.encode(), "x", "fr", SOURCE)
    assert isinstance(found, Description)
    assert found.paragraphs == ("Elle dort.",)


def test_a_section_is_a_heading_and_no_other_element_of_that_name() -> None:
    root = markup(b"<p id='Biology'>no</p><div id='Biology'><b>no</b></div><h3 id='Biology'>yes</h3>", 1000)
    heading = find_section(root, "Biology")
    assert heading is not None
    assert heading.tag == "h3"


def test_words_of_neighbouring_blocks_do_not_run_together() -> None:
    body = b"<h2 id='Biology'>B</h2><p>One<span>two</span><br>three</p><p>It<style>x</style> is</p>"
    found = parse_description(body, "x", "en", SOURCE)
    assert isinstance(found, Description)
    assert found.paragraphs == ("Onetwo three", "It is")
    said = "<dl><dd>Elle<ul><li>dort</li><li>mange</li></ul>puis rit.</dd></dl>"
    body = f"<h2 id='Descriptions_du_Pokédex'>D</h2>{said}".encode()
    found = parse_description(body, "x", "fr", SOURCE)
    assert isinstance(found, Description)
    assert found.paragraphs == ("Elle dort mange puis rit.",)


def test_an_article_may_speak_of_walls_and_is_none() -> None:
    text = "It hides behind a wall called cf-challenge and cf_chl_opt."
    found = parse_description(f"<h2 id='Biology'>B</h2><p>{text}</p>".encode(), "x", "en", SOURCE)
    assert isinstance(found, Description)
    assert found.paragraphs == (text,)


def test_several_pages_say_what_any_of_them_says_in_order_and_once() -> None:
    one = Description(title="A", language="fr", paragraphs=("un", "deux"))
    two = Description(title="A/2", language="fr", paragraphs=("deux", "trois"))
    nothing = MissingDescription(title="A/1", reason="the section holds no definition")
    other = MissingDescription(title="A/3", reason="the body is empty")
    assert gathered([nothing, one, two]) == replace(one, paragraphs=("un", "deux", "trois"))
    assert gathered([two, one]) == replace(two, paragraphs=("deux", "trois", "un"))
    assert gathered([nothing]) == nothing
    assert gathered([nothing, other, nothing]) == replace(nothing, reason=f"{nothing.reason}; {other.reason}")
    with pytest.raises(ValueError, match="no page was given"):
        gathered([])


def test_an_empty_section_is_missing_rather_than_an_empty_description() -> None:
    body = b"<h2 id='Biology'>Biology</h2><p> </p><h2>Other</h2><p>Text</p>"
    found = parse_description(body, "x", "en", SOURCE)
    assert isinstance(found, MissingDescription)
    assert "no paragraph" in found.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
        (b"<p>a\0b</p>", "binary"),
        (b"plain words", "not HTML"),
        (b'{"error": {"code": "missingtitle", "info": "no such page"}}', "no such page"),
        (b'{"parse": {}}', "no parse.text"),
        (b"{not json", "begins like JSON"),
        (b"<html><title>Just a moment...</title></html>", "wall against robots"),
        (b"<p>" + b"x" * 100_000_000, "more than the limit"),
    ],
    ids=["empty", "png", "nul", "words", "api-error", "api-empty", "half-json", "challenge", "huge"],
)
def test_what_is_no_page_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    found = parse_description(body, "x", "en", SOURCE)
    assert isinstance(found, MissingDescription)
    assert reason in found.reason
    with pytest.raises(ValueError, match=reason):
        parse_list(body, LIST_URL, SOURCE)


@given(st.binary(max_size=2000))
def test_no_bytes_make_the_parsers_fail_otherwise_than_by_saying_so(body: bytes) -> None:
    assert isinstance(parse_description(body, "x", "en", SOURCE), Description | MissingDescription)
    try:
        parse_list(body, LIST_URL, SOURCE)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


@given(st.text(min_size=1))
def test_a_slug_is_never_empty_and_is_its_own_slug(text: str) -> None:
    assert slug(text)
    assert slug(slug(text)) == slug(text)


@given(st.lists(st.text(alphabet="abc <>&é", min_size=1).filter(lambda t: t.strip()), min_size=1, max_size=5))
def test_paragraphs_come_back_as_they_were_written(paragraphs: list[str]) -> None:
    escaped = [text.replace("&", "&amp;").replace("<", "&lt;") for text in paragraphs]
    body = "<h2 id='Biology'>B</h2>" + "".join(f"<p>{text}</p>" for text in escaped) + "<h2>Next</h2><p>no</p>"
    found = parse_description(body.encode(), "x", "en", SOURCE)
    assert isinstance(found, Description)
    assert list(found.paragraphs) == [" ".join(text.split()) for text in paragraphs]


@st.composite
def soups(draw: st.DrawFn) -> bytes:
    """Draw pages with a section, cut up and mixed with what markup goes wrong by."""
    pieces = draw(
        st.lists(
            st.sampled_from(
                [
                    "<h2 id='Biology'>B</h2>",
                    '<h2 id="Biology">B</h2>',
                    '<h2><span id="Biology">B</span></h2>',
                    "<h3>H</h3>",
                    "<h2>N</h2>",
                    "<h1>T</h1>",
                    "<div class='mw-heading'>",
                    "<div>",
                    "</div>",
                    "<p>One.",
                    "<p>Two.</p>",
                    "</p>",
                    "<!--",
                    "-->",
                    "<script>",
                    "</script>",
                    "<table><tr><td>",
                    "</table>",
                    "<b>x",
                    "</b>",
                    '"',
                    "<",
                    ">",
                    "<title>",
                    "</h2>",
                    "<ul><li>",
                    "<textarea>",
                    "é",
                    "&lt;h2&gt;",
                    "</body>",
                    "<br>",
                ]
            ),
            max_size=14,
        )
    )
    return "".join(pieces).encode("latin-1")


@given(soups())
@example(b"<!--<h2>N</h2>--><p>Two.</p>")
@example(b"<script><h2>N</h2></script><p>Two.</p>")
@example(b"<ul><li><h2>N</h2></ul><p>Two.</p>")
@example(b'<p>One.<textarea><h2 id="Biology">B</h2>')
def test_what_stands_behind_a_section_changes_nothing_of_it(body: bytes) -> None:
    """Reading stops at the section's end: a page whose end cannot be seen is read whole, and says the same."""
    opened = b'<p>a</p><h2 id="Biology">B</h2><p>First.</p>' + body
    found = parse_description(opened, "x", "en", SOURCE)
    hidden = opened.replace(b'id="Biology"', b'id = "Biology"')  # the same to a parser, and not found by its bytes
    assert to_section_end(hidden, "Biology") == hidden
    read_whole = parse_description(hidden, "x", "en", SOURCE)
    assert repr(read_whole).replace('id = "Biology"', 'id="Biology"') == repr(found)  # a textarea shows its tags


def test_a_page_is_read_no_further_than_to_the_end_of_its_section() -> None:
    begin = b'<h3 id="Biology">B</h3><p>Text.</p><h4>Sub</h4><p>More.</p><h2 class="next">'
    assert to_section_end(begin + b"Next</h2><p>no</p>" * 9, "Biology") == begin


WALLS = [
    "<title>",
    "</title>",
    "Just a moment...",
    "Human verification",
    "<form id='",
    "challenge-form",
    "cf-challenge",
]
WALLS += ["<script>", "_cf_chl_opt", "</script>", "<p>", "'>", "<TITLE lang=x>", "PX-Captcha", "Attention", "MediaWiki"]


@given(st.lists(st.sampled_from(WALLS), max_size=8))
def test_no_wall_is_taken_for_a_page_by_the_quick_look_before_the_careful_one(parts: list[str]) -> None:
    body = "".join(parts).encode() + b"<p>"
    if is_challenge(body):
        with pytest.raises(ValueError, match="wall against robots"):
            markup(body, 10_000)
    else:
        markup(body, 10_000)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/images/a/ab/Ant.png", "http://h.org/images/a/ab/Ant.png"),
        (" /images/thumb/a/ab/Ant.png/80px-Ant.png ", "http://h.org/images/a/ab/Ant.png"),
        ("/a/../b.png", "http://h.org/b.png"),
        ("//other.org/b.png?x#y", "http://other.org/b.png"),
        ("b c.png", "http://h.org/wiki/b%20c.png"),
        ("/é.png", "http://h.org/%C3%A9.png"),
        ("https://o.org/thumb/a/ab/N.png/8px-N.png", "https://o.org/a/ab/N.png"),
        ("", "http://h.org/wiki/List"),
    ],
)
def test_a_picture_is_led_back_to_the_address_of_its_original(text: str, address: str) -> None:
    assert picture_address(text, "http://h.org/wiki/List?action=view") == address
