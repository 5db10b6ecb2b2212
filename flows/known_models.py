"""What a command's CHECKPOINT may be: a run, a checkpoint, an exported model, one on the Hub, or a saved baseline."""

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.errors import UsageError, given_by_user
from flows.model_names import short_name
from flows.settings import DataRoot
from model.baseline_files import is_baseline, load_baseline, read_baseline_info
from model.checkpoint import CheckpointInfo, load_checkpoint
from model.judging import Renamed
from model.language_model import LanguageModel
from model.model_card import LARGEST, LINEAGE, open_export
from model.network import Network, NetworkModel
from model.runs import checkpoint_of
from pipeline.pixelize import PLAIN
from pipeline.publishing.client import hub_client
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.guards import versions_of
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.references import HUB, resolve
from pipeline.recipe import PictureRecipe
from pipeline.records import DatasetVersion
from pipeline.release import Release

RUN_DIGEST = re.compile(r"-s\d+-([0-9a-f]{8})$")  # of dataset, model and recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """What a reference names, opened as far as it can be without a dataset."""

    reference: str  # as it was given
    folder: Path  # of its weights or counts
    dataset: DatasetVersion  # that it was trained on, or counted
    network: Network | None  # None of a baseline
    info: CheckpointInfo | None  # the same
    exported: bool = False

    @property
    def is_checkpoint(self) -> bool:
        """Tell whether it lies in a folder of checkpoints, where more may be written."""
        return self.network is not None and not self.exported

    @property
    def run(self) -> Path | None:
        """The run whose best checkpoint it is; None of anything else."""
        run = self.folder.absolute().parent.parent
        best = self.is_checkpoint and self.folder.name == "best"
        return run if best and (run / "config.json").is_file() else None

    @property
    def mark(self) -> str:
        """What tells it from others in a table: the digest at the end of its run's name, else its short name."""
        name = short_name(self.reference)
        if not self.is_checkpoint or self.folder.parent.name != "checkpoints":
            return name
        digest = RUN_DIGEST.search(self.folder.absolute().parent.parent.name)
        return f"{digest[1] if digest else name}{'' if self.folder.name == 'best' else f'/{self.folder.name}'}"


def open_model(reference: str, root: DataRoot) -> tuple[Network, CheckpointInfo]:
    """Return the network that a reference names; UsageError when it names none, or a damaged one."""
    known = know(reference, root)
    if known.network is None or known.info is None:
        raise UsageError(f"{reference} is a baseline, which only counts: it can be evaluated, but does not draw.")
    return known.network, known.info


def know(reference: str, root: DataRoot) -> KnownModel:
    """Return the network or baseline that a reference names; UsageError when it names none, or a damaged one."""
    with given_by_user():
        folder = _pulled(reference.removeprefix(HUB), root) if reference.startswith(HUB) else Path(reference)
        if is_baseline(folder):
            data = read_baseline_info(folder).dataset
            return KnownModel(reference=reference, folder=folder, dataset=data, network=None, info=None)
        exported = (folder / LINEAGE).is_file()
        if exported:
            opened = open_export(folder)
            network, info = opened.network, opened.info
        else:
            folder = checkpoint_of(folder)
            network, info = load_checkpoint(folder)
        return KnownModel(
            reference=reference, folder=folder, dataset=info.dataset, network=network, info=info, exported=exported
        )


def side_by_side(models: Sequence[KnownModel], release: Release) -> list[LanguageModel]:
    """Return the models as they stand in one table, each with a name of its own.

    ValueError when one was given twice, reads ids of another vocabulary than the release's, or reads backwards.
    """
    places = [model.folder.resolve() for model in models]
    if twice := [model.reference for model in models if places.count(model.folder.resolve()) > 1]:
        raise ValueError(f"{twice[0]} is given twice: a model needs to be judged only once.")
    plain = [_plain_name(model, release) for model in models]
    shorts = Counter(model.mark for model in models)
    found: list[LanguageModel] = []
    for model, name in zip(models, plain, strict=True):
        longer = f"{name} {model.mark if shorts[model.mark] == 1 else model.reference}"
        if model.network is None:
            found.append(Renamed(load_baseline(model.folder, release.vocabulary)[0], longer))
        else:
            found.append(NetworkModel(model.network, name if plain.count(name) == 1 else longer))
    return found


def _plain_name(model: KnownModel, release: Release) -> str:
    if model.network is None or model.info is None:
        return read_baseline_info(model.folder).name
    if model.info.vocabulary.digest != release.vocabulary.digest:
        raise ValueError(
            f"{model.reference} was trained with vocabulary {model.info.vocabulary.digest[:12]}, the dataset has "
            f"{release.vocabulary.digest[:12]}: judge it on {model.dataset.ref}, or on a dataset of its vocabulary."
        )
    return NetworkModel(model.network).name


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
