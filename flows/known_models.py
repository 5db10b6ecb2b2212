"""What a command's CHECKPOINT may be: a run, a checkpoint, an exported model, or one on the Hub."""

import shutil
from pathlib import Path

from flows.errors import UsageError, given_by_user
from flows.settings import DataRoot
from model.checkpoint import CheckpointInfo, load_checkpoint
from model.model_card import LARGEST, LINEAGE, open_export
from model.network import Network
from model.runs import checkpoint_of
from pipeline.pixelize import PLAIN
from pipeline.publishing.client import hub_client
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.guards import versions_of
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.references import HUB, resolve
from pipeline.recipe import PictureRecipe


def open_model(reference: str, root: DataRoot) -> tuple[Network, CheckpointInfo]:
    """Return the network that a reference names; UsageError when it names none, or a damaged one."""
    with given_by_user():
        folder = _pulled(reference.removeprefix(HUB), root) if reference.startswith(HUB) else Path(reference)
        if (folder / LINEAGE).is_file():
            opened = open_export(folder)
            return opened.network, opened.info
        return load_checkpoint(checkpoint_of(folder))


def recipe_of(info: CheckpointInfo, root: DataRoot) -> PictureRecipe:
    """Return how the pictures were made that a model learned from; the plain way when its release is not at hand."""
    data = info.dataset
    pulled = root.places.cache / data.repo_id / data.revision
    try:
        manifest = resolve(str(pulled) if pulled.is_dir() else data.ref, root.places).manifest
        return manifest.config().pictures if manifest.digest == data.digest else PLAIN
    except (ValueError, OSError):
        return PLAIN


def _pulled(reference: str, root: DataRoot) -> Path:
    """Download a version of a model repo, the newest where none is named; return its folder, named by its commit."""
    name, _, version = reference.partition("@")
    repo = HubRepo(require_name(name), "model", hub_client())
    standing = repo.standing()
    versions = versions_of(standing) if standing else ()
    if not standing or not versions or (version and version not in versions):
        raise UsageError(f"{repo.name} has no version {version!r}: it has {', '.join(versions) or 'none'}.")
    commit = standing.tags[version or versions[-1]]
    folder = root.root / "models" / name / commit
    if folder.is_dir():
        return folder
    draft = folder.with_name(f".{commit}.part")
    shutil.rmtree(draft, ignore_errors=True)
    limits = {**LARGEST, LINEAGE: 1 << 20}
    for path, file in repo.files(commit).items():
        if path in limits:
            if file.size > limits[path]:
                raise UsageError(f"{path} of {repo.name} has {file.size:,} bytes: it is no model of ours.")
            repo.fetch(path, commit, draft)
    shutil.rmtree(draft / ".cache", ignore_errors=True)
    if not (draft / LINEAGE).is_file():
        raise UsageError(f"{repo.name} has no {LINEAGE}: it is no model of ours.")
    draft.rename(folder)
    return folder
