"""Networks that read a few records token by token in numpy: the same answers, from a tenth of the calls.

A step of one record is so little work that calls cost more than what they compute. Here the parameters are prepared
once: what a LayerNorm adds and multiplies goes into the matrix behind it, and what it subtracts into the matrix before
it, so that only a division by a length is left of it; halves of sigmoids go into their matrices too.

B records, S cells of a window that may be seen, V vocabulary, D d_model, N hidden width, H heads, E head width, P
tokens that there is room for.
"""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from model.embedding import PxByEmbed
from model.network import Network
from model.networks.lstm import LstmCore, LstmState
from model.networks.transformer import Block, TransformerCore, TransformerState, rotary_turns

FEW = 4  # records up to which calls cost more than their work
SMALLEST_ROOM = 64  # tokens
PARTS = {"embedding", "core", "dropout", "norm", "head"}  # of a network that is known here
Kind = type[np.float32] | type[np.float64]
KINDS: dict[torch.dtype, Kind] = {torch.float32: np.float32, torch.float64: np.float64}
Matrix = Float[np.ndarray, "I O"]
Vector = Float[np.ndarray, "O"]
Rows = Float[np.ndarray, "B _"]


@runtime_checkable
class LeanCore(Protocol):
    """A core that keeps its own state."""

    def read(self, x: Rows) -> Rows:
        """Read one embedded token of each record, not yet scaled and shifted by its LayerNorm; the answers sum to 0."""
        ...

    def select(self, rows: Int64[np.ndarray, "R"]) -> None:
        """Go on with some records, in this order."""
        ...


class LeanNetwork:
    """A network that has read the beginnings of a few records and goes on with them; its parameters stand still."""

    def __init__(self, network: Network, windows: UInt8[Tensor, "B L k k"]) -> None:
        """Read the beginnings; use `lean_network`, which knows whether that can be done."""
        embedding, folded, k = network.embedding, network.embedding.fold(), network.config.k
        kind = KINDS[network.norm.weight.dtype]
        rows = _plain(folded.rows)
        rows[: network.vocabulary_size] += _plain(folded.bias)
        self._rows = (rows - rows.mean(axis=1, keepdims=True)).astype(kind)
        seen = k * k // 2 + 1  # cells of a window: the first ones, the centre being the last of them
        self._cells = slice(0 if isinstance(embedding, PxByEmbed) else seen - 1, seen)
        self._places = np.arange(self._cells.stop - self._cells.start) * network.vocabulary_size
        head = _normed_before(network.norm, _plain(network.head.weight).T, _plain(network.head.bias))
        self._head, self._shift = (part.astype(kind) for part in head)
        self._tiny = _tiny(embedding.norm), _tiny(network.norm)
        self._core, y = _started(network.core, embedding(windows, folded), embedding.norm)
        self.logits: Float[Tensor, "B V"] = network.head(network.norm(y[:, -1]))  # of the tokens behind the beginnings

    def read(self, windows: UInt8[np.ndarray, "B k k"]) -> Rows:
        """Read one more token of each record and return the logits of its next, [B, V]."""
        places = windows.reshape(len(windows), -1)[:, self._cells] + self._places
        x = np.add.reduce(self._rows.take(places, axis=0), axis=1)
        with np.errstate(all="ignore"):  # weights that are no numbers are found where their logits are used
            y = self._core.read(_divided(x, self._tiny[0]))
            logits: Rows = _divided(y, self._tiny[1]) @ self._head
        logits += self._shift
        return logits

    def select(self, rows: Int64[np.ndarray, "R"]) -> None:
        """Go on with some records, in this order, one perhaps more than once."""
        self._core.select(rows)


def lean_network(network: Network, windows: UInt8[Tensor, "B L k k"]) -> LeanNetwork | None:
    """Read the beginnings of records, to go on from there.

    None where numpy is no gain or cannot follow: for many records, on another device than a CPU, in halves, for Mamba,
    and for networks with parts or steps that are not known here.
    """
    some = network.norm.weight
    known = (
        type(network) is Network
        and {name for name, _ in network.named_children()} == PARTS
        and type(network.head) is nn.Linear
        and isinstance(network.core, LstmCore | TransformerCore)
    )
    fits = some.device.type == "cpu" and some.dtype in KINDS and len(windows) <= FEW and not network.training
    return LeanNetwork(network, windows) if known and fits else None


def _started(core: object, x: Float[Tensor, "B L D"], norm: nn.LayerNorm) -> tuple[LeanCore, Tensor]:
    """Return a core that has read some beginnings, and what it found in them."""
    kind = KINDS[x.dtype]
    if isinstance(core, LstmCore):
        y, state = core.prefill(x, core.initial_state(len(x)))
        return LeanLstm(core, norm, state, kind), y
    if isinstance(core, TransformerCore):
        y, after = core.prefill(x, core.initial_state(len(x)))
        return LeanTransformer(core, norm, after, kind), y
    raise TypeError(f"{type(core).__name__} has no lean form: a mistake here.")


