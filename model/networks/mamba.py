"""The Mamba-1 core. B batch, L tokens, D d_model, C channels of a block, N states per channel, W convolution, R rows.

On CUDA the scan runs in mamba_ssm's kernel where that can be imported, elsewhere in plain torch (`scan`). Names,
shapes and order of a block's parameters are those of `mamba_ssm.Mamba`, so that either side loads the other's.
"""

import importlib
import math
from collections.abc import Callable
from functools import cache
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig
from model.networks.protocol import require_steps
from model.networks.scan import selective_scan

SMALLEST_STEP, LARGEST_STEP = 1e-3, 1e-1  # dt at the start of training, spread evenly in its logarithm
LARGEST_KERNEL_STATE = 256  # N that mamba_ssm's kernel can hold
MixerState = tuple[Float[Tensor, "_ C W1"], Float[Tensor, "_ C N"]]  # last inputs of the convolution, and the states
MambaState = tuple[MixerState, ...]
Kernel = Callable[..., tuple[Tensor, Tensor]]


@cache
def kernel() -> Kernel | None:
    """Return mamba_ssm's selective scan, or None where it is not installed; it needs CUDA to be imported at all."""
    try:
        module = importlib.import_module("mamba_ssm.ops.selective_scan_interface")
    except ImportError:
        return None
    return cast("Kernel", module.selective_scan_fn)


class Mamba(nn.Module):
    """The mixing of one block: a short convolution, a selective scan, a gate."""

    def __init__(self, config: ModelConfig) -> None:
        """Make the parameters as the paper of Mamba starts them: decays 1…N, steps from 0.001 to 0.1."""
        super().__init__()
        width, channels, states = config.d_model, config.inner_width, config.d_state
        self.rank = math.ceil(width / 16)
        self.A_log = nn.Parameter(torch.arange(1, states + 1, dtype=torch.float32).log().repeat(channels, 1))
        self.D = nn.Parameter(torch.ones(channels))
        self.in_proj = nn.Linear(width, 2 * channels, bias=False)
        self.conv1d = nn.Conv1d(channels, channels, config.d_conv, groups=channels)
        self.x_proj = nn.Linear(channels, self.rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(self.rank, channels)
        self.out_proj = nn.Linear(channels, width, bias=False)
        nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)
        lowest, highest = math.log(SMALLEST_STEP), math.log(LARGEST_STEP)
        dt = (torch.rand(channels) * (highest - lowest) + lowest).exp()
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + (-(-dt).expm1()).log())  # what softplus turns into dt

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Mix whole sequences from the initial state."""
        return self.mix(x, None)[0]

    def initial_state(self, batch: int) -> MixerState:
        """Return zeros: nothing was read."""
        channels, states = self.A_log.shape
        tail = self.conv1d.weight.new_zeros(batch, channels, self.conv1d.kernel_size[0] - 1)
        return tail, self.A_log.new_zeros(batch, channels, states)

    def mix(self, x: Float[Tensor, "B L D"], state: MixerState | None) -> tuple[Float[Tensor, "B L D"], MixerState]:
        """Mix L tokens behind those of `state`; None: behind none."""
        tail, before = self.initial_state(len(x)) if state is None else state
        inner, gate = self.in_proj(x).chunk(2, dim=-1)  # (B, L, C) both
        seen = torch.cat([tail.to(inner.dtype), inner.transpose(1, 2)], dim=2)  # (B, C, W − 1 + L)
        u = functional.silu(self.conv1d(seen)).transpose(1, 2)
        if u.is_cuda and state is None and self.A_log.shape[1] <= LARGEST_KERNEL_STATE and kernel():
            y, after = self._by_kernel(u, gate)
        else:
            y, after = self._by_scan(u, gate, before)
        kept = seen[:, :, seen.shape[2] - tail.shape[2] :]
        return self.out_proj(y), (kept, after)

    def step(self, x: Float[Tensor, "B D"], state: MixerState) -> tuple[Float[Tensor, "B D"], MixerState]:
        """Mix one token of each sequence: the same mathematics for L = 1, in constant work."""
        tail, before = state
        inner, gate = self.in_proj(x).chunk(2, dim=-1)  # (B, C) both
        seen = torch.cat([tail, inner.unsqueeze(-1)], dim=2)  # (B, C, W)
        u = functional.silu(torch.linalg.vecdot(seen, self.conv1d.weight[:, 0]) + self._conv_bias)
        low, b, c = self._split(u)
        dt = functional.softplus(self.dt_proj(low)).unsqueeze(-1)  # (B, C, 1)
        after = torch.exp(dt * self._decay()) * before + dt * u.unsqueeze(-1) * b.unsqueeze(-2)
        y = torch.matmul(after, c.unsqueeze(-1)).squeeze(-1) + self.D * u
        return self.out_proj(y * functional.silu(gate)), (seen[:, :, 1:], after)

    def _split(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        states = self.A_log.shape[1]
        low, b, c = self.x_proj(u).split([self.rank, states, states], dim=-1)
        return low, b, c

    @property
    def _conv_bias(self) -> Float[Tensor, "C"]:
        return cast("Tensor", self.conv1d.bias)

    def _decay(self) -> Float[Tensor, "C N"]:
        return -self.A_log.exp()

    def _by_scan(self, u: Tensor, gate: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        exact = torch.promote_types(self.A_log.dtype, torch.float32)  # halves would lose what long memories add up
        low, b, c = self._split(u)
        dt = functional.softplus(self.dt_proj(low).to(exact))
        wide, decay = u.to(exact), self._decay().to(exact)
        y, after = selective_scan((wide, dt), decay, (b.to(exact), c.to(exact)), before.to(exact))
        return (y + self.D * wide).to(u.dtype) * functional.silu(gate), after

    def _by_kernel(self, u: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        found = kernel()
        if found is None:
            raise RuntimeError("mamba_ssm is not installed: on CUDA the scan runs without it too, by `_by_scan`.")
        low, b, c = self._split(u)
        dt = functional.linear(low, self.dt_proj.weight.to(low.dtype))  # its bias and the softplus are the kernel's
        first = [x.transpose(1, 2).contiguous() for x in (u, dt, b, c, gate)]
        u_, dt_, b_, c_, gate_ = (x.to(u.dtype) for x in first)
        y, after = found(
            u_,
            dt_,
            self._decay().float(),
            b_,
            c_,
            self.D.float(),
            gate_,
            self.dt_proj.bias.float(),
            delta_softplus=True,
            return_last_state=True,
        )
        return y.transpose(1, 2), after


class Block(nn.Module):
    """Pre-norm with a residual around the mixing; where it is bidirectional, a second mixing reads backwards."""

    def __init__(self, config: ModelConfig, *, both_ways: bool = False) -> None:
        """Make the parameters."""
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.mixer = Mamba(config)
        self.backwards = Mamba(config) if both_ways else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Read whole sequences from the initial state."""
        normed = self.norm(x)
        mixed = self.mixer(normed)
        if self.backwards:
            mixed = mixed + self.backwards(normed.flip(1)).flip(1)
        out: Tensor = x + self.dropout(mixed)
        return out


