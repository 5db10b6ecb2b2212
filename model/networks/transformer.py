"""The Transformer core. B batch, L tokens, P tokens read before, D d_model, H heads, E head width, R rows kept.

Blocks are pre-norm: x + attention(norm x), then x + MLP(norm x). Attention is causal, with rotary positions. Keys and
values of what was read stand in buffers with room to spare, which double when they are full: a step copies nothing of
the past but then, so that it costs what its own attention costs.
"""

from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig
from model.networks.protocol import require_steps

SMALLEST_ROOM = 64  # tokens that a first buffer holds
ROTARY_BASE = 10_000.0  # the slowest pair of channels turns once in about 2π times as many tokens


@dataclass(slots=True, kw_only=True)
class Buffers:
    """Keys and values of each layer, with room behind them; shared by the states that grew from one another."""

    turns: Float[Tensor, "2 room E_2"]  # of all positions that there is room for
    layers: tuple[tuple[Float[Tensor, "B H room E"], Float[Tensor, "B H room E"]], ...]
    filled: int  # tokens written by whichever state went on furthest


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerState:
    """What was read: the first `length` tokens of its buffers."""

    buffers: Buffers
    length: int


class Attention(nn.Module):
    """Attention of several heads: rotary, by torch's fused kernel."""

    def __init__(self, config: ModelConfig) -> None:
        """Make 4·D·N parameters and D more."""
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.d_model, 3 * config.d_state, bias=False)
        self.out = nn.Linear(config.d_state, config.d_model)

    def split(self, x: Float[Tensor, "B L D"], turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, [B, H, L, E] each; the first two turned by their positions."""
        three = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (B, L, 3, H, E)
        queries, keys = _turned(three[:, :, :2], turns.to(three.dtype)).unbind(2)
        return queries.transpose(1, 2), keys.transpose(1, 2), three[:, :, 2].transpose(1, 2)

    def join(self, heads: Float[Tensor, "B H L E"]) -> Float[Tensor, "B L D"]:
        """Return what the heads found, brought back to D."""
        out: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """One pre-norm layer."""

    def __init__(self, config: ModelConfig) -> None:
        """Make the parameters of attention and MLP."""
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.attention = Attention(config)
        self.mlp_norm = nn.LayerNorm(config.d_model)
        inner = config.inner_width
        self.mlp = nn.Sequential(nn.Linear(config.d_model, inner), nn.SiLU(), nn.Linear(inner, config.d_model))
        self.dropout = nn.Dropout(config.dropout)

    def answer(self, x: Float[Tensor, "B L D"], found: Float[Tensor, "B H L E"]) -> Float[Tensor, "B L D"]:
        """Add to `x` what attention found, then what the MLP makes of both."""
        x = x + self.dropout(self.attention.join(found))
        out: Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return out


class TransformerCore(nn.Module):
    """Pre-norm blocks; a bidirectional one attends forwards too in its first."""

    def __init__(self, config: ModelConfig) -> None:
        """Make the parameters."""
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Read whole sequences from the initial state."""
        turns = rotary_turns(0, x.shape[1], self._head_width, x)
        for number, block in enumerate(self._layers):
            q, k, v = block.attention.split(block.norm(x), turns)
            causal = not (self.config.bidirectional and number == 0)
            x = block.answer(x, functional.scaled_dot_product_attention(q, k, v, is_causal=causal))
        return x

    def initial_state(self, batch: int) -> TransformerState:
        """Return the state of B sequences of which nothing was read; ValueError when a layer reads backwards."""
        require_steps(self.config)
        some = next(self.parameters())
        empty = some.new_empty(batch, self.config.heads, 0, self._head_width)
        buffers = Buffers(
            turns=rotary_turns(0, 0, self._head_width, some), layers=((empty, empty),) * len(self.blocks), filled=0
        )
        return TransformerState(buffers=buffers, length=0)

    def step(self, x: Float[Tensor, "B D"], state: TransformerState) -> tuple[Float[Tensor, "B D"], TransformerState]:
        """Read one token of each sequence."""
        y, after = self.prefill(x[:, None], state)
        return y[:, 0], after

    def prefill(
        self, x: Float[Tensor, "B L D"], state: TransformerState
    ) -> tuple[Float[Tensor, "B L D"], TransformerState]:
        """Read L tokens of each sequence at once."""
        past, whole = state.length, state.length + x.shape[1]
        buffers, mask = _room(state, whole), _mask(past, whole, x)
        turns = buffers.turns[:, past:whole]
        for number, block in enumerate(self._layers):
            q, k, v = block.attention.split(block.norm(x), turns)
            keys, values = buffers.layers[number]
            keys[:, :, past:whole], values[:, :, past:whole] = k, v
            seen = (keys[:, :, :whole], values[:, :, :whole])
            x = block.answer(x, functional.scaled_dot_product_attention(q, *seen, attn_mask=mask))
        buffers.filled = whole
        return x, TransformerState(buffers=buffers, length=whole)

    def select(self, state: TransformerState, rows: Int[Tensor, "R"]) -> TransformerState:
        """Return the state of some sequences."""
        layers = tuple((keys[rows], values[rows]) for keys, values in state.buffers.layers)
        return replace(state, buffers=Buffers(turns=state.buffers.turns, layers=layers, filled=state.length))

    @property
    def _layers(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    @property
    def _head_width(self) -> int:
        return self.config.d_state // self.config.heads


def rotary_turns(start: int, end: int, width: int, like: Tensor) -> Float[Tensor, "2 P E_2"]:
    """Return cosines and sines of positions, each pair of channels at its own pace; `like` tells type and device."""
    pace = ROTARY_BASE ** -(torch.arange(0, width, 2, dtype=torch.float64, device=like.device) / width)
    angles = torch.arange(start, end, dtype=torch.float64, device=like.device)[:, None] * pace
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def _turned(x: Float[Tensor, "B L 2 H E"], turns: Float[Tensor, "2 L E_2"]) -> Float[Tensor, "B L 2 H E"]:
    """Turn the pairs (i, i + E/2) of channels by their angles."""
    cos, sin = turns[:, :, None, None]
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


def _mask(past: int, whole: int, like: Tensor) -> Bool[Tensor, "L P"] | None:
    """Return which places each new token may see; None when there is one, which sees all."""
    if whole - past == 1:
        return None
    return torch.ones(whole - past, whole, dtype=torch.bool, device=like.device).tril(past)


def _room(state: TransformerState, whole: int) -> Buffers:
    """Return buffers that may be written up to `whole`: the state's own, or copies of them.

    They are copied when they are full, when another state went on from this one, which must keep what it wrote, and
    when gradients are recorded, which refuse to have their past changed.
    """
    held = state.buffers
    keys = held.layers[0][0]
    frozen = keys.is_inference() and not torch.is_inference_mode_enabled()
    full, shared = whole > keys.shape[2], held.filled > state.length
    if not (full or shared or frozen or torch.is_grad_enabled()):
        return held
    room = max(2 * keys.shape[2], whole, SMALLEST_ROOM) if full else keys.shape[2]
    layers = tuple((_copy(keys, state.length, room), _copy(values, state.length, room)) for keys, values in held.layers)
    turns = rotary_turns(0, room, keys.shape[3], keys) if full or frozen else held.turns
    return Buffers(turns=turns, layers=layers, filled=state.length)


def _copy(x: Float[Tensor, "B H room E"], length: int, room: int) -> Float[Tensor, "B H more E"]:
    fresh = x.new_empty(*x.shape[:2], room, x.shape[3])
    fresh[:, :, :length] = x[:, :, :length]
    return fresh
