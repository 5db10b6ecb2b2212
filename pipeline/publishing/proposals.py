"""Pull requests of a repo: a version that is prepared there in parts, to be merged by us or by somebody who read it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar, runtime_checkable

from huggingface_hub import HfApi

from pipeline.publishing.faults import STALE, UNANSWERED, Moved, asked, status_of
from pipeline.publishing.remote import Operation, RemoteFile, Standing, changes

T = TypeVar("T")


@runtime_checkable
class Repo(Protocol):
    """What a pull request needs of its repo."""

    @property
    def repo_id(self) -> str:
        """Return its name."""

    @property
    def kind(self) -> Literal["dataset", "model"]:
        """Return what it holds."""

    @property
    def api(self) -> HfApi:
        """Return the client."""

    @property
    def name(self) -> str:
        """Return what it is called in messages."""

    def standing(self) -> Standing | None:
        """Return what the repo is now."""

    def files(self, revision: str) -> dict[str, RemoteFile]:
        """Return the files of a commit."""

    def preupload(self, operations: Sequence[Operation], revision: str) -> None:
        """Send the large files."""

    def send(self, operations: Sequence[Operation], message: str, revision: str, parent: str) -> str:
        """Make one commit."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """The pull requests that we open: known again by their title, which names the commit that they start from."""

    repo: Repo
    per_commit: int

    def filled(self, folder: Path, head: str, message: str) -> tuple[int, str]:
        """Let the pull request of this message on `head` be exactly a folder; return its number and last commit.

        It is opened when there is none, else gone on with; one of the same message on an older head is closed.
        """
        number = self._asked(lambda: self._opened(f"{message} on {head[:8]}", message), "proposing a change of")
        doing = f"filling pull request {number} of"
        while (commit := self._asked(lambda: self._step(folder, number, message), doing)) is None:
            pass
        self._asked(lambda: self._shown(number), f"opening pull request {number} of")
        return number, commit

    def _asked(self, call: Callable[[], T], doing: str) -> T:
        return asked(call, f"{doing} {self.repo.name}", self.repo.repo_id)

    def _opened(self, title: str, message: str) -> int:
        """Return the number of the pull request of this title, looked for before one is opened."""
        repo = self.repo
        known = list(
            repo.api.get_repo_discussions(
                repo.repo_id, repo_type=repo.kind, discussion_type="pull_request", discussion_status="open"
            )
        )
        found = next((one.num for one in known if one.title == title), None)
        if found is None:
            found = repo.api.create_pull_request(repo.repo_id, title, repo_type=repo.kind).num
        for one in known:
            if one.num != found and one.title.startswith(f"{message} on "):
                repo.api.change_discussion_status(
                    repo.repo_id, one.num, "closed", repo_type=repo.kind, comment=f"main moved: see #{found}"
                )
        return int(found)

    def _step(self, folder: Path, number: int, message: str) -> str | None:
        """Commit the next part of what is missing; return the last commit when nothing is."""
        ref, standing = f"refs/pr/{number}", self.repo.standing()
        if standing is None or number not in standing.proposals:
            raise Moved(f"pull request {number} is gone")
        at = standing.proposals[number]
        part = changes(folder, self.repo.files(at))[: self.per_commit]
        if not part:
            return at
        self.repo.preupload(part, ref)
        try:
            self.repo.send(part, message, ref, at)
        except UNANSWERED as error:
            if status_of(error) != STALE:
                raise
            raise Moved(f"pull request {number} was changed by somebody else") from None
        return None

    def _shown(self, number: int) -> None:
        """Let a pull request be no draft any more: only then can it be merged."""
        repo = self.repo
        if repo.api.get_discussion_details(repo.repo_id, number, repo_type=repo.kind).status == "draft":
            repo.api.change_discussion_status(repo.repo_id, number, "open", repo_type=repo.kind)
