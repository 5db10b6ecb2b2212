"""Handlers about what a repository holds: trees, files, commits, branches and tags."""

import json
from http import HTTPStatus
from itertools import islice
from urllib.parse import parse_qs, quote, urlencode

from starlette.responses import JSONResponse, Response

from flows.hub_server import commits, discussions, views
from flows.hub_server.call import Call
from flows.hub_server.errors import bad_request, conflict, entry_not_found, forbidden, revision_not_found
from flows.hub_server.files import file_response
from flows.hub_server.keys import may_open
from flows.hub_server.names import checked_path, checked_ref
from flows.hub_server.objects import RefChange
from flows.hub_server.patterns import LARGE, ignored, lfs_patterns, matches
from flows.hub_server.payload import mapping, optional, required
from flows.hub_server.repo import HEADS, MAIN, TAGS

_PAGE = 1000  # rows of a tree in one answer
_COMMITS = 50  # commits in one answer
_MOST_PATHS = 10_000


def refs(call: Call) -> Response:
    """Tell branches and tags."""
    return JSONResponse(views.refs_of(call.here, pulls=call.flag("include_prs")))


def commit_list(call: Call) -> Response:
    """Tell the commits of a revision, newest first, a page at a time."""
    revision, page = "/".join(call.rest) or "main", call.page()
    commit = call.here.resolve(revision)
    found = list(islice(call.here.history(commit), page * _COMMITS, (page + 1) * _COMMITS + 1))
    formatted = "formatted" in call.request.query_params.getlist("expand[]")
    rows = [views.commit_row(one, formatted=formatted) for one in found[:_COMMITS]]
    headers = {"X-Repo-Commit": commit}
    if len(found) > _COMMITS:
        headers["Link"] = _further(call, f"commits/{commit}", p=page + 1)
    return JSONResponse(rows, headers=headers)


def tree(call: Call) -> Response:
    """Tell the files and folders of a folder, a page at a time; all pages are of the same commit."""
    revision, *path = call.rest or ("main",)
    commit, folder = call.here.resolve(revision), "/".join(path).strip("/")
    if folder:
        checked_path(folder)
    rows = views.listing(call.here.tree(commit), folder, recursive=call.flag("recursive"))
    after = call.request.query_params.get("cursor", "")
    left = [row for row in rows if str(row["path"]) > after]
    page = left[:_PAGE]
    headers = {"X-Repo-Commit": commit}
    if len(left) > _PAGE:
        where = f"tree/{commit}/{quote(folder, safe='')}" if folder else f"tree/{commit}"
        headers["Link"] = _further(call, where, cursor=str(page[-1]["path"]))
    if call.flag("expand"):
        page = views.with_last_commits(call.here, commit, page)
    return JSONResponse(page, headers=headers)


def paths_info(call: Call) -> Response:
    """Tell what the given paths are; those that are not there are left out."""
    if call.request.headers.get("content-type", "").startswith("application/json"):
        told = call.payload
        paths, expand = [str(path) for path in required(told, "paths", list)], bool(told.get("expand"))
    else:
        form = parse_qs(call.body.decode("utf-8", "replace"), max_num_fields=_MOST_PATHS)
        paths, expand = form.get("paths", []), form.get("expand", [""])[-1] in {"true", "True", "1"}
    commit = call.here.resolve("/".join(call.rest) or "main")
    rows = views.paths_info(call.here.tree(commit), paths)
    return JSONResponse(views.with_last_commits(call.here, commit, rows) if expand else rows)


def preupload(call: Call) -> Response:
    """Say for each file whether it goes into large file storage, whether it is ignored, and what is there."""
    commit = call.here.resolve("/".join(call.rest) or "main")
    files, told = call.here.tree(commit), call.payload

    def text_of(path: str) -> str:
        entry = files.get(path)
        return call.store.blob(entry.sha256).read_text(errors="replace") if entry and not entry.lfs else ""

    large = lfs_patterns(text_of(".gitattributes"))
    skipped = optional(told, "gitIgnore", str, "") or text_of(".gitignore")
    rows = []
    for asked in map(mapping, required(told, "files", list)):
        path, size = checked_path(required(asked, "path", str)), optional(asked, "size", int, 0)
        mode = "lfs" if size > LARGE or matches(path, large) else "regular"
        row = {"path": path, "uploadMode": mode, "shouldIgnore": ignored(path, skipped)}
        rows.append({**row, "oid": files[path].etag} if path in files else row)
    return JSONResponse({"files": rows, "commitOid": commit})


