"""What a repository is made of: files, trees and commits; each has a digest for its name and never changes."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

COMMIT_LENGTH = 40  # hexadecimal digits; clients tell a commit from a branch by it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file of a tree: what git calls it, what it holds, and whether git would hold only a pointer to it."""

    path: str
    oid: str  # git's SHA-1 of the blob; of the pointer for an LFS file
    sha256: str  # of the content
    size: int  # bytes of the content
    lfs: bool

    @property
    def etag(self) -> str:
        """Return the digest that the Hub gives as ETag: git's for regular files, SHA-256 for LFS files."""
        return self.sha256 if self.lfs else self.oid

    @property
    def pointer_size(self) -> int:
        """Return how many bytes git's pointer to an LFS file has."""
        return len(pointer(self.sha256, self.size))


Tree = Mapping[str, FileEntry]  # by path, paths in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A state of a repository, and how it came to be."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    title: str
    message: str  # what stands below the title
    date: str  # UTC, ISO 8601 with milliseconds
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefChange:
    """A ref that moved; a null side means it was made or went away."""

    ref: str
    old: str | None
    new: str | None


def now() -> str:
    """Return the time as the Hub writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pointer(sha256: str, size: int) -> bytes:
    """Return the text that git holds in place of an LFS file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def git_oid(data: bytes) -> str:
    """Return what git calls a blob.

    >>> git_oid(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def regular_file(path: str, data: bytes) -> FileEntry:
    """Return the entry of a file that git itself holds."""
    digest = hashlib.sha256(data).hexdigest()
    return FileEntry(path=path, oid=git_oid(data), sha256=digest, size=len(data), lfs=False)


def lfs_file(path: str, sha256: str, size: int) -> FileEntry:
    """Return the entry of a file that lies in large file storage."""
    return FileEntry(path=path, oid=git_oid(pointer(sha256, size)), sha256=sha256, size=size, lfs=True)


def tree_bytes(entries: Iterable[FileEntry]) -> bytes:
    """Return a tree as it is written: one JSON line for a file, in the order of paths."""
    rows = ([e.path, e.oid, e.sha256, e.size, e.lfs] for e in sorted(entries, key=lambda entry: entry.path))
    return b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)


def read_tree(data: bytes) -> dict[str, FileEntry]:
    """Return the tree that was written so."""
    entries = {}
    for line in data.splitlines():
        path, oid, sha256, size, lfs = json.loads(line)
        entries[path] = FileEntry(path=path, oid=oid, sha256=sha256, size=size, lfs=lfs)
    return entries


def digest_of(data: bytes) -> str:
    """Return the name of a tree or a commit: 40 hexadecimal digits of its SHA-256, as long as git's."""
    return hashlib.sha256(data).hexdigest()[:COMMIT_LENGTH]


def commit_bytes(commit: Commit) -> bytes:
    """Return a commit as it is written, without its own name."""
    row = {
        "tree": commit.tree,
        "parents": list(commit.parents),
        "title": commit.title,
        "message": commit.message,
        "date": commit.date,
        "author": commit.author,
    }
    return json.dumps(row, separators=(",", ":")).encode()


def read_commit(oid: str, data: bytes) -> Commit:
    """Return the commit of that name that was written so."""
    row = json.loads(data)
    return Commit(
        oid=oid,
        tree=row["tree"],
        parents=tuple(row["parents"]),
        title=row["title"],
        message=row["message"],
        date=row["date"],
        author=row["author"],
    )
