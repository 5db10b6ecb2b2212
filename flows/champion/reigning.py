"""The champion as it lies here or on the Hub, opened so that it can be asked; and why it cannot be, where it cannot."""

from dataclasses import dataclass, replace
from pathlib import Path

from flows.champion.champions import CHAMPIONS, Champions
from flows.errors import UsageError
from flows.known_models import know
from flows.settings import DataRoot
from model.lineage import Lineage
from model.model_card import DECISION, open_export
from model.network import NetworkModel
from model.promotion import Reigning
from pipeline.publishing.client import hub_client
from pipeline.publishing.guards import versions_of
from pipeline.publishing.hub_repo import HubRepo
from pipeline.publishing.references import HUB
from pipeline.publishing.staging import version_key
from pipeline.records import DatasetVersion
from pipeline.release import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where the champion of a dataset is looked for."""

    root: DataRoot
    repo_id: str
    models: str = ""  # its model repo on the Hub, where it has one

    @property
    def champions(self) -> Champions:
        """The decisions of this data root."""
        return Champions(self.root.root / CHAMPIONS)

    @property
    def home(self) -> Path:
        """The dataset's own folder among them."""
        return self.champions.home(self.repo_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seated:
    """Who reigns, opened as far as it can be."""

    ref: str  # org/model@v1.0.0
    dataset: DatasetVersion | None  # that it was trained on, where that is known
    lineage: Lineage | None = None
    model: NetworkModel | None = None  # None when it cannot be read
    folder: Path | None = None
    revision: str = ""  # its commit, when it was found on the Hub alone
    gone: str = ""  # why it cannot be read

    @property
    def trained_on(self) -> str:
        """The name of the dataset that it was trained on; empty where that is not known."""
        origin = self.lineage.dataset if self.lineage else self.dataset
        return origin.repo_id if origin else ""

    def seen_from(self, release: Release) -> Reigning:
        """Return what a ruling on a release needs to know of it."""
        version, foreign, late = release.version, "", ""
        if self.lineage is not None and self.lineage.vocabulary != release.vocabulary.digest:
            foreign = (
                f"it was trained with vocabulary {self.lineage.vocabulary[:12]}, {version.ref} has "
                f"{release.vocabulary.digest[:12]}"
            )
        same = self.dataset is not None and self.dataset.repo_id == version.repo_id
        if self.dataset is not None and same and version_key(self.dataset.tag) > version_key(version.tag):
            late = self.dataset.ref
        return Reigning(name=self.ref, gone=self.gone, foreign=foreign, late=late)

    def decision(self) -> str:
        """Return the text of the decision that lies in its folder; empty when there is none."""
        path = (self.folder or Path()) / DECISION
        return path.read_text(encoding="utf-8") if self.folder and path.is_file() else ""


def seated(seat: Seat) -> Seated | None:
    """Return who reigns: as it was written down here, else the newest version of the model repo; None for nobody.

    HubError when the Hub does not answer: then nobody knows who reigns.
    """
    champion = seat.champions.champion(seat.repo_id)
    if champion is None:
        return _on_hub(seat) if seat.models else None
    found = _opened(champion.ref, seat.root.root / champion.folder, champion.dataset)
    if found.gone and champion.ref.partition("@")[0] == seat.models:
        again = _pulled(champion.ref, seat.root)
        return found if again.gone else again
    return found


def _opened(ref: str, folder: Path, dataset: DatasetVersion | None) -> Seated:
    try:
        opened = open_export(folder)
        told = f"{opened.lineage.repo_id}@{opened.lineage.version}"
        if told != ref:
            return Seated(ref=ref, dataset=dataset, gone=f"{folder} holds {told}")
        model = NetworkModel(opened.network, ref)
    except (ValueError, OSError) as error:
        return Seated(ref=ref, dataset=dataset, gone=str(error))
    return Seated(ref=ref, dataset=opened.info.dataset, lineage=opened.lineage, model=model, folder=folder)


def _on_hub(seat: Seat) -> Seated | None:
    """Return the newest version of a model repo, None where there is none; a machine without decisions starts so.

    ValueError when the repo holds models of other datasets alone: a new one's versions would follow on from theirs.
    """
    standing = HubRepo(seat.models, "model", hub_client()).standing()
    gone: Seated | None = None  # the newest that cannot be read: nobody knows what it was trained on
    others: list[str] = []
    for version in reversed(versions_of(standing) if standing else ()):
        found = _pulled(f"{seat.models}@{version}", seat.root)
        if found.trained_on == seat.repo_id:
            return gone or found
        if found.trained_on:
            others.append(found.trained_on)
        else:
            gone = gone or found
    if others:
        raise ValueError(
            f"{seat.models} holds models of {others[0]}, not of {seat.repo_id}: name another repo, since a model repo "
            "belongs to one dataset."
        )
    return gone


def _pulled(ref: str, root: DataRoot) -> Seated:
    """Return a version from the Hub, downloaded."""
    try:
        known = know(f"{HUB}{ref}", root)
    except (UsageError, OSError) as error:
        return Seated(ref=ref, dataset=None, gone=str(error))
    return replace(_opened(ref, known.folder, known.dataset), revision=known.folder.name)
