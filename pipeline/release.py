"""A release folder: its manifest is read at once, its palette and its shards when they are asked for."""

import contextlib
import importlib.metadata
import os
import secrets
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from palettes.palette import Palette, load_palette
from palettes.vocabulary import Vocabulary
from pipeline.manifest import (
    MANIFEST,
    MAX_STATEMENT,
    SEALED_FROM,
    UNRELEASED,
    WITHHOLDABLE,
    Changes,
    DamagedRelease,
    Document,
    Gate,
    Manifest,
    Visibility,
    blocking,
    is_statement,
    seal_of,
)
from pipeline.manifest_file import MAX_MANIFEST_BYTES, NAME, VERSION, read_manifest
from pipeline.records import DatasetVersion, Split
from pipeline.schema import withheld_columns
from pipeline.shards import ShardFile

__all__ = [
    "MANIFEST",
    "MAX_MANIFEST_BYTES",
    "MAX_STATEMENT",
    "NAME",
    "SEALED_FROM",
    "UNRELEASED",
    "VERSION",
    "WITHHOLDABLE",
    "Changes",
    "DamagedRelease",
    "Document",
    "Gate",
    "Manifest",
    "Release",
    "Visibility",
    "blocking",
    "code_version",
    "is_statement",
    "made_with",
    "mode_of",
    "read_manifest",
    "seal_of",
    "write_text",
]


@dataclass(frozen=True)
class Release:
    """A release folder that has been opened: its manifest is read, its shards are read when asked for."""

    folder: Path
    manifest: Manifest
    revision: str = ""  # the commit that it was read from, on a hub

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
        return cls(folder=folder, manifest=read_manifest(path.read_text(encoding="utf-8", errors="replace")))

    @property
    def version(self) -> DatasetVersion:
        """Return the release's name, tag and digest; in a folder of releases the digest is the revision."""
        manifest = self.manifest
        return DatasetVersion(
            repo_id=manifest.name,
            tag=manifest.version,
            revision=self.revision or manifest.digest,
            digest=manifest.digest,
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
        if config not in configs and self.manifest.without:
            raise ValueError(f"{self._bare}, so it has no {config}: name a release that holds both, or build one.")
        if config not in configs or split not in configs[config]:
            known = [f"{name}/{part}" for name, splits in configs.items() for part in splits]
            raise ValueError(f"{config}/{split} is not in this release: choose one of {', '.join(known)}.")
        return configs[config][split]

    def read(self, shard: ShardFile, columns: list[str] | None = None) -> pa.Table:
        """Return the rows of one shard; ValueError for columns that went out with what is withheld."""
        if lost := sorted({*withheld_columns(self.manifest.without)}.intersection(columns or ())):
            raise ValueError(f"{self._bare}, so it has no {lost[0]}: name a release that holds both, or build one.")
        return pq.read_table(self.folder / shard.file, columns=columns, partitioning=None)

    def table(self, config: str, split: Split | str, columns: list[str] | None = None) -> pa.Table:
        """Return all rows of a split, in id order."""
        return pa.concat_tables([self.read(shard, columns) for shard in self.shards(config, split)])

    @property
    def _bare(self) -> str:
        return f"{self.version.ref} went out without its {' and '.join(self.manifest.without)}"

    def with_manifest(self, **changes: Any) -> "Release":  # noqa: ANN401 - the manifest's own fields
        """Write a changed manifest, whole or not at all, and return the release that has it; an old seal is dropped."""
        manifest = replace(self.manifest, **{"seal": "", **changes})
        write_text(self.folder / MANIFEST, manifest.to_json())
        return replace(self, manifest=manifest)

    def named(self, name: str) -> "Release":
        """Return the release under another name, as it is not yet written down."""
        return replace(self, manifest=replace(self.manifest, name=name))


def mode_of(*releases: Release) -> int | None:
    """Return the mode of a page with pictures of these releases: where one is private, its owner alone may read it."""
    manifests = [release.manifest for release in releases]
    kept = any(one.visibility == "private" and (one.restricted or one.version != UNRELEASED) for one in manifests)
    return 0o600 if kept else None


def code_version() -> str:
    """Return the version of this distribution, or `unknown` in a checkout that was never installed."""
    try:
        return importlib.metadata.version("pixelbytes")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def made_with() -> dict[str, str]:
    """Return the versions of the libraries whose own bytes stand in a release's files: Parquet, PNGs and plots."""
    return dict(_libraries())


@cache
def _libraries() -> dict[str, str]:
    found = {}
    for name in ("matplotlib", "pillow", "pyarrow"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def write_text(path: Path, text: str, mode: int | None = None) -> None:
    """Write a file whole or not at all; `mode` says who may read it, by default whom the umask lets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # workers of two machines may have the same number
    with draft.open("w", encoding="utf-8") as file:
        if mode is not None:
            draft.chmod(mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
