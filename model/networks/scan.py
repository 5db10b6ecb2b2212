"""Mamba's selective scan, forward and backward, in plain torch.

B batch, L tokens, C channels, N states per channel, K tokens of a chunk. With u, dt [B, L, C], A [C, N] and
B, C [B, L, N] the states are h_t = exp(dt_t·A)·h_{t−1} + dt_t·B_t·u_t and the answers y_t = C_t·h_t.

All states of a long sequence would fill the memory, and leave the processor's cache on their way. So the sequence is
read chunk by chunk: only the state before each chunk is kept, and the backward pass computes a chunk's states again.
Inside a chunk one of two ways runs, by `log_depth_is_faster`: a loop of one fused multiply-add per token, or a scan of
logarithmic depth, which does twice the work in far fewer operations.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch._compile import _disable_dynamo  # as torch.compiler.disable, which takes a second to import
from torch.autograd.function import once_differentiable

CHUNK_NUMBERS = 2**19  # states of a chunk on a CPU: 2 MB, what a core's cache may hold
CHUNK_NUMBERS_CUDA = 2**26  # there a chunk is as long as memory allows: each operation costs a launch
LOOP_NUMBERS = 2**11  # B·C·N below which an operation's own cost exceeds the work in it (measured, see scan_rows)


def selective_scan(
    inputs: tuple[Float[Tensor, "B L C"], Float[Tensor, "B L C"]],
    decay: Float[Tensor, "C N"],
    mixing: tuple[Float[Tensor, "B L N"], Float[Tensor, "B L N"]],
    state: Float[Tensor, "B C N"] | None = None,
) -> tuple[Float[Tensor, "B L C"], Float[Tensor, "B C N"]]:
    """Return the answers to `inputs` (u, dt) under A and `mixing` (B, C), and the state after the last token.

    All are of one type; memory grows with L·C, not with L·C·N. Differentiable once in each tensor.
    """
    (u, dt), (b, c) = inputs, mixing
    before = u.new_zeros(len(u), *decay.shape) if state is None else state
    return _apart(u, dt, decay, b, c, before)


def log_depth_is_faster(numbers: int, cuda: bool) -> bool:  # noqa: FBT001 - a fact, not a switch
    """Say which way runs inside a chunk, from the count of states B·C·N that one token has."""
    return cuda or numbers <= LOOP_NUMBERS


def chunk_length(numbers: int, cuda: bool) -> int:  # noqa: FBT001 - the same
    """Return K, the tokens of a chunk, for B·C·N states per token."""
    return max(8, (CHUNK_NUMBERS_CUDA if cuda else CHUNK_NUMBERS) // max(numbers, 1))


@_disable_dynamo
def _apart(*tensors: Tensor) -> tuple[Tensor, Tensor]:
    """Run the scan as it is where torch.compile traces what lies around it: it would unroll the loop over tokens."""
    y, after = _Scan.apply(*tensors)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return y, after


class _Scan(torch.autograd.Function):
    """The scan over chunks. Inside, time comes first, so that each token's states lie together."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - torch's untyped context
        u, dt, decay, b, c, state = tensors
        u, dt, b, c = (x.transpose(0, 1).contiguous() for x in (u, dt, b, c))
        chunk = chunk_length(state.numel(), state.is_cuda)
        y, starts = torch.empty(u.shape, dtype=u.dtype, device=u.device), []
        for at in range(0, len(u), chunk):
            piece = slice(at, at + chunk)
            starts.append(state)
            _, h = _states(u[piece], dt[piece], decay, b[piece], state)
            torch.matmul(h, c[piece].unsqueeze(-1), out=y[piece].unsqueeze(-1))
            state = h[-1].clone()
        ctx.save_for_backward(u, dt, decay, b, c, *starts)
        ctx.chunk = chunk
        return y.transpose(0, 1), state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 - the same
        u, dt, decay, b, c, *starts = ctx.saved_tensors
        dy, behind = gradients[0].transpose(0, 1).contiguous(), gradients[1]
        du, ddt, db, dc = (torch.empty_like(x) for x in (u, dt, b, c))
        ddecay = torch.zeros_like(decay)
        for i, start in reversed(list(enumerate(starts))):
            piece = slice(i * ctx.chunk, (i + 1) * ctx.chunk)
            keep, h = _states(u[piece], dt[piece], decay, b[piece], start)
            dc[piece] = torch.matmul(dy[piece].unsqueeze(-2), h).squeeze(-2)
            g = dy[piece].unsqueeze(-1) * c[piece].unsqueeze(-2)  # (K, B, C, N), becomes dL/dh
            g[-1] += behind
            _scan_back(keep, g)
            behind = keep[0] * g[0]
            dx = torch.matmul(g, b[piece].unsqueeze(-1)).squeeze(-1)  # of dt·u
            du[piece] = dx * dt[piece]
            db[piece] = torch.matmul((dt[piece] * u[piece]).unsqueeze(-2), g).squeeze(-2)
            keep.mul_(g)
            keep[0] *= start
            keep[1:] *= h[:-1]  # now dL/d(dt·A)
            ddt[piece] = torch.einsum("kbcn,cn->kbc", keep, decay).addcmul_(dx, u[piece])
            ddecay += keep.mul_(dt[piece].unsqueeze(-1)).flatten(0, 1).sum(0)
        return *(x.transpose(0, 1) for x in (du, ddt)), ddecay, *(x.transpose(0, 1) for x in (db, dc)), behind


