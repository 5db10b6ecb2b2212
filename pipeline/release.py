"""A release folder and its manifest: what is in it, how it was made, and the digests that prove it."""

import importlib.metadata
import json
import os
import re
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from palettes.palette import Palette, load_palette
from palettes.vocabulary import Vocabulary
from pipeline.recipe import BuildConfig, PictureRecipe
from pipeline.records import DatasetVersion, Split
from pipeline.shards import ShardFile

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
UNRELEASED = "unreleased"
WITHHOLDABLE = ("texts", "pictures")
MAX_STATEMENT = 500  # characters of a statement of rights
Visibility = Literal["public", "private"]


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
    """Everything about a release but its rows; `created_at`, `code_version` and `crawl` enter no digest."""

    name: str
    title: str = ""  # what the source calls itself, for people
    version: str = UNRELEASED
    previous: str = ""
    source: str
    crawl: str
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
    twins: dict[str, int] = field(default_factory=dict)  # pictures alike, and families held together because of them
    documents: tuple[Document, ...] = ()  # every other file of a published release: card, pictures, attribution

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
        pictures = PictureRecipe(**{**given["pictures"], "background": tuple(given["pictures"]["background"])})
        return BuildConfig(
            **{
                **{key: given[key] for key in own & set(given)},
                "windows": tuple(given["windows"]),
                "pictures": pictures,
            }
        )

    def to_json(self) -> str:
        """Return the manifest as written to disk."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read a manifest; DamagedRelease names what is missing, unknown or of another shape."""
        try:
            raw = json.loads(text)
            return cls(**{**raw, **_typed(raw, {item.name for item in fields(cls)})})
        except DamagedRelease:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedRelease(
                f"{MANIFEST} is damaged ({type(error).__name__}: {error}): {_OTHER_VERSION}"
            ) from error


_OTHER_VERSION = "restore it from a copy, or build the release again."
#: Not in releases made before these were asked; the defaults are safe.
_LATER = {"title", "withheld", "visibility", "rights", "twins", "documents"}
_WINDOWS = re.compile(r"windows_k(\d{1,2})")
_DOCUMENT_PATH = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}|palettes/[^/\\\0]{1,200}\.gpl")
_SHARD_PATH = re.compile(r"[a-z0-9_]+/[a-z]+-\d{5}-of-\d{5}\.parquet")


