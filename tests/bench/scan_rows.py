"""Mamba's selective scan on a CPU, forward and backward: a loop over `x[:, i]`, what else is to be had, and ours."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from model.networks.scan import selective_scan
from tests.bench.rows import Row

SIZES = ((8, 256, 162, 64), (1, 1024, 64, 16))  # B, L, channels, states: wide, and narrow
Scan = Callable[[list[Tensor]], Tensor]


def drawn(batch: int, length: int, channels: int, states: int) -> list[Tensor]:
    """Return u, dt, A, B and C that ask for gradients."""
    torch.manual_seed(0)
    u, dt = torch.randn(batch, length, channels), torch.rand(batch, length, channels) / 10
    decay = -torch.arange(1.0, states + 1).repeat(channels, 1)
    b, c = torch.randn(batch, length, states), torch.randn(batch, length, states)
    return [x.requires_grad_() for x in (u, dt, decay, b, c)]


def _terms(given: list[Tensor]) -> tuple[Tensor, Tensor]:
    u, dt, decay, b, _ = given
    return torch.exp(dt.unsqueeze(-1) * decay), (dt * u).unsqueeze(-1) * b.unsqueeze(2)  # (B, L, C, N) both


def indexed(given: list[Tensor]) -> Tensor:
    """Loop over `x[:, i]`: autograd writes a tensor of zeros as long as the sequence for each of them."""
    keep, added = _terms(given)
    h, found = torch.zeros_like(added[:, 0]), []
    for i in range(added.shape[1]):
        h = keep[:, i] * h + added[:, i]
        found.append((h * given[4][:, i, None]).sum(-1))
    return torch.stack(found, dim=1)


def unbound(given: list[Tensor]) -> Tensor:
    """Loop over `unbind`: the lean loop that autograd can take apart cheaply."""
    keep, added = _terms(given)
    h, states = torch.zeros_like(added[:, 0]), []
    for share, more in zip(keep.unbind(1), added.unbind(1), strict=True):
        h = torch.addcmul(more, share, h)
        states.append(h)
    return torch.matmul(torch.stack(states, dim=1), given[4].unsqueeze(-1)).squeeze(-1)


def mambapy() -> Scan | None:
    """Return the log-depth scan of mambapy where that is installed."""
    try:
        from mambapy.pscan import pscan  # type: ignore[import-not-found]  # in no extra: for comparison alone
    except ImportError:
        return None
    return lambda given: (pscan(*_terms(given)) @ given[4].unsqueeze(-1)).squeeze(-1)


def ours(given: list[Tensor]) -> Tensor:
    """Our scan."""
    return selective_scan((given[0], given[1]), given[2], (given[3], given[4]))[0]


def seconds(scan: Scan, given: list[Tensor], runs: int) -> float:
    """Return the median time of a forward and a backward pass, after one to warm up."""
    times = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        torch.autograd.grad(scan(given).square().sum(), given)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def rows() -> Iterator[Row]:
    """Yield ours against the naive loop, then against the faster of the others, at both sizes."""
    for size in SIZES:
        given, length = drawn(*size), size[1]
        name = f"selective scan B {size[0]}, L {length}, channels {size[2]}, N {size[3]}, forward + backward"
        ways = {"lean loop": unbound, "mambapy": mambapy()}
        mine = min(seconds(ours, given, 7), seconds(ours, given, 7))
        others = {way: seconds(scan, given, 3) for way, scan in ways.items() if scan}
        best = min(others, key=lambda way: others[way])
        note = ", ".join(f"{way} {taken * 1e3:.0f} ms" for way, taken in {**others, "ours": mine}.items())
        naive = seconds(indexed, given, 1)
        for reference, taken, target in (("loop over x[:, i]", naive, 20.0), (best, others[best], 1.0)):
            usual, fast = length / taken, length / mine
            yield Row(
                name=f"{name} against {reference}",
                unit="tokens/s",
                reference=reference,
                usual=usual,
                ours=fast,
                target=target,
                note=note,
            )
