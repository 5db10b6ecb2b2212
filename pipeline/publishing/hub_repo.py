"""One repo of the Hub as releases need it: what stands, one commit with all of a version, a tag that never moves.

The client's own folder uploads commit in batches and are not atomic; here a version is one commit on the head that was
read before, or a pull request merged once it is whole. Whatever fails, what stands afterwards is read back: only the
Hub knows whether a commit happened whose answer was lost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from pipeline.publishing.client import hub_client
from pipeline.publishing.faults import (
    STALE,
    UNANSWERED,
    WAITS,
    HubError,
    Moved,
    asked,
    broke,
    hub_error,
    may_pass,
    pause,
    status_of,
    told,
)
from pipeline.publishing.proposals import Proposals
from pipeline.publishing.remote import THEIRS, Operation, RemoteFile, Standing, changes

T = TypeVar("T")
Kind = Literal["dataset", "model"]
MAIN = "main"
PER_COMMIT = 100  # files of one commit; a version with more changes is prepared in a pull request and merged
MOST_FILES = 100_000  # of a commit that is read
_IGNORE_NOTHING = "# nothing"  # in place of a .gitignore that somebody left in the repo


@dataclass(frozen=True, slots=True)
class HubRepo:
    """A repo, by the client. Every method raises HubError, which says what to do, for what it cannot answer itself."""

    repo_id: str
    kind: Kind = "dataset"
    api: HfApi = field(default_factory=hub_client)

    @property
    def name(self) -> str:
        """Return what it is called in messages."""
        return f"{self.kind} {self.repo_id}"

    @property
    def address(self) -> str:
        """Return the repo's page."""
        kind = f"{self.kind}s/" if self.kind != "model" else ""
        return f"{self.api.endpoint}/{kind}{self.repo_id}"

    def standing(self) -> Standing | None:
        """Return what the repo is now; None when there is none that this token can see."""
        return self._asked(self._standing, "reading")

    def made(self, *, private: bool) -> Standing:
        """Make the repo, and return what it is. Moved when it was there all the time, and has tags."""
        self._asked(
            lambda: self.api.create_repo(self.repo_id, repo_type=self.kind, private=private, exist_ok=True), "creating"
        )
        standing = self.standing()
        if standing is None:
            raise HubError(
                f"{self.name} was made, but cannot be read: check the token, then run the same command again."
            )
        if standing.tags:
            raise Moved(f"{self.name} looked as if it were not there, but is")
        return standing

    def gate(self, how: Literal["auto", "manual"]) -> None:
        """Let readers ask for access before they can read."""
        self._asked(lambda: self.api.update_repo_settings(self.repo_id, repo_type=self.kind, gated=how), "gating")

    def files(self, revision: str) -> dict[str, RemoteFile]:
        """Return the files of a commit by path; HubError when there are more than any release has."""
        with told(f"listing {self.name}", self.repo_id):  # the client itself asks again
            found = self.api.list_repo_tree(self.repo_id, repo_type=self.kind, revision=revision, recursive=True)
            tree = list(islice(found, MOST_FILES + 1))
        if len(tree) > MOST_FILES:
            raise HubError(f"{self.name} has more than {MOST_FILES:,} files at {revision[:12]}: it is none of ours.")
        return {
            item.path: RemoteFile(size=item.size, sha256=item.lfs.sha256 if item.lfs else "", blob=item.blob_id)
            for item in tree
            if isinstance(item, RepoFile) and item.path not in THEIRS
        }

    def commit(self, folder: Path, head: str, message: str) -> str:
        """Let main be exactly a folder, by one commit on `head`; return the commit, which may have stood before.

        Moved when main is no longer at `head`.
        """
        operations = changes(folder, self.files(head))
        if not operations:
            return head
        if len(operations) > PER_COMMIT:
            return self._by_proposal(folder, head, message)
        self._preupload(operations, MAIN)
        return self._settled(lambda: self.send(operations, message, MAIN, head), folder, head, "committing to")

    def propose(self, folder: Path, head: str, message: str) -> tuple[str, str]:
        """Open a pull request that makes main exactly a folder, or bring ours up to date.

        Return its address and its commit; both are empty when main is that folder already.
        """
        if not changes(folder, self.files(head)):
            return "", ""
        number, commit = Proposals(self, PER_COMMIT).filled(folder, head, message)
        return f"{self.address}/discussions/{number}", commit

    def tag(self, tag: str, commit: str) -> None:
        """Let a tag name a commit. Moved when it names another one."""
        for wait in (*WAITS, None):
            try:
                self.api.create_tag(self.repo_id, repo_type=self.kind, tag=tag, revision=commit, exist_ok=False)
            except UNANSWERED as error:
                standing = self.standing()
                found = standing.tags.get(tag) if standing else None
                if found is None and wait is not None and may_pass(error):
                    pause(error, wait)
                    continue
                if found is None:
                    raise hub_error(error, f"tagging {tag} of {self.name}", self.repo_id) from None
                if found != commit:
                    raise Moved(f"tag {tag} names commit {found[:12]}, which is not ours") from None
            return

    def fetch(self, path: str, revision: str, folder: Path) -> Path:
        """Download one file into a folder under its own path."""
        doing = f"downloading {path} of {self.name}"
        return Path(asked(lambda: self._fetched(path, revision, folder), doing, self.repo_id, broke))

    def send(self, operations: Sequence[Operation], message: str, revision: str, parent: str) -> str:
        """Make one commit on a parent and return it; raises what the client raises (faults.UNANSWERED)."""
        done = self.api.create_commit(
            self.repo_id,
            list(operations),
            commit_message=message,
            repo_type=self.kind,
            revision=revision,
            parent_commit=parent,
        )
        return str(done.oid)

    def preupload(self, operations: Sequence[Operation], revision: str) -> None:
        """Send the large files; those that the Hub has already are not sent again. Raises what the client raises."""
        added = [one for one in operations if isinstance(one, CommitOperationAdd)]
        self.api.preupload_lfs_files(
            self.repo_id,
            added,
            repo_type=self.kind,
            revision=revision,
            free_memory=False,
            gitignore_content=_IGNORE_NOTHING,
        )

    def _fetched(self, path: str, revision: str, folder: Path) -> str:
        return self.api.hf_hub_download(
            self.repo_id,
            path,
            repo_type=self.kind,
            revision=revision,
            local_dir=folder,
            cache_dir=folder / ".cache" / "none",  # what others downloaded before says nothing of what is there
        )

    def _asked(self, call: Callable[[], T], doing: str) -> T:
        return asked(call, f"{doing} {self.name}", self.repo_id)

    def _standing(self) -> Standing | None:
        try:
            refs = self.api.list_repo_refs(self.repo_id, repo_type=self.kind, include_pull_requests=True)
            info = self.api.repo_info(self.repo_id, repo_type=self.kind)
        except GatedRepoError:
            raise HubError(f"{self.name} is gated: ask its owner for access on its page, {self.address}.") from None
        except RepositoryNotFoundError:
            return None  # also said of a private one, to those who may not see it
        heads = {branch.name: branch.target_commit for branch in refs.branches}
        proposed = {int(ref.ref.rsplit("/", 1)[1]): ref.target_commit for ref in refs.pull_requests or []}
        tags = {tag.name: tag.target_commit for tag in refs.tags}
        return Standing(head=heads.get(MAIN, ""), tags=tags, proposals=proposed, private=bool(info.private))

    def _preupload(self, operations: Sequence[Operation], revision: str) -> None:
        with told(f"uploading to {self.name}", self.repo_id):
            self.preupload(operations, revision)

    def _settled(self, act: Callable[[], str | None], folder: Path, head: str, doing: str) -> str:
        """Let main become a folder by what `act` does, and return its commit, whatever was answered.

        Moved when main became anything else.
        """
        for wait in (*WAITS, None):
            failed: Exception | None = None
            try:
                if done := act():
                    return done
            except UNANSWERED as error:
                failed = error
            standing = self.standing()
            if standing and standing.head != head:
                if changes(folder, self.files(standing.head)):
                    raise Moved(f"main moved from {head[:12]} to {standing.head[:12]}")
                return standing.head
            if failed is None or status_of(failed) == STALE:
                raise Moved("main moved at this moment")
            if wait is None or not may_pass(failed):
                raise hub_error(failed, f"{doing} {self.name}", self.repo_id)
            pause(failed, wait)
        raise AssertionError  # the last round returns or raises

    def _by_proposal(self, folder: Path, head: str, message: str) -> str:
        """Prepare a large version in a pull request, part by part; merge it when it is whole and main as it was."""
        number, _ = Proposals(self, PER_COMMIT).filled(folder, head, message)
        standing = self.standing()
        if standing is None or standing.head != head:
            raise Moved("main moved while a pull request was prepared")

        def merge() -> None:
            self.api.merge_pull_request(self.repo_id, number, repo_type=self.kind)

        return self._settled(merge, folder, head, f"merging pull request {number} of")
