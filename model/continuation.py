"""Greedy continuation of token prefixes by any LanguageModel: the most probable next id, again and again, no grammar.

Networks step: constant work per token. Bidirectional ones cannot step and read each growing excerpt anew. Count models
are asked for the next token alone. Axes: E prefixes, n tokens continued, L tokens of a prefix, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from model.generate import InputStream
from model.language_model import Kind, LanguageModel
from model.network import Network, NetworkModel
from model.paper_protocol import Reads
from palettes.vocabulary import LF, TAB

SEGMENTS = 3  # of a record: its third LF ends it
TOGETHER = 256  # prefixes that a network reads at once


@runtime_checkable
class NextTokenModel(Protocol):
    """A LanguageModel that answers for the next token alone, without the rows before it."""

    def next_log_probs(self, prefixes: Sequence[UInt8[np.ndarray, "_"]]) -> Float64[np.ndarray, "E V"]:
        """Return natural log p(next token) after each prefix of a record."""


@runtime_checkable
class ContinuingModel(Protocol):
    """What continues excerpts in its own way, whether it can say how probable a record is or not."""

    @property
    def name(self) -> str:
        """Name in tables."""

    def continue_greedily(
        self, contexts: Sequence[UInt8[np.ndarray, "_"]], length: int, given: int, reads: Reads
    ) -> UInt8[np.ndarray, "E n"]:
        """Return `length` ids after each context; of its last `given` windows when it reads the excerpt alone."""


class ExcerptNetwork:
    """A network that reads backwards, so that it is no LanguageModel: all it can do is continue excerpts."""

    kind: Kind = "network"

    def __init__(self, network: Network, name: str) -> None:
        """Wrap a network; one that reads forwards only gives the same as its NetworkModel on excerpts."""
        self.network, self.name, self.parameters = network, name, network.parameters_count

    def continue_greedily(
        self, contexts: Sequence[UInt8[np.ndarray, "_"]], length: int, given: int, reads: Reads
    ) -> UInt8[np.ndarray, "E n"]:
        """Return `length` ids after the last `given` windows of each; ValueError when records are to be read."""
        if reads == "record":
            raise ValueError(f"{self.name} cannot read whole records token by token: let it read excerpts.")
        return continue_network(self.network, contexts, length, given, reads)


def continue_greedily(
    model: LanguageModel | ContinuingModel,
    contexts: Sequence[UInt8[np.ndarray, "_"]],
    length: int,
    given: int,
    reads: Reads,
) -> UInt8[np.ndarray, "E n"]:
    """Return the `length` ids that follow each context, which begins where its record begins.

    A network reads the windows of the last `given` tokens from its initial state, or the whole context ("record"). A
    count model always knows the context: ids alone would not tell it in which segment and column it stands.
    ValueError when a context is shorter than `given`.
    """
    short = min(map(len, contexts), default=given)
    if short < given:
        raise ValueError(f"a context has {short} ids, fewer than the {given} to be read: give longer ones.")
    if isinstance(model, NetworkModel):
        return continue_network(model.network, contexts, length, given, reads)
    if isinstance(model, LanguageModel):
        return _by_counts(model, contexts, length)
    return model.continue_greedily(contexts, length, given, reads)


def continue_network(
    network: Network, contexts: Sequence[UInt8[np.ndarray, "_"]], length: int, given: int, reads: Reads
) -> UInt8[np.ndarray, "E n"]:
    """Return the same of a network, TOGETHER contexts of near length at once."""
    out = np.zeros((len(contexts), length), dtype=np.uint8)
    order = np.argsort([len(context) for context in contexts], kind="stable")
    with _at_rest(network):
        for start in range(0, len(order), TOGETHER):
            some = order[start : start + TOGETHER]
            chosen = [contexts[i] for i in some]
            out[some] = (
                _from_excerpts(network, chosen, length, given)
                if reads == "excerpt"
                else _from_records(network, chosen, length)
            )
    return out


def stepped_log_probs(network: Network, ids: UInt8[np.ndarray, "B L"]) -> Float64[np.ndarray, "B L V"]:
    """Return natural log p(next token | ids before it) by stepping, for any ids, well formed or not."""
    rows = []
    with _at_rest(network):
        stream, reader = InputStream(len(ids), network.config, "image_first"), _Stepping(network, len(ids))
        windows = stream.first()
        for column in ids.T:
            rows.append(torch.log_softmax(reader.read(windows).double(), dim=-1).cpu().numpy())
            windows = stream.push(column)
    return np.stack(rows, axis=1)


def since_record_end(ids: UInt8[np.ndarray, "L"]) -> UInt8[np.ndarray, "M"]:
    """Return the ids read of the record that is not complete yet: every third LF ends one.

    >>> since_record_end(np.array([9, 2, 60, 2, 40, 2, 6, 14], dtype=np.uint8)).tolist()
    [6, 14]
    """
    ends = np.flatnonzero(ids == LF)
    complete = len(ends) // SEGMENTS
    return ids[ends[complete * SEGMENTS - 1] + 1 :] if complete else ids


def aligned(rows: Sequence[UInt8[np.ndarray, "_"]]) -> UInt8[np.ndarray, "E L"]:
    """Return ids that end together, LF before their beginnings: to a stream of windows LF is a fresh start.

    >>> aligned([np.array([7, 8], dtype=np.uint8), np.array([9], dtype=np.uint8)]).tolist()
    [[7, 8], [2, 9]]
    """
    out = np.full((len(rows), max(map(len, rows), default=0)), LF, dtype=np.uint8)
    for place, row in zip(out, rows, strict=True):
        place[len(place) - len(row) :] = row
    return out


def visible_start(ids: UInt8[np.ndarray, "L"], k: int) -> int:
    """Return from where on the ids are needed for the windows of side k of all that follows: r rows up, in the segment.

    >>> visible_start(np.array([9, 2, 60, 1, 61, 1, 62, 1, 63], dtype=np.uint8), k=3)
    6
    """
    ends = np.flatnonzero(ids == LF)
    start = int(ends[-1]) + 1 if len(ends) else 0
    rows = np.flatnonzero(ids[start:] == TAB)
    return start + int(rows[-1 - k // 2]) + 1 if len(rows) > k // 2 else start


@contextmanager
def _at_rest(network: Network) -> Iterator[None]:
    """Without dropout and gradients; afterwards the network trains on as it did."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was_training)


