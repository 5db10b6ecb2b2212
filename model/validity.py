"""How often a model keeps the grammar of a record when nothing forces it to."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from model.generate import SampleConfig, generate
from model.grammar import Grammar
from model.network import Network
from palettes.vocabulary import Vocabulary

Sampler = Callable[[int, int], Sequence[UInt8[np.ndarray, "_"]]]  # (how many, seed) to records drawn without the mask
REASONS = 5  # of the commonest that are told


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way in which records broke the grammar."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How many of the records drawn were well formed, and what was wrong with the others."""

    drawn: int
    well_formed: int
    faults: tuple[Fault, ...] = ()  # the commonest first

    @property
    def share(self) -> float:
        """Share of well-formed records."""
        return self.well_formed / self.drawn


def network_sampler(network: Network, vocabulary: Vocabulary, how: SampleConfig | None = None) -> Sampler:
    """Return a sampler that draws from nothing without the mask; of `how` all counts but seed and constraint."""

    def sample(count: int, seed: int) -> Sequence[UInt8[np.ndarray, "_"]]:
        config = replace(how or SampleConfig(), seed=seed, constrained=False)
        return generate(network, vocabulary, [np.zeros(0, dtype=np.uint8)] * count, config=config)

    return sample


def unconstrained_validity(sample: Sampler, grammar: Grammar, count: int, seed: int = 0) -> Validity:
    """Draw `count` records with `sample`, which must not mask anything, and judge each by the grammar.

    ValueError when `count` is below 1 or the sampler gives another number of records.
    """
    if count < 1:
        raise ValueError(f"{count} records are to be drawn: a share needs at least one.")
    records = sample(count, seed)
    if len(records) != count:
        raise ValueError(f"the sampler drew {len(records)} records, but {count} were asked for.")
    return validity(records, grammar)


def validity(records: Sequence[UInt8[np.ndarray, "_"]], grammar: Grammar) -> Validity:
    """Judge records that were drawn already; ValueError when there are none."""
    if not len(records):
        raise ValueError("there are no records to judge: draw some first.")
    wrong = Counter(_kind(why) for why in (grammar.why_not(record) for record in records) if why is not None)
    faults = tuple(Fault(what=what, count=count) for what, count in wrong.most_common(REASONS))
    return Validity(drawn=len(records), well_formed=len(records) - wrong.total(), faults=faults)


def _kind(why: str) -> str:
    """Return a fault without its place and its token, so that like ones are counted together.

    >>> _kind("at token 1: record 0:   cannot stand where HEIGHT is due.")
    'another token where HEIGHT is due'
    """
    due = why.rstrip(".").rsplit("where ", maxsplit=1)[-1]
    return f"cut off where {due}" if why.startswith("it ends") else f"another token where {due}"