class LeanLstm:
    """LSTM layers over buffers that hold what each multiplies: its inputs, then its hidden state."""

    def __init__(self, core: LstmCore, norm: nn.LayerNorm, state: LstmState, kind: Kind) -> None:
        """Prepare a core; `norm` is the embedding's. RuntimeError for one that reads backwards."""
        if core.lstm is None or core.first is not None:
            raise RuntimeError("this core reads backwards, so that it has no state to go on from: a mistake here.")
        self._width, self._cells, self._inputs = core.lstm.hidden_size, [], []
        self._layers: list[tuple[Matrix, Vector]] = []
        for number, (weights, (hidden, cell)) in enumerate(zip(core.lstm.all_weights, state, strict=True)):
            read, kept, *biases = (_plain(part) for part in weights)
            matrix, bias = read.T, biases[0] + biases[1]
            if number == 0:
                matrix, bias = _normed_before(norm, matrix, bias)
            gates, given, asked, out = np.split(np.concatenate([matrix, kept.T, bias[None]]), 4, axis=1)
            both = np.concatenate([gates / 2, given / 2, out / 2, asked], axis=1)  # sigmoid z = ½ + ½·tanh(z/2)
            self._layers.append((both[:-1].astype(kind), both[-1].astype(kind)))
            self._cells.append(_plain(cell).astype(kind))
            self._inputs.append(np.concatenate([np.zeros((len(hidden), len(matrix))), _plain(hidden)], axis=1))
        self._inputs = [inputs.astype(kind) for inputs in self._inputs]
        project = _centred(_plain(core.project.weight).T, _plain(core.project.bias))
        self._project, self._shift = (part.astype(kind) for part in project)

    def read(self, x: Rows) -> Rows:
        """Read one token of each record."""
        n = self._width
        for (matrix, bias), inputs, cell in zip(self._layers, self._inputs, self._cells, strict=True):
            inputs[:, :-n] = x
            gates = inputs @ matrix
            gates += bias
            np.tanh(gates, out=gates)
            opened = gates[:, : 3 * n]
            opened *= 0.5
            opened += 0.5
            np.multiply(cell, opened[:, n : 2 * n], out=cell)
            np.add(cell, opened[:, :n] * gates[:, 3 * n :], out=cell)
            x = opened[:, 2 * n :] * np.tanh(cell)
            inputs[:, -n:] = x
        y: Rows = x @ self._project
        y += self._shift
        return y

    def select(self, rows: Int64[np.ndarray, "R"]) -> None:
        """Go on with some records."""
        self._inputs, self._cells = [part[rows] for part in self._inputs], [part[rows] for part in self._cells]


class LeanTransformer:
    """Pre-norm blocks whose every vector sums to 0: each is read through a LayerNorm, which would see to that."""

    def __init__(self, core: TransformerCore, norm: nn.LayerNorm, state: TransformerState, kind: Kind) -> None:
        """Prepare a core; `norm` is the embedding's."""
        self._heads, self._read = core.config.heads, state.length
        self._kind, self._width = kind, core.config.d_state // core.config.heads
        scale = _plain(norm.weight) * len(norm.weight) ** 0.5
        self._scale, self._shift = scale.astype(kind), _plain(norm.bias).astype(kind)
        self._blocks = [_LeanBlock(block, self._width, kind) for block in core.blocks if isinstance(block, Block)]
        self._held = [
            tuple(part[:, :, : state.length].numpy().astype(kind) for part in layer) for layer in state.buffers.layers
        ]
        self._grow()

    def read(self, x: Rows) -> Rows:
        """Read one token of each record."""
        if self._read == self._turns.shape[1]:
            self._grow()
        x = x * self._scale
        x += self._shift
        x -= x.mean(axis=1, keepdims=True)
        turns = self._turns[:, self._read, None, None]
        self._read += 1
        for block, (keys, values) in zip(self._blocks, self._held, strict=True):
            three = block.split(x, self._heads)  # (B, 5, H, E)
            turned = three[:, :2] * turns[0] + three[:, 2:4] * turns[1]
            keys[:, :, self._read - 1], values[:, :, self._read - 1] = turned[:, 1], three[:, 4]
            odds = np.matmul(keys[:, :, : self._read], turned[:, 0, :, :, None])[..., 0]  # (B, H, P)
            odds -= odds.max(axis=2, keepdims=True)
            np.exp(odds, out=odds)
            found = np.matmul(odds[:, :, None], values[:, :, : self._read])[:, :, 0]
            found /= odds.sum(axis=2, keepdims=True)
            x = block.answer(x, found.reshape(len(x), -1))
        return x

    def select(self, rows: Int64[np.ndarray, "R"]) -> None:
        """Go on with some records."""
        self._held = [tuple(part[rows] for part in layer) for layer in self._held]

    def _grow(self) -> None:
        """Make room for twice as many tokens, and the angles of their positions."""
        room = max(2 * self._read, SMALLEST_ROOM)
        turns = rotary_turns(0, room, self._width, torch.zeros((), dtype=torch.float64)).numpy()
        cosines, sines = np.concatenate([turns, turns], axis=-1)
        self._turns = np.stack([cosines, sines]).astype(self._kind)  # (2, P, E)
        larger = []
        for layer in self._held:
            fresh = tuple(np.empty((*part.shape[:2], room, part.shape[3]), dtype=self._kind) for part in layer)
            for new, old in zip(fresh, layer, strict=True):
                new[:, :, : self._read] = old[:, :, : self._read]
            larger.append(fresh)
        self._held = larger


