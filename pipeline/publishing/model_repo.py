"""A model's folder to a repo of the Hub: as a release goes there, in one commit that is read back before its tag."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.documents import files_of
from pipeline.publishing.attempts import attempted
from pipeline.publishing.client import hub_client
from pipeline.publishing.faults import HubError
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.guards import refuse_foreign, require_seen_as, versions_of
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.remote import Standing
from pipeline.shards import file_sha256

MAX_LINEAGE_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """What is to be published: all files of a folder, and the version that they are."""

    folder: Path
    version: str
    new: bool  # False when the newest version says the same


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedModel:
    """What publishing a model ended with."""

    repo_id: str
    version: str
    revision: str  # the commit; empty when nothing was published
    new: bool


Export = Callable[[Path | None], ModelFolder]  # from the newest version's lineage file, if there is any
Check = Callable[[Path], object]  # raises ValueError for a folder that does not read back as a model


def publish_model(
    repo_id: str, export: Export, check: Check, *, lineage: str, private: bool, endpoint: str | None = None
) -> PublishedModel:
    """Publish what `export` makes of the newest version's `lineage` file, as one commit that is checked and tagged.

    Whatever fails, the repo has its old versions, or these and the new one complete; publishing again finishes the
    job. GateError when a private model would go to a public repo; HubError says what the Hub could not do.
    """
    repo = HubRepo(require_name(repo_id), "model", hub_client(endpoint))

    def attempt(standing: Standing | None) -> PublishedModel:
        with tempfile.TemporaryDirectory() as folder:
            made = export(_lineage(repo, standing, lineage, Path(folder)))
        if not made.new:
            commit = standing.tags.get(made.version, "") if standing else ""
            return PublishedModel(repo_id=repo_id, version=made.version, revision=commit, new=False)
        standing = standing or repo.made(private=private)
        _require_ours(repo, standing, lineage, private=private)
        commit = _made(repo, standing, made, check)
        return PublishedModel(repo_id=repo_id, version=made.version, revision=commit, new=True)

    return attempted(repo, attempt)


def _lineage(repo: HubRepo, standing: Standing | None, name: str, folder: Path) -> Path | None:
    """Download the newest version's lineage file; None when there is no version."""
    versions = versions_of(standing) if standing else ()
    if not standing or not versions:
        return None
    commit = standing.tags[versions[-1]]
    file = repo.files(commit).get(name)
    if file is None or file.size > MAX_LINEAGE_BYTES:
        raise HubError(f"{versions[-1]} of {repo.name} has no {name} of ours: publish to another repo.")
    return repo.fetch(name, commit, folder)


def _require_ours(repo: HubRepo, standing: Standing, lineage: str, *, private: bool) -> None:
    """Refuse a repo that holds somebody's files and no model of ours, or that others see than shall."""
    there = {} if versions_of(standing) else repo.files(standing.head)
    if there and lineage not in there:
        refuse_foreign(repo, there)
    require_seen_as(repo, standing, private=private)


def _made(repo: HubRepo, standing: Standing, made: ModelFolder, check: Check) -> str:
    """Let a folder become a version: commit, a look from outside, tag; return the commit."""
    commit = repo.commit(made.folder, standing.head, f"{made.version} ({file_sha256(made.folder / 'README.md')[:12]})")
    _read_back(repo, commit, made.folder, check)
    repo.tag(made.version, commit)
    return commit


def _read_back(repo: HubRepo, commit: str, sent: Path, check: Check) -> None:
    """Download a commit as everybody gets it; HubError when it is not what was sent."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        names = dict(files_of(sent))
        came = {name: repo.fetch(name, commit, folder) for name in names}
        other = [name for name, path in names.items() if file_sha256(path) != file_sha256(came[name])]
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        try:
            check(folder)
        except ValueError as error:
            other = other or [str(error)]
    if other:
        raise HubError(
            f"commit {commit[:12]} of {repo.name} does not read back as what was sent ({other[0]}), so it got no tag: "
            "run the same command again."
        )
