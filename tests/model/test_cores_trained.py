import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from model.batches import TokenTable
from model.checkpoint import load_checkpoint
from model.config import CORE_NAMES, Core, ModelConfig, TrainConfig
from model.generate import SampleConfig, generate
from model.network import Network, NetworkModel
from model.train import TrainData, train
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()
CORES: Sequence[Core] = sorted(CORE_NAMES)


@pytest.fixture(scope="module")
def data() -> TrainData:
    sprites = [np.full((3, 4), colour, dtype=np.uint8) for colour in range(8)]
    rows = [(f"r{i}", encode_record(sprite, f"colour {i}", VOCABULARY)) for i, sprite in enumerate(sprites)]
    few = TokenTable.from_records(rows)
    dataset = DatasetVersion(repo_id="tests/eight", tag="v1.0.0", revision="r", digest="d")
    return TrainData(train=few, validation=few, vocabulary=VOCABULARY, dataset=dataset)


@pytest.mark.parametrize("core", CORES)
def test_every_core_learns_is_saved_and_draws(core: Core, data: TrainData, tmp_path: Path) -> None:
    model = ModelConfig(core=core, d_model=16, d_state=8, layers=2, k=3, dropout=0.0, heads=2)
    recipe = TrainConfig(epochs=6, batch_tokens=64, learning_rate=1e-2, evaluate_every=3)
    info = train(data, model, recipe, tmp_path)
    losses = [json.loads(line)["validation_bits"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] < 30 * np.log2(len(VOCABULARY))
    network, told = load_checkpoint(tmp_path / "checkpoints" / "best", VOCABULARY)
    assert (told.model, told.validation_bits) == (model, info.validation_bits)
    assert network.config == model
    record = data.train.record(0)
    probabilities = NetworkModel(network).log_probs(record)
    bits = -probabilities[np.arange(len(record)), record].sum() / np.log(2)
    assert np.isfinite(bits)
    how = SampleConfig(seed=3, max_side=4, max_caption=12)
    once, again = (generate(network, VOCABULARY, [record[:9], record[:0]], config=how) for _ in "ab")
    assert all(np.array_equal(one, other) for one, other in zip(once, again, strict=True))
    assert np.array_equal(once[0][:9], record[:9])


def test_what_reads_backwards_draws_nothing() -> None:
    network = Network(ModelConfig(d_model=8, d_state=8, k=3, bidirectional=True), len(VOCABULARY))
    with pytest.raises(ValueError, match="draws nothing"):
        generate(network, VOCABULARY, [np.zeros(0, dtype=np.uint8)])
    assert torch.isfinite(network(torch.zeros(1, 4, 3, 3, dtype=torch.uint8))).all()
