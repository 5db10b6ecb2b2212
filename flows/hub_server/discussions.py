"""Discussions and pull requests: a number, a title, events, and for a pull request a ref that may be merged."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from pathlib import Path

from flows.hub_server.commits import Request, branch_of, write_on
from flows.hub_server.disk import put_bytes
from flows.hub_server.errors import HubError, bad_request, conflict
from flows.hub_server.objects import FileEntry, RefChange, digest_of, now
from flows.hub_server.repo import MAIN, PULLS, Repo
from flows.hub_server.store import Store

Json = dict[str, object]
OPEN, DRAFT, CLOSED, MERGED = "open", "draft", "closed", "merged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discussion:
    """A discussion, or a pull request when it has a base."""

    num: int
    title: str
    author: str
    created: str
    status: str
    base: str = ""  # full ref that a merge would move
    fork: str = ""  # commit of the base it began on
    merged: str = ""  # commit its merge made
    events: tuple[Json, ...] = ()

    @property
    def ref(self) -> str:
        """Return the ref of a pull request."""
        return f"{PULLS}{self.num}"


def open_pull(store: Store, repo: Repo, revision: str, request: Request, who: str) -> tuple[Discussion, str]:
    """Open a pull request that holds one commit on top of a branch; return both."""
    with store.writing:
        base, head = branch_of(repo, revision)
        made = write_on(repo, head, request, who)
        begun = _begin(repo, (request.title, request.message), who)
        opened = replace(begun, base=base, fork=head)
        repo.set_ref(opened.ref, made)
        keep(repo, opened)
        store.moved(repo, RefChange(ref=opened.ref, old=None, new=made))
    return opened, made


def start(store: Store, repo: Repo, words: tuple[str, str], who: str, *, pull: bool) -> Discussion:
    """Start a discussion (`words`: title and text), or a pull request without commits: a draft on the main branch."""
    with store.writing:
        begun = _begin(repo, words, who)
        if pull:
            begun = replace(begun, base=MAIN, fork=repo.head, status=DRAFT)
            repo.set_ref(begun.ref, repo.head)
        keep(repo, begun)
        if pull:
            store.moved(repo, RefChange(ref=begun.ref, old=None, new=repo.head))
    return begun


def merge(store: Store, repo: Repo, num: int, who: str) -> Discussion:
    """Merge an open pull request: one commit on its base with all its changes; 409 when both changed the same file.

    A merge that happened but was not written down (the Hub was killed in between) is written down now.
    """
    with store.writing:
        pull = find(repo, num)
        if pull.status not in {OPEN, DRAFT} or not pull.base:
            raise bad_request(
                f"Discussion {num} cannot be merged: it is {pull.status if pull.base else 'no pull request'}."
            )
        if pull.status == DRAFT:
            raise bad_request(f"Pull request {num} is a draft: open it first.")
        _, head = branch_of(repo, pull.base)
        title = f"{pull.title} (#{num})"
        if repo.commit(head).title == title and head != pull.fork:
            made = head
        else:
            files = _three_way(repo, pull, head)
            made = repo.write_commit(files.values(), (head,), (title, _told(repo, pull)), who)
            repo.set_ref(pull.base, made)
            store.moved(repo, RefChange(ref=pull.base, old=head, new=made))
        done = with_event(replace(pull, status=MERGED, merged=made), "status-change", who, {"status": MERGED})
        keep(repo, done)
    return done


def conflicts(repo: Repo, pull: Discussion) -> list[str]:
    """Return the files that a pull request and its base both changed, to different contents."""
    head, tip = repo.ref(pull.base), repo.ref(pull.ref)
    if head is None or tip is None or pull.status == MERGED:
        return []
    fork, base, ours = repo.tree(pull.fork), repo.tree(head), repo.tree(tip)
    changed = {path for path in {*fork, *ours} if fork.get(path) != ours.get(path)}
    return sorted(path for path in changed if fork.get(path) != base.get(path) != ours.get(path))


def with_event(discussion: Discussion, kind: str, who: str, data: Json) -> Discussion:
    """Return the discussion with one more event."""
    seed = f"{discussion.num} {len(discussion.events)} {now()}".encode()
    event: Json = {"id": digest_of(seed)[:24], "type": kind, "createdAt": now(), "author": {"name": who}, "data": data}
    return replace(discussion, events=(*discussion.events, event))


def altered(discussion: Discussion, status: str, title: str) -> Discussion:
    """Return the discussion with another status and title."""
    return replace(discussion, status=status, title=title)


def comment(text: str) -> Json:
    """Return the data of a comment's event."""
    return {"edited": False, "hidden": False, "latest": {"raw": text, "html": ""}}


