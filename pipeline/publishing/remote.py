"""What a repo of the Hub holds, and what makes it another folder's content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from pipeline.documents import files_of

Operation = CommitOperationAdd | CommitOperationDelete
THEIRS = frozenset({".gitattributes"})  # files that the Hub makes itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a repo is at one moment."""

    head: str  # commit of main
    tags: dict[str, str]  # commits by tag
    proposals: dict[int, str]  # commits of pull requests by number
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a commit: of a large one the Hub knows the SHA-256, of a small one git's own digest."""

    size: int
    sha256: str
    blob: str

    def holds(self, path: Path) -> bool:
        """Tell whether it has the bytes of a local file."""
        known = path.stat()
        if known.st_size != self.size:
            return False
        stamp = (known.st_ino, known.st_size, known.st_mtime_ns)
        return _sha256(path, stamp) == self.sha256 if self.sha256 else _blob(path, stamp) == self.blob


def changes(folder: Path, remote: Mapping[str, RemoteFile]) -> list[Operation]:
    """Return what makes a commit's files those of a folder: additions in order, then deletions of what is stale."""
    local = dict(files_of(folder))
    added = [name for name, path in local.items() if name not in remote or not remote[name].holds(path)]
    gone = sorted(remote.keys() - local.keys())
    deletions = [CommitOperationDelete(path_in_repo=name, is_folder=False) for name in gone]
    return [*(CommitOperationAdd(path_in_repo=name, path_or_fileobj=local[name]) for name in added), *deletions]


@lru_cache(maxsize=100_000)
def _sha256(path: Path, stamp: tuple[int, int, int]) -> str:
    """Return a file's SHA-256, read once as long as it stays the same: a large version is compared a hundred times."""
    del stamp
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=100_000)
def _blob(path: Path, stamp: tuple[int, int, int]) -> str:
    """Return git's digest of a small file."""
    del stamp
    body = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
