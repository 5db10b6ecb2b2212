"""Handlers about repositories as a whole: who asks, making them, their settings, and what is told of them."""

from http import HTTPStatus

from starlette.responses import JSONResponse, Response

from flows.hub_server import cards, views
from flows.hub_server.call import Call
from flows.hub_server.errors import HubError, bad_request, repo_not_found, unauthorized
from flows.hub_server.keys import USER, may_open, may_read, may_write
from flows.hub_server.names import KINDS, Kind, kind_named, valid_name
from flows.hub_server.payload import Payload, optional, required
from flows.hub_server.repo import Repo

_GATES = {False: "", "auto": "auto", "manual": "manual"}
_PAGE = 100  # repositories in one answer
_MOST_YAML = 2**20  # characters of a card that are checked


def whoami(call: Call) -> Response:
    """Say whose token that is."""
    if not call.who.name:
        raise unauthorized(code="")
    role = "write" if call.who.may_write else "read"
    told = {
        "type": "user",
        "id": call.who.name,
        "name": call.who.name,
        "fullname": call.who.name,
        "isPro": False,
        "avatarUrl": "",
        "orgs": [],
        "auth": {"type": "access_token", "accessToken": {"displayName": "loopback", "role": role}},
    }
    return JSONResponse(told)


def validate_yaml(call: Call) -> Response:
    """Say what is wrong with a card."""
    told = call.payload
    verdict = cards.judge(required(told, "content", str)[:_MOST_YAML], kind_named(told.get("repoType")))
    body = {
        "errors": [{"message": sentence} for sentence in verdict.errors],
        "warnings": [{"message": sentence} for sentence in verdict.warnings],
    }
    return JSONResponse(body, HTTPStatus.BAD_REQUEST if verdict.errors else HTTPStatus.OK)


def create(call: Call) -> Response:
    """Make a repository; 409 with its address when there is one."""
    told = call.payload
    kind, owner, name = _named(told)
    private = optional(told, "private", bool, False) or _is_private(told)  # noqa: FBT003 - the default
    address = f"{call.base}/{Repo(kind, f'{owner}/{name}', call.store.root, call.store.root).address}"
    try:
        repo = call.store.create(kind, owner, name, private=bool(private), who=call.who.name)
    except HubError as error:
        if error.status == HTTPStatus.CONFLICT:
            error.extra = {"url": address}
        raise
    return JSONResponse({"url": address, "name": repo.name, "id": repo.name})


def delete(call: Call) -> Response:
    """Take a repository away."""
    kind, owner, name = _named(call.payload)
    repo = call.store.find(kind, owner, name)
    if repo is None:
        raise repo_not_found(signed_in=True)
    call.store.delete(repo)
    return Response()


def move(call: Call) -> Response:
    """Give a repository another name."""
    told = call.payload
    kind, *names = (
        kind_named(told.get("type")),
        *(required(told, side, str).split("/") for side in ("fromRepo", "toRepo")),
    )
    if any(len(parts) != 2 for parts in names):  # noqa: PLR2004 - owner and name
        raise bad_request("Both names are to be owner/name.")
    before, after = names
    repo = call.store.find(kind, before[0], before[1])
    if repo is None:
        raise repo_not_found(signed_in=True)
    call.store.move(repo, after[0], after[1])
    return Response()


def settings(call: Call) -> Response:
    """Change who may see a repository and who may open its files."""
    told = call.payload
    gated = told.get("gated")
    if gated is not None and gated not in _GATES:
        raise bad_request(f"gated is {gated!r}, but must be false, 'auto' or 'manual'.")
    private = _is_private(told)
    if private is None and "private" in told:
        private = required(told, "private", bool)
    with call.store.writing:
        now = call.here.choose(private=private, gated=None if gated is None else _gate(gated))
    return JSONResponse({"private": now.private, "gated": now.gated or False})


def info(call: Call) -> Response:
    """Tell what a repository holds, at a revision or at its head."""
    repo = call.here
    commit = repo.resolve("/".join(call.rest)) if call.rest else repo.head
    told = views.repo_info(call.store, repo, commit, blobs=call.flag("blobs"))
    query = call.request.query_params
    return JSONResponse(views.expanded(told, [*query.getlist("expand"), *query.getlist("expand[]")]))


def auth_check(call: Call) -> Response:
    """Say whether one may read the files here, or write with `/write`."""
    may_open(call.who, call.here)
    if call.rest == ("write",):
        may_write(call.who)
    return Response()


def list_repos(call: Call) -> Response:
    """Tell which repositories one may see: of an `author`, with a `search` in their name."""
    query = call.request.query_params
    author, searched = query.get("author"), query.getlist("search")
    found = []
    for repo in call.store.repos(KINDS[call.rest[0]]):
        fits = author in {None, repo.name.split("/")[0]} and all(s.lower() in repo.name.lower() for s in searched)
        if fits and (call.who.owner or not repo.settings.private):
            found.append(repo)
    page = call.page()
    told = [_brief(call, repo) for repo in found[page * _PAGE : (page + 1) * _PAGE]]
    further = call.request.url.include_query_params(p=page + 1)
    headers = {"Link": f'<{further}>; rel="next"'} if len(found) > (page + 1) * _PAGE else {}
    return JSONResponse(told, headers=headers)


def _brief(call: Call, repo: Repo) -> dict[str, object]:
    """Return what a list tells of a repository: all but its files."""
    told = views.repo_info(call.store, may_read(call.who, repo), repo.head)
    del told["siblings"]
    return told


def _named(told: Payload) -> tuple[Kind, str, str]:
    """Return the type, the owner and the name of the repository that a request is about."""
    name, owner = required(told, "name", str), optional(told, "organization", str, "")
    if not owner and "/" in name:
        owner, _, name = name.partition("/")
    if not (valid_name(owner or USER) and valid_name(name)):
        raise bad_request(
            f"Invalid repo name {owner}/{name}: letters, digits, '-', '_' and '.', 96 at most, no '--' or '..'."
        )
    return kind_named(told.get("type")), owner or USER, name


def _is_private(told: Payload) -> bool | None:
    visibility = told.get("visibility")
    return None if visibility is None else visibility != "public"


def _gate(given: object) -> str:
    return given if isinstance(given, str) else ""
