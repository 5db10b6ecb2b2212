"""A commit as clients send it (a header and operations, a JSON line each) becomes a tree and a ref that moved."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, TypeVar

from flows.hub_server.errors import HubError, bad_request, entry_not_found, error_for, revision_not_found
from flows.hub_server.names import checked_path, checked_sha256
from flows.hub_server.objects import FileEntry, RefChange, lfs_file, regular_file
from flows.hub_server.patterns import LARGE
from flows.hub_server.payload import Payload, mapping, object_from, optional, required
from flows.hub_server.repo import HEADS, Repo
from flows.hub_server.store import Store

MOST_BYTES = 10**9  # of all regular files of one commit together
MOST_LARGE = 25_000  # LFS files of one commit
LONGEST_LINE = LARGE * 4 // 3 + 2**17  # bytes: the largest regular file in base64, and its name
LONGEST_TITLE, LONGEST_MESSAGE = 500, 65_536
_SHORTEST_PARENT = 5  # digits by which clients may name the parent


@dataclass(frozen=True, slots=True)
class Put:
    """A file that comes, or takes the place of another."""

    entry: FileEntry


@dataclass(frozen=True, slots=True)
class Delete:
    """A file that goes, or a folder with all in it."""

    path: str
    folder: bool


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that comes from another place of the same repository."""

    path: str
    source: str
    revision: str  # "" for the commit before this one


T = TypeVar("T")
Operation = Put | Delete | Copy


@dataclass(slots=True)
class Request:
    """What one commit asks for; the contents of its regular files lie among the blobs already."""

    title: str
    message: str
    parent: str  # what the client believes to be the head; "" when it does not care
    operations: list[Operation] = field(default_factory=list)


def read_request(store: Store, repo: Repo, body: BinaryIO) -> Request:
    """Read a commit line by line, so that one regular file at a time is in memory; 400 and 413 for what is too much."""
    lines = _lines(body)
    header = next(lines, None)
    if header is None or header.get("key") != "header":
        raise bad_request("The first line of a commit is its header.")
    told = mapping(header.get("value"))
    title = required(told, "summary", str)
    if not title.strip():
        raise bad_request("A commit needs a summary.")
    request = Request(
        title[:LONGEST_TITLE],
        optional(told, "description", str, "")[:LONGEST_MESSAGE],
        optional(told, "parentCommit", str, ""),
    )
    regular = large = 0
    for line in lines:
        operation = _operation(store, repo, required(line, "key", str), mapping(line.get("value")))
        request.operations.append(operation)
        if isinstance(operation, Put):
            regular += 0 if operation.entry.lfs else operation.entry.size
            large += operation.entry.lfs
        if regular > MOST_BYTES or large > MOST_LARGE:
            raise error_for(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return request


def branch_of(repo: Repo, revision: str) -> tuple[str, str]:
    """Return the full ref that a commit to `revision` moves, and where it stands; 404 unless a branch or a PR ref."""
    full = revision if revision.startswith(("refs/heads/", "refs/pr/")) else HEADS + revision
    head = repo.ref(full)
    if head is None:
        raise revision_not_found(revision)
    return full, head


def apply_request(store: Store, repo: Repo, revision: str, request: Request, who: str) -> str:
    """Commit to a branch and return the commit; 412 when the head is not the parent that the client believed in."""
    with store.writing:
        ref, head = branch_of(repo, revision)
        made = write_on(repo, head, request, who)
        repo.set_ref(ref, made)
        store.moved(repo, RefChange(ref=ref, old=head, new=made))
    return made


def write_on(repo: Repo, head: str, request: Request, who: str) -> str:
    """Write the commit that a request makes of a head; no ref moves."""
    if request.parent and not (len(request.parent) >= _SHORTEST_PARENT and head.startswith(request.parent.lower())):
        raise error_for(HTTPStatus.PRECONDITION_FAILED)
    files = changed(repo, head, request.operations)
    return repo.write_commit(files.values(), (head,), (request.title, request.message), who)


def changed(repo: Repo, head: str, operations: Iterable[Operation]) -> dict[str, FileEntry]:
    """Return the files of a commit after operations, done in their order; 404 when there is nothing to delete."""
    files = dict(repo.tree(head))
    for operation in operations:
        match operation:
            case Put(entry):
                files[entry.path] = entry
            case Copy(path, source, revision):
                tree = repo.tree(repo.resolve(revision)) if revision else files
                files[path] = _moved(_present(tree.get(source), source), path)
            case Delete(path, folder):
                gone = [name for name in files if name.startswith(f"{path}/")] if folder else [path]
                for name in gone:
                    _present(files.pop(name, None), name)
                _present(gone, path)
    _refuse_files_that_are_folders(files)
    return files


def _lines(body: BinaryIO) -> Iterator[Payload]:
    while line := body.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise HubError(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message=_too_large("A line"))
        if line.strip():
            yield object_from(line)


def _operation(store: Store, repo: Repo, key: str, value: Payload) -> Operation:
    match key:
        case "file":
            return Put(_regular(store, value))
        case "lfsFile":
            return Put(_large(store, repo, value))
        case "deletedFile" | "deletedFolder":
            path = required(value, "path", str).rstrip("/")
            return Delete(checked_path(path), key == "deletedFolder")
        case "copyFile":
            path, source = required(value, "path", str), required(value, "srcPath", str)
            return Copy(checked_path(path), checked_path(source), optional(value, "srcRevision", str, ""))
        case _:
            raise bad_request(f"{key[:40]!r} is no operation of a commit.")


def _regular(store: Store, value: Payload) -> FileEntry:
    """Keep the content of a regular file, and return its entry."""
    path, content = checked_path(required(value, "path", str)), required(value, "content", str)
    if optional(value, "encoding", str, "utf-8") == "base64":
        try:
            data = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(f"The content of {path} is not base64.") from error
    else:
        data = content.encode("utf-8", "surrogatepass")
    if len(data) > LARGE:
        raise bad_request(_too_large(path))
    entry = regular_file(path, data)
    store.add_blob(entry.sha256, data)
    return entry


def _large(store: Store, repo: Repo, value: Payload) -> FileEntry:
    """Return the entry of a large file, which must have been put into this repository before."""
    path, sha256 = checked_path(required(value, "path", str)), checked_sha256(value.get("oid"))
    if not repo.has_large(sha256):
        raise bad_request(f"The LFS object {sha256} of {path} does not exist: upload it first.")
    size = store.blob(sha256).stat().st_size
    if optional(value, "size", int, size) != size:
        raise bad_request(f"The LFS object of {path} has {size} bytes, not {value.get('size')}.")
    return lfs_file(path, sha256, size)


def _moved(entry: FileEntry, path: str) -> FileEntry:
    return FileEntry(path=path, oid=entry.oid, sha256=entry.sha256, size=entry.size, lfs=entry.lfs)


def _present(found: T | None, path: str) -> T:
    if not found:
        raise entry_not_found(f"A file with this name doesn't exist: {path}")
    return found


def _refuse_files_that_are_folders(files: dict[str, FileEntry]) -> None:
    """Refuse a tree with a file `a` and a file `a/b`."""
    for path in files:
        cut = path.rfind("/")
        while cut > 0:
            if path[:cut] in files:
                raise bad_request(f"{path[:cut]!r} cannot be a file and a folder that holds {path!r}.")
            cut = path.rfind("/", 0, cut)


def _too_large(what: str) -> str:
    return f"{what} has more than {LARGE} bytes: upload files of this size as LFS files."
