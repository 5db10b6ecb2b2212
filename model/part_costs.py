"""What one part of the records of a split could say and does cost, and how parts add up.

Axes: R records of a split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt16

from model.metrics import bootstrap_mean
from pipeline.records import Split

CHOSEN_ON: Split = "validation"  # no model is chosen on test records
Costs = Mapping[str, Mapping[Split, Float64[np.ndarray, "_"]]]  # bits of each record, by model and split


@dataclass(frozen=True, slots=True, kw_only=True)
class PartAudit:
    """One part of the records of a split under one tokenisation; amounts are means per record."""

    tokens: float  # L
    vocabulary: int | None  # V; None for a record whose parts have different ones
    capacity_bits: float  # L·log2 V
    exact_bits: float
    ci95: tuple[float, float]  # of the exact bits, by bootstrap over records
    model: str  # that paid them
    used: float  # exact bits / capacity
    bits_per_token: float
    bits_per_unit: float | None  # per pixel of a picture (shape and row ends paid), per character of a caption


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """One part of each record of the split: its ids, what they could say, what they cost, and whose price that is."""

    tokens: Int64[np.ndarray, "R"]
    capacity: Float64[np.ndarray, "R"]
    bits: Float64[np.ndarray, "R"]
    vocabulary: int | None
    model: str

    def told(self, units: Int64[np.ndarray, "R"] | None) -> PartAudit:
        """Return the means; `units` are what each record has of pixels or characters."""
        interval = bootstrap_mean(self.bits, seed=0)
        return PartAudit(
            tokens=float(self.tokens.mean()),
            vocabulary=self.vocabulary,
            capacity_bits=float(self.capacity.mean()),
            exact_bits=float(self.bits.mean()),
            ci95=(interval.low, interval.high),
            model=self.model,
            used=float(self.bits.sum() / self.capacity.sum()) if self.capacity.sum() else 0.0,
            bits_per_token=float(self.bits.sum() / self.tokens.sum()),
            bits_per_unit=None if units is None else float(self.bits.sum() / units.sum()),
        )

    def with_rest(self, rest: "Paid") -> "Paid":
        """Return the two parts as one: everything adds up."""
        return Paid(
            tokens=self.tokens + rest.tokens,
            capacity=self.capacity + rest.capacity,
            bits=self.bits + rest.bits,
            vocabulary=self.vocabulary if self.vocabulary == rest.vocabulary else None,
            model=" + ".join(dict.fromkeys((self.model, rest.model))),
        )


def best_paid(ids: Sequence[UInt16[np.ndarray, "_"]], size: int, costs: Costs, split: Split) -> Paid:
    """Return what the model pays that is best where models are chosen."""
    best = min(costs, key=lambda name: float(costs[name][CHOSEN_ON].sum()))
    tokens = np.array([len(one) for one in ids], dtype=np.int64)
    return Paid(tokens=tokens, capacity=tokens * np.log2(size), bits=costs[best][split], vocabulary=size, model=best)
