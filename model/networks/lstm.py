"""The LSTM core. B batch, L tokens, D d_model, N hidden width, R rows kept."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from model.config import ModelConfig
from model.networks.protocol import require_steps

LstmState = tuple[tuple[Float[Tensor, "_ N"], Float[Tensor, "_ N"]], ...]  # hidden and cell of each layer


class LstmCore(nn.Module):
    """Layers of LSTM and a projection back to D; where it is bidirectional, both readings of the first go on.

    Each direction of that first layer has `d_inner` hidden units, by default N as the other layers.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Make the parameters; forget gates start open by 1, so that memory lasts from the first step on."""
        super().__init__()
        self.config = config
        width, layers = config.d_model, config.layers
        self.first: nn.LSTM | None = None
        if config.bidirectional:
            each_way = config.d_inner or config.d_state
            self.first = _lstm(width, each_way, both_ways=True)
            width, layers = 2 * each_way, layers - 1
        between = config.dropout if layers > 1 else 0.0
        self.lstm = _lstm(width, config.d_state, layers, between) if layers else None
        self.between = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.d_state if layers else width, config.d_model)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Read whole sequences from the initial state."""
        if self.first:
            x = self.first(x)[0]
            x = self.between(x) if self.lstm else x
        out: Tensor = self.project(self.lstm(x)[0] if self.lstm else x)
        return out

    def initial_state(self, batch: int) -> LstmState:
        """Return the state of B sequences of which nothing was read; ValueError when a layer reads backwards."""
        zeros = self.project.weight.new_zeros(batch, self._stepped().hidden_size)
        return ((zeros, zeros),) * self._stepped().num_layers

    def step(self, x: Float[Tensor, "B D"], state: LstmState) -> tuple[Float[Tensor, "B D"], LstmState]:
        """Read one token of each sequence."""
        after = []
        for layer, weights in zip(state, self._stepped().all_weights, strict=True):
            after.append(torch.lstm_cell(x, layer, *weights))
            x = after[-1][0]
        return self.project(x), tuple(after)

    def prefill(self, x: Float[Tensor, "B L D"], state: LstmState) -> tuple[Float[Tensor, "B L D"], LstmState]:
        """Read L tokens of each sequence at once."""
        before = torch.stack([hidden for hidden, _ in state]), torch.stack([cell for _, cell in state])
        y, (hidden, cell) = self._stepped()(x, before)
        return self.project(y), tuple(zip(hidden.unbind(), cell.unbind(), strict=True))

    def select(self, state: LstmState, rows: Int[Tensor, "R"]) -> LstmState:
        """Return the state of some sequences."""
        return tuple((hidden[rows], cell[rows]) for hidden, cell in state)

    def _stepped(self) -> nn.LSTM:
        require_steps(self.config)
        if self.lstm is None:
            raise RuntimeError("only a bidirectional core of one layer has no layers to step: this is a mistake here.")
        return self.lstm


def _lstm(width: int, hidden: int, layers: int = 1, between: float = 0.0, *, both_ways: bool = False) -> nn.LSTM:
    made = nn.LSTM(width, hidden, layers, batch_first=True, dropout=between, bidirectional=both_ways)
    for name, bias in made.named_parameters():
        if name.startswith("bias_ih"):
            nn.init.constant_(bias.detach()[hidden : 2 * hidden], 1.0)
    return made
