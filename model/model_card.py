"""The folder that becomes a model repo: made from a finished run, and read back with every digest checked."""

import shutil
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from model.checkpoint import (
    CONFIG,
    LARGEST_CONFIG,
    WEIGHTS,
    CheckpointInfo,
    commit_of,
    facts_of,
    load_checkpoint,
    write_network,
)
from model.evaluate import MAX_EVALUATION_BYTES, write_evaluation
from model.finished_run import FinishedRun, read_finished_run
from model.lineage import (
    LINEAGE,
    DataOrigin,
    Lineage,
    architecture_digest,
    content_digest,
    next_model_version,
    read_lineage,
)
from model.model_readme import SHEET, CardFacts, readme
from model.network import Network
from model.pictures import Sprite, contact_sheet
from model.runs import EVALUATION
from model.tensor_files import LARGEST_WEIGHTS, check_size, read_facts, weights_digest
from palettes.vocabulary import Vocabulary
from pipeline.documents import files_of
from pipeline.drafts import swap
from pipeline.records import DatasetVersion
from pipeline.release import NAME, UNRELEASED, Manifest, Release, Visibility, is_statement, mode_of, write_text
from pipeline.shards import file_sha256

__all__ = [
    "DECISION",
    "LINEAGE",
    "DataOrigin",
    "Lineage",
    "ModelExport",
    "OpenedModel",
    "add_decision",
    "export_model",
    "next_model_version",
    "open_export",
    "read_lineage",
]

CARD = "README.md"
DECISION = "decision.json"  # what made it the champion of its dataset; of a promoted model only
NEEDED = (WEIGHTS, CONFIG, CARD, EVALUATION)
LARGEST = {
    WEIGHTS: LARGEST_WEIGHTS,
    CONFIG: LARGEST_CONFIG,
    CARD: 2**20,
    EVALUATION: MAX_EVALUATION_BYTES,
    SHEET: 2**24,
    DECISION: 2**18,
}
COLUMNS, SCALE, MOST = 8, 4, 64  # of the sheet: sprites in a row, screen pixels a pixel, sprites


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelExport:
    """A folder ready to be published, and what a publisher must know of it."""

    folder: Path
    lineage: Lineage
    new: bool  # False when the last version says the same: then there is nothing to publish
    files: dict[str, str]  # SHA-256 of every file, lineage.json included
    dataset: DatasetVersion  # what it was trained on, pinned to a commit where one is known

    @property
    def version(self) -> str:
        """The version it gets, or keeps when nothing changed."""
        return self.lineage.version

    @property
    def digest(self) -> str:
        """One SHA-256 over all files."""
        return content_digest(self.files)

    @property
    def withheld(self) -> tuple[str, ...]:
        """What it was trained on and the source does not let anybody redistribute: then it goes out private."""
        return self.lineage.dataset.withheld

    @property
    def rights(self) -> str:
        """What the model's publisher, else the dataset's, states as the right to redistribute what is withheld."""
        return self.lineage.rights or self.lineage.dataset.rights

    @property
    def visibility(self) -> Visibility:
        """Who may see the dataset's release: what its model follows unless somebody says otherwise."""
        return self.lineage.dataset.visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A model read from its folder, ready to be asked."""

    network: Network
    info: CheckpointInfo
    lineage: Lineage

    @property
    def vocabulary(self) -> Vocabulary:
        """Ids and colours that it was trained with."""
        return self.info.vocabulary


def export_model(
    run: Path, out: Path, repo_id: str, release: Release, previous: Lineage | None = None, rights: str = ""
) -> ModelExport:
    """Make the folder of a model repo at `out` of a finished run and the release it was trained on.

    `previous` is the lineage of the repo's last version, from which the new version follows. The same run, release and
    previous lineage give the same bytes. `rights` is the publisher's statement of the right to pass it on, which the
    card then shows. The folder appears whole or not at all; an older export there is replaced.
    ValueError when the run is not finished or not of this release, when `repo_id` is no org/name, or when something
    else stands at `out`, and for a statement that is no plain line.
    """
    if not NAME.fullmatch(repo_id):
        raise ValueError(
            f"the model repo {repo_id!r} is not of the form org/name: use letters, digits, dots and dashes."
        )
    if not is_statement(rights):
        raise ValueError(f"the statement of rights {rights[:80]!r} is no plain line that is short enough: shorten it.")
    _require_replaceable(out)
    found = _pinned(read_finished_run(run, release), release)
    draft = _draft(out, secret=mode_of(release) is not None)
    sheet = _write_all_but_card(draft, found)
    facts = CardFacts(
        repo_id=repo_id,
        version=UNRELEASED,
        run=found,
        manifest=release.manifest,
        origin=_origin(found.info.dataset, release.manifest),
        rights=rights,
        sheet=sheet,
    )
    lineage = _lineage(facts, draft)
    version = next_model_version(previous, lineage)
    kept = version or (previous.version if previous else UNRELEASED)
    write_text(draft / CARD, readme(replace(facts, version=kept)))
    lineage = replace(lineage, version=kept, files=_digests(draft))
    write_text(draft / LINEAGE, lineage.to_json())
    return ModelExport(
        folder=swap(draft, out),
        lineage=lineage,
        new=version is not None,
        files=_digests(out),
        dataset=found.info.dataset,
    )


def add_decision(export: ModelExport, decision: str) -> ModelExport:
    """Put what made a model the champion beside it, under its digests; it makes no new version by itself.

    For a folder that nobody reads yet. ValueError when the text is larger than a reader takes.
    """
    if len(decision.encode()) > LARGEST[DECISION]:
        raise ValueError(f"the decision has {len(decision.encode()):,} bytes, more than {LARGEST[DECISION]:,}.")
    write_text(export.folder / DECISION, decision)
    files = {name: digest for name, digest in _digests(export.folder).items() if name != LINEAGE}
    lineage = replace(export.lineage, files=files)
    write_text(export.folder / LINEAGE, lineage.to_json())
    return replace(export, lineage=lineage, files=_digests(export.folder))


def open_export(folder: Path) -> OpenedModel:
    """Read a model's folder, wherever it came from; ValueError when a file is missing or not the one it names."""
    lineage = read_lineage(folder / LINEAGE)
    listed = set(lineage.files)
    if not set(NEEDED) <= listed <= set(LARGEST):
        raise ValueError(f"{folder / LINEAGE} lists {sorted(listed)}, not {sorted(NEEDED)}: it is no model of ours.")
    for name, digest in lineage.files.items():
        check_size(folder / name, LARGEST[name])
        if file_sha256(folder / name) != digest:
            raise ValueError(f"{folder / name} is not the file that {LINEAGE} names: download the model again, whole.")
    network, info = load_checkpoint(folder)
    told = (commit_of(info.dataset), info.dataset.ref, info.dataset.digest, info.training_digest, info.code_version)
    data = lineage.dataset
    named = (data.commit, data.ref, data.digest, lineage.training_digest, lineage.code_version)
    weights = weights_digest(network.state_dict())
    same = (info.vocabulary.digest, architecture_digest(info.model)) == (lineage.vocabulary, lineage.architecture)
    if told != named or not same or weights != lineage.weights or read_facts(folder / WEIGHTS) != facts_of(info):
        raise ValueError(
            f"{folder}: {CONFIG}, the header of {WEIGHTS} and {LINEAGE} tell different origins: download the model "
            "again, or export it anew."
        )
    return OpenedModel(network=network, info=info, lineage=lineage)


