"""A whole network: embedding, core, head. B batch, L tokens, k side of a window, D d_model, V vocabulary."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, UInt8
from torch import Tensor, nn

from model.batches import pad, read_windows
from model.config import CORE_NAMES, ModelConfig
from model.embedding import Folded, build_embedding
from model.networks.lstm import LstmCore
from model.networks.mamba import MambaCore
from model.networks.protocol import Core, require_steps
from model.networks.transformer import TransformerCore

State = object  # the core's own: callers hand it back, and know nothing of it


def build_core(config: ModelConfig) -> Core[Any]:
    """Return the core that the config names, of fresh parameters."""
    if config.core == "mamba":
        return MambaCore(config)
    return TransformerCore(config) if config.core == "transformer" else LstmCore(config)


class Network(nn.Module):
    """Logits of every next token from the windows of the tokens before it."""

    def __init__(self, config: ModelConfig, vocabulary_size: int) -> None:
        """Make the parameters by the global seed of torch."""
        super().__init__()
        self.config, self.vocabulary_size = config, vocabulary_size
        self.embedding = build_embedding(config, vocabulary_size)
        self.core = build_core(config)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.d_model)
        self.head = nn.Linear(config.d_model, vocabulary_size)

    def forward(self, windows: UInt8[Tensor, "B L k k"], folded: Folded | None = None) -> Float[Tensor, "B L V"]:
        """Return the logits of token t at place t; `windows` are those of `read_windows`."""
        x = self.dropout(self.embedding(windows, folded))
        return self._answer(self.core(x))

    def initial_state(self, batch: int) -> State:
        """Return the state of B records of which nothing was read; ValueError when a layer reads backwards."""
        return self.core.initial_state(batch)

    def step(
        self, windows: UInt8[Tensor, "B k k"], state: State, folded: Folded | None = None
    ) -> tuple[Float[Tensor, "B V"], State]:
        """Return the logits of each record's next token; pass `folded` to make the tables only once."""
        x = self.dropout(self.embedding(windows[:, None], folded)[:, 0])
        y, after = self.core.step(x, state)
        return self._answer(y), after

    def prefill(
        self, windows: UInt8[Tensor, "B L k k"], state: State, folded: Folded | None = None
    ) -> tuple[Float[Tensor, "B L V"], State]:
        """Read L tokens of each record at once, as L steps would: the part of a prompt that all records share."""
        x = self.dropout(self.embedding(windows, folded))
        y, after = self.core.prefill(x, state)
        return self._answer(y), after

    def select(self, state: State, rows: Int[Tensor, "R"]) -> State:
        """Return the state of some records, in this order: to go on without those that ended."""
        return self.core.select(state, rows)

    def _answer(self, y: Tensor) -> Tensor:
        out: Tensor = self.head(self.dropout(self.norm(y)))
        return out

    @property
    def parameters_count(self) -> int:
        """Count the trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())


class NetworkModel:
    """A network as a LanguageModel: log-probabilities of whole records, in batches, whatever the padding."""

    kind: Literal["network", "baseline"] = "network"

    def __init__(self, network: Network, name: str | None = None, batch_tokens: int = 16_384) -> None:
        """Wrap a network, by default named after its core.

        `batch_tokens` bounds how much is computed at once, padding included. ValueError for a network that reads
        backwards: it would have seen what it is asked for.
        """
        require_steps(network.config)
        self.network, self.batch_tokens = network, batch_tokens
        self.name = name or CORE_NAMES[network.config.core]
        self.parameters = network.parameters_count

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        """Return the natural log p of every next token given the ids before it; rows sum to 1."""
        return self.batch_log_probs([record])[0]

    def batch_log_probs(self, records: Sequence[UInt8[np.ndarray, "_"]]) -> list[Float64[np.ndarray, "_ V"]]:
        """Return `log_probs` of each record, computed together."""
        out: list[Float64[np.ndarray, "_ V"]] = [np.empty((0, 0))] * len(records)
        was_training, device = self.network.training, self.network.head.weight.device
        self.network.eval()
        with torch.inference_mode():
            folded = self.network.embedding.fold()
            for some in self._batches([len(record) for record in records]):
                windows = pad([read_windows(records[i], self.network.config) for i in some])
                logits = self.network(torch.from_numpy(windows).to(device), folded)
                values = torch.log_softmax(logits.double(), dim=-1).cpu().numpy()
                for row, i in enumerate(some):
                    out[i] = values[row, : len(records[i])].copy()
        self.network.train(was_training)
        return out

    def _batches(self, lengths: Sequence[int]) -> list[list[int]]:
        batches: list[list[int]] = [[]]
        for i in np.argsort(lengths, kind="stable").tolist():
            if batches[-1] and lengths[i] * (len(batches[-1]) + 1) > self.batch_tokens:
                batches.append([])
            batches[-1].append(i)
        return [batch for batch in batches if batch]
