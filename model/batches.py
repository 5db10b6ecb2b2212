"""Records of a split as padded batches: ids are held once, windows are made once or on the fly.

B batch, L tokens, k side of a window, N ids of a split, R records. What a network reads at place t, its input, is
known before token t; the target of place t is token t itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from model.config import ModelConfig
from palettes.vocabulary import FIRST_COLOUR, LF
from pipeline.records import Split
from pipeline.tokenizer import ORDERS, Order, grids, reorder
from pipeline.windows import record_windows, windows_ahead

LARGEST_WINDOW_CACHE = 256 * 2**20  # bytes of windows held per split; beyond it they are made batch by batch
IGNORED = -100  # target of a padded place: torch's cross entropy leaves it out


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


def start_id(order: Order) -> int:
    """Return the id in the centre of the first input: 0 before an image-first record, LF before a text-first one."""
    return 0 if order == "image_first" else LF


def order_of(ids: UInt8[np.ndarray, "L"]) -> Order:
    """Return the order of a whole record: an image-first one has its first colour in the second segment."""
    first = int(np.argmax(ids >= FIRST_COLOUR))
    return "image_first" if int((ids[:first] == LF).sum()) == 1 else "text_first"


def read_windows(ids: UInt8[np.ndarray, "L"], config: ModelConfig) -> UInt8[np.ndarray, "L k k"]:
    """Return the inputs of a whole record; ValueError when it is not well formed.

    Looking "current", input t is the window of token t − 1. Looking "ahead" it is the window around the place of
    token t, whose hidden centre holds token t − 1 instead: what was read last is known even at a row's beginning.
    """
    r = config.k // 2
    windows = record_windows(grids(ids), config.k)
    first = np.zeros((1, config.k, config.k), dtype=np.uint8)
    first[0, r, r] = start_id(order_of(ids))
    if config.look == "current":
        return np.concatenate([first, windows[:-1]])
    ahead = windows_ahead(windows)
    ahead[1:, r, r] = ids[:-1]
    ahead[0, r, r] = first[0, r, r]
    return ahead


def pad(rows: Sequence[UInt8[np.ndarray, "..."]]) -> UInt8[np.ndarray, "..."]:
    """Return arrays of different lengths as one, zeros after their ends."""
    out = np.zeros((len(rows), max(len(row) for row in rows), *rows[0].shape[1:]), dtype=np.uint8)
    for place, row in zip(out, rows, strict=True):
        place[: len(row)] = row
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some records side by side."""

    windows: UInt8[np.ndarray, "B L k k"]
    targets: Int64[np.ndarray, "B L"]  # IGNORED after a record's end
    tokens: int  # places with a target


class BatchReader:
    """Length-bucketed batches of whole records, the same for the same seed and epoch.

    Windows of both orders are held when they fit LARGEST_WINDOW_CACHE (2·N·k² bytes: N = 5 M ids for k = 5);
    otherwise each batch makes its own.
    """

    def __init__(self, table: TokenTable, config: ModelConfig, cache: int = LARGEST_WINDOW_CACHE) -> None:
        """Read a table; `cache` bounds the bytes of windows that are held."""
        if not len(table):
            raise ValueError("the split holds no record: build a release with more records.")
        self.table, self.config = table, config
        self._held: dict[Order, UInt8[np.ndarray, "N k k"]] = {}
        if len(ORDERS) * len(table.ids) * config.k**2 <= cache:
            for order in ORDERS:
                self._held[order] = np.concatenate([self._made(i, order) for i in range(len(table))])

    def epoch(self, batch_tokens: int, text_first: float, seed: Sequence[int]) -> Iterator[Batch]:
        """Yield every record once, in an order and with coins that the seed decides.

        Records of near length share a batch of at most `batch_tokens` places (at least one record); batches are
        shuffled. `text_first` is the share of records whose caption comes first.
        """
        rng = np.random.default_rng(seed)
        coins = rng.random(len(self.table)) < text_first
        batches = self.plan(batch_tokens, rng)
        for members in batches:
            yield self.batch([(i, ORDERS[int(coins[i])]) for i in members])

    def plan(self, batch_tokens: int, rng: np.random.Generator) -> list[list[int]]:
        """Return which records stand together: neighbours by length, slightly shaken, batches shuffled."""
        lengths = self.table.lengths
        shaken = lengths * rng.uniform(0.95, 1.05, len(lengths))
        batches: list[list[int]] = [[]]
        longest = 0
        for i in np.argsort(shaken, kind="stable").tolist():
            longest = max(longest, int(lengths[i]))
            if batches[-1] and longest * (len(batches[-1]) + 1) > batch_tokens:
                batches.append([])
                longest = int(lengths[i])
            batches[-1].append(i)
        return [batches[j] for j in rng.permutation(len(batches))]

    def steps(self, batch_tokens: int, seed: Sequence[int]) -> int:
        """Count the batches of one epoch."""
        rng = np.random.default_rng(seed)
        rng.random(len(self.table))  # the coins, drawn first in `epoch`
        return len(self.plan(batch_tokens, rng))

    def batch(self, members: Sequence[tuple[int, Order]]) -> Batch:
        """Return some records, each in its order."""
        windows = [self._windows(i, order) for i, order in members]
        targets = np.full((len(members), max(len(rows) for rows in windows)), IGNORED, dtype=np.int64)
        for place, (i, order) in zip(targets, members, strict=True):
            ids = reorder(self.table.record(i), order)
            place[: len(ids)] = ids
        return Batch(windows=pad(windows), targets=targets, tokens=sum(len(rows) for rows in windows))

    def crops(
        self, starts: Int64[np.ndarray, "B"], length: int, order: Order = "image_first"
    ) -> UInt8[np.ndarray, "B length k k"]:
        """Return `length` inputs from each start on, counted in ids of the whole split: the paper's sequences.

        ValueError when the windows of the split are not held.
        """
        if order not in self._held:
            raise ValueError(
                f"windows of {len(self.table.ids)} ids are more than the cache holds: give a larger cache."
            )
        k = self.config.k
        rows = sliding_window_view(self._held[order].reshape(-1), length * k * k)
        picked: UInt8[np.ndarray, "B M"] = rows[starts * (k * k)]
        return picked.reshape(len(starts), length, k, k)

    def _windows(self, i: int, order: Order) -> UInt8[np.ndarray, "_ k k"]:
        if order not in self._held:
            return self._made(i, order)
        return self._held[order][self.table.offsets[i] : self.table.offsets[i + 1]]

    def _made(self, i: int, order: Order) -> UInt8[np.ndarray, "_ k k"]:
        return read_windows(reorder(self.table.record(i), order), self.config)
