"""The paper's metrics: true tokens score 0, 1, 1; the protocol is the paper's; every kind of model goes through it."""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.baselines import fit_baselines
from model.batches import TokenTable
from model.config import ModelConfig
from model.continuation import ExcerptNetwork, NextTokenModel, continue_greedily, since_record_end, stepped_log_probs
from model.language_model import LanguageModel
from model.network import Network, NetworkModel
from model.paper_metrics import (
    bleu,
    compare,
    continued_windows,
    cosine,
    excerpts_of,
    hamming,
    measure,
    paper_scores,
)
from model.paper_protocol import PaperProtocol
from palettes.vocabulary import LF, Vocabulary
from pipeline.tokenizer import encode_record, grids
from pipeline.windows import record_windows

VOCABULARY = Vocabulary()
KINDS = [PaperProtocol(), PaperProtocol(wrap=False), PaperProtocol(wrap=False, reads="record")]


def drawn_table(count: int, seed: int) -> TokenTable:
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        h, w = rng.integers(4, 9, size=2)
        sprite = rng.integers(0, 3, size=(h, w)).astype(np.uint8)
        records.append((f"r{i}", encode_record(sprite, "it lives in the sea. " * int(h), VOCABULARY)))
    return TokenTable.from_records(records)


TABLE = drawn_table(3, seed=1)
BASELINES = fit_baselines(drawn_table(12, seed=2), VOCABULARY)


def network_model(look: Literal["ahead", "current"] = "ahead", k: int = 3) -> NetworkModel:
    torch.manual_seed(4)
    return NetworkModel(Network(ModelConfig(d_model=16, d_state=12, layers=1, k=k, look=look), len(VOCABULARY)))


@dataclass(frozen=True)
class Oracle:
    """Knows one record by heart, and goes round it."""

    record: np.ndarray
    name: str = "Oracle"
    kind: Literal["network", "baseline"] = "baseline"
    parameters: int = 0

    def log_probs(self, record: np.ndarray) -> np.ndarray:
        true = self.record[np.arange(len(record)) % len(self.record)]
        out = np.full((len(record), len(VOCABULARY)), np.log(0.1 / (len(VOCABULARY) - 1)))
        out[np.arange(len(record)), true] = np.log(0.9)
        return out


def slow_bleu(found: list[int], true: list[int]) -> float:
    """BLEU as it is defined, word by word."""
    logs = 0.0
    for n in range(1, 5):
        ours = Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))
        theirs = Counter(tuple(true[i : i + n]) for i in range(len(true) - n + 1))
        hits = sum(min(count, theirs[gram]) for gram, count in ours.items())
        if not hits:
            return 0.0
        logs += math.log(hits / ours.total()) / 4
    return math.exp(logs)


@pytest.mark.parametrize("protocol", KINDS)
def test_true_tokens_score_nought_one_one(protocol: PaperProtocol) -> None:
    asked = excerpts_of(TABLE, protocol)
    found = compare(asked, asked.targets, protocol)
    assert (found.hamming, found.centre_accuracy, found.text_accuracy, found.other_accuracy) == (0, 1, 1, 1)
    assert found.cosine == pytest.approx(1)
    assert found.bleu == pytest.approx(1)
    assert found.std == pytest.approx((0, 0, 0), abs=1e-9)


@pytest.mark.parametrize("protocol", KINDS)
def test_a_model_that_knows_the_record_scores_nought_one_one_too(protocol: PaperProtocol) -> None:
    record = TABLE.record(1)
    found = measure(Oracle(record), TokenTable.from_records([("r", record)]), protocol)
    assert (found.hamming, found.centre_accuracy) == (0, 1)
    assert found.bleu == pytest.approx(1)


def test_excerpts_begin_every_eighty_tokens_and_go_round_their_own_record() -> None:
    asked = excerpts_of(TABLE, PaperProtocol())
    at = 0
    for i in range(len(TABLE)):
        record = TABLE.record(i)
        for start in range(0, len(record), 80):
            twice = np.tile(record, 2)
            assert len(asked.contexts[at]) == start + 64
            np.testing.assert_array_equal(asked.contexts[at], twice[: start + 64])
            np.testing.assert_array_equal(asked.targets[at], twice[start + 64 : start + 80])
            at += 1
    assert at == len(asked.contexts)


