"""Bits are exact: all short sequences share a probability of 1, and no company or padding changes a record's bits."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float64, UInt8

from model.baselines import ChainModel, Counts2D, GuessModel, fit_baselines
from model.batches import TokenTable
from model.config import ModelConfig
from model.continuation import stepped_log_probs
from model.counts import CountChain, count_chain, pack
from model.language_model import LanguageModel
from model.metrics import score
from model.network import Network, NetworkModel
from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import encode_record

SIZE, LENGTH = 5, 4  # ids 0 to 4: NUL, TAB, LF and two bytes
SEQUENCES = np.array(list(product(range(SIZE), repeat=LENGTH)), dtype=np.uint8)
CORES: tuple[Literal["lstm", "transformer", "mamba"], ...] = ("lstm", "transformer", "mamba")
VOCABULARY = Vocabulary()
RNG = np.random.default_rng(7)


def random_chain(levels: int) -> CountChain:
    tokens = RNG.integers(0, SIZE, size=80)
    contexts = pack([np.zeros(80, dtype=np.int64), *(np.roll(tokens, i) for i in range(1, levels))])
    return count_chain(contexts, tokens.astype(np.uint8), SIZE, leaning=tuple(RNG.uniform(0.5, 4, size=levels)))


def tiny_counts() -> list[LanguageModel]:
    frequencies = np.array([0.1, 0.2, 0.3, 0.15, 0.25])
    return [
        *(
            GuessModel(name=name, modes=np.array([3, 4]), trust=0.4, unigram=frequencies, parameters=7)
            for name in ("RepeatLast", "CopyAbove", "ModalityMode")
        ),
        ChainModel(name="Bigram", order=2, chain=random_chain(2)),
        ChainModel(name="NGram3", order=3, chain=random_chain(3)),
        Counts2D(pixels=random_chain(5), text=random_chain(5)),
    ]


@dataclass(frozen=True)
class Stepped:
    """A network as a LanguageModel of any ids, well formed or not."""

    network: Network
    name: str = "Stepped"
    kind: Literal["network", "baseline"] = "network"
    parameters: int = 1

    def log_probs(self, record: UInt8[np.ndarray, "L"]) -> Float64[np.ndarray, "L V"]:
        return self.batch_log_probs([record])[0]

    def batch_log_probs(self, records: list[np.ndarray]) -> list[np.ndarray]:
        return list(stepped_log_probs(self.network, np.stack(records)))


def network(core: Literal["lstm", "transformer", "mamba"], size: int, look: Literal["ahead", "current"]) -> Network:
    torch.manual_seed(3)
    return Network(ModelConfig(core=core, d_model=16, d_state=8, layers=2, k=3, look=look), size)


def total(model: LanguageModel) -> float:
    logs = (
        model.batch_log_probs(list(SEQUENCES))
        if isinstance(model, Stepped)
        else [model.log_probs(s) for s in SEQUENCES]
    )
    paid = [rows[np.arange(LENGTH), ids].sum() for rows, ids in zip(logs, SEQUENCES, strict=True)]
    return float(np.exp(paid).sum())


@pytest.mark.parametrize("model", tiny_counts(), ids=lambda model: model.name)
def test_all_short_sequences_share_a_probability_of_one_under_counts(model: LanguageModel) -> None:
    assert total(model) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("look", ["ahead", "current"])
@pytest.mark.parametrize("core", CORES)
def test_all_short_sequences_share_a_probability_of_one_under_networks(
    core: Literal["lstm", "transformer", "mamba"], look: Literal["ahead", "current"]
) -> None:
    assert total(Stepped(network(core, SIZE, look))) == pytest.approx(1, abs=1e-6)


def drawn(count: int, seed: int) -> TokenTable:
    rng = np.random.default_rng(seed)
    sides = rng.integers(1, 9, size=(count, 2))
    sprites = [rng.integers(0, 5, size=side).astype(np.uint8) for side in sides]
    return TokenTable.from_records(
        [(f"r{i}", encode_record(one, "a beast. " * int(one.shape[0]), VOCABULARY)) for i, one in enumerate(sprites)]
    )


TABLE = drawn(9, seed=2)
MODELS: dict[str, LanguageModel] = {model.name: model for model in fit_baselines(drawn(12, seed=1), VOCABULARY)}
for one in CORES:
    MODELS[one] = NetworkModel(network(one, len(VOCABULARY), "ahead"), name=one)
ALONE = {name: score(model, TABLE).bits for name, model in MODELS.items()}


@pytest.mark.parametrize("name", MODELS)
@given(members=st.lists(st.integers(0, 8), min_size=1, max_size=6), tokens=st.sampled_from([1, 300, 4096]))
@settings(max_examples=6)
def test_bits_do_not_depend_on_company_or_padding(name: str, members: list[int], tokens: int) -> None:
    model = MODELS[name]
    if isinstance(model, NetworkModel):
        model = NetworkModel(model.network, name=name, batch_tokens=tokens)
    found = score(model, TokenTable.from_records([(f"{i}", TABLE.record(i)) for i in members])).bits
    np.testing.assert_allclose(found, ALONE[name][members], rtol=1e-5, atol=1e-5)
