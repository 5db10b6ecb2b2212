"""The gate about moves: hardly a record of the last release stands in another split than it stood in.

A split follows from the smallest name among the families that pictures alike hold together. So a record moves only when
its own family is renamed, or when such a picture comes or goes: few at a time, and each of them a record that a model
trained on the last release may have seen, and may now be asked about.
"""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt8

from pipeline.gates.records import WORST
from pipeline.records import SPLITS
from pipeline.release import Gate, Release
from pipeline.shards import batches

MAX_MOVED = 0.01  # share of the last release's records


def moves(new: Release, old: Release) -> Gate:
    """Return the gate; memory holds the ids of both releases and nothing else of their records."""
    (ids, now), (before, was) = _places(new), _places(old)
    found = pc.index_in(ids, value_set=before)
    kept = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
    then = was[found.drop_null().to_numpy()]
    moved = np.flatnonzero(then != now[kept])
    ways = [f"{SPLITS[one]} → {SPLITS[other]}" for one, other in zip(then[moved], now[kept[moved]], strict=True)]
    value = f"holds for {len(kept):,} records"
    if ways:
        told = ", ".join(f"{count:,} {way}" for way, count in Counter(ways).most_common())
        value = f"{len(moved):,} of {len(before):,} moved ({len(moved) / len(before):.1%}): {told}"
    return Gate(
        name="moved",
        limit=f"at most {MAX_MOVED:.0%} of the records of {old.manifest.version} change their split",
        value=value,
        passed=len(moved) <= MAX_MOVED * len(before),
        worst=tuple(f"{ids[row].as_py()} {way}" for row, way in zip(kept[moved[:WORST]].tolist(), ways, strict=False)),
    )


def _places(release: Release) -> tuple[pa.StringArray, UInt8[np.ndarray, "n"]]:
    """Return the ids of a release and the place of each one's split in SPLITS."""
    ids = [pa.array([], type=pa.string())]
    places = [np.zeros(0, dtype=np.uint8)]
    for place, split in enumerate(SPLITS):
        for shard in release.shards("records", split):
            for table in batches(release.folder / shard.file, ["id"], rows=shard.rows or 1):
                ids.append(table.column("id").combine_chunks())
                places.append(np.full(table.num_rows, place, dtype=np.uint8))
    return pa.concat_arrays(ids), np.concatenate(places)
