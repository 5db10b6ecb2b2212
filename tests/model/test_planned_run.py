"""A plan says what the training then is, and how far it came; it makes nothing."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from model.checkpoint import load_checkpoint
from model.config import TrainConfig
from model.planned_run import plan_run, state_of
from model.train import Progress, TrainingStopped, train
from tests.stripes import MODEL, RECIPE, recipe, stripes_data, train_until

FOLDED = {"targets": "last", "text_first": 0.0, "sequence": 24, "stride": 40, "batch_sequences": 4}


@pytest.mark.parametrize("config", [RECIPE, recipe(**FOLDED), recipe(mirror=0.5, batch_tokens=900)])
def test_a_plan_is_what_the_training_then_does(tmp_path: Path, config: TrainConfig) -> None:
    folder, seen = tmp_path / "run", list[Progress]()
    plan = plan_run(stripes_data(), MODEL, config, folder)
    assert not folder.exists()
    train(stripes_data(), MODEL, config, folder, seen.append)
    assert (seen[-1].steps, seen[-1].step) == (plan.steps, plan.steps)
    assert max(one.step for one in seen if one.epoch == 0) == plan.steps_per_epoch
    assert load_checkpoint(folder / "checkpoints" / "best")[0].parameters_count == plan.parameters
    assert (plan.state, plan.step, plan.records, plan.device) == ("new", 0, 40, "cpu")
    after = plan_run(stripes_data(), MODEL, config, folder)
    assert after == replace(plan, state="finished", step=plan.steps)


def test_twice_the_processes_take_about_half_the_steps() -> None:
    alone, two = (plan_run(stripes_data(), MODEL, RECIPE, Path("none"), processes) for processes in (1, 2))
    assert alone.steps / 2 <= two.steps < alone.steps


def test_a_run_that_was_killed_stands_where_it_was_saved_last(tmp_path: Path) -> None:
    train_until(4, recipe(checkpoint_seconds=1e-9), tmp_path)
    state, step = state_of(tmp_path, RECIPE)
    assert state == "begun"
    assert 0 < step <= 4
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")  # killed before anything was saved
    assert state_of(tmp_path / "other", RECIPE) == ("begun", 0)
    assert state_of(tmp_path / "none", RECIPE) == ("new", 0)


def test_a_run_that_ran_out_of_patience_is_finished(tmp_path: Path) -> None:
    config = recipe(epochs=60, patience=1, learning_rate=0.5)
    train(stripes_data(), MODEL, config, tmp_path)
    state, step = state_of(tmp_path, config)
    assert state == "finished"
    assert step < plan_run(stripes_data(), MODEL, config, Path("none")).steps


def test_what_cannot_be_trained_is_not_planned() -> None:
    with pytest.raises(ValueError, match="has seen every target"):
        plan_run(stripes_data(), replace(MODEL, bidirectional=True), RECIPE, Path("none"))


def test_the_message_of_a_stopped_run_is_a_command_that_goes_on(tmp_path: Path) -> None:

    def stop(at: Progress) -> None:
        if at.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(TrainingStopped, match=f"`pixelbytes train --resume {tmp_path}`"):
        train(stripes_data(), MODEL, RECIPE, tmp_path, stop)
    assert state_of(tmp_path, RECIPE) == ("begun", 2)
