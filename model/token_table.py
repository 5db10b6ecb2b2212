"""The tokens of one split, held once. N ids of a split, R records, L tokens of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

from pipeline.records import Split


@runtime_checkable
class TokenSource(Protocol):
    """What has token tables: a release."""

    def table(self, config: str, split: Split) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """Return the Arrow table of one config and split."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """Every record of one split: its ids, image first, one record after the other."""

    record_ids: tuple[str, ...]
    ids: UInt8[np.ndarray, "N"]
    offsets: Int64[np.ndarray, "R1"]  # where records start, and the end

    def __len__(self) -> int:
        """Count the records."""
        return len(self.record_ids)

    def record(self, i: int) -> UInt8[np.ndarray, "L"]:
        """Return the ids of the i-th record, without a copy."""
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> Int64[np.ndarray, "R"]:
        """Tokens of each record."""
        return np.diff(self.offsets)

    @classmethod
    def from_records(cls, records: Sequence[tuple[str, UInt8[np.ndarray, "_"]]]) -> "TokenTable":
        """Return the table of (id, ids) pairs."""
        lengths = np.array([0, *(len(ids) for _, ids in records)], dtype=np.int64)
        joined = np.concatenate([np.zeros(0, dtype=np.uint8), *(ids for _, ids in records)])
        return cls(record_ids=tuple(name for name, _ in records), ids=joined, offsets=np.cumsum(lengths))


def load_tokens(release: TokenSource, split: Split) -> TokenTable:
    """Return the token table of one split of a release, in the order of its rows."""
    table = release.table("tokens", split)
    column = table.column("tokens").combine_chunks()
    offsets = np.asarray(column.offsets, dtype=np.int64)
    ids = np.asarray(column.values, dtype=np.uint8)[offsets[0] : offsets[-1]]
    return TokenTable(record_ids=tuple(table.column("id").to_pylist()), ids=ids, offsets=offsets - offsets[0])
