"""Where a training computes and how: the device, half precision and compilation, refused where they cannot be."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from model.config import TrainConfig
from model.embedding import Folded
from model.network import Network


def device_of(config: TrainConfig, local_rank: int = 0) -> torch.device:
    """Return the device that a recipe asks for; ValueError says what this machine cannot do.

    `local_rank` numbers the processes of one machine: each takes a GPU of its own.
    """
    there = torch.cuda.is_available()
    if config.device == "cuda" and not there:
        raise ValueError("device is 'cuda', but torch finds no CUDA device here: choose device 'cpu' or 'auto'.")
    on_cuda = config.device != "cpu" and there
    for name in ("bf16", "compiled"):
        if getattr(config, name) and not on_cuda:
            raise ValueError(f"{name} is on, but the run would compute on the CPU: it is for CUDA only, leave it off.")
    if not on_cuda:
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"process {local_rank} finds {torch.cuda.device_count()} CUDA devices here: start no more processes than "
            "there are."
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How a network is asked while it learns."""

    network: Network
    device: torch.device
    bf16: bool = False
    call: Callable[[UInt8[Tensor, "B L k k"], Folded], Float[Tensor, "B L V"]]  # the network, compiled or not

    @classmethod
    def of(cls, network: Network, config: TrainConfig, device: torch.device) -> "Engine":
        """Put a network on its device, compiled where the recipe says so (lengths may vary)."""
        network.to(device)
        call = torch.compile(network, dynamic=True) if config.compiled else network
        return cls(network=network, device=device, bf16=config.bf16, call=call)

    def logits(self, windows: UInt8[Tensor, "B L k k"], folded: Folded | None = None) -> Float[Tensor, "B L V"]:
        """Return the logits in float32; tables are folded, and rows added up, in float32 in any case.

        Sums of thousands of rows' gradients in bf16 would lose most of them.
        """
        tables = folded or self.network.embedding.fold()
        with self._precision():
            return self.call(windows, tables).float()

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext()


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of the generators that dropout draws from."""
    found = {"torch_rng": torch.get_rng_state()}
    return found if device.type == "cpu" else found | {"cuda_rng": torch.cuda.get_rng_state(device)}


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Set what `random_state` returned; a generator that the state does not know stays as it is."""
    torch.set_rng_state(state["torch_rng"])
    if device.type != "cpu" and "cuda_rng" in state:
        torch.cuda.set_rng_state(state["cuda_rng"], device)