def _typed(raw: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Return those values of a parsed manifest that are more than JSON, each checked for its shape."""
    if wrong := (known ^ set(raw)) - (_LATER - set(raw)):
        raise DamagedRelease(f"{MANIFEST} lacks or adds the keys {sorted(wrong)}: {_OTHER_VERSION}")
    configs = {
        config: {split: tuple(ShardFile(**shard) for shard in shards) for split, shards in splits.items()}
        for config, splits in raw["configs"].items()
    }
    for shard in (shard for splits in configs.values() for shards in splits.values() for shard in shards):
        if not _SHARD_PATH.fullmatch(shard.file):
            raise DamagedRelease(f"{MANIFEST} names the file {shard.file!r}, which is no shard of a release.")
    assertions = raw["transform"]["parameters"]["assertions"]
    asked = {"min_listings", "min_description_yield", "text_ratio"}
    if not asked <= set(assertions) or not {"train", "validation", "test"} <= set(raw["counts"]):
        raise DamagedRelease(f"{MANIFEST} lacks counts or assertions: {_OTHER_VERSION}")
    return {
        **_audience(raw),
        "gates": tuple(Gate(**{**gate, "worst": tuple(gate["worst"])}) for gate in raw["gates"]),
        "diff": Changes(**{name: tuple(ids) for name, ids in raw["diff"].items()}),
        "licences": tuple(raw["licences"]),
        "configs": configs,
        **_documents(raw),
    }


def _documents(raw: dict[str, Any]) -> dict[str, Any]:
    """Return what a parsed manifest says of its other files; nothing where it was made before they were named."""
    found = tuple(Document(**item) for item in raw.get("documents", []))
    if wrong := [item.file for item in found if not _DOCUMENT_PATH.fullmatch(item.file)]:
        raise DamagedRelease(f"{MANIFEST} names the file {wrong[0]!r}, which is no document of a release.")
    return {"documents": found} if "documents" in raw else {}


def _audience(raw: dict[str, Any]) -> dict[str, Any]:
    """Return what a parsed manifest says of who may see the release; nothing where it was never asked."""
    withheld, rights = raw.get("withheld", []), raw.get("rights", "")
    if not isinstance(withheld, list) or not set(withheld) <= set(WITHHOLDABLE):
        raise DamagedRelease(f"{MANIFEST} says that {withheld!r} is withheld, not some of {list(WITHHOLDABLE)}.")
    if raw.get("visibility", "private") not in get_args(Visibility):
        raise DamagedRelease(f"{MANIFEST} says that the release is {raw['visibility']!r}, not public or private.")
    if not is_statement(rights):
        raise DamagedRelease(f"{MANIFEST} has a statement of rights that is no plain line: {_OTHER_VERSION}")
    return {"withheld": tuple(withheld)} if "withheld" in raw else {}


def is_statement(rights: object) -> bool:
    """Say whether a statement of rights can be written down: one printable line that is not too long, or nothing."""
    return isinstance(rights, str) and len(rights) <= MAX_STATEMENT and rights.isprintable()


@dataclass(frozen=True)
class Release:
    """A release folder that has been opened: its manifest is read, its shards are read when asked for."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> "Release":
        """Open a release folder; ValueError when it is not one, PermissionError when it is somebody's own."""
        path = folder / MANIFEST
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            raise PermissionError(
                f"{folder} is private: only its owner can read it. Ask them, or name another version."
            )
        if not path.is_file():
            raise ValueError(
                f"{folder} has no {MANIFEST}: give a release folder, such as data/releases/org/name/v1.0.0."
            )
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"{path} is larger than {MAX_MANIFEST_BYTES:,} bytes: it is no manifest of ours.")
        return cls(folder=folder, manifest=Manifest.from_json(path.read_text(encoding="utf-8", errors="replace")))

    @property
    def version(self) -> DatasetVersion:
        """Return the release's name, tag and digest; in a folder of releases the digest is the revision."""
        manifest = self.manifest
        return DatasetVersion(
            repo_id=manifest.name, tag=manifest.version, revision=manifest.digest, digest=manifest.digest
        )

    @cached_property
    def palette(self) -> Palette:
        """Return the palette that lies in the release; ValueError when it is not the one the manifest names."""
        palette = load_palette(self.folder / "palettes" / f"{self.manifest.palette['name']}.gpl")
        if palette.digest != self.manifest.palette["digest"]:
            raise ValueError(f"the palette in {self.folder} is not the one its manifest names: the release is damaged.")
        return palette

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary of the release's ids."""
        return Vocabulary(palette=self.palette)

    def shards(self, config: str, split: str) -> tuple[ShardFile, ...]:
        """Return the files of a config's split; ValueError when there is no such thing."""
        configs = self.manifest.configs
        if config not in configs or split not in configs[config]:
            known = [f"{name}/{part}" for name, splits in configs.items() for part in splits]
            raise ValueError(f"{config}/{split} is not in this release: choose one of {', '.join(known)}.")
        return configs[config][split]

    def read(self, shard: ShardFile, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of one shard."""
        return pq.read_table(self.folder / shard.file, columns=columns, partitioning=None)

    def table(self, config: str, split: Split | str, columns: list[str] | None = None) -> pa.Table:
        """Return all rows of a split, in id order."""
        return pa.concat_tables([self.read(shard, columns) for shard in self.shards(config, split)])

    def with_manifest(self, **changes: Any) -> "Release":  # noqa: ANN401 - the manifest's own fields
        """Write a changed manifest, whole or not at all, and return the release that has it."""
        manifest = replace(self.manifest, **changes)
        write_text(self.folder / MANIFEST, manifest.to_json())
        return Release(folder=self.folder, manifest=manifest)


def mode_of(*releases: Release) -> int | None:
    """Return the mode of a page with pictures of these releases: where one is private, its owner alone may read it."""
    manifests = [release.manifest for release in releases]
    kept = any(one.visibility == "private" and (one.withheld or one.version != UNRELEASED) for one in manifests)
    return 0o600 if kept else None


def code_version() -> str:
    """Return the version of this distribution, or `unknown` in a checkout that was never installed."""
    try:
        return importlib.metadata.version("pixelbytes")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def write_text(path: Path, text: str, mode: int | None = None) -> None:
    """Write a file whole or not at all; `mode` says who may read it, by default whom the umask lets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        if mode is not None:
            draft.chmod(mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