class MambaCore(nn.Module):
    """Mamba blocks one after the other."""

    def __init__(self, config: ModelConfig) -> None:
        """Make the parameters."""
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList(
            Block(config, both_ways=config.bidirectional and number == 0) for number in range(config.layers)
        )

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Read whole sequences from the initial state."""
        for block in self._layers:
            x = block(x)
        return x

    def initial_state(self, batch: int) -> MambaState:
        """Return the state of B sequences of which nothing was read; ValueError when a layer reads backwards."""
        require_steps(self.config)
        return tuple(block.mixer.initial_state(batch) for block in self._layers)

    def step(self, x: Float[Tensor, "B D"], state: MambaState) -> tuple[Float[Tensor, "B D"], MambaState]:
        """Read one token of each sequence."""
        after: list[MixerState] = []
        for block, before in zip(self._layers, state, strict=True):
            y, left = block.mixer.step(block.norm(x), before)
            x, after = x + block.dropout(y), [*after, left]
        return x, tuple(after)

    def prefill(self, x: Float[Tensor, "B L D"], state: MambaState) -> tuple[Float[Tensor, "B L D"], MambaState]:
        """Read L tokens of each sequence at once."""
        after: list[MixerState] = []
        for block, before in zip(self._layers, state, strict=True):
            y, left = block.mixer.mix(block.norm(x), before)
            x, after = x + block.dropout(y), [*after, left]
        return x, tuple(after)

    @property
    def _layers(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    def select(self, state: MambaState, rows: Int[Tensor, "R"]) -> MambaState:
        """Return the state of some sequences."""
        return tuple((tail[rows], states[rows]) for tail, states in state)
