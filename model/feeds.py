"""What a training reads, one interface for all: whole records with every place scored, or the paper's sequences.

A feed plans an epoch by a seed, says how many targets some members have without making them, and makes their batch on
the device. So several processes agree on a plan and on the number of all targets, and each makes its share alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8

from model.augment import mirrorable
from model.batches import IGNORED, LARGEST_WINDOW_CACHE, Batch, BatchReader, Member, read_windows
from model.config import ModelConfig, TrainConfig
from model.places import HeldRecords, Places, Tokens
from model.token_table import TokenTable
from pipeline.tokenizer import grids
from pipeline.windows import record_windows

VALIDATION_TOKENS = 16_384  # in a batch of validation, padding included


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where batches are wanted."""

    device: torch.device
    processes: int = 1  # that share a batch, which is as many times larger


@runtime_checkable
class Feed(Protocol):
    """Something to read in batches."""

    def plan(self, seed: Sequence[int]) -> list[list[Member]]:
        """Return who stands in each batch of an epoch, as the seed decides."""
        ...

    def tokens(self, members: Sequence[Member]) -> int:
        """Count the targets of some members."""
        ...

    def batch(self, members: Sequence[Member]) -> Tokens:
        """Return some members side by side, at least one, on the device."""
        ...

    def per_record(self, nats: float, tokens: int) -> float:
        """Return the mean nats of a record from the summed nats of so many targets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How whole records are read."""

    batch_tokens: int  # padding included
    text_first: float = 0.0  # share of records
    mirror: float = 0.0  # share of the records that may be mirrored


VALIDATING = Reading(batch_tokens=VALIDATION_TOKENS)


def tensors_of(batch: Batch) -> Tokens:
    """Return a batch as tensors that share its memory."""
    windows, targets = torch.from_numpy(batch.windows), torch.from_numpy(batch.targets)
    return Tokens(windows=windows, targets=targets, tokens=batch.tokens)


class RecordFeed:
    """Whole records, every place scored: windows made by numpy for a CPU, and on the device for any other."""

    def __init__(self, reader: BatchReader, reading: Reading, device: torch.device) -> None:
        """Read by a reader; on another device than the CPU its ids are held there."""
        self.reader, self.reading = reader, reading
        self._lengths = reader.table.lengths
        mirrors = reader.mirrorable is not None
        self._held = None
        if device.type != "cpu":
            self._held = HeldRecords(reader.table, reader.config, device, mirrors=mirrors)

    def plan(self, seed: Sequence[int]) -> list[list[Member]]:
        """Return who stands in each batch of an epoch."""
        reading = self.reading
        return self.reader.members(reading.batch_tokens, reading.text_first, seed, reading.mirror)

    def tokens(self, members: Sequence[Member]) -> int:
        """Count the tokens of some records."""
        return int(self._lengths[[member.record for member in members]].sum())

    def batch(self, members: Sequence[Member]) -> Tokens:
        """Return some records side by side."""
        return self._held.batch(members) if self._held else tensors_of(self.reader.batch(members))

    def per_record(self, nats: float, tokens: int) -> float:  # noqa: ARG002 - every token was scored
        """Return the mean nats of a record."""
        return nats / len(self.reader.table)


class _Sequences:
    """What both readings of the paper's protocol share: every sequence once, shuffled, its last place scored."""

    def __init__(self, recipe: TrainConfig, starts: Int64[np.ndarray, "S"], mean_length: float) -> None:
        self.recipe, self._starts, self._mean_length = recipe, starts, mean_length

    def plan(self, seed: Sequence[int]) -> list[list[Member]]:
        """Return every sequence once, shuffled, `batch_sequences` in a batch."""
        shuffled = np.random.default_rng(seed).permutation(self._starts).tolist()
        size = self.recipe.batch_sequences
        return [[Member(start) for start in shuffled[i : i + size]] for i in range(0, len(shuffled), size)]

    def tokens(self, members: Sequence[Member]) -> int:
        """Count the sequences: each has one target."""
        return len(members)

    def per_record(self, nats: float, tokens: int) -> float:
        """Return the mean nats of a record of mean length, if its other tokens cost what the scored ones do."""
        return nats / tokens * self._mean_length


