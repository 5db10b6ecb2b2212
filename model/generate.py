"""Sampling: whole records token by token, in batches, at constant work per token, always well formed.

B records, L tokens, V vocabulary, k side of a window. A prompt is the beginning of a record: nothing, a caption
(caption first), a picture (image first), or part of one. The windows of new tokens come from the pipeline's stream, the
same definition as in training. What all prompts tell is read at once, the same beginnings once; records that have ended
leave the batch when half of it has.

Sample n of a seed is the same whatever is drawn beside it, up to rounding: sums over a larger batch may differ in their
last bit, and about one float32 record in a thousand then turns another way. In float64 it does not happen.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, UInt8

from model.batches import pad, start_id
from model.config import ModelConfig
from model.grammar import Grammar
from model.lean import FEW, lean_network
from model.network import Network, State
from model.picking import Chances, SampleConfig, log_odds, pick, shares
from model.prompts import caption_prompt, completion_prompt, picture_prompt
from palettes.vocabulary import LF, NUL, Vocabulary
from pipeline.recipe import LARGEST_SIDE
from pipeline.tokenizer import Order, decode_record
from pipeline.windows import WindowStream

__all__ = [
    "Drawn", "InputStream", "Sample", "SampleConfig", "caption_prompt", "completion_prompt", "draw_records",
    "draw_samples", "generate", "picture_prompt",
]  # fmt: skip

LONGEST_GIVEN = 1 << 30  # bytes of a caption that a prompt may tell
SEGMENTS = 3  # of a record, each closed by LF
NEVER = -float(np.finfo(np.float64).max) / 2**32  # log p of what has no chance: a record of it still adds up
Prompt = UInt8[np.ndarray, "_"]
OnProgress = Callable[[int, int], None]  # records that are done, and all


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The ids of one record, a prompt and what was drawn after it."""

    ids: UInt8[np.ndarray, "L"]
    bits: float  # −log2 p of what was drawn, by the network's own odds among what was allowed
    number: int  # of the sample: with the seed it names its chances


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A record drawn from a network."""

    sprite: UInt8[np.ndarray, "h w"]  # palette indices
    caption: str
    ids: UInt8[np.ndarray, "L"]
    order: Order
    bits: float  # −log2 p of what was drawn, the prompt left out; 0 where nothing was left to choose
    number: int


class InputStream:
    """The inputs of B records, token by token: the same as `read_windows` gives of the whole records."""

    def __init__(self, batch: int, config: ModelConfig, order: Order) -> None:
        """Start B empty records of one order."""
        self._stream, self._ahead, self._r = WindowStream(batch, config.k), config.look == "ahead", config.k // 2
        self._first = np.zeros((batch, config.k, config.k), dtype=np.uint8)
        self._first[:, self._r, self._r] = start_id(order)

    def first(self) -> UInt8[np.ndarray, "B k k"]:
        """Return the inputs before anything was read."""
        return self._first

    def push(self, ids: UInt8[np.ndarray, "B"]) -> UInt8[np.ndarray, "B k k"]:
        """Read one token of each record and return the inputs of the next."""
        if not self._ahead:
            return self._stream.push(ids)
        self._stream.read(ids)
        window = self._stream.ahead()
        window[:, self._r, self._r] = ids
        return window


class _Rows:
    """What B records may go on with, and which have ended: by the grammar, or by nothing but their length."""

    def __init__(self, grammar: Grammar, longest: Int64[np.ndarray, "B"], *, constrained: bool) -> None:
        batch = len(longest)
        self.ended: Bool[np.ndarray, "B"] = np.zeros(batch, dtype=np.bool_)
        self._grammar, self._at = grammar, grammar.start(batch) if constrained else None
        self._everything = np.ones((batch, len(grammar.vocabulary)), dtype=np.bool_)
        self._left, self._closed = longest, np.zeros(batch, dtype=np.int64)

    def mask(self) -> Bool[np.ndarray, "B V"]:
        return self._everything if self._at is None else self._grammar.mask(self._at)

    def push(self, ids: UInt8[np.ndarray, "B"]) -> None:
        if self._at is not None:
            self._at = self._grammar.follow(self._at, ids)
            self.ended = self._at.ended
            return
        self._left, self._closed = self._left - 1, self._closed + (ids == LF)
        self.ended = self.ended | (ids == NUL) | (self._closed >= SEGMENTS) | (self._left <= 0)


def generate(
    network: Network,
    vocabulary: Vocabulary,
    prompts: Sequence[Prompt],
    order: Order = "image_first",
    config: SampleConfig | None = None,
) -> list[Prompt]:
    """Return one whole record for each prompt, which it begins with; the same for the same seed and prompts.

    Unconstrained, what comes is perhaps no record: it ends by its third LF, by the first NUL, or at the length of the
    longest record, and `Grammar.why_not` judges it. ValueError when a prompt is not the beginning of a record of this
    order.
    """
    return [one.ids for one in draw_records(network, vocabulary, prompts, order, config)]


def draw_records(
    network: Network,
    vocabulary: Vocabulary,
    prompts: Sequence[Prompt],
    order: Order = "image_first",
    config: SampleConfig | None = None,
    on_progress: OnProgress = lambda _done, _all: None,
) -> list[Drawn]:
    """Return what `generate` does, each record with its bits and its number."""
    how = config or SampleConfig()
    if len(vocabulary) != network.vocabulary_size:
        raise ValueError(
            f"the network knows {network.vocabulary_size} ids, the vocabulary {len(vocabulary)}: use its own."
        )
    given = Grammar(vocabulary, order, LARGEST_SIDE, LONGEST_GIVEN)  # a prompt may tell more than is ever drawn
    for prompt in {prompt.tobytes(): prompt for prompt in prompts}.values():
        given.read(prompt)
    grammar = Grammar(vocabulary, order, how.max_side, how.max_caption)
    parts = [range(start, min(start + how.batch, len(prompts))) for start in range(0, len(prompts), how.batch)]
    drawn: list[Drawn] = []
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            for part in parts:
                one = _Drawing(network, grammar, [prompts[i] for i in part], how, how.first + part.start)
                for ended in one.run():
                    on_progress(part.start + ended, len(prompts))
                drawn += one.records()
    finally:
        network.train(was_training)
    return drawn


class _Drawing:
    """B records side by side, from the end of the shortest prompt to the end of the longest record."""

    def __init__(
        self, network: Network, grammar: Grammar, prompts: Sequence[Prompt], how: SampleConfig, first: int
    ) -> None:
        self.network, self.how, self.first = network, how, first
        self.lengths = np.array([len(prompt) for prompt in prompts])  # of the prompts
        self.told = pad(prompts)
        start = int(self.lengths.min())
        self.inputs = InputStream(len(prompts), network.config, grammar.order)
        self.rows = _Rows(grammar, np.maximum(self.lengths, grammar.longest), constrained=how.constrained)
        self.nats = np.zeros(len(prompts))
        self.sizes = np.full(len(prompts), start)
        self.ids = list(self.told[:, :start].T)
        for column in self.ids:
            self.rows.push(column)

    def run(self) -> Iterator[int]:
        """Draw token by token; yield how many records have ended whenever more have."""
        start, batch = len(self.ids), len(self.told)
        chances = Chances(self.how.seed, range(self.first, self.first + batch), start)
        answers = _Answers(self.network, self.inputs, self.told[:, :start])
        ended, everyone = 0, np.arange(batch)
        while ended < batch:
            log_p = log_odds(answers.logits, self.rows.mask())
            ids, settled = self._with_prompts(pick(shares(log_p, self.how), chances.following()))
            log_p[settled] = 0.0
            self.nats -= np.maximum(log_p[everyone, ids], NEVER)
            self.sizes += ~self.rows.ended
            self.ids.append(ids)
            self.rows.push(ids)
            if (now := int(np.count_nonzero(self.rows.ended))) > ended:
                ended = now
                answers.drop(self.rows.ended)
                yield ended
            if ended < batch:
                answers.push(ids)

    def records(self) -> list[Drawn]:
        """Return what was drawn."""
        ids = np.stack(self.ids, axis=1)
        return [
            Drawn(ids=row[:size].copy(), bits=float(nats) / math.log(2), number=self.first + i)
            for i, (row, size, nats) in enumerate(zip(ids, self.sizes, self.nats, strict=True))
        ]

    def _with_prompts(self, ids: UInt8[np.ndarray, "B"]) -> tuple[UInt8[np.ndarray, "B"], Bool[np.ndarray, "B"]]:
        """Return the ids with NUL after each end and the prompts' own where they go on, and which of them were set."""
        place, settled = len(self.ids), self.rows.ended
        ids[settled] = NUL
        if place < self.told.shape[1]:
            given = place < self.lengths
            return np.where(given, self.told[:, place], ids), settled | given
        return ids, settled


