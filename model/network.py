"""A whole network: embedding, core, head. B batch, L tokens, k side of a window, D d_model, V vocabulary."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, UInt8
from torch import Tensor, nn

from model.batches import pad, read_windows
from model.config import CORE_NAMES, ModelConfig
from model.embedding import Folded, build_embedding
from model.evidence import Evidence, Seen
from model.networks.lstm import LstmCore
from model.networks.mamba import MambaCore
from model.networks.protocol import Core, require_steps
from model.networks.transformer import TransformerCore
from model.token_table import TokenTable

State = object  # the network's own: callers hand it back, and know nothing of it


class _Memory(NamedTuple):
    core: Any  # the core's own state
    seen: Seen | None  # of the evidence, where there is any


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
        self.evidence = Evidence(config, vocabulary_size) if config.evidence else None

    def forward(self, windows: UInt8[Tensor, "B L k k"], folded: Folded | None = None) -> Float[Tensor, "B L V"]:
        """Return the logits of token t at place t; `windows` are those of `read_windows`."""
        x = self.dropout(self.embedding(windows, folded))
        return self._answer(x, self.core(x), windows, None)[0]

    def initial_state(self, batch: int) -> State:
        """Return the state of B records of which nothing was read; ValueError when a layer reads backwards."""
        seen = self.evidence.initial_state(batch) if self.evidence is not None else None
        return _Memory(self.core.initial_state(batch), seen)

    def step(
        self, windows: UInt8[Tensor, "B k k"], state: State, folded: Folded | None = None
    ) -> tuple[Float[Tensor, "B V"], State]:
        """Return the logits of each record's next token; pass `folded` to make the tables only once."""
        x = self.embedding(windows[:, None], folded)[:, 0]
        x = self.dropout(x) if self.training else x  # a call that does nothing costs as much as one that works
        memory = cast("_Memory", state)
        y, after = self.core.step(x, memory.core)
        logits, seen = self._answer(x[:, None], y[:, None], windows[:, None], memory.seen)
        return logits[:, 0], _Memory(after, seen)

    def prefill(
        self, windows: UInt8[Tensor, "B L k k"], state: State, folded: Folded | None = None
    ) -> tuple[Float[Tensor, "B L V"], State]:
        """Read L tokens of each record at once, as L steps would: the part of a prompt that all records share."""
        x = self.dropout(self.embedding(windows, folded))
        memory = cast("_Memory", state)
        y, after = self.core.prefill(x, memory.core)
        logits, seen = self._answer(x, y, windows, memory.seen)
        return logits, _Memory(after, seen)

    def select(self, state: State, rows: Int[Tensor, "R"]) -> State:
        """Return the state of some records, in this order: to go on without those that ended."""
        memory = cast("_Memory", state)
        seen = memory.seen and Seen(*(one[rows] for one in memory.seen))
        return _Memory(self.core.select(memory.core, rows), seen)

    def learn_counts(self, table: TokenTable) -> None:
        """Count what `config.counted` asks for in the training split, before the first step."""
        if self.evidence is not None and self.evidence.grams is not None:
            self.evidence.grams.learn(table)

    def require_sound_counts(self) -> None:
        """Raise ValueError when what was loaded as counts was never counted."""
        if self.evidence is not None and self.evidence.grams is not None:
            self.evidence.grams.require_sound()

    def _answer(
        self, x: Tensor, y: Tensor, windows: UInt8[Tensor, "B L k k"], seen: Seen | None
    ) -> tuple[Tensor, Seen | None]:
        """Return the logits of places embedded as x and answered y by the core, and what was read with them."""
        if self.evidence is None:
            return self.head(self.dropout(self.norm(y))), None
        z = self.dropout(self.norm(x + y))  # what stands around is at hand, whatever the core kept of it
        evidence, seen = self.evidence(z, windows, seen)
        return self.head(z) + evidence, seen

    @property
    def parameters_count(self) -> int:
        """Count the trained numbers, and the counts that are held."""
        held = 0 if self.evidence is None or self.evidence.grams is None else self.config.counted
        return held + sum(parameter.numel() for parameter in self.parameters())


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
