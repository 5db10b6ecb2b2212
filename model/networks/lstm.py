"""The LSTM core. B batch, L tokens, D d_model, N hidden width."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from model.config import ModelConfig

LstmState = tuple[tuple[Float[Tensor, "B N"], Float[Tensor, "B N"]], ...]  # hidden and cell of each layer


class LstmCore(nn.Module):
    """Layers of LSTM and a projection back to D. The law: scanning `step` equals `forward`."""

    def __init__(self, config: ModelConfig) -> None:
        """Make the parameters; forget gates start open by 1, so that memory lasts from the first step on."""
        super().__init__()
        between = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(config.d_model, config.d_state, config.layers, batch_first=True, dropout=between)
        self.project = nn.Linear(config.d_state, config.d_model)
        for layer in range(config.layers):
            forget = getattr(self.lstm, f"bias_ih_l{layer}")[config.d_state : 2 * config.d_state]
            nn.init.constant_(forget.detach(), 1.0)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Read whole sequences from the initial state."""
        out: Tensor = self.project(self.lstm(x)[0])
        return out

    def initial_state(self, batch: int) -> LstmState:
        """Return the state of B sequences of which nothing was read."""
        zeros = self.project.weight.new_zeros(batch, self.lstm.hidden_size)
        return ((zeros, zeros),) * self.lstm.num_layers

    def step(self, x: Float[Tensor, "B D"], state: LstmState) -> tuple[Float[Tensor, "B D"], LstmState]:
        """Read one token of each sequence."""
        after = []
        for layer, weights in zip(state, self.lstm.all_weights, strict=True):
            after.append(torch.lstm_cell(x, layer, *weights))
            x = after[-1][0]
        return self.project(x), tuple(after)