class _LeanBlock:
    """The matrices of one block."""

    def __init__(self, block: Block, width: int, kind: Kind) -> None:
        queries, keys, values = np.split(_plain(block.attention.qkv.weight).T, 3, axis=1)
        queries = queries / width**0.5
        parts = [queries, keys, _quarter(queries, width), _quarter(keys, width), values]
        both = np.concatenate(parts, axis=1)
        made = [
            _normed_before(block.norm, both, np.zeros(both.shape[1])),
            _centred(_plain(block.attention.out.weight).T, _plain(block.attention.out.bias)),
        ]
        first, second = (part for part in block.mlp if isinstance(part, nn.Linear))
        inner, more = _normed_before(block.mlp_norm, _plain(first.weight).T, _plain(first.bias))
        made += [(inner / 2, more / 2), _centred(_plain(second.weight).T, _plain(second.bias))]
        self._qkv, self._out, self._first, self._second = (
            (matrix.astype(kind), bias.astype(kind)) for matrix, bias in made
        )
        self._tiny = _tiny(block.norm), _tiny(block.mlp_norm)

    def split(self, x: Rows, heads: int) -> Float[np.ndarray, "B 5 H E"]:
        """Return queries, keys, both of them a quarter turned, and values."""
        five = _divided(x, self._tiny[0]) @ self._qkv[0]
        five += self._qkv[1]
        parts: Float[np.ndarray, "B 5 H E"] = five.reshape(len(x), 5, heads, -1)
        return parts

    def answer(self, x: Rows, found: Rows) -> Rows:
        """Add what attention found, then what the MLP makes of both; x is changed."""
        x += found @ self._out[0]
        x += self._out[1]
        half = _divided(x, self._tiny[1]) @ self._first[0]
        half += self._first[1]
        gate = np.tanh(half)
        gate += 1
        gate *= half  # silu z = z/2·(1 + tanh(z/2))
        x += gate @ self._second[0]
        x += self._second[1]
        return x


def _plain(x: Tensor) -> Float[np.ndarray, "..."]:
    """Return a copy in float64, in which matrices are prepared."""
    made: Float[np.ndarray, "..."] = x.detach().to(torch.float64, copy=True).numpy()
    return made


def _divided(x: Rows, tiny: float) -> Rows:
    """Return rows that sum to 0 divided by their lengths: what a LayerNorm does but for √D."""
    made: Rows = x / np.sqrt(np.vecdot(x, x) + tiny)[:, None]
    return made


def _tiny(norm: nn.LayerNorm) -> float:
    """Return what `_divided` adds to a sum of squares, where the LayerNorm adds to their mean."""
    return norm.eps * len(norm.weight)


def _normed_before(norm: nn.LayerNorm, matrix: Matrix, bias: Vector) -> tuple[Matrix, Vector]:
    """Return what to multiply `_divided` rows by and add, in place of a LayerNorm and this matrix and bias."""
    scale = _plain(norm.weight) * len(norm.weight) ** 0.5
    return scale[:, None] * matrix, _plain(norm.bias) @ matrix + bias


def _centred(matrix: Matrix, bias: Vector) -> tuple[Matrix, Vector]:
    """Return a matrix and a bias whose outputs sum to 0, else the same."""
    return matrix - matrix.mean(axis=1, keepdims=True), bias - bias.mean()


def _quarter(matrix: Matrix, width: int) -> Matrix:
    """Return a matrix whose outputs are a quarter turned: (−right, left) of each head's halves."""
    left, right = np.split(matrix.reshape(len(matrix), -1, 2, width // 2), 2, axis=2)
    return np.concatenate([-right, left], axis=2).reshape(matrix.shape)
