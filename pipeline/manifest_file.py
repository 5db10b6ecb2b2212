"""A manifest from its JSON, which a stranger may have written: what it says is of its shape, or it is refused."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from palettes.palette import is_plain_name
from pipeline.manifest import (
    MANIFEST,
    UNRELEASED,
    WITHHOLDABLE,
    DamagedRelease,
    Manifest,
    is_statement,
)
from pipeline.recipe import LARGEST_SIDE, TRANSFORM_VERSION
from pipeline.records import SPLITS
from pipeline.tables import build

MAX_MANIFEST_BYTES = 64 * 1024 * 1024
LARGEST_WINDOW = 99  # px a side of a window: its config's name has two digits
_PART = r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
NAME = re.compile(rf"{_PART}/{_PART}")  # of a dataset: org/name
VERSION = re.compile(r"v([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})")
_OTHER_VERSION = "restore it from a copy, or build the release again."
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SOURCE = re.compile(r"[A-Za-z0-9_-]{1,200}")
_DOCUMENT_PATH = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}|palettes/[^/\\\0]{1,200}\.gpl")
_SHARD_PATH = re.compile(r"[a-z0-9_]+/[a-z]+-\d{5}-of-\d{5}\.parquet")


def read_manifest(text: str) -> Manifest:
    """Read a manifest; DamagedRelease names what is missing, unknown, of another type or no such thing as it says.

    Names and versions in it are safe to make paths of, its shards and documents lie inside the release.
    """
    try:
        manifest = cast("Manifest", build(Manifest, json.loads(text), MANIFEST))
        manifest.to_json().encode()  # what is no text, such as half a surrogate pair, could never be written again
        wrong = next(_faults(manifest), None)
    except (ValueError, RecursionError) as error:
        raise DamagedRelease(f"{MANIFEST} is damaged ({type(error).__name__}: {error}): {_OTHER_VERSION}") from error
    if wrong:
        raise DamagedRelease(f"{MANIFEST} {wrong}")
    return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transform:
    """What must stand in `transform`; the parameters are checked apart."""

    version: int
    parameters: "_Parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Assertions:
    min_listings: int
    min_description_yield: float
    text_ratio: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parameters:
    """Those parameters that are read again, of any transform."""

    assertions: _Assertions
    max_side: int
    min_caption: int = 0
    max_caption: int = 0
    text_share: float = 0.5
    rules: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vocabulary:
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Palette:
    name: str
    digest: str


def _faults(manifest: Manifest) -> Iterator[str]:
    """Yield what a manifest of the right types says that cannot be so."""
    yield from _name_faults(manifest)
    yield from _left_faults(manifest)
    yield from _number_faults(manifest)
    yield from _file_faults(manifest)
    yield from _transform_faults(manifest)


def _name_faults(manifest: Manifest) -> Iterator[str]:
    """Look at what becomes a path or stands in an address."""
    if not NAME.fullmatch(manifest.name):
        yield f"says that the dataset is called {manifest.name!r}, which is not of the form org/name."
    if manifest.version != UNRELEASED and not VERSION.fullmatch(manifest.version):
        yield f"says that its version is {manifest.version!r}, not {UNRELEASED} or such as v1.0.0."
    if manifest.previous and not VERSION.fullmatch(manifest.previous):
        yield f"says that the version before it is {manifest.previous!r}, not such as v1.0.0."
    if not _SOURCE.fullmatch(manifest.source):
        yield f"names the source {manifest.source!r}: a source's name is letters, digits and dashes."
    if not is_plain_name(manifest.crawl):
        yield f"names the crawl {manifest.crawl!r}, which is no name of a crawl."
    palette = cast("_Palette", build(_Palette, manifest.palette, f"{MANIFEST}: palette"))
    if not is_plain_name(palette.name):
        yield f"names the palette {palette.name!r}, which cannot be a file in palettes/."
    if not set(manifest.withheld) <= set(WITHHOLDABLE):
        yield f"says that {list(manifest.withheld)} is withheld, not some of {list(WITHHOLDABLE)}."
    if not is_statement(manifest.rights):
        yield f"has a statement of rights that is no plain line: {_OTHER_VERSION}"
    try:
        datetime.fromisoformat(manifest.created_at)
    except ValueError:
        yield f"says that it was made at {manifest.created_at!r}, which is no time."


def _left_faults(manifest: Manifest) -> Iterator[str]:
    """Look at what is left out of the rows, and at the versions that were taken back."""
    if manifest.without != tuple(what for what in WITHHOLDABLE if what in manifest.without):
        yield f"says that it is without {list(manifest.without)}, not some of {list(WITHHOLDABLE)} in this order."
    for version, told in manifest.yanked.items():
        known = VERSION.fullmatch(version) and set(told) == {"digest", "why"}
        if not known or not _DIGEST.fullmatch(told["digest"]) or not is_statement(told["why"]):
            yield f"says of {version[:80]!r} that it was yanked, but not of which digest, or why in one plain line."


def _number_faults(manifest: Manifest) -> Iterator[str]:
    """Look at counts and shares."""
    asked: dict[str, tuple[dict[str, int], set[str]]] = {
        "counts": (manifest.counts, {*SPLITS}),
        "tokens": (manifest.tokens, {"text", "pixel", "separator"}),
        "yields": (manifest.yields, {"listed", "joined", "built"}),
        "quarantine": (manifest.quarantine, set()),
        "twins": (manifest.twins, set()),
    }
    for name, (numbers, keys) in asked.items():
        if lacking := keys - set(numbers):
            yield f"lacks {', '.join(sorted(lacking))} in its {name}: {_OTHER_VERSION}"
        if below := [key for key, number in numbers.items() if number < 0]:
            yield f"counts {numbers[below[0]]} of {below[0]!r} in its {name}: {_OTHER_VERSION}"
    if not 0 <= manifest.text_ratio <= 1:
        yield f"says that {manifest.text_ratio} of its tokens are text: a share lies between 0 and 1."
    if not 1 <= manifest.k <= LARGEST_WINDOW or manifest.k % 2 == 0:
        yield f"says that k is {manifest.k}: a window's side is odd, from 1 to {LARGEST_WINDOW}."


def _file_faults(manifest: Manifest) -> Iterator[str]:
    """Look at files and digests."""
    for config, splits in manifest.configs.items():
        for split, shards in splits.items():
            for shard in shards:
                if not _SHARD_PATH.fullmatch(shard.file) or not shard.file.startswith(f"{config}/{split}-"):
                    yield f"names the file {shard.file!r} in {config}/{split}, which is no shard of it."
    for document in manifest.documents:
        if not _DOCUMENT_PATH.fullmatch(document.file):
            yield f"names the file {document.file!r}, which is no document of a release."
    files = manifest.files.values()
    said = [(one.file, one.bytes, one.sha256) for one in files]
    said += [(one.file, one.bytes, one.sha256) for one in manifest.documents]
    said += [(one.file, one.rows, one.content_digest) for one in files]
    if wrong := [file for file, size, digest in said if size < 0 or not _DIGEST.fullmatch(digest)]:
        yield f"gives {wrong[0]} a size or a digest that cannot be: {_OTHER_VERSION}"
    vocabulary = cast("_Vocabulary", build(_Vocabulary, manifest.vocabulary, f"{MANIFEST}: vocabulary"))
    digests = [manifest.digest, manifest.palette["digest"], vocabulary.digest, manifest.seal or "0" * 64]
    digests += [manifest.crawl_sha256] if manifest.crawl_sha256 else []
    if odd := [digest for digest in digests if not _DIGEST.fullmatch(digest)]:
        yield f"has the digest {odd[0][:80]!r}, which is none: {_OTHER_VERSION}"


def _transform_faults(manifest: Manifest) -> Iterator[str]:
    """Look at how the release was made, as far as anything reads it again."""
    where = f"{MANIFEST}: transform"
    given = manifest.transform
    parameters, version = given.get("parameters"), given.get("version")
    if not isinstance(parameters, dict) or not isinstance(parameters.get("assertions"), dict):
        yield f"lacks the parameters or the assertions of its transform: {_OTHER_VERSION}"
        return
    pictures = parameters.get("pictures", parameters)  # before transform 3 it stood outside
    side = pictures.get("max_side") if isinstance(pictures, dict) else None
    asked = {key: value for key, value in parameters.items() if key in _READ} | {"max_side": side}
    known = {key: value for key, value in parameters["assertions"].items() if key in _ASSERTED}
    table = {"version": version, "parameters": {**asked, "assertions": known}}
    transform = cast("_Transform", build(_Transform, table, where))
    read = transform.parameters
    if not 1 <= read.max_side <= LARGEST_SIDE:
        yield f"says that sprites are up to {read.max_side} px large, not 1 to {LARGEST_SIDE}."
    if len(read.assertions.text_ratio) != 2:  # noqa: PLR2004 - from, to
        yield f"gives text_ratio {len(read.assertions.text_ratio)} bounds, not two: {_OTHER_VERSION}"
    if read.rules and not _DIGEST.fullmatch(read.rules):
        yield f"names its rules {read.rules[:80]!r}, which is no digest: {_OTHER_VERSION}"
    if transform.version == TRANSFORM_VERSION:
        manifest.config()  # ValueError says which choice there is none


_READ = frozenset({"min_caption", "max_caption", "text_share", "rules"})
_ASSERTED = frozenset({"min_listings", "min_description_yield", "text_ratio"})
