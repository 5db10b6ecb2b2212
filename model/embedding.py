"""PxByEmbed: one vector per k×k window of tokens; its folded form; and the centre-only ablation.

B batch, L tokens, k side of a window, E token width, D d_model, V vocabulary, S cells of a window that may be seen.

Up to its LayerNorm PxByEmbed is linear in the k² one-hot tokens of a window. So it equals a bias plus the sum of one
looked-up row per cell, from tables [k², V, D] that a small matrix product makes of the parameters. Cells that may
never be seen hold id 0 in every causal window; their rows are constant and go into the bias, which leaves S = r·k+r+1
rows to add instead of k². Token 0 keeps its own embedding there: nothing is dropped, only added once.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig
from pipeline.windows import causal_mask

FEW = 4_096  # looked-up rows below which an operation's own cost exceeds the work in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """PxByEmbed before its LayerNorm, as rows to add up: row `s·V + v` stands for token v in the s-th visible cell."""

    rows: Float[Tensor, "S_V D"]
    bias: Float[Tensor, "D"]


class _SumOfRows(torch.autograd.Function):
    """`embedding_bag` with a backward that adds gradients cell by cell, which is 2–4 times faster on a CPU."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor) -> Tensor:  # noqa: ANN401 - torch's untyped context
        ctx.save_for_backward(places)
        ctx.size = len(rows)
        return functional.embedding_bag(places, rows, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - the same
        (places,), (gradient,) = ctx.saved_tensors, gradients
        total = gradient.new_zeros(ctx.size, gradient.shape[1])
        for column in places.unbind(1):
            total.index_add_(0, column, gradient)
        return total, None


def _sum_of_rows(rows: Float[Tensor, "S_V D"], places: Int[Tensor, "M S"]) -> Float[Tensor, "M D"]:
    if not torch.is_grad_enabled():
        return functional.embedding_bag(places, rows, mode="sum")
    out: Tensor = _SumOfRows.apply(rows, places)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return out


class PxByEmbed(nn.Module):
    """Embed causal windows of ids [B, L, k, k] as [B, L, D]: tokens, a gated convolution, a projection, LayerNorm."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        """Make the parameters: k² + E·k²·D + 3D + V·E, and E²k² + E more with the convolution."""
        super().__init__()
        width, k = config.embedded_width, config.k
        self.k, self.vocabulary_size = k, vocabulary_size
        self.token = nn.Embedding(vocabulary_size, width)
        self.gate = nn.Parameter(torch.zeros(1, 1, k, k))
        self.conv = nn.Conv2d(width, width, k, padding=k // 2) if config.conv else None
        self.project = nn.Linear(width * k * k, config.d_model)
        self.norm = nn.LayerNorm(config.d_model)
        visible = torch.from_numpy(causal_mask(k)).flatten()
        cells = torch.nonzero(visible).flatten()
        self.register_buffer("hidden_cells", torch.nonzero(~visible).flatten(), persistent=False)
        self.register_buffer("cells", cells, persistent=False)
        self.seen = len(cells)  # the visible cells of a causal window are its first ones
        self.register_buffer("offsets", torch.arange(len(cells)) * vocabulary_size, persistent=False)
        self.hidden_cells: Tensor
        self.cells: Tensor
        self.offsets: Tensor

    def forward(self, windows: UInt8[Tensor, "B L k k"], folded: Folded | None = None) -> Float[Tensor, "B L D"]:
        """Return the embedding by the folded form; pass `folded` when the parameters stand still.

        Precondition: the windows are causal, so that every hidden cell holds 0. `unfolded` needs no such promise.
        """
        tables = folded or self.fold()
        places = windows.flatten(2)[..., : self.seen] + self.offsets  # (B, L, S), int64
        if places.numel() <= FEW and not torch.is_grad_enabled():
            summed = torch.embedding(tables.rows, places).sum(dim=2)
        else:
            summed = _sum_of_rows(tables.rows, places.flatten(0, 1)).view(*windows.shape[:2], -1)
        out: Tensor = self.norm(summed + tables.bias)
        return out

    def unfolded(self, windows: UInt8[Tensor, "B L k k"]) -> Float[Tensor, "B L D"]:
        """Return the embedding step by step as it is defined: slower, and the reference of the folded form."""
        b, length = windows.shape[:2]
        x = self.token(windows.flatten(0, 1).to(torch.int64)).permute(0, 3, 1, 2)  # (B·L, E, k, k)
        gate = torch.sigmoid(self.gate)
        z = gate * x if self.conv is None else gate * x + (1 - gate) * self.conv(x)
        out: Tensor = self.norm(self.project(z.flatten(1))).view(b, length, -1)
        return out

    def fold(self) -> Folded:
        """Return the rows to add up, made of the parameters and differentiable with respect to them."""
        weight = self.project.weight.view(-1, self.token.embedding_dim, self.k, self.k)  # (D, E, k, k)
        gate = torch.sigmoid(self.gate)
        mixed, bias = gate * weight, self.project.bias + 0  # a plain tensor, not the parameter itself
        if self.conv is not None:
            through = (1 - gate) * weight  # (D, E, k, k)
            mixed = mixed + functional.conv_transpose2d(through, self.conv.weight, padding=self.k // 2)
            if self.conv.bias is not None:
                bias = bias + through.sum(dim=(2, 3)) @ self.conv.bias
        per_cell = mixed.flatten(2).permute(2, 1, 0)  # (k², E, D)
        rows = self.token.weight @ per_cell[self.cells]  # (S, V, D)
        never_seen = self.token.weight[0] @ per_cell[self.hidden_cells].sum(dim=0)  # id 0 stands in all of them
        return Folded(rows=rows.flatten(0, 1), bias=bias + never_seen)


class CentreEmbed(nn.Module):
    """The plain embedding of the window's centre: the paper's ablation."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        """Make V·D + 2D parameters."""
        super().__init__()
        self.r = config.k // 2
        self.token = nn.Embedding(vocabulary_size, config.d_model)
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, windows: UInt8[Tensor, "B L k k"], folded: Folded | None = None) -> Float[Tensor, "B L D"]:
        """Return the embedding of the centre cells; `folded` is the table itself where given."""
        tables = folded or self.fold()
        centres: Int[Tensor, "B L"] = windows[:, :, self.r, self.r].to(torch.int64)
        out: Tensor = self.norm(functional.embedding(centres, tables.rows) + tables.bias)
        return out

    def fold(self) -> Folded:
        """Return the token table as it is, so that both embeddings are called alike."""
        return Folded(rows=self.token.weight, bias=self.token.weight.new_zeros(self.token.embedding_dim))


Embedding = PxByEmbed | CentreEmbed


def build_embedding(config: ModelConfig, vocabulary_size: int) -> Embedding:
    """Return the embedding that the config names."""
    return (PxByEmbed if config.embedding == "pxby" else CentreEmbed)(config, vocabulary_size)
