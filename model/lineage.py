"""Where a model comes from, what its files are, and which version that makes it."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from model.config import ModelConfig
from model.tensor_files import check_size
from pipeline.diff import FIRST_VERSION
from pipeline.release import NAME, UNRELEASED, VERSION, WITHHOLDABLE, Visibility, is_statement
from pipeline.tables import build

LINEAGE = "lineage.json"
FORMAT = 1  # of the file; another one was written by another version of this code
MAX_LINEAGE_BYTES = 2**20
_COMMIT, _DIGEST = re.compile(r"|[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOrigin:
    """The release that a model was trained on, and who may have what it holds."""

    repo_id: str
    tag: str
    commit: str  # on a hub; empty when the release came from a folder
    digest: str  # of the content, over all records
    withheld: tuple[str, ...]  # of what it was trained on: what the source says may not be redistributed
    visibility: Visibility  # of the release
    rights: str  # its publisher's statement of the right to redistribute what is withheld
    licences: tuple[str, ...]

    @property
    def ref(self) -> str:
        """Return `org/name@v1.0.0`."""
        return f"{self.repo_id}@{self.tag}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What `lineage.json` of a model repo says."""

    format: int = FORMAT
    repo_id: str
    version: str  # such as v1.0.0
    dataset: DataOrigin
    rights: str = ""  # the model's publisher's statement of the right to pass on what it may repeat
    code_version: str  # that trained it
    training_digest: str  # of the TrainConfig
    architecture: str  # digest of the model's config, but for what only training feels
    vocabulary: str  # digest
    weights: str  # digest of the tensors, whatever file they stand in
    facts: str  # digest of all that the documents say, but for the version
    files: dict[str, str]  # SHA-256 of every other file

    def to_json(self) -> str:
        """Return the text of the file, the same for the same lineage."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def architecture_digest(model: ModelConfig) -> str:
    """Return the digest of what gives a network's weights their meaning: its config without the dropout."""
    return replace(model, dropout=0.0).digest()


def content_digest(files: dict[str, str]) -> str:
    """Return one SHA-256 over the names and digests of files, in order of their names."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def read_lineage(path: Path) -> Lineage:
    """Read a lineage that a stranger may have written; ValueError names what is not as it must be."""
    check_size(path, MAX_LINEAGE_BYTES)
    try:
        lineage = cast("Lineage", build(Lineage, json.loads(path.read_text(encoding="utf-8")), LINEAGE))
        wrong = next(_faults(lineage), None)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no lineage of a model ({error}): download the model again.") from error
    if wrong:
        raise ValueError(f"{path} {wrong}: download the model again, or export it anew.")
    return lineage


def _faults(lineage: Lineage) -> Iterator[str]:
    dataset = lineage.dataset
    if lineage.format != FORMAT:
        yield f"is of format {lineage.format}, this version of PixelBytes reads {FORMAT}"
    for name in (lineage.repo_id, dataset.repo_id):
        if not NAME.fullmatch(name):
            yield f"names the repository {name[:80]!r}, which is not of the form org/name"
    for version in (lineage.version, dataset.tag):
        if version != UNRELEASED and not VERSION.fullmatch(version):
            yield f"names the version {version[:80]!r}, which is none such as v1.0.0"
    if not _COMMIT.fullmatch(dataset.commit):
        yield f"names the commit {dataset.commit[:80]!r}, which is none"
    digests = (dataset.digest, lineage.training_digest, lineage.architecture, lineage.vocabulary, lineage.weights)
    odd = [digest for digest in (*digests, lineage.facts, *lineage.files.values()) if not _DIGEST.fullmatch(digest)]
    if odd:
        yield f"has the digest {odd[0][:80]!r}, which is none"
    if not set(dataset.withheld) <= set(WITHHOLDABLE):
        yield f"says that {list(dataset.withheld)} is withheld, not some of {list(WITHHOLDABLE)}"
    if not (is_statement(dataset.rights) and is_statement(lineage.rights)):
        yield "has a statement of rights that is no plain line"


def next_model_version(last: Lineage | None, new: Lineage) -> str | None:
    """Return the version that a model gets after the last one; None when neither weights nor documents changed.

    Major: the architecture or the vocabulary is another, so that weights do not fit the older code or ids. Minor: it
    was trained again on other data. Patch: it was trained again on the same data, or only the documents changed.

    >>> from dataclasses import replace
    >>> data = DataOrigin(repo_id="org/beasts", tag="v1.0.0", commit="", digest="a" * 64, withheld=(),
    ...                   visibility="public", rights="", licences=("CC0-1.0",))
    >>> one = Lineage(repo_id="org/model", version="v1.2.3", dataset=data, code_version="1", training_digest="b" * 64,
    ...               architecture="c" * 64, vocabulary="d" * 64, weights="e" * 64, facts="f" * 64, files={})
    >>> next_model_version(None, one), next_model_version(one, one)
    ('v1.0.0', None)
    >>> retrained = replace(one, weights="0" * 64)
    >>> next_model_version(one, retrained), next_model_version(one, replace(one, facts="0" * 64))
    ('v1.2.4', 'v1.2.4')
    >>> next_model_version(one, replace(retrained, dataset=replace(data, tag="v1.1.0", digest="0" * 64)))
    'v1.3.0'
    >>> next_model_version(one, replace(retrained, architecture="0" * 64))
    'v2.0.0'
    """
    if last is None or last.version == UNRELEASED:
        return FIRST_VERSION
    if (last.weights, last.facts) == (new.weights, new.facts):
        return None
    major, minor, patch = (int(part) for part in last.version.removeprefix("v").split("."))
    if (last.architecture, last.vocabulary) != (new.architecture, new.vocabulary):
        return f"v{major + 1}.0.0"
    if last.weights != new.weights and last.dataset.digest != new.dataset.digest:
        return f"v{major}.{minor + 1}.0"
    return f"v{major}.{minor}.{patch + 1}"
