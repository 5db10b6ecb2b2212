"""What a release says of itself: how it was made, what is in it, and the digests that prove it."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, cast

from pipeline.recipe import BuildConfig
from pipeline.shards import ShardFile
from pipeline.tables import build

MANIFEST = "manifest.json"
UNRELEASED = "unreleased"
WITHHOLDABLE = ("texts", "pictures")
MAX_STATEMENT = 500  # characters of a statement of rights
SEALED_FROM = 3  # the transform from whose versions on each names its documents and is sealed
Visibility = Literal["public", "private"]
_WINDOWS = re.compile(r"windows_k(\d{1,2})")


class DamagedRelease(ValueError):  # noqa: N818 - it reads as what it is
    """A release folder whose manifest cannot be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One check of a release: what was asked, what was found."""

    name: str
    limit: str
    value: str
    passed: bool
    override: str = ""  # why a failure was let through
    worst: tuple[str, ...] = ()  # ids of the records to look at


def blocking(gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    """Return the gates that stop a release: failed and not overridden."""
    return tuple(gate for gate in gates if not gate.passed and not gate.override)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Ids by what happened to them since the release before."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything changed."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file of a published release that is no Parquet shard."""

    file: str  # path inside the release folder
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a release but its rows; `created_at`, `code_version` and the crawl enter no digest."""

    name: str
    title: str = ""  # what the source calls itself, for people
    version: str = UNRELEASED
    previous: str = ""
    source: str
    crawl: str
    crawl_sha256: str = ""  # of the crawl's own manifest in the raw store; older releases do not say
    created_at: str
    code_version: str
    transform: dict[str, Any]  # version and parameters, as written by the builder
    palette: dict[str, str]  # name, digest
    vocabulary: dict[str, Any]  # size, digest
    k: int
    counts: dict[str, int]
    tokens: dict[str, int]  # text, pixel, separator
    text_ratio: float
    configs: dict[str, dict[str, tuple[ShardFile, ...]]]
    digest: str
    gates: tuple[Gate, ...] = ()
    diff: Changes = field(default_factory=Changes)
    licences: tuple[str, ...]
    quarantine: dict[str, int]
    yields: dict[str, int]  # listed, joined, built: how many came through each stage
    withheld: tuple[str, ...] = WITHHOLDABLE  # what the source says may not be redistributed; all, if it says nothing
    visibility: Visibility = "private"  # who may see the published version
    rights: str = ""  # the publisher's statement of the right to redistribute what is withheld
    without: tuple[str, ...] = ()  # what was left out of the rows, of WITHHOLDABLE and in its order
    yanked: dict[str, dict[str, str]] = field(default_factory=dict)  # versions taken back: each one's digest, and why
    twins: dict[str, int] = field(default_factory=dict)  # pictures alike, and families held together because of them
    documents: tuple[Document, ...] = ()  # every other file of a published release: card, pictures, attribution
    made_with: dict[str, str] = field(default_factory=dict)  # versions of the libraries whose bytes stand in its files
    seal: str = ""  # of a published release: SHA-256 over all of this but the seal, see `seal_of`

    @property
    def published(self) -> bool:
        """Tell whether this is a version that stands, not a build."""
        return self.version != UNRELEASED

    @property
    def restricted(self) -> tuple[str, ...]:
        """Return what the source withholds and this release holds all the same."""
        return tuple(what for what in self.withheld if what not in self.without)

    @property
    def files(self) -> dict[str, ShardFile]:
        """Return the shards of all configs by their path inside the release."""
        return {shard.file: shard for splits in self.configs.values() for part in splits.values() for shard in part}

    @property
    def windows(self) -> tuple[int, ...]:
        """Return the sides of the windows that are written out, in ascending order."""
        found = (_WINDOWS.fullmatch(name) for name in self.configs)
        return tuple(sorted(int(match[1]) for match in found if match))

    @property
    def max_side(self) -> int:
        """Return how many px the longer side of a sprite may have."""
        parameters = self.transform["parameters"]
        return int(parameters.get("pictures", parameters)["max_side"])  # before transform 3 it stood outside

    def config(self) -> BuildConfig:
        """Return how this release was built; ValueError when it was by an older transform's parameters.

        The palette is the name that was given: a file by path must still lie there.
        """
        given = self.transform["parameters"]
        if "pictures" not in given:
            raise ValueError(
                f"{self.name} {self.version} was made by transform {self.transform['version']} "
                f"of PixelBytes {self.code_version}, whose parameters this one does not read: install that version."
            )
        own = {item.name for item in fields(BuildConfig)}
        where = f"the recipe in {MANIFEST}"
        return cast("BuildConfig", build(BuildConfig, {key: given[key] for key in own & set(given)}, where))

    def to_json(self) -> str:
        """Return the manifest as written to disk; one of a release that did not say its crawl's digest says none."""
        told = asdict(self)
        if not self.crawl_sha256:
            del told["crawl_sha256"]
        return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def seal_of(manifest: Manifest) -> str:
    """Return the SHA-256 over all that a manifest says but its seal, as JSON without spaces, its keys sorted.

    What is empty is left out, so that a field which later versions of this code add leaves older seals as they are.
    """
    said = _without_empty({**asdict(manifest), "seal": ""})
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _without_empty(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item not in ("", None, (), [], {})}
    if isinstance(value, list | tuple):
        return [_without_empty(item) for item in value]
    return value


def is_statement(rights: object) -> bool:
    """Say whether a statement of rights can be written down: one printable line that is not too long, or nothing."""
    return isinstance(rights, str) and len(rights) <= MAX_STATEMENT and rights.isprintable()
