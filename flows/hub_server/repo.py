"""One repository on disk: immutable trees and commits, and refs that are replaced in one step."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from flows.hub_server.disk import put_bytes, put_once
from flows.hub_server.errors import revision_not_found
from flows.hub_server.names import Kind
from flows.hub_server.objects import (
    Commit,
    FileEntry,
    Tree,
    commit_bytes,
    digest_of,
    now,
    read_commit,
    read_tree,
    tree_bytes,
)

MAIN = "refs/heads/main"
HEADS, TAGS, PULLS = "refs/heads/", "refs/tags/", "refs/pr/"
_OID = re.compile(r"[0-9a-f]{7,40}")
_WHOLE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the owner of a repository chose, and when it began."""

    private: bool
    gated: str  # "", "auto" or "manual"
    created: str


@dataclass(frozen=True, slots=True)
class Repo:
    """A repository: its type, its name `org/name`, its folder, and where files are made before they are moved in."""

    kind: Kind
    name: str
    folder: Path
    scratch: Path

    @property
    def address(self) -> str:
        """Return the path of its page: `datasets/org/name`, models without a prefix."""
        return self.name if self.kind == "model" else f"{self.kind}s/{self.name}"

    # settings -------------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Return what the owner chose."""
        return Settings(**json.loads((self.folder / "repo.json").read_bytes()))

    def choose(self, *, private: bool | None = None, gated: str | None = None) -> Settings:
        """Change what is not None, and return the settings as they are then."""
        before = self.settings
        after = replace(
            before,
            private=before.private if private is None else private,
            gated=before.gated if gated is None else gated,
        )
        put_bytes(self.folder / "repo.json", json.dumps(asdict(after)).encode(), self.scratch)
        return after

    # refs -----------------------------------------------------------------------------------------------------------

    def ref(self, full: str) -> str | None:
        """Return the commit a full ref (`refs/heads/main`) points to; None when there is no such ref."""
        try:
            return (self.folder / "refs" / quote(full, safe="")).read_text(encoding="ascii").strip()
        except OSError:  # not there, or a name longer than a file's
            return None

    def refs(self) -> dict[str, str]:
        """Return every ref and its commit, by full name, in the order of names."""
        names = sorted(unquote(path.name) for path in (self.folder / "refs").iterdir())
        found = ((name, self.ref(name)) for name in names)
        return {name: commit for name, commit in found if commit is not None}

    def set_ref(self, full: str, commit: str | None) -> None:
        """Point a ref to a commit, or take it away; readers see the old one or the new one."""
        path = self.folder / "refs" / quote(full, safe="")
        if commit is None:
            path.unlink(missing_ok=True)
        else:
            put_bytes(path, f"{commit}\n".encode(), self.scratch)

    @property
    def head(self) -> str:
        """Return the commit of the main branch; RevisionNotFound when that was taken away."""
        commit = self.ref(MAIN)
        if commit is None:
            raise revision_not_found(MAIN)
        return commit

    def resolve(self, revision: str) -> str:
        """Return the commit of a full ref, branch, tag, commit, or unique beginning (7 digits) of one."""
        names = (revision,) if revision.startswith("refs/") else (HEADS + revision, TAGS + revision)
        for name in names:
            commit = self.ref(name)
            if commit is not None:
                return commit
        if _OID.fullmatch(revision):
            found = self._commits_beginning(revision)
            if len(found) == 1:
                return found[0]
        raise revision_not_found(revision)

    def _commits_beginning(self, digits: str) -> list[str]:
        folder = self.folder / "commits"
        if len(digits) == _WHOLE:
            return [digits] if (folder / digits).exists() else []
        return [path.name for path in folder.glob(f"{digits}*")]

    # objects --------------------------------------------------------------------------------------------------------

    def commit(self, oid: str) -> Commit:
        """Return a commit by its whole name."""
        return read_commit(oid, (self.folder / "commits" / oid).read_bytes())

    def tree(self, commit: str) -> Tree:
        """Return the files of a commit by path, in order."""
        return _read_tree_file(self.folder / "trees" / self.commit(commit).tree)

    def history(self, commit: str) -> Iterator[Commit]:
        """Yield a commit and those before it, newest first."""
        following: str | None = commit
        while following is not None:
            found = self.commit(following)
            yield found
            following = found.parents[0] if found.parents else None

    def write_commit(
        self, files: Iterable[FileEntry], parents: tuple[str, ...], words: tuple[str, str], who: str
    ) -> str:
        """Write a tree and a commit (title and message are `words`), and return the commit's name; no ref moves."""
        tree = tree_bytes(files)
        title, message = words
        made = Commit(
            oid="", tree=digest_of(tree), parents=parents, title=title, message=message, date=now(), author=who
        )
        written = commit_bytes(made)
        oid = digest_of(written)
        put_once(self.folder / "trees" / made.tree, tree, self.scratch)
        put_once(self.folder / "commits" / oid, written, self.scratch)
        return oid

    # large files ----------------------------------------------------------------------------------------------------

    def has_large(self, sha256: str) -> bool:
        """Tell whether a large file was put into this repository: others' files are not to be had by their digest."""
        return (self.folder / "lfs" / sha256).exists()

    def add_large(self, sha256: str) -> None:
        """Remember that a large file was put into this repository."""
        (self.folder / "lfs" / sha256).touch()


@lru_cache(maxsize=16)  # the largest trees have 25,000 rows
def _read_tree_file(path: Path) -> Tree:
    """Return a tree; kept, since the file at a path never changes."""
    return read_tree(path.read_bytes())
