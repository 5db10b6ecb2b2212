"""What is drawn without the grammar's mask is judged by it, and faults of one kind are counted together."""

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.generate import SampleConfig
from model.grammar import Grammar
from model.network import Network
from model.validity import Fault, network_sampler, unconstrained_validity, validity
from palettes.vocabulary import LF, Vocabulary
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()
GRAMMAR = Grammar(VOCABULARY)
GOOD = encode_record(np.ones((2, 3), dtype=np.uint8), "a beast.", VOCABULARY)
NO_SHAPE = np.array([60, 61, LF], dtype=np.uint8)


def test_well_formed_records_are_counted() -> None:
    found = validity([GOOD, GOOD, GOOD[:-1], NO_SHAPE], GRAMMAR)
    assert (found.drawn, found.well_formed, found.share) == (4, 2, 0.5)


def test_faults_of_one_kind_are_counted_together() -> None:
    other = np.array([LF, 70], dtype=np.uint8)
    found = validity([NO_SHAPE, other, GOOD[:-1]], GRAMMAR)
    assert found.faults[0] == Fault(what="another token where OPEN is due", count=2)
    assert found.faults[1] == Fault(what="cut off where CAPTION is due", count=1)


def test_rows_of_another_width_than_was_told_are_called_so() -> None:
    row = len("(2, 3)") + 1  # where the first one begins
    short = np.delete(GOOD, row)
    long = np.insert(GOOD, row, GOOD[row])
    found = validity([short, short, long], GRAMMAR)
    assert found.faults == (
        Fault(what="a row ends before its told width", count=2),
        Fault(what="pixels beyond the told width or height", count=1),
    )


def test_the_sampler_is_asked_for_so_many_with_the_seed() -> None:
    asked = []

    def sample(count: int, seed: int) -> list[np.ndarray]:
        asked.append((count, seed))
        return [GOOD] * count

    assert unconstrained_validity(sample, GRAMMAR, 3, seed=8).share == 1
    assert asked == [(3, 8)]


def test_none_drawn_or_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        unconstrained_validity(lambda _count, _seed: [], GRAMMAR, 0)
    with pytest.raises(ValueError, match="drew 1"):
        unconstrained_validity(lambda _count, _seed: [GOOD], GRAMMAR, 2)
    with pytest.raises(ValueError, match="no records"):
        validity([], GRAMMAR)


def test_an_untrained_network_breaks_the_grammar_and_the_same_seed_breaks_it_alike() -> None:
    torch.manual_seed(0)
    network = Network(ModelConfig(d_model=12, d_state=8, layers=1, k=3), len(VOCABULARY))
    sample = network_sampler(network, VOCABULARY, SampleConfig(max_side=3, max_caption=10))
    found = unconstrained_validity(sample, GRAMMAR, 6, seed=1)
    assert (found.drawn, found.well_formed) == (6, 0)
    assert sum(fault.count for fault in found.faults) == 6
    assert unconstrained_validity(sample, GRAMMAR, 6, seed=1) == found
