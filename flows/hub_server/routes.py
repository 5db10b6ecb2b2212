"""Which address means what: the step it belongs to, the repository it names, and who may go there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from starlette.responses import Response

from flows.hub_server import contents, lfs, owners, talk
from flows.hub_server.call import Call
from flows.hub_server.names import KINDS, Kind

OTHER = "other"  # the step of what no fault is ever asked for
LONGEST_PATH = 8192  # characters of an address


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a request, and what must hold before its body is read."""

    step: str
    handle: Callable[[Call], Response]
    rights: Literal["open", "read", "write", "signed"] = "read"
    body: Literal["none", "memory", "disk"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address, taken apart: what is wanted of which repository."""

    action: str
    kind: Kind | None = None
    owner: str = ""
    name: str = ""
    rest: tuple[str, ...] = ()


def _write(step: str, handle: Callable[[Call], Response]) -> Route:
    return Route(step, handle, "write", "memory")


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "whoami-v2"): Route("whoami", owners.whoami, "open"),
    ("POST", "validate-yaml"): Route("validate-yaml", owners.validate_yaml, "open", "memory"),
    ("GET", "list"): Route("info", owners.list_repos, "open"),
    ("POST", "repos/create"): _write("create", owners.create),
    ("DELETE", "repos/delete"): _write("settings", owners.delete),
    ("POST", "repos/move"): _write("settings", owners.move),
    ("PUT", "settings"): _write("settings", owners.settings),
    ("GET", "info"): Route("info", owners.info),
    ("GET", "auth-check"): Route(OTHER, owners.auth_check),
    ("GET", "refs"): Route("refs", contents.refs),
    ("GET", "commits"): Route("info", contents.commit_list),
    ("GET", "tree"): Route("tree", contents.tree),
    ("POST", "paths-info"): Route("paths-info", contents.paths_info, "read", "memory"),
    ("POST", "preupload"): _write("preupload", contents.preupload),
    ("POST", "commit"): Route("commit", contents.commit, "write", "disk"),
    ("POST", "tag"): _write("tag", contents.create_tag),
    ("DELETE", "tag"): _write("tag", contents.delete_tag),
    ("POST", "branch"): _write("branch", contents.create_branch),
    ("DELETE", "branch"): _write("branch", contents.delete_branch),
    ("GET", "resolve"): Route("resolve", contents.resolve),
    ("POST", "lfs/batch"): _write("lfs-batch", lfs.batch),
    ("POST", "lfs/verify"): _write("lfs-verify", lfs.verify),
    ("PUT", "lfs/put"): Route("lfs-put", lfs.put, "signed", "disk"),
    ("GET", "discussions"): Route("discussion", talk.list_all),
    ("POST", "discussions"): _write("discussion", talk.start),
    ("GET", "discussions/one"): Route("discussion", talk.one),
    ("POST", "discussions/comment"): _write("discussion", talk.comment),
    ("POST", "discussions/status"): _write("discussion", talk.status),
    ("POST", "discussions/title"): _write("discussion", talk.title),
    ("POST", "discussions/merge"): _write("merge", talk.merge),
}


def target_of(path: str) -> Target | None:
    """Return what the path of an address means, still quoted as it was sent; None when it means nothing here."""
    match tuple(unquote(part) for part in path.strip("/").split("/")):
        case ("api", kinds) if kinds in KINDS:
            return Target(action="list", rest=(kinds,))
        case ("api", *action) if action[0] not in KINDS:
            return Target(action="/".join(action))
        case ("api", kinds, owner, name, *rest) if kinds in KINDS:
            return _of_repo(KINDS[kinds], owner, name, tuple(rest))
        case ("_lfs", kinds, owner, name, oid) if kinds in KINDS:
            return Target(action="lfs/put", kind=KINDS[kinds], owner=owner, name=name, rest=(oid,))
        case (kinds, *rest) if kinds in KINDS:
            return _of_files(KINDS[kinds], tuple(rest))
        case rest:
            return _of_files("model", rest)


def route_of(method: str, target: Target | None) -> Route | None:
    """Return what answers a method on a target; HEAD is answered as GET is."""
    return ROUTES.get(("GET" if method == "HEAD" else method, target.action)) if target else None


def _of_repo(kind: Kind, owner: str, name: str, rest: tuple[str, ...]) -> Target:
    match rest:
        case ():
            action: str = "info"
        case ("revision", *behind):
            action, rest = "info", tuple(behind)
        case ("discussions",):
            action, rest = "discussions", ()
        case ("discussions", number):
            action, rest = "discussions/one", (number,)
        case ("discussions", number, what):
            action, rest = f"discussions/{what}", (number,)
        case _:
            action, rest = rest[0], rest[1:]
    return Target(action=action, kind=kind, owner=owner, name=name, rest=rest)


def _of_files(kind: Kind, rest: tuple[str, ...]) -> Target | None:
    match rest:
        case (owner, name, "resolve", *behind) if len(behind) > 1:
            return Target(action="resolve", kind=kind, owner=owner, name=name, rest=tuple(behind))
        case (owner, git, "info", "lfs", "objects", action) if git.endswith(".git"):
            return Target(action=f"lfs/{action}", kind=kind, owner=owner, name=git.removesuffix(".git"))
        case _:
            return None
