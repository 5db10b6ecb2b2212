"""Handlers about discussions and pull requests."""

from starlette.responses import JSONResponse, Response

from flows.hub_server import discussions
from flows.hub_server.call import Call
from flows.hub_server.discussions import CLOSED, DRAFT, MERGED, OPEN, Discussion
from flows.hub_server.errors import bad_request
from flows.hub_server.names import number_of
from flows.hub_server.payload import optional, required

_PAGE = 50
_LONGEST = 65_536  # characters of a text


def list_all(call: Call) -> Response:
    """Tell the discussions, newest first, a page at a time; by type, status and author when asked."""
    query = call.request.query_params
    kind, status, author = (query.get(name) for name in ("type", "status", "author"))

    def fits(one: Discussion) -> bool:
        is_open = one.status in {OPEN, DRAFT}
        return (
            kind in {None, "all", "pull_request" if one.base else "discussion"}
            and status in {None, "all", "open" if is_open else "closed"}
            and author in {None, one.author}
        )

    found = [one for one in discussions.listed(call.here) if fits(one)]
    start = call.page() * _PAGE
    told = [discussions.summary(call.here, one) for one in found[start : start + _PAGE]]
    return JSONResponse({"discussions": told, "count": len(found), "start": start})


def one(call: Call) -> Response:
    """Tell all of a discussion."""
    found = discussions.find(call.here, number_of(call.rest[0]))
    return JSONResponse(discussions.details(call.here, found))


def start(call: Call) -> Response:
    """Start a discussion or an empty pull request."""
    told = call.payload
    words = required(told, "title", str)[:_LONGEST], optional(told, "description", str, "")[:_LONGEST]
    if not words[0].strip():
        raise bad_request("A discussion needs a title.")
    made = discussions.start(call.store, call.here, words, call.who.name, pull=told.get("pullRequest") is True)
    return JSONResponse(discussions.summary(call.here, made))


def comment(call: Call) -> Response:
    """Add a comment."""
    text = required(call.payload, "comment", str)[:_LONGEST]
    return JSONResponse({"newMessage": _added(call, "comment", discussions.comment(text))})


def status(call: Call) -> Response:
    """Open or close a discussion; a merged one stays merged."""
    wanted = required(call.payload, "status", str)
    found = discussions.find(call.here, number_of(call.rest[0]))
    if wanted not in {OPEN, CLOSED} or found.status == MERGED:
        raise bad_request(f"A discussion that is {found.status} cannot become {wanted[:20]!r}.")
    return JSONResponse({"newStatus": _added(call, "status-change", {"status": wanted}, status=wanted)})


def title(call: Call) -> Response:
    """Change the title."""
    wanted = required(call.payload, "title", str)[:_LONGEST]
    before = discussions.find(call.here, number_of(call.rest[0])).title
    return JSONResponse({"newTitle": _added(call, "title-change", {"from": before, "to": wanted}, title=wanted)})


def merge(call: Call) -> Response:
    """Merge a pull request."""
    done = discussions.merge(call.store, call.here, number_of(call.rest[0]), call.who.name)
    return JSONResponse({"mergeCommitId": done.merged})


def _added(call: Call, kind: str, data: dict[str, object], *, status: str = "", title: str = "") -> dict[str, object]:
    """Add an event to a discussion, and return it."""
    with call.store.writing:
        found = discussions.find(call.here, number_of(call.rest[0]))
        changed = discussions.with_event(found, kind, call.who.name, data)
        changed = discussions.altered(changed, status or found.status, title or found.title)
        discussions.keep(call.here, changed)
    return changed.events[-1]
