"""What a network and a baseline have in common: an exact distribution for every token of a record, given those before.

Axes: L tokens of one record, V vocabulary.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

Kind = Literal["network", "baseline"]


@runtime_checkable
class LanguageModel(Protocol):
    """Whatever can say how probable each next token is.

    The laws: exp of a row sums to 1; row t depends on record[:t] alone; every row is finite where a record's own token
    stands, so that no record costs infinitely many bits.
    """

    @property
    def name(self) -> str:
        """Name in tables, such as `LSTM` or `Counts2D`."""

    @property
    def kind(self) -> Kind:
        """Tell whether gradients made it (`network`) or counting (`baseline`)."""

    @property
    def parameters(self) -> int:
        """Numbers it holds: weights of a network, counts of a baseline."""

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        """Return natural log p(next token | ids before it); row t is the distribution of record[t]."""


@runtime_checkable
class BatchedLanguageModel(LanguageModel, Protocol):
    """A LanguageModel that is faster on many records at once; the answers are the same, in the order asked."""

    def batch_log_probs(self, records: Sequence[UInt8[np.ndarray, "_"]]) -> list[Float64[np.ndarray, "_ V"]]:
        """Return `log_probs` of each record."""
