"""Recompute every digest of a release from its bytes; what differs is named."""

from collections.abc import Iterator

from pipeline.checks import row_faults
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.rows import DIGESTED, meaning_of_ids, record_digest, release_digest, shard_digest
from pipeline.schema import record_layouts
from pipeline.shards import ShardFile, file_content_digest, file_sha256
from pipeline.tokenizer import decode_record


def verify(release: Release) -> tuple[str, ...]:
    """Return what is wrong with a release's bytes, in words; an empty tuple when every digest holds."""
    return tuple(_faults(release))


def _faults(release: Release) -> Iterator[str]:
    manifest = release.manifest
    named = {shard.file for splits in manifest.configs.values() for shards in splits.values() for shard in shards}
    present = {path.relative_to(release.folder).as_posix() for path in release.folder.rglob("*.parquet")}
    yield from (f"{file} is in the manifest, but not in the folder" for file in sorted(named - present))
    yield from (f"{file} is in the folder, but not in the manifest" for file in sorted(present - named))
    whole = True
    for splits in manifest.configs.values():
        for shard in (shard for shards in splits.values() for shard in shards if shard.file in present):
            faults = list(_shard_faults(release, shard))
            whole = whole and not faults
            yield from faults
    if named - present or not whole:
        return  # the digests below would only repeat it
    try:
        vocabulary = release.vocabulary
    except ValueError as error:
        yield str(error)
        return
    if vocabulary.digest != manifest.vocabulary["digest"]:
        yield "the vocabulary's digest differs from the manifest's"
    yield from _manifest_faults(release)
    if content_of(release) != manifest.digest:
        yield "the release's digest differs from the manifest's"
    yield from (f"{name}: {', '.join(ids)}" for name, ids in row_faults(release).items() if ids)


def _manifest_faults(release: Release) -> Iterator[str]:
    """Compare what the manifest counts with what is there."""
    manifest = release.manifest
    lacking = {*record_layouts(manifest.k), "quarantine"} - set(manifest.configs)
    yield from (f"the config {name} is missing" for name in sorted(lacking))
    for config, splits in manifest.configs.items():
        for split, shards in splits.items():
            rows = sum(shard.rows for shard in shards)
            if config != "quarantine" and rows != manifest.counts[split]:
                yield f"{config}/{split} has {rows} rows, but the manifest counts {manifest.counts[split]}"
    licences = {
        licence for split in SPLITS for licence in release.table("records", split, ["licence"])["licence"].to_pylist()
    }
    if licences != set(manifest.licences):
        yield f"the records' licences are {sorted(licences)}, but the manifest says {sorted(manifest.licences)}"


def _shard_faults(release: Release, shard: ShardFile) -> Iterator[str]:
    path = release.folder / shard.file
    if path.stat().st_size != shard.bytes or file_sha256(path) != shard.sha256:
        yield f"{shard.file} has other bytes than the manifest says: fetch or build the release again"
    elif file_content_digest(path) != shard.content_digest:
        yield f"{shard.file} has other rows than the manifest says"


def content_of(release: Release) -> str:
    """Return the release's digest, recomputed from the sprites, captions and provenance in its rows."""
    manifest = release.manifest
    digests = []
    for split in SPLITS:
        for records, tokens in zip(release.shards("records", split), release.shards("tokens", split), strict=True):
            said = release.read(records, [*DIGESTED]).to_pylist()
            drawn = release.read(tokens, ["tokens"]).column("tokens").combine_chunks()
            sprites = [decode_record(drawn[i].values.to_numpy(), release.vocabulary)[0] for i in range(len(drawn))]
            digests.append((split, shard_digest(map(record_digest, said, sprites))))
    transform = manifest.transform
    meaning = meaning_of_ids(transform["version"], manifest.k, transform["parameters"]["max_side"], release.vocabulary)
    return release_digest(digests, meaning)