def commit(call: Call) -> Response:
    """Commit to a branch or a pull request, or open a pull request with `create_pr`."""
    repo, revision = call.here, "/".join(call.rest) or "main"
    if call.spooled is None:
        raise bad_request("A commit needs a body.")
    commits.branch_of(repo, revision)
    with call.spooled.path.open("rb") as body:
        request = commits.read_request(call.store, repo, body)
    told: dict[str, object] = {"success": True, "hookOutput": ""}
    if call.flag("create_pr"):
        pull, made = discussions.open_pull(call.store, repo, revision, request, call.who.name)
        told["pullRequestUrl"] = f"{call.base}/{repo.address}/discussions/{pull.num}"
    else:
        made = commits.apply_request(call.store, repo, revision, request, call.who.name)
    return JSONResponse({**told, "commitOid": made, "commitUrl": f"{call.base}/{repo.address}/commit/{made}"})


def create_tag(call: Call) -> Response:
    """Give a commit a name that stays; 409 when the name is taken."""
    name = checked_ref(required(call.payload, "tag", str))
    return _new_ref(call, TAGS + name, "/".join(call.rest) or "main", "Tag reference exists already")


def delete_tag(call: Call) -> Response:
    """Take a tag away."""
    return _drop_ref(call, TAGS, "/".join(call.rest))


def create_branch(call: Call) -> Response:
    """Begin a branch at a commit (`startingPoint`, else the head of main); 409 when the name is taken."""
    name = checked_ref("/".join(call.rest))
    start = optional(call.payload, "startingPoint", str, "") or "main"
    return _new_ref(call, HEADS + name, start, f"Reference already exists: {HEADS}{name}")


def delete_branch(call: Call) -> Response:
    """Take a branch away; never the main one."""
    name = "/".join(call.rest)
    if HEADS + name == MAIN:
        raise forbidden("The main branch cannot be deleted")
    return _drop_ref(call, HEADS, name)


def resolve(call: Call) -> Response:
    """Answer a file of a revision."""
    may_open(call.who, call.here)
    revision, path = _revision_and_path(call.rest)
    commit = call.here.resolve(revision)
    entry = call.here.tree(commit).get(path)
    if entry is None:
        raise entry_not_found("Entry not found", commit)
    return file_response(call.store.blob(entry.sha256), entry, commit, call.request.headers)


def _new_ref(call: Call, full: str, revision: str, taken: str) -> Response:
    repo = call.here
    with call.store.writing:
        target = repo.resolve(revision)
        if repo.ref(full) is not None:
            raise conflict(taken)
        repo.set_ref(full, target)
        call.store.moved(repo, RefChange(ref=full, old=None, new=target))
    return Response(
        json.dumps({"ref": full, "targetCommit": target}), HTTPStatus.CREATED, media_type="application/json"
    )


def _drop_ref(call: Call, prefix: str, name: str) -> Response:
    repo, full = call.here, prefix + checked_ref(name)
    with call.store.writing:
        before = repo.ref(full)
        if before is None:
            raise revision_not_found(name)
        repo.set_ref(full, None)
        call.store.moved(repo, RefChange(ref=full, old=before, new=None))
    return Response()


def _revision_and_path(rest: tuple[str, ...]) -> tuple[str, str]:
    """Return revision and path; a full ref may be quoted into one part of the address, or stand in three."""
    length = 3 if rest[:1] == ("refs",) else 1
    return "/".join(rest[:length]), "/".join(rest[length:])


def _further(call: Call, where: str, **query: object) -> str:
    """Return the Link header to the next page, which keeps the rest of the query."""
    kept = {**dict(call.request.query_params), **query}
    repo = call.here
    return f'<{call.base}/api/{repo.kind}s/{quote(repo.name)}/{where}?{urlencode(kept)}>; rel="next"'
