"""Recompute all that a release says of itself from its bytes; what differs is named."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.bare import bare_faults, meaning_of
from pipeline.checks import row_faults
from pipeline.documents import document, files_of, is_plain
from pipeline.records import SPLITS
from pipeline.recount import Recount, recount
from pipeline.release import MANIFEST, SEALED_FROM, Manifest, Release, blocking, seal_of
from pipeline.rows import release_digest
from pipeline.schema import QUARANTINE_SPLIT, record_layouts
from pipeline.shards import ShardFile, file_content_digest, file_sha256

Progress = Callable[[int, int], None]  # steps done, steps in all: a file, or the rows of a shard
SHOWN = 5  # ids named of one kind


def verify(release: Release, progress: Progress = lambda _done, _all: None) -> tuple[str, ...]:
    """Return what is wrong with a release, in words; an empty tuple when all of it holds.

    First every file: nothing is missing, unknown or altered, and the manifest is the one that was published. Then every
    row: all configs say the same, and the digests, counts and shares of the manifest follow from it. Memory holds a few
    row groups.

    The seal finds a manifest that was edited by hand, by a tool or by accident, in any of its fields. It is no
    signature: whoever edits it on purpose can compute it anew, and then only what follows from the rows speaks against
    them (and `rebuild --from`, where the raw store is at hand). Of a bare release the same is recomputed from the rows
    that it has; how many tokens the whole one had is what it says.
    """
    steps = _Steps(_shard_count(release) + len(release.manifest.documents) + 1, progress)
    faults = [*file_faults(release, steps.one), *_seal_faults(release.manifest), *_layout_faults(release.manifest)]
    if faults:
        return tuple(faults)  # what follows from the rows would only repeat it
    try:
        vocabulary = release.vocabulary
    except ValueError as error:
        return (str(error),)
    said = release.manifest.vocabulary
    if (len(vocabulary), vocabulary.digest) != (said["size"], said["digest"]):
        return ("the vocabulary's digest or size differs from the manifest's",)
    wrong = bare_faults(release) if release.manifest.without else row_faults(release)
    steps.one()
    faults = [f"{name}: {', '.join(ids)}" for name, ids in wrong.items() if ids]
    if any(wrong.get(name) for name in ("schema", "order", "vocabulary", "decode")):
        return tuple(faults)  # such rows cannot be counted
    gates = () if faults else _gate_faults(release.manifest, wrong)
    return (*faults, *gates, *_manifest_faults(release, recount(release, steps.one)))


class _Steps:
    """Counts steps out loud."""

    def __init__(self, total: int, tell: Progress) -> None:
        self._done, self._total, self._tell = 0, total, tell
        tell(0, total)

    def one(self) -> None:
        self._done += 1
        self._tell(self._done, self._total)


def _shard_count(release: Release) -> int:
    """Count the files that are read, and the shards whose rows are counted."""
    splits = release.manifest.configs.get("records", {}).values()
    return len(release.manifest.files) + sum(map(len, splits))


def file_faults(release: Release, step: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Say where a folder holds other files than its manifest names; `step` is called after each that was read."""
    manifest = release.manifest
    shards, documents = manifest.files, {item.file: item for item in manifest.documents}
    present = dict(files_of(release.folder))
    for name in sorted({*shards, *documents} - present.keys()):
        yield f"{name} is in the manifest, but not in the folder"
    for name, path in present.items():
        if not is_plain(path):
            yield f"{_shown(name)} is no plain file: a release holds nothing else"
        elif name in shards:
            yield from _shard_faults(path, shards[name])
            step()
        elif name in documents:
            if document(path, name) != documents[name]:
                yield f"{name} has other bytes than the manifest says: fetch or build the release again"
            step()
        elif not _may_stand(name, manifest):
            yield f"{_shown(name)} is in the folder, but not in the manifest"


def _shown(name: str) -> str:
    """Return a file's name so that it can be printed: whoever put the file there chose it."""
    return name if name.isprintable() else repr(name)


def _may_stand(name: str, manifest: Manifest) -> bool:
    """Say whether a file belongs to a release whose manifest does not name it.

    A build names its shards only, its palette by the palette's own digest; so did versions before documents were named.
    """
    if name == MANIFEST:
        return True
    if manifest.documents:
        return False
    if not manifest.published:
        return name == f"palettes/{manifest.palette['name']}.gpl"
    return not name.endswith(".parquet")


def _shard_faults(path: Path, shard: ShardFile) -> Iterator[str]:
    if path.stat().st_size != shard.bytes or file_sha256(path) != shard.sha256:
        yield f"{shard.file} has other bytes than the manifest says: fetch or build the release again"
        return
    try:
        rows, digest = pq.read_metadata(path).num_rows, file_content_digest(path)
    except (pa.ArrowException, OSError) as error:
        yield f"{shard.file} cannot be read as Parquet: {error}"
        return
    if digest != shard.content_digest or rows != shard.rows:
        yield f"{shard.file} has other rows than the manifest says"


