"""How long a training takes on this machine, by a few of its steps: nothing is written."""

import statistics
import time

import torch

from model.devices import Engine, device_of
from model.feeds import Place, training_feed, validation_feed
from model.network import Network
from model.objective import loss_of, nats_of
from model.presets import Preset
from model.reproduction import Pace
from model.train import TrainData

MEASURED_STEPS = 3  # after one that warms up


def measured_pace(data: TrainData, preset: Preset) -> Pace:
    """Return what a variant takes on this machine as it is now; ValueError when the recipe's device is not here."""
    recipe, device = preset.train, device_of(preset.train)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    network = Network(preset.model, len(data.vocabulary))
    engine, place = Engine.of(network, recipe, device), Place(device=device)
    feed = training_feed(data.train, preset.model, recipe, place)
    held_out = validation_feed(data.validation, preset.model, recipe, place)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate)
    plan, checks = feed.plan((recipe.seed, 0)), held_out.plan((0,))
    seconds = []
    for members in plan[: MEASURED_STEPS + 1]:
        began = time.perf_counter()
        batch = feed.batch(members)
        optimizer.zero_grad()
        (loss_of(engine.logits(batch.windows), batch) / batch.tokens).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        _wait(device)
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    nats_of(network, held_out, checks[:1])
    _wait(device)
    evaluation = (time.perf_counter() - began) * len(checks)
    return Pace(
        preset=preset.name,
        parameters=network.parameters_count,
        epochs=recipe.epochs,
        steps_per_epoch=len(plan),
        step_seconds=statistics.median(seconds[1:] or seconds),
        evaluation_seconds=evaluation,
        evaluations=-(-recipe.epochs // recipe.evaluate_every),
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
