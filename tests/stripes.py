"""A small made-up dataset of striped sprites, and how tests train on it and read what the runs wrote."""

import json
from pathlib import Path

import numpy as np
import torch

from model.batches import TokenTable
from model.checkpoint import load_checkpoint
from model.config import ModelConfig, TrainConfig
from model.train import Progress, TrainData, train
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()
DATASET = DatasetVersion(repo_id="tests/stripes", tag="v1.0.0", revision="r", digest="d")
MODEL = ModelConfig(d_model=16, d_state=12, k=3, dropout=0.2, layers=2)
RECIPE = TrainConfig(epochs=3, batch_tokens=400, learning_rate=1e-2, seed=5)


class Enough(Exception):  # noqa: N818 - not an error: a stand-in for a kill
    pass


def stripes(count: int, seed: int) -> TokenTable:
    """Return records of few colours in rows, of several sizes."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(count):
        h, w, colour = rng.integers(2, 7), rng.integers(2, 7), rng.integers(0, 54)
        sprite = np.full((h, w), colour, dtype=np.uint8)
        sprite[::2] += 1
        records.append((f"s{i}", encode_record(sprite, "stripes" * int(rng.integers(1, 4)), VOCABULARY)))
    return TokenTable.from_records(records)


def stripes_data() -> TrainData:
    """Return both splits."""
    return TrainData(train=stripes(40, 0), validation=stripes(8, 1), vocabulary=VOCABULARY, dataset=DATASET)


def recipe(**changes: object) -> TrainConfig:
    """Return RECIPE with some fields changed."""
    return TrainConfig.from_json(RECIPE.to_json() | changes)


def log_of(folder: Path) -> list[dict[str, float]]:
    """Return a run's log, but for its times."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def weights_of(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """Return the weights of one of a run's checkpoints."""
    return dict(load_checkpoint(folder / "checkpoints" / name)[0].state_dict())


def same_weights(one: Path, other: Path) -> bool:
    """Tell whether two runs have equal checkpoints."""
    return all(
        torch.equal(tensor, weights_of(other, name)[key])
        for name in ("best", "last")
        for key, tensor in weights_of(one, name).items()
    )


def train_until(stop: int, config: TrainConfig, folder: Path, model: ModelConfig = MODEL) -> None:
    """Train, and die at a step."""

    def kill(at: Progress) -> None:
        if at.step >= stop:
            raise Enough

    try:
        train(stripes_data(), model, config, folder, kill)
    except Enough:
        return
    raise AssertionError(f"the run ended before step {stop}")
