"""What a training would be, before it begins: its size, its steps, its folder, and how far it came already."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from model.checkpoint import PROGRESS, read_json
from model.config import ModelConfig, TrainConfig, require_causal_loss
from model.devices import device_of
from model.feeds import Place, training_feed
from model.network import Network
from model.training_run import RUN_CONFIG, TrainData

State = Literal["new", "begun", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A training that was not begun, or not ended."""

    folder: Path
    parameters: int
    records: int  # of the training split
    epochs: int
    steps_per_epoch: int  # of the first one; others differ by a few where batches are packed anew
    steps: int  # of the whole run
    device: str
    state: State
    step: int  # that it stands at


def plan_run(data: TrainData, model: ModelConfig, recipe: TrainConfig, folder: Path, processes: int = 1) -> PlannedRun:
    """Return what training here would be, without a file being written.

    ValueError for a recipe that cannot be: a device that is not there, a loss that has read its targets.
    """
    require_causal_loss(model, recipe)
    device = device_of(recipe)
    feed = training_feed(data.train, model, recipe, Place(device=torch.device("cpu"), processes=processes))
    steps = [len(feed.plan((recipe.seed, epoch))) for epoch in range(recipe.epochs)]
    with torch.device("meta"):  # counted, not made
        parameters = Network(model, len(data.vocabulary)).parameters_count
    state, step = state_of(folder, recipe)
    return PlannedRun(
        folder=folder,
        parameters=parameters,
        records=len(data.train),
        epochs=recipe.epochs,
        steps_per_epoch=steps[0],
        steps=sum(steps),
        device=device.type,
        state=state,
        step=step,
    )


def state_of(folder: Path, recipe: TrainConfig) -> tuple[State, int]:
    """Return how far the run in a folder came, and its step; the same as for no folder when it never saved one."""
    path = folder / "checkpoints" / "last" / PROGRESS
    if not path.is_file():
        return ("begun" if (folder / RUN_CONFIG).is_file() else "new"), 0
    at = read_json(path)
    done = at.get("stopped") is True or int(at.get("epoch", 0)) >= recipe.epochs
    return ("finished" if done else "begun"), int(at.get("step", 0))