def _by_counts(
    model: LanguageModel, contexts: Sequence[UInt8[np.ndarray, "_"]], length: int
) -> UInt8[np.ndarray, "E n"]:
    open_records = [since_record_end(context) for context in contexts]
    drawn = np.zeros((len(contexts), length), dtype=np.uint8)
    for place in range(length):
        drawn[:, place] = _next_rows(model, open_records).argmax(axis=1)
        open_records = [
            since_record_end(np.append(record, token))
            for record, token in zip(open_records, drawn[:, place], strict=True)
        ]
    return drawn


def _next_rows(model: LanguageModel, prefixes: Sequence[UInt8[np.ndarray, "_"]]) -> Float64[np.ndarray, "E V"]:
    if isinstance(model, NextTokenModel):
        return model.next_log_probs(prefixes)
    # the id at the place asked for changes nothing before it
    return np.stack([model.log_probs(np.append(prefix, np.uint8(LF)))[-1] for prefix in prefixes])


def _from_excerpts(
    network: Network, contexts: Sequence[UInt8[np.ndarray, "_"]], length: int, given: int
) -> UInt8[np.ndarray, "E n"]:
    """Read the windows of the last `given` tokens, which show what lay around them before, then continue."""
    stream = InputStream(len(contexts), network.config, "image_first")
    told = aligned([context[visible_start(context[:-given], network.config.k) :] for context in contexts])
    for column in told[:, :-given].T:
        stream.push(column)
    windows = [stream.push(column) for column in told[:, -given:].T]
    read = _Rereading(network) if network.config.bidirectional else _Stepping(network, len(contexts))
    for window in windows[:-1]:
        read.read(window)
    drawn = [read.next_ids(windows[-1])]
    while len(drawn) < length:
        drawn.append(read.next_ids(stream.push(drawn[-1])))
    return np.stack(drawn, axis=1)


class _Stepping:
    """A network that reads one token after the other."""

    def __init__(self, network: Network, batch: int) -> None:
        self.network, self.memory, self.folded = network, network.initial_state(batch), network.embedding.fold()

    def read(self, windows: UInt8[np.ndarray, "E k k"]) -> Tensor:
        logits, self.memory = self.network.step(_on(self.network, windows), self.memory, self.folded)
        return logits

    def next_ids(self, windows: UInt8[np.ndarray, "E k k"]) -> UInt8[np.ndarray, "E"]:
        return _best(self.read(windows))


class _Rereading:
    """A network that reads all it was given again for each new token."""

    def __init__(self, network: Network) -> None:
        self.network, self.folded = network, network.embedding.fold()
        self.seen: list[UInt8[np.ndarray, "E k k"]] = []

    def read(self, windows: UInt8[np.ndarray, "E k k"]) -> None:
        self.seen.append(windows)

    def next_ids(self, windows: UInt8[np.ndarray, "E k k"]) -> UInt8[np.ndarray, "E"]:
        self.seen.append(windows)
        return _best(self.network(_on(self.network, np.stack(self.seen, axis=1)), self.folded)[:, -1])


def _from_records(
    network: Network, contexts: Sequence[UInt8[np.ndarray, "_"]], length: int
) -> UInt8[np.ndarray, "E n"]:
    """Read whole contexts side by side, each continuing where it ends."""
    lengths = np.array([len(context) for context in contexts])
    stream = InputStream(len(contexts), network.config, "image_first")
    told = np.zeros((len(contexts), int(lengths.max()) + length), dtype=np.uint8)
    for row, context in zip(told, contexts, strict=True):
        row[: len(context)] = context
    reader, windows = _Stepping(network, len(contexts)), stream.first()
    for place in range(told.shape[1]):
        drawn = reader.next_ids(windows)
        told[:, place] = np.where(place < lengths, told[:, place], drawn)
        windows = stream.push(told[:, place])
    return np.take_along_axis(told, lengths[:, None] + np.arange(length), axis=1)


def _best(logits: Tensor) -> UInt8[np.ndarray, "E"]:
    return logits.argmax(dim=-1).cpu().numpy().astype(np.uint8)


def _on(network: Network, windows: UInt8[np.ndarray, "..."]) -> Tensor:
    return torch.from_numpy(windows).to(next(network.parameters()).device)
