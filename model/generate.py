"""Sampling: whole records token by token, in batches, at constant work per token, always well formed.

B records, V vocabulary, k side of a window. A prompt is the beginning of a record: nothing, a caption (caption first),
a picture (image first), or part of one. The windows of new tokens come from the pipeline's stream, the same
definition as in training.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from model.batches import start_id
from model.config import ModelConfig
from model.grammar import Grammar
from model.network import Network
from palettes.vocabulary import NUL, Vocabulary
from pipeline.tokenizer import Order, decode_record, encode, shape_text
from pipeline.windows import WindowStream


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """How to draw."""

    temperature: float = 1.0  # 0 takes the most probable token
    top_k: int | None = None  # keep this many of the most probable
    top_p: float = 1.0  # keep the most probable that hold this share together
    seed: int = 0
    max_side: int = 25
    max_caption: int = 400  # bytes; a real caption is rarely longer than its picture

    def __post_init__(self) -> None:
        """Refuse what draws nothing, with the value and a way out."""
        if not math.isfinite(self.temperature) or self.temperature < 0:
            raise ValueError(
                f"temperature is {self.temperature}: give 0 (no chance) or a finite number above; 1 is the model's own."
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}: at least one token must be kept.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}: it is a share greater than 0, up to 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A record drawn from a network."""

    sprite: UInt8[np.ndarray, "h w"]  # palette indices
    caption: str
    ids: UInt8[np.ndarray, "L"]
    order: Order


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
        window = self._stream.push(ids)
        if self._ahead:
            window = self._stream.ahead()
            window[:, self._r, self._r] = ids
        return window


def generate(
    network: Network,
    vocabulary: Vocabulary,
    prompts: Sequence[UInt8[np.ndarray, "_"]],
    order: Order = "image_first",
    config: SampleConfig | None = None,
) -> list[UInt8[np.ndarray, "_"]]:
    """Return one whole record for each prompt, which it begins with; the same for the same seed and prompts.

    ValueError when a prompt is not the beginning of a record of this order.
    """
    how = config or SampleConfig()
    if len(vocabulary) != network.vocabulary_size:
        raise ValueError(
            f"the network knows {network.vocabulary_size} ids, the vocabulary {len(vocabulary)}: use its own."
        )
    if not prompts:
        return []
    given = (
        max(map(len, prompts)) if order == "text_first" else 0
    )  # a caption that is given may be longer than drawn ones
    grammar = Grammar(vocabulary, order, how.max_side, max(how.max_caption, given))
    for prompt in prompts:
        grammar.read(prompt)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        drawn = _draw(network, grammar, prompts, how)
    network.train(was_training)
    return [row[: int(np.argmax(row == NUL)) or None] if NUL in row else row for row in drawn]


def _draw(
    network: Network, grammar: Grammar, prompts: Sequence[UInt8[np.ndarray, "_"]], how: SampleConfig
) -> UInt8[np.ndarray, "B L"]:
    batch, generator = len(prompts), torch.Generator().manual_seed(how.seed)
    inputs, state, memory = (
        InputStream(batch, network.config, grammar.order),
        grammar.start(batch),
        network.initial_state(batch),
    )
    folded, windows = network.embedding.fold(), inputs.first()
    told = np.zeros((batch, max(len(prompt) for prompt in prompts)), dtype=np.uint8)
    lengths = np.array([len(prompt) for prompt in prompts])
    for row, prompt in zip(told, prompts, strict=True):
        row[: len(prompt)] = prompt
    drawn: list[UInt8[np.ndarray, "B"]] = []
    while not state.ended.all():
        logits, memory = network.step(torch.from_numpy(windows), memory, folded)
        place = len(drawn)
        ids = pick(logits, torch.from_numpy(grammar.mask(state)), how, generator).numpy().astype(np.uint8)
        if place < told.shape[1]:
            ids = np.where(place < lengths, told[:, place], ids)
        drawn.append(ids)
        state = grammar.follow(state, ids)
        windows = inputs.push(ids)
    return np.stack(drawn, axis=1)


def pick(logits: Float[Tensor, "B V"], allowed: Tensor, how: SampleConfig, generator: torch.Generator) -> Tensor:
    """Return one allowed id per row [B], drawn by temperature, top-k and top-p."""
    masked = logits.double().masked_fill(~allowed, -torch.inf)
    if how.temperature == 0:
        return masked.argmax(dim=1)
    scaled = masked / how.temperature
    if how.top_k is not None and how.top_k < scaled.shape[1]:
        least = scaled.topk(how.top_k, dim=1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    shares = torch.softmax(scaled, dim=1)
    if how.top_p < 1:
        sorted_shares, places = shares.sort(dim=1, descending=True)
        before = sorted_shares.cumsum(dim=1) - sorted_shares
        shares = shares.masked_fill((before >= how.top_p).gather(1, places.argsort(dim=1)), 0.0)
    return torch.multinomial(shares, 1, generator=generator)[:, 0]


def caption_prompt(caption: str, vocabulary: Vocabulary) -> UInt8[np.ndarray, "L"]:
    """Return the beginning of a caption-first record: its picture is to be drawn."""
    if not caption:
        raise ValueError("the caption is empty: give a text, or draw from no prompt at all.")
    return encode([caption], vocabulary)


def picture_prompt(sprite: UInt8[np.ndarray, "h w"], vocabulary: Vocabulary) -> UInt8[np.ndarray, "L"]:
    """Return the beginning of an image-first record: its caption is to be written."""
    return encode([shape_text(*sprite.shape), sprite], vocabulary)


def draw_samples(
    network: Network,
    vocabulary: Vocabulary,
    prompts: Sequence[UInt8[np.ndarray, "_"]],
    order: Order = "image_first",
    config: SampleConfig | None = None,
) -> list[Sample]:
    """Return `generate` as pictures and texts."""
    samples = []
    for ids in generate(network, vocabulary, prompts, order, config):
        sprite, caption = decode_record(ids, vocabulary)
        samples.append(Sample(sprite=sprite, caption=caption, ids=ids, order=order))
    return samples
