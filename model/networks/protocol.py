"""What every core can do. B batch, L tokens, D d_model, R rows kept.

The law of each: reading a sequence by `forward`, by `step` after `step`, or by `prefill` of any beginning and then
steps gives the same answers. A state is a value: it may be kept, and read on from more than once. Sequences are padded
on the right and every core is causal, so padding needs no mask: what lies behind a place cannot reach it.
"""

from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from model.config import ModelConfig

S = TypeVar("S")


@runtime_checkable
class Core(Protocol[S]):
    """A sequence model over embedded tokens, with a state S of its own."""

    def __call__(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Read whole sequences from the initial state."""
        ...

    def initial_state(self, batch: int) -> S:
        """Return the state of B sequences of which nothing was read; ValueError when a layer reads backwards."""
        ...

    def step(self, x: Float[Tensor, "B D"], state: S) -> tuple[Float[Tensor, "B D"], S]:
        """Read one token of each sequence."""
        ...

    def prefill(self, x: Float[Tensor, "B L D"], state: S) -> tuple[Float[Tensor, "B L D"], S]:
        """Read L ≥ 1 tokens of each sequence at once: a prompt, or more of it."""
        ...

    def select(self, state: S, rows: Int[Tensor, "R"]) -> S:
        """Return the state of some sequences, in this order: to drop those that ended, or to go on twice from one."""
        ...


def require_steps(config: ModelConfig) -> None:
    """Raise ValueError when a core cannot be read token by token, because its first layer reads backwards."""
    if config.bidirectional:
        raise ValueError(
            "bidirectional is true: a layer that reads backwards needs the whole sequence, so it has no state to step "
            "from, draws nothing and gives no likelihood: train a model without it for that."
        )
