"""Everything the Hub keeps, in one folder: blobs by SHA-256, and repositories that refer to them.

A kill at any moment leaves the state before a request or the one after it: a blob, a tree or a commit that nothing
refers to is harmless, and a ref is replaced in one step.
"""

import fcntl
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flows.hub_server.disk import put_bytes, put_file, put_once
from flows.hub_server.errors import conflict
from flows.hub_server.names import KINDS, Kind, checked_name, valid_name
from flows.hub_server.objects import RefChange, now, regular_file
from flows.hub_server.patterns import GITATTRIBUTES
from flows.hub_server.repo import MAIN, Repo, Settings

Listener = Callable[[Repo, tuple[RefChange, ...]], None]


@dataclass(slots=True)
class Store:
    """The folder of a Hub. Whoever changes a ref holds `writing`, and tells `moved` what came of it."""

    root: Path
    writing: threading.RLock = field(default_factory=threading.RLock)
    listeners: list[Listener] = field(default_factory=list)

    @property
    def scratch(self) -> Path:
        """Return where files are made before they are moved into their place."""
        return self.root / "scratch"

    def moved(self, repo: Repo, *changes: RefChange) -> None:
        """Tell the listeners which refs of a repository moved."""
        for listener in self.listeners:
            listener(repo, changes)

    # blobs ----------------------------------------------------------------------------------------------------------

    def blob(self, sha256: str) -> Path:
        """Return where the blob of that digest lies, or would lie."""
        return self.root / "blobs" / sha256[:2] / sha256

    def add_blob(self, sha256: str, data: bytes) -> None:
        """Keep a blob whose digest is known."""
        put_once(self.blob(sha256), data, self.scratch)

    def take_blob(self, sha256: str, made: Path) -> None:
        """Move a finished file of known digest among the blobs."""
        put_file(made, self.blob(sha256))

    # repositories ---------------------------------------------------------------------------------------------------

    def find(self, kind: Kind, owner: str, name: str) -> Repo | None:
        """Return a repository, or None when there is none of that type and name."""
        if not (valid_name(owner) and valid_name(name)):
            return None
        folder = self._folder(kind, owner, name)
        return Repo(kind, f"{owner}/{name}", folder, self.scratch) if (folder / "repo.json").exists() else None

    def repos(self, kind: Kind) -> Iterator[Repo]:
        """Yield all repositories of a type, in the order of names."""
        for path in sorted((self.root / "repos" / f"{kind}s").glob("*/*/repo.json")):
            yield Repo(kind, f"{path.parent.parent.name}/{path.parent.name}", path.parent, self.scratch)

    def create(self, kind: Kind, owner: str, name: str, *, private: bool, who: str) -> Repo:
        """Make a repository with its first commit, in one step; 409 when there is one of that name."""
        folder = self._folder(kind, checked_name(owner), checked_name(name))
        with self.writing:
            if folder.exists():
                raise conflict(f"You already created this {kind} repo")
            made = Path(tempfile.mkdtemp(dir=self.scratch))
            self._begin(Repo(kind, f"{owner}/{name}", made, self.scratch), private=private, who=who)
            put_file(made, folder)
            repo = Repo(kind, f"{owner}/{name}", folder, self.scratch)
            self.moved(repo, RefChange(ref=MAIN, old=None, new=repo.head))
        return repo

    def delete(self, repo: Repo) -> None:
        """Take a repository away, in one step; its blobs stay, since others may refer to them."""
        with self.writing:
            grave = Path(tempfile.mkdtemp(dir=self.scratch))
            repo.folder.replace(grave / "repo")
        shutil.rmtree(grave, ignore_errors=True)

    def move(self, repo: Repo, owner: str, name: str) -> None:
        """Give a repository another name, in one step; 409 when that is taken."""
        folder = self._folder(repo.kind, checked_name(owner), checked_name(name))
        with self.writing:
            if folder.exists():
                raise conflict(f"There is a {repo.kind} {owner}/{name} already")
            put_file(repo.folder, folder)

    def _folder(self, kind: Kind, owner: str, name: str) -> Path:
        return self.root / "repos" / f"{kind}s" / owner / name

    def _begin(self, repo: Repo, *, private: bool, who: str) -> None:
        """Write what every new repository holds: the attributes that say which files are large."""
        for part in ("refs", "commits", "trees", "lfs", "discussions"):
            (repo.folder / part).mkdir()
        entry = regular_file(".gitattributes", GITATTRIBUTES)
        self.add_blob(entry.sha256, GITATTRIBUTES)
        settings = Settings(private=private, gated="", created=now())
        put_bytes(repo.folder / "repo.json", json.dumps(asdict(settings)).encode(), self.scratch)
        repo.set_ref(MAIN, repo.write_commit([entry], (), ("initial commit", ""), who))


@contextmanager
def opened_store(root: Path) -> Iterator[Store]:
    """Open the folder of a Hub, new or old; RuntimeError when another Hub has it open."""
    for part in ("scratch", "blobs", *(f"repos/{kinds}" for kinds in KINDS)):
        (root / part).mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RuntimeError(f"{root} is served by another Hub: end that one, or choose another folder.") from error
        store = Store(root)
        _sweep(store.scratch)
        yield store


def _sweep(scratch: Path) -> None:
    """Take away what a killed Hub left half made."""
    for left in os.scandir(scratch):
        if left.is_dir(follow_symlinks=False):
            shutil.rmtree(left.path, ignore_errors=True)
        else:
            Path(left.path).unlink(missing_ok=True)
