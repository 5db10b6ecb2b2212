"""Several processes that train one network: each reads its share of every batch, gradients are added up.

Started by `torchrun`, which numbers the processes in their environment. Losses are sums over targets, divided by the
number of all targets of the whole batch, padding never counted. So P processes with a batch of T each do what one does
with P·T, but for the order of floating-point sums and the dice: masks of dropout, and who is told of counts
(model/grams.py). Gradients travel as one vector after the backward pass: at the sizes of these networks that is as
fast as overlapping them, and a process whose share is empty simply adds nothing. Only the first process writes.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Who trains together; one alone unless it is said otherwise."""

    rank: int = 0
    size: int = 1
    device: torch.device

    @property
    def leads(self) -> bool:
        """Tell whether this process is the one that writes."""
        return self.rank == 0

    def share(self, items: Sequence[Shared]) -> Sequence[Shared]:
        """Return which of some things are this process's."""
        return items[self.rank :: self.size]

    def add_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by the sum over all processes; one that has none counts as zeros."""
        if self.size == 1:
            return
        parameters = [one for one in network.parameters() if one.requires_grad]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for one, summed in zip(parameters, torch.split(flat, [one.numel() for one in parameters]), strict=True):
            one.grad = summed.view_as(one)

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """Return the sum of each number over all processes."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(list(numbers), dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return [float(one) for one in total]

    def anyone(self, *flags: bool) -> list[bool]:
        """Tell of each flag whether it stands in any process."""
        return [total > 0 for total in self.sums([float(flag) for flag in flags])]

    def gathered(self, tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return what each process has, by rank."""
        if self.size == 1:
            return [tensors]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, tensors)
        return found

    def first_does(self, work: Callable[[], object]) -> None:
        """Let the first process do something while the others wait; what it raises is raised by all, as ValueError."""
        if self.size == 1:
            work()
            return
        said: list[Any] = [""]
        failure: Exception | None = None
        if self.leads:
            try:
                work()
            except (ValueError, RuntimeError, OSError) as error:
                failure, said = error, [f"{type(error).__name__}: {error}"]
        dist.broadcast_object_list(said)
        if failure is not None:
            raise failure
        if said[0]:
            raise ValueError(f"the first process gave up: {said[0]}")


def local_rank() -> int:
    """Return the number of this process on its machine, as torchrun says it; 0 for one alone."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the other processes of this training while the block runs: those of torchrun, or of a group already made."""
    theirs = dist.is_available() and dist.is_initialized()
    ours = not theirs and int(os.environ.get("WORLD_SIZE", "1")) > 1 and "MASTER_ADDR" in os.environ
    if ours:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        if theirs or ours:
            yield Processes(rank=dist.get_rank(), size=dist.get_world_size(), device=device)
        else:
            yield Processes(device=device)
    finally:
        if ours:
            dist.destroy_process_group()
