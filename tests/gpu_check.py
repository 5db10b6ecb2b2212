"""Measure the three cores on a CUDA device: `python -m tests.gpu_check` (`make gpu-check`).

Prints tokens of loss per second of training, in bfloat16 and compiled, beside the plain loop (single precision, one
target per window of 256, batches of 32 from the host), memory per token, and mamba_ssm's kernel beside our scan.
Without a CUDA device it says so and ends with 1.
"""

import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from model.config import CORE_NAMES, Core, ModelConfig
from model.network import Network
from model.networks import mamba
from model.networks.mamba import Mamba

V, L, PLAIN_BATCH, BATCH = 113, 256, 32, 256


def rate(work: Callable[[], object], amount: int, seconds: float = 3.0) -> float:
    """Return `amount` per second of `work`, after five to warm up (and to compile)."""
    for _ in range(5):
        work()
    torch.cuda.synchronize()
    begun, runs = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        work()
        torch.cuda.synchronize()
        runs += 1
    return runs * amount / (time.perf_counter() - begun)


def windows_of(batch: int, device: str) -> Tensor:
    """Return causal windows of noise [B, L, 3, 3]: hidden cells hold 0."""
    torch.manual_seed(0)
    windows = torch.randint(0, V, (batch, L, 3, 3), dtype=torch.uint8)
    windows[..., 1, 2], windows[..., 2, :] = 0, 0
    return windows.to(device)


def plain(core: Core) -> float:
    """Return the rate of the plain loop."""
    network = Network(ModelConfig(core=core, k=3, look="current"), V).cuda()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    windows, targets = windows_of(PLAIN_BATCH, "cpu"), torch.randint(0, V, (PLAIN_BATCH,))

    def step() -> None:
        logits = network(windows.cuda())[:, -1]
        functional.cross_entropy(logits, targets.cuda()).backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        optimizer.zero_grad()

    return rate(step, PLAIN_BATCH)


def fast(core: Core) -> tuple[float, float]:
    """Return our rate, and the bytes of memory per token of a batch."""
    network = Network(ModelConfig(core=core, k=3, look="current"), V).cuda()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
    windows, targets = windows_of(BATCH, "cuda"), torch.randint(0, V, (BATCH * L,), device="cuda")
    compiled = torch.compile(network)
    torch.cuda.reset_peak_memory_stats()

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16):
            loss = functional.cross_entropy(compiled(windows).flatten(0, 1), targets)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        optimizer.step()
        optimizer.zero_grad()

    found = rate(step, BATCH * L)
    return found, torch.cuda.max_memory_allocated() / (BATCH * L)


def scans(console: Console) -> None:
    """Print the rates of one Mamba block, forward and backward, with the kernel and with our scan."""
    torch.manual_seed(0)
    mixer = Mamba(ModelConfig(core="mamba")).cuda()
    x = torch.randn(PLAIN_BATCH, L, 81, device="cuda")
    found, there = mamba.kernel, mamba.kernel()

    def step() -> None:
        torch.autograd.grad(mixer(x).square().mean(), list(mixer.parameters()))

    for name, way in (("mamba_ssm's kernel", there), ("our scan", None)):
        if way or name == "our scan":
            mamba.kernel = lambda way=way: way  # type: ignore[assignment]  # one after the other, here alone
            console.print(f"{name}: {rate(step, PLAIN_BATCH * L):,.0f} tokens/s through a block of 81/162/64")
        else:
            console.print(f"{name}: not installed")
    mamba.kernel = found


def main() -> int:
    """Print what was measured; return the exit status."""
    console = Console()
    if not torch.cuda.is_available():
        console.print("there is no CUDA device: nothing was measured.")
        return 1
    torch.set_float32_matmul_precision("high")
    table = Table("core", "plain loop", "ours", "ratio", "to reach", "bytes per token")
    for core, name in CORE_NAMES.items():
        usual, (ours, memory) = plain(core), fast(core)
        table.add_row(name, f"{usual:,.0f}", f"{ours:,.0f}", f"{ours / usual:,.0f} ×", "20 ×", f"{memory:,.0f}")
    console.print(torch.cuda.get_device_name(), "tokens of loss per second, training")
    console.print(table)
    scans(console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