def _seal_faults(manifest: Manifest) -> Iterator[str]:
    """Say what a version that stands lacks, or has since it was published."""
    if not manifest.published or manifest.transform["version"] < SEALED_FROM:
        return
    if manifest.seal != seal_of(manifest):
        yield f"{MANIFEST} is not the one that was published: its seal differs; fetch the release again"
    if not manifest.documents:
        yield f"{MANIFEST} names no documents, but every published version has some"


def _gate_faults(manifest: Manifest, asked: Collection[str]) -> Iterator[str]:
    """Compare the answers of the gates with those of today: what is `asked` here, all of it holds.

    The gates of a bare release were asked of the whole one, which may have failed where what is left holds.
    """
    said = {gate.name: gate for gate in manifest.gates}
    wrong = sorted(name for name in asked if name in said and not said[name].passed and not manifest.without)
    yield from (f"the manifest says that the gate {name} failed, but it holds" for name in wrong)
    if not manifest.published or manifest.transform["version"] < SEALED_FROM:
        return
    yield from (f"the manifest has no answer of the gate {name}" for name in sorted(set(asked) - set(said)))
    yield from (f"the gate {gate.name} failed, which no published version may" for gate in blocking(manifest.gates))


def _layout_faults(manifest: Manifest) -> Iterator[str]:
    """Compare the configs with one another and with the counts: what must hold before rows are read side by side."""
    configs = manifest.configs
    layouts = record_layouts(manifest.windows, manifest.without)
    wanted = [(name, split) for name in layouts for split in SPLITS] + [("quarantine", QUARANTINE_SPLIT)]
    lacking = [f"{name}/{split}" for name, split in wanted if split not in configs.get(name, {})]
    yield from (f"{name} is missing from the manifest" for name in lacking)
    unknown = sorted(set(configs) - {name for name, _ in wanted})
    for name in unknown:
        if manifest.without and (name == "tokens" or name.startswith("windows_k")):
            yield f"the config {name} holds what the release says it goes without: {' and '.join(manifest.without)}"
        else:
            yield f"the config {name} is none that this version of PixelBytes knows"
    if lacking:
        return
    for split in SPLITS:
        cut = [tuple(shard.rows for shard in configs[name][split]) for name in layouts]
        for name, rows in zip(layouts, cut, strict=True):
            if sum(rows) != manifest.counts[split]:
                yield f"{name}/{split} has {sum(rows)} rows, but the manifest counts {manifest.counts[split]}"
            elif rows != cut[0]:
                yield f"{name}/{split} is cut into shards of {rows} rows, but records/{split} into {cut[0]}"


def _manifest_faults(release: Release, found: Recount) -> Iterator[str]:
    """Compare what the manifest says with what its rows say."""
    manifest = release.manifest
    if release_digest(found.shards, meaning_of(release)) != manifest.digest:
        yield "the release's digest differs from the manifest's"
    text, pixel = found.tokens["text"], found.tokens["pixel"]
    stages = Counter(
        stage
        for shard in release.shards("quarantine", QUARANTINE_SPLIT)
        for stage in release.read(shard, ["stage"]).column("stage").to_pylist()
    )
    tokens: tuple[tuple[str, object, object], ...] = (
        ("tokens", dict(found.tokens), manifest.tokens),
        ("text_ratio", round(text / max(1, text + pixel), 4), manifest.text_ratio),
    )
    compared: tuple[tuple[str, object, object], ...] = (
        *(() if manifest.without else tokens),
        ("licences", sorted(found.licences), sorted(manifest.licences)),
        ("quarantine", dict(stages), manifest.quarantine),
        ("records built", sum(manifest.counts.values()), manifest.yields["built"]),
        *_stages(manifest, sum(stages.values())),
    )
    for what, there, said in compared:
        if there != said:
            yield f"{what}: the rows say {there}, but the manifest says {said}"
    if found.large:
        yield f"the sprite is larger than {manifest.max_side} px: {_named(found.large)}"
    if found.astray:
        yield f"the picture is not called by its record's id: {_named(found.astray)}"
    yield from _split_faults(found, manifest)
    missing = {*manifest.diff.added, *manifest.diff.changed} - found.ids
    if missing or found.ids & set(manifest.diff.removed):
        yield "the manifest's diff adds records that are not here, or removes some that are"


def _stages(manifest: Manifest, dropped: int) -> Iterator[tuple[str, object, object]]:
    """Yield what is said of how many came through each stage, and what must be; older transforms counted otherwise."""
    if manifest.transform["version"] < SEALED_FROM:
        return
    yields = manifest.yields
    yield "records listed", yields["built"] + dropped, yields["listed"]  # each is built, or dropped with one reason
    said = [yields[stage] for stage in ("listed", "joined", "drawn", "built") if stage in yields]
    yield "records from stage to stage", sorted(said, reverse=True), said


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:SHOWN]) + (f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else "")


def _split_faults(found: Recount, manifest: Manifest) -> Iterator[str]:
    """Compare each family's split with its hash; only families that look alike may have followed another."""
    if len(found.moved) > manifest.twins.get("families", 0):
        yield (
            f"{len(found.moved)} families are not in the split that their hash gives, such as {min(found.moved)}, but "
            f"the manifest knows of {manifest.twins.get('families', 0)} that were held together with look-alikes"
        )
