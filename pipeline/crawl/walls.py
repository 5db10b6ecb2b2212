"""Walls against robots, told from answers: a wall is met with silence, never with another try or a way round it."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

Verdict = Literal["served", "challenge", "other"]

LOOKED_AT = 65_536  # bytes of a body; interstitial pages say what they are within a few kilobytes
HEADERS = {"cf-mitigated": {"challenge"}, "x-amzn-waf-action": {"challenge", "captcha"}}  # that tell a wall
#: Whole titles of interstitial pages; an article that has such a name carries the wiki's own name behind it.
_TITLE = re.compile(
    rb"<title[^<>]{0,200}>\s*(?:just a moment(?:\.\.\.|\xe2\x80\xa6)"
    rb"|attention required! \| cloudflare"
    rb"|please wait(?:\.\.\.|\xe2\x80\xa6) \| cloudflare"
    rb"|access denied \| [^<]{1,200} used cloudflare to restrict access"
    rb"|one moment, please(?:\.\.\.|\xe2\x80\xa6)"
    rb"|ddos-guard"
    rb"|sucuri website firewall[^<]{0,200}"
    rb"|making sure you(?:'|&#0?39;|&apos;|\xe2\x80\x99)re not a bot!"
    rb"|human verification)\s*</title",
    re.IGNORECASE,
)
#: Forms and boxes of such pages: names in tags, since an article may well speak of them in its text.
_BOX = re.compile(
    rb"<(?:form|div|input|iframe|noscript)\b[^<>]{0,1000}?\b(?:id|class|src)\s*=\s*[\"']?[^\"'<>]{0,300}?"
    rb"(?:cf-challenge|cf-browser-verification|challenge-form|challenge-running|px-captcha|_incapsula_resource)",
    re.IGNORECASE,
)
_SCRIPT_MARK = b"_cf_chl_opt"
#: Parts of all words that boxes and scripts are told by, from a sign on that is rare: soon seen to be missing.
_HINTS = (
    (b"-", re.compile(rb"-(?:challenge|browser-verification|form|running|captcha)", re.IGNORECASE)),
    (b"_", re.compile(rb"_(?:chl_opt|resource)", re.IGNORECASE)),
)
_HEADED = re.compile(rb"<(?:meta|title)", re.IGNORECASE)
_OWN = re.compile(rb"<meta[^<>]{0,200}\bname\s*=\s*[\"']?generator[^<>]{0,200}\bMediaWiki", re.IGNORECASE)


def classify(status: int, headers: Mapping[str, str], body: bytes, *, asked_api: bool) -> Verdict:
    """Say whether an answer is what was asked for, a wall against robots, or something else, such as an error.

    `headers` may be spelt in any case; `asked_api` says that JSON was asked for: whatever else comes with 200 or 403
    is then a wall too. Words in an article's text never make a wall; the title, tags and scripts of the page do.

    >>> classify(200, {}, b"<title>Just a moment...</title>", asked_api=False)
    'challenge'
    >>> classify(200, {}, b"<p>It says: Just a moment...</p>", asked_api=False)
    'served'
    """
    said = {name.lower(): value.strip().lower() for name, value in headers.items()}
    if any(said.get(name) in values for name, values in HEADERS.items()):
        return "challenge"
    if asked_api and _like_json(body):
        return "served" if status == HTTPStatus.OK else "other"
    if is_challenge(body):
        return "challenge"
    if asked_api:
        walled = body.strip() if status == HTTPStatus.OK else status == HTTPStatus.FORBIDDEN
        return "challenge" if walled else "other"
    fine = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.NOT_MODIFIED
    return "served" if fine else "other"


def is_challenge(body: bytes) -> bool:
    """Say whether a body is a wall against robots instead of the page."""
    head = body[:LOOKED_AT]
    if _like_json(head):
        return False
    if headed := _HEADED.search(head):
        if _OWN.search(head, headed.start()):
            return False
        if _TITLE.search(head, headed.start()):
            return True
    if not _hinted(head):  # most pages end here, before dearer searches
        return False
    scripts = (part.partition(b"</script")[0] for part in head.lower().split(b"<script")[1:])
    return bool(_BOX.search(head)) or any(_SCRIPT_MARK in script for script in scripts)


def _hinted(head: bytes) -> bool:
    for sign, words in _HINTS:
        place = head.find(sign)
        if place >= 0 and words.search(head, place):
            return True
    return False


def _like_json(body: bytes) -> bool:
    return body[:LOOKED_AT].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
