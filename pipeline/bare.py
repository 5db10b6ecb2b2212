"""Bare releases, those without texts, pictures or both: their rows, read, digested and held against what they say.

What can be told of such a row is told by what stands in it alone, so whoever has the release can compute it again.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from palettes.palette import Palette
from pipeline.plain_png import read_plain
from pipeline.png import shows
from pipeline.recipe import LARGEST_SIDE
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.rows import meaning_of_ids, record_digest
from pipeline.schema import record_layouts
from pipeline.shards import batches

WORST = 20  # ids named of one kind
NOT_TOLD = "reasons may quote the texts, which were left out"
_NOTHING = np.zeros((0, 0), dtype=np.uint8)


def sprite_of_png(body: bytes, palette: Palette) -> UInt8[np.ndarray, "h w"] | None:
    """Return the palette indices of a PNG as a build writes it; None for any other bytes."""
    plain = read_plain(body, LARGEST_SIDE**2)
    if plain is None or plain.cells.dtype != np.uint8 or int(plain.cells.max()) >= len(palette):
        return None
    return plain.cells if shows(body, plain.cells, palette) else None


def sprite_of(row: Mapping[str, object], palette: Palette) -> UInt8[np.ndarray, "h w"] | None:
    """Return the sprite in a row's picture; None when there is no picture, or none as a build writes it."""
    image = row.get("image")
    return sprite_of_png(image["bytes"], palette) if isinstance(image, dict) and image["bytes"] else None


def bare_digest(row: Mapping[str, object], sprite: UInt8[np.ndarray, "h w"] | None) -> str:
    """Return a record's digest with nothing in the place of what its row lacks: it tells nothing of that.

    The whole record's digest would: what is short or small enough can be searched for until its digest fits.
    """
    return record_digest({"caption": "", **row}, _NOTHING if sprite is None else sprite)


def meaning_of(release: Release) -> str:
    """Return what a reader must know to read the rows of a release, as one string for its digest."""
    manifest = release.manifest
    meaning = meaning_of_ids(manifest.transform["version"], manifest.k, manifest.max_side, release.vocabulary)
    return f"{meaning}, without {' and '.join(manifest.without)}" if manifest.without else meaning


def bare_faults(release: Release) -> dict[str, tuple[str, ...]]:
    """Return, by gate, the records of a bare release whose columns, order, picture or digest are not as they must be.

    Reads each shard once, a few hundred records at a time.
    """
    found: dict[str, list[str]] = {"schema": [], "order": [], "digests": []}
    if "pictures" not in release.manifest.without:
        found["decode"] = []
    wanted = record_layouts(without=release.manifest.without)["records"].schema
    for split in SPLITS:
        last = ""
        for shard in release.shards("records", split):
            schema = pq.read_schema(release.folder / shard.file)
            if not schema.equals(wanted) or schema.metadata != wanted.metadata:
                found["schema"].append(f"records/{split}")
                continue
            for table in batches(release.folder / shard.file):
                for gate, who in _batch_faults(table, last, release):
                    found[gate].append(who)
                last = str(table.column("id")[-1].as_py())
    return {gate: tuple(named[:WORST]) for gate, named in found.items()}


def _batch_faults(table: pa.Table, last: str, release: Release) -> Iterator[tuple[str, str]]:
    """Yield which gate which record of a batch trips; `last` is the id before the first of them."""
    rows = table.to_pylist()
    for row in rows:
        image = row.get("image", {"bytes": b"", "path": ""})
        if None in row.values() or None in image.values():
            yield "schema", f"{row['id']} holds an empty value"
            return
    keys = [last, *(row["id"] for row in rows)]
    yield from (("order", after) for before, after in pairwise(keys) if before >= after)
    for row in rows:
        sprite = sprite_of(row, release.palette)
        if sprite is None and "image" in row:
            yield "decode", row["id"]
        elif bare_digest(row, sprite) != row["digest"]:
            yield "digests", row["id"]
