"""Walls against robots are told from pages, errors and articles that only speak of them."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.crawl import walls
from pipeline.crawl.walls import LOOKED_AT, classify, is_challenge

FIXTURES = sorted((Path(__file__).parent.parent / "fixtures" / "walls").glob("*.html"))
#: What walls are told by, whole and in parts; ~ stands for a space.
BITS = """<title ~ > <TITLE> Just~a~Moment... Just </title> <div~ id= 'cf-challenge px-CAPTCHA challenge- form cf-
running _cf_chl_opt _incapsula_resource browser-verification < <script> </script> <form~class= x-y a_b DDoS-Guard word
<meta~name=generator~content=MediaWiki>"""
PAGE = b"<html><head><title>Aardart</title></head><body><p>It digs.</p></body></html>"


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_golden_answers_are_told_apart(path: Path) -> None:
    verdict, status, _ = path.name.split(".", 2)
    body = path.read_bytes()
    assert classify(int(status), {"Content-Type": "text/html"}, body, asked_api=False) == verdict
    assert is_challenge(body) == (verdict == "challenge")


def test_there_are_golden_answers_of_each_kind() -> None:
    assert {path.name.split(".")[0] for path in FIXTURES} == {"served", "challenge", "other"}


@pytest.mark.parametrize("status", [200, 403, 429, 503])
def test_a_header_tells_a_wall_whatever_the_body(status: int) -> None:
    assert classify(status, {"CF-Mitigated": " Challenge "}, PAGE, asked_api=False) == "challenge"
    assert classify(status, {"x-amzn-waf-action": "captcha"}, b"", asked_api=True) == "challenge"
    assert classify(200, {"cf-mitigated": "block"}, PAGE, asked_api=False) == "served"


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"query": {}}', "served"),
        (200, b'\xef\xbb\xbf {"query": {}}', "served"),
        (200, b"[]", "served"),
        (200, PAGE, "challenge"),
        (403, PAGE, "challenge"),
        (403, b"", "challenge"),
        (403, b'{"error": {"code": "readapidenied"}}', "other"),
        (200, b"", "other"),
        (200, b"  \n", "other"),
        (404, PAGE, "other"),
        (500, PAGE, "other"),
        (503, b'{"error": {"code": "maxlag"}}', "other"),
    ],
)
def test_an_api_that_answers_no_json_is_walled(status: int, body: bytes, verdict: str) -> None:
    assert classify(status, {}, body, asked_api=True) == verdict


def test_json_that_speaks_of_walls_is_served() -> None:
    body = b'{"parse": {"text": "<title>Just a moment...</title><div id=\\"cf-challenge\\">"}}'
    assert classify(200, {}, body, asked_api=True) == "served"
    assert not is_challenge(body)


@given(st.text(max_size=200), st.sampled_from(["cf-challenge", "_cf_chl_opt", "Just a moment...", "px-captcha"]))
def test_no_text_of_a_paragraph_makes_a_wall(text: str, words: str) -> None:
    said = f"{text} {words} {text}".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    body = f"<html><title>Aardart</title><body><p>{said}</p></body></html>".encode("utf-8", errors="replace")
    assert classify(200, {}, body, asked_api=False) == "served"


@given(st.lists(st.sampled_from(BITS.split()), max_size=14), st.sampled_from(["", " "]))
@example(["<title>", "DDoS-Guard", "</title>"], "")
@example(["<meta~name=generator~content=MediaWiki>", "<title>", "DDoS-Guard", "</title>"], "")
@example(["<div~", "id=", "'cf-challenge"], "")
@example(["<form~class=", "px-CAPTCHA"], "")
@example(["<script>", "_cf_chl_opt"], "")
@example(["<div~", "id=", "_incapsula_resource"], "")
def test_a_page_is_looked_through_only_where_a_wall_can_be_and_none_is_missed(bits: list[str], gap: str) -> None:
    body = gap.join(bits).replace("~", " ").encode()
    scripts = [part.split(b"</script")[0] for part in body.lower().split(b"<script")[1:]]
    told = walls._TITLE.search(body) or walls._BOX.search(body) or any(walls._SCRIPT_MARK in one for one in scripts)
    assert is_challenge(body) == (bool(told) and not walls._OWN.search(body))


@pytest.mark.parametrize("piece", [b"<div ", b"<script>", b"<title>", b"<div id=", b"<meta name=generator ", b"cf- <"])
def test_hostile_bodies_cost_no_more_than_their_size(piece: bytes) -> None:
    body = b"cf-challenge _cf_chl_opt " + piece * (LOOKED_AT // len(piece))
    assert not is_challenge(body)  # ends soon: no pattern goes back over what it read
