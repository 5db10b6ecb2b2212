"""What a training reads, one interface for all: whole records with every place scored, or the paper's sequences.

A feed plans an epoch by a seed, says how many targets some members have without making them, and makes their batch on
the device. So several processes agree on a plan and on the number of all targets, and each makes its share alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool

from model.augment import mirrorable
from model.batches import IGNORED, LARGEST_WINDOW_CACHE, Batch, BatchReader, Member
from model.config import ModelConfig, TrainConfig
from model.places import HeldRecords, Places, Tokens
from model.token_table import TokenTable

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


class SequenceFeed:
    """The paper's protocol: sequences of the concatenated split at a stride, only the last place of each scored.

    A sequence may begin inside a record and reach into the next ones, as there. A member's `record` is its first place.
    """

    def __init__(self, table: TokenTable, model: ModelConfig, recipe: TrainConfig, device: torch.device) -> None:
        """Hold a split; ValueError when it is shorter than one sequence."""
        if len(table.ids) < recipe.sequence:
            raise ValueError(
                f"the split holds {len(table.ids)} tokens, a sequence {recipe.sequence}: choose a shorter one."
            )
        self.model, self.recipe, self.device = model, recipe, device
        self._places = Places.of_records([table.record(i) for i in range(len(table))], device)
        self._mean_length = len(table.ids) / len(table)
        self._starts = np.arange(0, len(table.ids) - recipe.sequence + 1, recipe.stride)

    def plan(self, seed: Sequence[int]) -> list[list[Member]]:
        """Return every sequence once, shuffled, `batch_sequences` in a batch."""
        shuffled = np.random.default_rng(seed).permutation(self._starts).tolist()
        size = self.recipe.batch_sequences
        return [[Member(start) for start in shuffled[i : i + size]] for i in range(0, len(shuffled), size)]

    def tokens(self, members: Sequence[Member]) -> int:
        """Count the sequences: each has one target."""
        return len(members)

    def batch(self, members: Sequence[Member]) -> Tokens:
        """Return some sequences side by side."""
        starts = np.array([member.record for member in members])
        at = torch.from_numpy(starts[:, None] + np.arange(self.recipe.sequence)).to(self.device)
        targets = torch.full(at.shape, IGNORED, dtype=torch.int64, device=self.device)
        targets[:, -1:] = self._places.targets(at[:, -1:])
        return Tokens(windows=self._places.inputs(at, self.model), targets=targets, tokens=len(members))

    def per_record(self, nats: float, tokens: int) -> float:
        """Return the mean nats of a record of mean length, if its other tokens cost what the scored ones do."""
        return nats / tokens * self._mean_length


def training_feed(data: TokenTable, model: ModelConfig, recipe: TrainConfig, place: Place) -> Feed:
    """Return what a training reads; ValueError for a recipe that asks for what its targets cannot have."""
    if recipe.targets == "last":
        if recipe.text_first or recipe.mirror:
            raise ValueError(
                f"text_first is {recipe.text_first} and mirror {recipe.mirror}, but targets 'last' reads the split as "
                "it stands: set both to 0."
            )
        together = replace(recipe, batch_sequences=recipe.batch_sequences * place.processes)
        return SequenceFeed(data, model, together, place.device)
    turned = mirrorable(data) if recipe.mirror else None
    together_tokens = recipe.batch_tokens * place.processes
    reading = Reading(batch_tokens=together_tokens, text_first=recipe.text_first, mirror=recipe.mirror)
    return RecordFeed(_reader(data, model, place.device, turned), reading, place.device)


def validation_feed(data: TokenTable, model: ModelConfig, recipe: TrainConfig, place: Place) -> Feed:
    """Return what a training is judged by: the same targets, image first and never mirrored."""
    if recipe.targets == "last":
        return SequenceFeed(data, model, recipe, place.device)
    return RecordFeed(_reader(data, model, place.device, None), VALIDATING, place.device)


def _reader(
    data: TokenTable, model: ModelConfig, device: torch.device, turned: Bool[np.ndarray, "R"] | None
) -> BatchReader:
    return BatchReader(data, model, LARGEST_WINDOW_CACHE if device.type == "cpu" else 0, turned)
