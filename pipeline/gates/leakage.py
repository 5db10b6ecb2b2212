"""The gate about leakage: no picture has a near twin in another split, mirrored and recoloured ones included."""

from array import array
from collections.abc import Sequence
from tempfile import TemporaryFile
from types import TracebackType

import numpy as np
import pyarrow as pa
from jaxtyping import UInt8

from pipeline.likeness import FINGERPRINT, LARGEST, fingerprints
from pipeline.looking import one_by_one
from pipeline.records import SPLITS
from pipeline.release import Gate
from pipeline.twins import leaks

NAMED = 20  # pairs named by the gate
Sprite = UInt8[np.ndarray, "_ _"]  # of any size: its palette indices
_BUFFER = 1 << 20  # bytes of sprites before they go to disk


class Sketches:
    """What is kept of each picture to find its twins: 82 bytes in memory, and its pixels in a scratch file."""

    def __init__(self) -> None:
        """Open the scratch file; it has no name, and is gone when this is closed."""
        self.records = array("q")  # whose sketch it is, as a place in the order of `add`
        self._prints: list[UInt8[np.ndarray, "n 64"]] = []
        self._sides = bytearray()
        self._starts = array("q")
        self._end = self._count = 0
        self._file = TemporaryFile(buffering=_BUFFER)  # noqa: SIM115 - closed by __exit__

    def add(self, sprites: Sequence[Sprite | None]) -> None:
        """Keep the next records' pictures; None where a record cannot be read."""
        drawn: list[Sprite] = []
        for sprite in sprites:
            if sprite is not None and sprite.size and max(sprite.shape) <= LARGEST:
                drawn.append(sprite)
                self.records.append(self._count)
                self._starts.append(self._end)
                self._sides += bytes(sprite.shape)
                self._end += self._file.write(sprite.tobytes())
            self._count += 1
        self._prints.append(fingerprints(drawn))

    @property
    def prints(self) -> UInt8[np.ndarray, "n 64"]:
        """Return the fingerprints of the pictures that were kept, in order."""
        return np.concatenate([np.zeros((0, FINGERPRINT), dtype=np.uint8), *self._prints])

    def sprite(self, row: int) -> Sprite:
        """Return one of the pictures that were kept."""
        h, w = self._sides[2 * row : 2 * row + 2]
        self._file.seek(self._starts[row])
        return np.frombuffer(self._file.read(h * w), dtype=np.uint8).reshape(h, w)

    def __enter__(self) -> "Sketches":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the scratch file."""
        self._file.close()


def leakage(sketches: Sketches, seen: pa.Table) -> Gate:
    """Return the gate; `seen` names the records that were sketched, in order, by `id` and `split` (its place)."""
    records = np.frombuffer(sketches.records, dtype=np.int64)
    places = seen.column("split").to_numpy()[records]
    pairs = records[leaks([SPLITS[place] for place in places], sketches.prints, one_by_one(sketches.sprite))]
    ids, splits = seen.column("id"), seen.column("split")

    def told(record: int) -> str:
        return f"{ids[record].as_py()} ({SPLITS[splits[record].as_py()]})"

    count = len(pairs)
    return Gate(
        name="leakage",
        limit="no picture has a near twin in another split, mirrored or recoloured",
        value=f"{count:,} twins across splits" if count else f"holds for {len(records):,} pictures",
        passed=not count,
        worst=tuple(f"{told(one)} and {told(other)}" for one, other in pairs[:NAMED].tolist()),
    )