class WrappedSequenceFeed(_Sequences):
    """The paper's protocol: sequences that begin at every stride of a record and go round it.

    Token i of a sequence is token (start + i) mod L of its record, its windows are those of the record, and what is
    asked is the token that comes next, mod L too: as excerpts are cut in `paper_metrics`. A member's `record` is its
    first place in the split.
    """

    def __init__(self, table: TokenTable, model: ModelConfig, recipe: TrainConfig, device: torch.device) -> None:
        """Hold a split: k² bytes a token for its windows, and its ids."""
        records = [table.record(i) for i in range(len(table))]
        starts = [np.arange(first, last, recipe.stride) for first, last in pairwise(table.offsets.tolist())]
        super().__init__(recipe, np.concatenate(starts), len(table.ids) / len(table))
        windows = np.concatenate([_read_round(record, model) for record in records])
        self._offsets = table.offsets
        self._windows, self._ids = (torch.from_numpy(held).to(device) for held in (windows, table.ids.copy()))

    def batch(self, members: Sequence[Member]) -> Tokens:
        """Return some sequences side by side."""
        starts = np.array([member.record for member in members])
        record = np.searchsorted(self._offsets, starts, side="right") - 1
        first, length = self._offsets[record][:, None], np.diff(self._offsets)[record][:, None]
        steps = np.arange(1, self.recipe.sequence + 1)  # the input of a place is the window of the token before it
        at = torch.from_numpy(first + (starts[:, None] - first + steps) % length).to(self._ids.device)
        targets = torch.full_like(at, IGNORED)
        targets[:, -1] = self._ids[at[:, -1]].to(torch.int64)
        return Tokens(windows=self._windows[at], targets=targets, tokens=len(members))


def _read_round(ids: UInt8[np.ndarray, "L"], config: ModelConfig) -> UInt8[np.ndarray, "L k k"]:
    """Return the inputs of a record that is read round: what was read before its first token is its last one."""
    inputs = read_windows(ids, config)
    if config.look == "current":
        inputs[0] = record_windows(grids(ids), config.k)[-1]
    else:
        inputs[0, config.k // 2, config.k // 2] = ids[-1]
    return inputs


class SequenceFeed(_Sequences):
    """Sequences of the concatenated split at a stride, only the last place of each scored.

    A sequence may begin inside a record and reach into the next ones: so our first runs with targets "last" were
    trained, which a recipe without `wrap` still means. A member's `record` is its first place.
    """

    def __init__(self, table: TokenTable, model: ModelConfig, recipe: TrainConfig, device: torch.device) -> None:
        """Hold a split; ValueError when it is shorter than one sequence."""
        if len(table.ids) < recipe.sequence:
            raise ValueError(
                f"the split holds {len(table.ids)} tokens, a sequence {recipe.sequence}: choose a shorter one."
            )
        starts = np.arange(0, len(table.ids) - recipe.sequence + 1, recipe.stride)
        super().__init__(recipe, starts, len(table.ids) / len(table))
        self.model, self.device = model, device
        self._places = Places.of_records([table.record(i) for i in range(len(table))], device)

    def batch(self, members: Sequence[Member]) -> Tokens:
        """Return some sequences side by side."""
        starts = np.array([member.record for member in members])
        at = torch.from_numpy(starts[:, None] + np.arange(self.recipe.sequence)).to(self.device)
        targets = torch.full(at.shape, IGNORED, dtype=torch.int64, device=self.device)
        targets[:, -1:] = self._places.targets(at[:, -1:])
        return Tokens(windows=self._places.inputs(at, self.model), targets=targets, tokens=len(members))


def training_feed(data: TokenTable, model: ModelConfig, recipe: TrainConfig, place: Place) -> Feed:
    """Return what a training reads; ValueError for a recipe that asks for what its targets cannot have."""
    if recipe.targets == "last":
        if recipe.text_first or recipe.mirror:
            raise ValueError(
                f"text_first is {recipe.text_first} and mirror {recipe.mirror}, but targets 'last' reads the split as "
                "it stands: set both to 0."
            )
        together = replace(recipe, batch_sequences=recipe.batch_sequences * place.processes)
        return _sequence_feed(data, model, together, place.device)
    if recipe.wrap:
        raise ValueError("wrap is true with targets 'all', which reads whole records: it is for targets 'last' alone.")
    turned = mirrorable(data) if recipe.mirror else None
    together_tokens = recipe.batch_tokens * place.processes
    reading = Reading(batch_tokens=together_tokens, text_first=recipe.text_first, mirror=recipe.mirror)
    return RecordFeed(_reader(data, model, place.device, turned), reading, place.device)


def validation_feed(data: TokenTable, model: ModelConfig, recipe: TrainConfig, place: Place) -> Feed:
    """Return what a training is judged by: the same targets, image first and never mirrored."""
    if recipe.targets == "last":
        return _sequence_feed(data, model, recipe, place.device)
    return RecordFeed(_reader(data, model, place.device, None), VALIDATING, place.device)


def _sequence_feed(data: TokenTable, model: ModelConfig, recipe: TrainConfig, device: torch.device) -> Feed:
    return (WrappedSequenceFeed if recipe.wrap else SequenceFeed)(data, model, recipe, device)


def _reader(
    data: TokenTable, model: ModelConfig, device: torch.device, turned: Bool[np.ndarray, "R"] | None
) -> BatchReader:
    return BatchReader(data, model, LARGEST_WINDOW_CACHE if device.type == "cpu" else 0, turned)
