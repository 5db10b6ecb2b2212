"""What an answer is worth: whether its body is what was wanted, and which revision it says it is."""

import hashlib
import json
import re
from http import HTTPStatus

from pipeline.crawl.changes import Wanted
from pipeline.crawl.ledger import Answer
from pipeline.crawl.names import clean

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"\xff\xd8\xff", b"RIFF")


def objection(wanted: Wanted, answer: Answer) -> str:
    """Say why an answer's body is not what was wanted; empty when it is."""
    if answer.status != HTTPStatus.OK:
        known = answer.status in set(HTTPStatus)
        return f"answered {answer.status} {HTTPStatus(answer.status).phrase if known else ''}".rstrip()
    if not answer.body:
        return "answered with an empty body"
    if wanted.kind == "miniature" and not answer.body.startswith(_PICTURES):
        return f"answered {answer.content_type or 'something'}, not a picture (it begins with {answer.body[:8]!r})"
    if wanted.ask and is_missing(answer):
        return f"the wiki has no page {wanted.title!r}"
    if wanted.ask:
        table = _json(answer.body)
        if "parse" not in table:
            return f"the API gave no page: {clean(str(table.get('error', answer.body[:80])))[:200]}"
    return ""


def is_api_error(answer: Answer) -> bool:
    """Say whether the API answered, and what it answered is an error."""
    return "error" in _json(answer.body)


def is_missing(answer: Answer) -> bool:
    """Say whether the API answered that there is no such page."""
    problem = _json(answer.body).get("error")
    return isinstance(problem, dict) and problem.get("code") == "missingtitle"


def revision_of(wanted: Wanted, answer: Answer) -> str:
    """Return the revision that a body says of itself: a page's id by the API, a picture's SHA-1; else empty.

    It may be another than was announced: a page was edited meanwhile, or a cache gave an old picture, which the next
    crawl then notices.
    """
    if wanted.kind == "miniature" and wanted.revision:
        return hashlib.sha1(answer.body, usedforsecurity=False).hexdigest()
    if wanted.kind != "description":
        return ""
    parse = _json(answer.body).get("parse") if wanted.ask else None
    found = str(parse.get("revid", "")) if isinstance(parse, dict) else ""
    return found if re.fullmatch(r"\d{1,20}", found, re.ASCII) else ""


def _json(body: bytes) -> dict[str, object]:
    try:
        table = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}
