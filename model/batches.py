"""Records of a split as padded batches: ids are held once, windows are made once or on the fly.

B batch, L tokens, k side of a window, N ids of a split, R records. What a network reads at place t, its input, is
known before token t; the target of place t is token t itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from model.augment import mirrored
from model.config import ModelConfig
from model.token_table import TokenSource, TokenTable, load_tokens
from palettes.vocabulary import FIRST_COLOUR, LF
from pipeline.tokenizer import ORDERS, Order, grids, reorder
from pipeline.windows import record_windows, windows_ahead

__all__ = [
    "IGNORED",
    "LARGEST_WINDOW_CACHE",
    "Batch",
    "BatchReader",
    "Member",
    "TokenSource",
    "TokenTable",
    "ids_of",
    "load_tokens",
    "order_of",
    "pad",
    "read_windows",
    "start_id",
]

LARGEST_WINDOW_CACHE = 256 * 2**20  # bytes of windows held per split; beyond it they are made batch by batch
MIRROR_DICE = 0x4D  # tells the dice that mirror from those that order
IGNORED = -100  # target of a padded place: torch's cross entropy leaves it out


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


class Member(NamedTuple):
    """A record as one batch reads it."""

    record: int  # its number in the table
    order: Order = "image_first"
    mirrored: bool = False


def ids_of(table: TokenTable, member: Member) -> UInt8[np.ndarray, "L"]:
    """Return the ids of a record as a batch reads it."""
    ids = reorder(table.record(member.record), member.order)
    return mirrored(ids) if member.mirrored else ids


class BatchReader:
    """Length-bucketed batches of whole records, the same for the same seed and epoch.

    Windows of both orders are held when they fit LARGEST_WINDOW_CACHE (2·N·k² bytes: N = 5 M ids for k = 5; twice as
    many with mirrored ones); otherwise each batch makes its own.
    """

    def __init__(
        self,
        table: TokenTable,
        config: ModelConfig,
        cache: int = LARGEST_WINDOW_CACHE,
        mirrorable: Bool[np.ndarray, "R"] | None = None,
    ) -> None:
        """Read a table; `cache` bounds the bytes of windows that are held, `mirrorable` says what may be mirrored."""
        if not len(table):
            raise ValueError("the split holds no record: build a release with more records.")
        self.table, self.config, self.mirrorable = table, config, mirrorable
        self._held: dict[tuple[Order, bool], UInt8[np.ndarray, "N k k"]] = {}
        variants = [(order, turned) for turned in (False, True)[: 1 + (mirrorable is not None)] for order in ORDERS]
        if len(variants) * len(table.ids) * config.k**2 <= cache:
            for order, turned in variants:
                made = [self._made(Member(i, order, turned)) for i in range(len(table))]
                self._held[order, turned] = np.concatenate(made)

    def epoch(self, batch_tokens: int, text_first: float, seed: Sequence[int]) -> Iterator[Batch]:
        """Yield every record once, in an order and with coins that the seed decides, none mirrored."""
        for members in self.members(batch_tokens, text_first, seed):
            yield self.batch(members)

    def members(
        self, batch_tokens: int, text_first: float, seed: Sequence[int], mirror: float = 0.0
    ) -> list[list[Member]]:
        """Return who stands in each batch of an epoch: every record once, in an order and with coins of the seed.

        Records of near length share a batch of at most `batch_tokens` places (at least one record); batches are
        shuffled. `text_first` is the share of records whose caption comes first, `mirror` that of the mirrorable
        ones which are mirrored.
        """
        rng = np.random.default_rng(seed)
        coins = rng.random(len(self.table)) < text_first
        turned = np.zeros(len(self.table), dtype=np.bool_)
        if mirror and self.mirrorable is not None:  # by dice of its own, so that the rest stays as it is without
            turned = self.mirrorable & (np.random.default_rng((*seed, MIRROR_DICE)).random(len(turned)) < mirror)
        batches = self.plan(batch_tokens, rng)
        return [[Member(i, ORDERS[int(coins[i])], bool(turned[i])) for i in batch] for batch in batches]

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

    def batch(self, members: Sequence[Member]) -> Batch:
        """Return some records, each in its order."""
        windows = [self._windows(member) for member in members]
        targets = np.full((len(members), max(len(rows) for rows in windows)), IGNORED, dtype=np.int64)
        for place, member in zip(targets, members, strict=True):
            ids = ids_of(self.table, member)
            place[: len(ids)] = ids
        return Batch(windows=pad(windows), targets=targets, tokens=sum(len(rows) for rows in windows))

    def crops(
        self, starts: Int64[np.ndarray, "B"], length: int, order: Order = "image_first"
    ) -> UInt8[np.ndarray, "B length k k"]:
        """Return `length` inputs from each start on, counted in ids of the whole split: the paper's sequences.

        ValueError when the windows of the split are not held.
        """
        if (order, False) not in self._held:
            raise ValueError(
                f"windows of {len(self.table.ids)} ids are more than the cache holds: give a larger cache."
            )
        k = self.config.k
        rows = sliding_window_view(self._held[order, False].reshape(-1), length * k * k)
        picked: UInt8[np.ndarray, "B M"] = rows[starts * (k * k)]
        return picked.reshape(len(starts), length, k, k)

    def _windows(self, member: Member) -> UInt8[np.ndarray, "_ k k"]:
        held = self._held.get((member.order, member.mirrored))
        if held is None:
            return self._made(member)
        return held[self.table.offsets[member.record] : self.table.offsets[member.record + 1]]

    def _made(self, member: Member) -> UInt8[np.ndarray, "_ k k"]:
        return read_windows(ids_of(self.table, member), self.config)