class _Answers:
    """The logits of B records' next tokens; the network goes on with those that have not ended."""

    def __init__(self, network: Network, inputs: InputStream, told: UInt8[np.ndarray, "B L"]) -> None:
        """Read what all prompts tell, each different one once."""
        self.network, self.inputs, self.folded = network, inputs, network.embedding.fold()
        self.device = next(network.parameters()).device
        windows = [inputs.first(), *(inputs.push(ids) for ids in told.T)]
        _, whom, back = np.unique(told, axis=0, return_index=True, return_inverse=True)
        together = torch.from_numpy(np.stack([window[whom] for window in windows], axis=1)).to(self.device)
        self.running = np.arange(len(told))  # whose state is held
        self.state: State = None
        self.lean = lean_network(network, together) if len(told) <= FEW else None
        if self.lean is None:
            logits, state = network.prefill(together, network.initial_state(len(whom)), self.folded)
            self.state = network.select(state, torch.from_numpy(back.ravel()).to(self.device))
            last = logits[:, -1]
        else:
            last = self.lean.logits
            self.lean.select(back.ravel())
        self.logits = last.double().cpu().numpy()[back.ravel()]

    def drop(self, ended: Bool[np.ndarray, "B"]) -> None:
        """Go on without records that have ended, once half of those that are read have."""
        on = np.flatnonzero(~ended[self.running])
        if len(on) and 2 * len(on) <= len(self.running):
            self.running = self.running[on]
            if self.lean is None:
                self.state = self.network.select(self.state, torch.from_numpy(on).to(self.device))
            else:
                self.lean.select(on)

    def push(self, ids: UInt8[np.ndarray, "B"]) -> None:
        """Read one more token of each record."""
        windows = self.inputs.push(ids)
        everyone = len(self.running) == len(windows)
        answers = self._read(windows if everyone else windows[self.running])
        if everyone:
            self.logits = answers
        else:
            self.logits[self.running] = answers

    def _read(self, windows: UInt8[np.ndarray, "R k k"]) -> Float64[np.ndarray, "R V"]:
        if self.lean is not None:
            return self.lean.read(windows).astype(np.float64)
        logits, self.state = self.network.step(torch.from_numpy(windows).to(self.device), self.state, self.folded)
        answers: Float64[np.ndarray, "R V"] = logits.to("cpu", torch.float64).numpy()
        return answers


def draw_samples(
    network: Network,
    vocabulary: Vocabulary,
    prompts: Sequence[Prompt],
    order: Order = "image_first",
    config: SampleConfig | None = None,
    on_progress: OnProgress = lambda _done, _all: None,
) -> list[Sample]:
    """Return `draw_records` as pictures and texts; ValueError when nothing makes sure that they are some."""
    if config is not None and not config.constrained:
        raise ValueError("without the grammar what is drawn may be no picture: use `draw_records`, which gives ids.")
    samples = []
    for one in draw_records(network, vocabulary, prompts, order, config, on_progress):
        sprite, caption = decode_record(one.ids, vocabulary)
        samples.append(
            Sample(sprite=sprite, caption=caption, ids=one.ids, order=order, bits=one.bits, number=one.number)
        )
    return samples