def _pinned(run: FinishedRun, release: Release) -> FinishedRun:
    """Return the run with its release pinned to a commit where one is known: the digest says that it is the same."""
    commit = commit_of(run.info.dataset) or commit_of(release.version)
    if not commit:
        return run
    return replace(
        run,
        info=replace(run.info, dataset=replace(run.info.dataset, revision=commit)),
        evaluation=replace(run.evaluation, dataset=replace(run.evaluation.dataset, revision=commit)),
    )


def _write_all_but_card(draft: Path, run: FinishedRun) -> bool:
    """Write weights, config, evaluation and samples; tell whether there were any samples."""
    write_network(draft, run.network, run.info)
    write_evaluation(run.evaluation, draft / EVALUATION)
    # only what was drawn: the held-out originals beside it may be withheld
    drawn: list[Sprite] = [one.sprite for one in run.samples.from_nothing]
    drawn += [one.sprite for one in run.samples.from_captions]
    if drawn:
        sheet = contact_sheet(drawn[:MOST], run.info.vocabulary.palette.rgb, columns=COLUMNS, scale=SCALE)
        (draft / SHEET).write_bytes(sheet)
    return bool(drawn)


def _origin(dataset: DatasetVersion, manifest: Manifest) -> DataOrigin:
    return DataOrigin(
        repo_id=dataset.repo_id,
        tag=dataset.tag,
        commit=commit_of(dataset),
        digest=dataset.digest,
        withheld=manifest.restricted,
        visibility=manifest.visibility,
        rights=manifest.rights,
        licences=manifest.licences,
    )


def _lineage(facts: CardFacts, draft: Path) -> Lineage:
    """Return the lineage of what was written, of no version yet; its `facts` are the card's, whatever the version."""
    info = facts.run.info
    said = {name: digest for name, digest in _digests(draft).items() if name in (CONFIG, SHEET)}
    return Lineage(
        repo_id=facts.repo_id,
        version=UNRELEASED,
        dataset=facts.origin,
        rights=facts.rights,
        code_version=info.code_version,
        training_digest=info.training_digest,
        architecture=architecture_digest(info.model),
        vocabulary=info.vocabulary.digest,
        weights=weights_digest(facts.run.network.state_dict()),
        facts=content_digest({**said, CARD: sha256(readme(facts).encode()).hexdigest()}),
        files={},
    )


def _digests(folder: Path) -> dict[str, str]:
    return {name: file_sha256(path) for name, path in files_of(folder)}


def _require_replaceable(out: Path) -> None:
    """Refuse to put a model where something else stands: only nothing, an empty folder or an older export may go."""
    if out.is_symlink() or not out.name:
        raise ValueError(f"{out} is a link or has no name of its own: give the path of a new folder.")
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / LINEAGE).is_file():
        raise ValueError(f"{out} holds something else than an exported model: give the path of a new folder.")


def _draft(out: Path, *, secret: bool) -> Path:
    """Return an empty folder beside the place; what may not go out is its owner's alone."""
    draft = out.with_name(f".{out.name}.part")
    draft.parent.mkdir(parents=True, exist_ok=True)
    if draft.is_symlink():
        draft.unlink()
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700 if secret else 0o777)
    return draft