def find(repo: Repo, num: int) -> Discussion:
    """Return a discussion by its number; 404 when there is none."""
    try:
        row = json.loads(_path(repo, num).read_bytes())
    except FileNotFoundError as error:
        raise HubError(status=HTTPStatus.NOT_FOUND, message=f"There is no discussion {num}.") from error
    return Discussion(**{**row, "events": tuple(row["events"])})


def keep(repo: Repo, discussion: Discussion) -> None:
    """Write a discussion down."""
    put_bytes(_path(repo, discussion.num), json.dumps(asdict(discussion)).encode(), repo.scratch)


def listed(repo: Repo) -> Sequence[Discussion]:
    """Return all discussions, newest first."""
    return [find(repo, num) for num in sorted(_numbers(repo), reverse=True)]


def summary(repo: Repo, discussion: Discussion) -> Json:
    """Return what a list tells of a discussion."""
    return {
        "num": discussion.num,
        "title": discussion.title,
        "author": {"name": discussion.author},
        "createdAt": discussion.created,
        "status": discussion.status,
        "repo": {"name": repo.name, "type": repo.kind},
        "isPullRequest": bool(discussion.base),
    }


def details(repo: Repo, discussion: Discussion) -> Json:
    """Return all that is told of a discussion."""
    told = {**summary(repo, discussion), "events": list(discussion.events)}
    if discussion.base:
        changes: Json = {"base": discussion.base}
        if discussion.merged:
            changes["mergeCommitId"] = discussion.merged
        told |= {"changes": changes, "filesWithConflicts": conflicts(repo, discussion), "diff": ""}
    return told


def _begin(repo: Repo, words: tuple[str, str], who: str) -> Discussion:
    """Return a new discussion with the next number; only while nobody else writes."""
    title, text = words
    num = max((*_numbers(repo), *_pull_numbers(repo)), default=0) + 1
    begun = Discussion(num=num, title=title, author=who, created=now(), status=OPEN)
    return with_event(begun, "comment", who, comment(text))


def _three_way(repo: Repo, pull: Discussion, head: str) -> dict[str, FileEntry]:
    """Return the files of the base with the changes of a pull request; 409 when they do not fit."""
    clash = conflicts(repo, pull)
    if clash:
        raise conflict(f"Pull request {pull.num} cannot be merged, both sides changed: {', '.join(clash[:10])}")
    fork, ours, files = repo.tree(pull.fork), repo.tree(repo.resolve(pull.ref)), dict(repo.tree(head))
    for path in {*fork, *ours}:
        if fork.get(path) != ours.get(path):
            if path in ours:
                files[path] = ours[path]
            else:
                files.pop(path, None)
    return files


def _told(repo: Repo, pull: Discussion) -> str:
    """Return the message of a merge: the commits it brings."""
    rows = []
    for commit in repo.history(repo.resolve(pull.ref)):
        if commit.oid == pull.fork:
            break
        rows.append(f"- {commit.title} ({commit.oid})")
    return "\n".join(reversed(rows))


def _numbers(repo: Repo) -> list[int]:
    return [int(path.stem) for path in (repo.folder / "discussions").glob("*.json")]


def _pull_numbers(repo: Repo) -> list[int]:
    """Return the numbers that refs have: a kill may have come before the discussion was written."""
    return [int(name.removeprefix(PULLS)) for name in repo.refs() if name.startswith(PULLS)]


def _path(repo: Repo, num: int) -> Path:
    return repo.folder / "discussions" / f"{num}.json"