def _states(u: Tensor, dt: Tensor, decay: Tensor, b: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each token of a chunk keeps of the state before it, and the states after it: (K, B, C, N) both."""
    keep = torch.mul(dt.unsqueeze(-1), decay).exp_()
    h = torch.mul((dt * u).unsqueeze(-1), b.unsqueeze(-2))
    h[0].addcmul_(keep[0], start)
    if log_depth_is_faster(start.numel(), start.is_cuda):
        _log_depth(keep, h)
    else:
        steps = h.unbind()
        for before, now, share in zip(steps, steps[1:], keep.unbind()[1:], strict=False):
            now.addcmul_(share, before)
    return keep, h


def _scan_back(keep: Tensor, g: Tensor) -> None:
    """Add to each token's gradient what later tokens keep of its state, in place: g_t += keep_{t+1}·g_{t+1}."""
    if log_depth_is_faster(g[0].numel(), g.is_cuda):
        _log_depth_back(keep[1:], g)
        return
    steps = g.unbind()
    for now, after, share in zip(steps[-2::-1], steps[:0:-1], keep.unbind()[:0:-1], strict=True):
        now.addcmul_(share, after)


def _log_depth(keep: Tensor, x: Tensor) -> None:
    """Turn x_t into h_t = keep_t·h_{t−1} + x_t in place, from h_0 = x_0, in about 2·log2 K rounds.

    Pairs of tokens act as one token, of which there are half as many; their states are those of the odd tokens, from
    which each even one follows in one step more.
    """
    if len(x) == 1:
        return
    pairs = len(x) // 2
    even, odd = x[0 : 2 * pairs : 2], x[1 : 2 * pairs : 2]
    share = keep[1 : 2 * pairs : 2]
    odd.addcmul_(share, even)
    _log_depth(keep[0 : 2 * pairs : 2] * share, odd)
    rest = x[2::2]
    rest.addcmul_(keep[2::2], odd[: len(rest)])


def _log_depth_back(share: Tensor, g: Tensor) -> None:
    """Turn g_t into g_t + share_t·g_{t+1} in place, from the last one back: the mirror image of `_log_depth`."""
    if len(g) == 1:
        return
    first = len(g) % 2  # pairs end where the sequence ends
    even, odd = g[first::2], g[first + 1 :: 2]
    within, between = share[first::2], share[first + 1 :: 2]
    even.addcmul_(within, odd)
    _log_depth_back(within[:-1] * between, even)
    odd[:-1].addcmul_(between, even[1:])
    if first:
        g[0].addcmul_(share[0], g[1])
