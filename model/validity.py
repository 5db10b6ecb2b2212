"""How often a model keeps the grammar of a record when nothing forces it to."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from model.generate import SampleConfig, generate
from model.grammar import Grammar
from model.network import Network
from model.sample_scores import Fault, Validity
from palettes.vocabulary import Vocabulary

__all__ = ["Fault", "Sampler", "Validity", "network_sampler", "unconstrained_validity", "validity"]

Sampler = Callable[[int, int], Sequence[UInt8[np.ndarray, "_"]]]  # (how many, seed) to records drawn without the mask
REASONS = 5  # of the commonest that are told


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
    >>> _kind("at token 34: record 0: TAB cannot stand where IMAGE is due.")
    'a row ends before its told width'
    """
    due = why.rstrip(".").rsplit("where ", maxsplit=1)[-1]
    came = why.partition(" cannot stand where IMAGE")[0].rsplit(" ", maxsplit=1)[-1]
    if due.startswith("IMAGE") and (came == "TAB" or came.startswith("#")):
        return "a row ends before its told width" if came == "TAB" else "pixels beyond the told width or height"
    return f"cut off where {due}" if why.startswith("it ends") else f"another token where {due}"