def test_without_wrap_no_excerpt_leaves_its_record() -> None:
    asked = excerpts_of(TABLE, PaperProtocol(wrap=False))
    assert len(asked.contexts) == sum(int(length) // 80 for length in TABLE.lengths)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_windows_compared_are_those_of_the_dataset(k: int) -> None:
    asked = excerpts_of(TABLE, PaperProtocol())
    found = continued_windows(asked.contexts, asked.targets, k)
    at = 0
    for i in range(len(TABLE)):
        whole = record_windows(grids(TABLE.record(i)), k)
        for start in range(0, len(whole), 80):
            np.testing.assert_array_equal(found[at], whole[np.arange(start + 64, start + 80) % len(whole)])
            at += 1


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_bleu_is_the_one_defined_word_by_word(kinds: int, seed: int) -> None:
    found, true = np.random.default_rng(seed).integers(0, kinds, size=(2, 7, 30)).astype(np.uint8)
    expected = [slow_bleu(a.tolist(), b.tolist()) for a, b in zip(found, true, strict=True)]
    np.testing.assert_allclose(bleu(found, true), expected, atol=1e-12)


def test_each_metric_by_hand() -> None:
    found, true = np.array([[3, 4, 0, 0]], dtype=np.uint8), np.array([[3, 0, 0, 4]], dtype=np.uint8)
    assert hamming(found, true).tolist() == [0.5]
    assert cosine(found, true).tolist() == [pytest.approx(9 / 25)]
    assert cosine(found * 0, true).tolist() == [0.0]
    assert bleu(found, true).tolist() == [0.0]  # no pair of three words in common
    assert bleu(true, true).tolist() == [1.0]


def test_wrong_text_still_scores_well_in_all_but_the_centres() -> None:
    record = encode_record(np.zeros((2, 2), dtype=np.uint8), "a" * 200, VOCABULARY)
    asked = excerpts_of(TokenTable.from_records([("r", record)]), PaperProtocol(wrap=False))
    other = np.full_like(asked.targets, VOCABULARY.encode_text("b")[0])
    found = compare(asked, other, PaperProtocol(wrap=False))
    assert found.centre_accuracy == 0
    assert found.hamming < 2 / 9


@pytest.mark.parametrize("model", BASELINES, ids=lambda model: model.name)
def test_a_count_model_answers_for_the_next_token_as_it_does_for_all(model: LanguageModel) -> None:
    assert isinstance(model, NextTokenModel)
    rng = np.random.default_rng(3)
    prefixes = [TABLE.record(int(i))[: int(rng.integers(0, TABLE.lengths[i]))] for i in rng.integers(0, 3, size=40)]
    prefixes += [TABLE.record(0)[:place] for place in (0, 1)] + [TABLE.record(0), np.tile(TABLE.record(0), 2)[:-3]]
    rows = model.next_log_probs(prefixes)
    for row, prefix in zip(rows, prefixes, strict=True):
        np.testing.assert_allclose(row, model.log_probs(np.append(prefix, np.uint8(9)))[-1], atol=1e-12)


def test_a_count_model_continues_as_by_asking_for_whole_records() -> None:
    counts = BASELINES[-1]
    asked = excerpts_of(TABLE, PaperProtocol())

    class Slow(Oracle):
        def log_probs(self, record: np.ndarray) -> np.ndarray:
            return counts.log_probs(record)

    slow = Slow(TABLE.record(0))
    fast = continue_greedily(counts, asked.contexts, 16, 64, "record")
    np.testing.assert_array_equal(fast, continue_greedily(slow, asked.contexts, 16, 64, "record"))


def test_a_new_record_begins_after_the_third_end() -> None:
    ids = np.tile(TABLE.record(0), 2)
    length = len(TABLE.record(0))
    assert len(since_record_end(ids[:length])) == 0
    np.testing.assert_array_equal(since_record_end(ids[: length + 9]), ids[:9])
    np.testing.assert_array_equal(since_record_end(ids[: length - 1]), ids[: length - 1])


@pytest.mark.parametrize("look", ["ahead", "current"])
def test_stepping_over_a_record_gives_its_log_probs(look: Literal["ahead", "current"]) -> None:
    model = network_model(look, k=5)
    model.network.eval()
    for i in range(2):
        record = TABLE.record(i)
        np.testing.assert_allclose(
            stepped_log_probs(model.network, record[None])[0], model.log_probs(record), atol=1e-5
        )


@pytest.mark.parametrize("look", ["ahead", "current"])
def test_a_network_that_reads_records_draws_its_most_probable_ids(look: Literal["ahead", "current"]) -> None:
    model = network_model(look)
    contexts = excerpts_of(TABLE, PaperProtocol(wrap=False)).contexts[:6]
    drawn = continue_greedily(model, contexts, 16, 64, "record")
    for context, row in zip(contexts, drawn, strict=True):
        logs = stepped_log_probs(model.network, np.concatenate([context, row])[None])[0]
        np.testing.assert_array_equal(logs[len(context) :].argmax(axis=1), row)


@pytest.mark.parametrize("look", ["ahead", "current"])
@pytest.mark.parametrize("k", [3, 5])
def test_a_network_that_reads_excerpts_sees_the_true_windows_and_nothing_before(
    look: Literal["ahead", "current"], k: int
) -> None:
    model = network_model(look, k)
    record = TABLE.record(0)
    asked = excerpts_of(TokenTable.from_records([("r", record)]), PaperProtocol(wrap=False))
    drawn = continue_greedily(model, asked.contexts, 1, 64, "excerpt")
    whole = record_windows(grids(record), k)
    for i, row in enumerate(drawn):
        places = np.arange(80 * i, 80 * i + 64)
        windows = whole[places].copy()
        if look == "ahead":
            windows = whole[places + 1].copy()
            windows[:, k // 2, k // 2] = record[places]
        with torch.inference_mode():
            logits = model.network.eval()(torch.from_numpy(windows[None]))
        assert int(logits[0, -1].argmax()) == row[0]


def test_a_network_leaves_training_as_it_was_and_gives_the_same_in_any_company() -> None:
    model = network_model()
    model.network.train()
    asked = excerpts_of(TABLE, PaperProtocol())
    together = continue_greedily(model, asked.contexts, 16, 64, "excerpt")
    assert model.network.training
    for context, row in zip(asked.contexts[:4], together[:4], strict=True):
        np.testing.assert_array_equal(continue_greedily(model, [context], 16, 64, "excerpt")[0], row)


def test_a_network_that_reads_backwards_continues_by_reading_all_windows_again() -> None:
    torch.manual_seed(5)
    config = ModelConfig(d_model=16, d_state=12, layers=1, k=3, look="current", bidirectional=True)
    model = ExcerptNetwork(Network(config, len(VOCABULARY)), "both ways")
    asked = excerpts_of(TABLE, PaperProtocol())
    drawn = continue_greedily(model, asked.contexts, 3, 64, "excerpt")
    for context, row in zip(asked.contexts[:3], drawn[:3], strict=True):
        windows = continued_windows([context[:-64]], np.concatenate([context[-64:], row])[None], 3)[0]
        for place in range(3):
            with torch.inference_mode():
                logits = model.network.eval()(torch.from_numpy(windows[None, : 64 + place]))
            assert int(logits[0, -1].argmax()) == row[place]
    assert [one.reads for one in paper_scores(model, TABLE).variants] == ["excerpt"]
    with pytest.raises(ValueError, match="both ways cannot read"):
        measure(model, TABLE, PaperProtocol(reads="record"))


@pytest.mark.parametrize("model", [BASELINES[-1], network_model()], ids=["counts", "network"])
def test_all_protocols_stand_in_the_scores_as_if_measured_one_by_one(model: LanguageModel) -> None:
    found = paper_scores(model, TABLE)
    assert found.variants == tuple(measure(model, TABLE, protocol) for protocol in KINDS[1:])
    own = measure(model, TABLE, KINDS[0])
    assert (found.hamming, found.bleu, found.std) == (own.hamming, own.bleu, own.std)


def test_the_scores_tell_their_protocols() -> None:
    found = paper_scores(BASELINES[-1], TABLE)
    assert [(one.wrap, one.reads) for one in found.variants] == [(False, "excerpt"), (False, "record")]
    assert found.excerpts == len(excerpts_of(TABLE, PaperProtocol()).contexts)
    assert len(found.std) == 3
    short = TokenTable.from_records([("r", encode_record(np.zeros((2, 2), dtype=np.uint8), "abc", VOCABULARY))])
    assert paper_scores(BASELINES[-1], short).variants == ()


def test_records_too_short_are_refused_without_wrap() -> None:
    short = TokenTable.from_records([("r", encode_record(np.zeros((2, 2), dtype=np.uint8), "abc", VOCABULARY))])
    with pytest.raises(ValueError, match="no record"):
        measure(BASELINES[0], short, PaperProtocol(wrap=False))
    with pytest.raises(ValueError, match="fewer than"):
        continue_greedily(BASELINES[0], [np.array([LF], dtype=np.uint8)], 1, 64, "excerpt")
    with pytest.raises(ValueError, match="1 or more"):
        PaperProtocol(given=0)
