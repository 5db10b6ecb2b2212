import fcntl
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from model.batches import BatchReader
from model.checkpoint import load_checkpoint, read_info
from model.config import ModelConfig, TrainConfig
from model.network import Network, NetworkModel
from model.objective import BITS, learning_rate, validation_bits
from model.progress import progress_bar
from model.train import Progress, TrainData, train
from tests.stripes import (
    DATASET,
    MODEL,
    RECIPE,
    VOCABULARY,
    Enough,
    log_of,
    recipe,
    stripes,
    stripes_data,
    weights_of,
)

OFTEN = recipe(checkpoint_seconds=1e-9)  # a state after each step


@pytest.fixture(scope="module")
def data() -> TrainData:
    return stripes_data()


def train_in_pieces(data: TrainData, config: TrainConfig, folder: Path, stops: list[int]) -> None:
    for stop in stops:

        def kill(at: Progress, stop: int = stop) -> None:
            if at.step >= stop:
                raise Enough

        with pytest.raises(Enough):
            train(data, MODEL, config, folder, kill)
    train(data, MODEL, config, folder)


@pytest.mark.parametrize("between", [1e-9, 1e9])
def test_a_run_that_was_killed_and_resumed_equals_an_unbroken_one(
    data: TrainData, tmp_path: Path, between: float
) -> None:
    config = recipe(checkpoint_seconds=between)
    train(data, MODEL, config, tmp_path / "whole")
    steps = int(log_of(tmp_path / "whole")[-1]["step"])
    train_in_pieces(data, config, tmp_path / "pieces", [2, steps // 2, steps // 2 + 2, steps])
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "pieces")
    for name in ("best", "last"):
        whole, pieces = weights_of(tmp_path / "whole", name), weights_of(tmp_path / "pieces", name)
        assert all(torch.equal(whole[key], pieces[key]) for key in whole)


def run_until(data: TrainData, folder: Path, stop: int) -> None:
    """Train with a state saved after each step, and die at step `stop`."""

    def kill(at: Progress) -> None:
        if at.step >= stop:
            raise Enough

    with pytest.raises(Enough):
        train(data, MODEL, OFTEN, folder, kill)


@pytest.mark.parametrize("lost", [["last"], ["best", "last"]])
def test_a_kill_between_the_renames_of_a_swap_costs_no_step(data: TrainData, tmp_path: Path, lost: list[str]) -> None:
    train(data, MODEL, OFTEN, tmp_path / "whole")
    pieces = tmp_path / "pieces"
    steps = int(log_of(tmp_path / "whole")[-1]["step"])
    run_until(data, pieces, steps - 2)
    saved = int(read_info(pieces / "checkpoints" / "last").step)
    for name in lost:
        place = pieces / "checkpoints" / name
        place.rename(place.with_name(f".{name}.old"))
        place.with_name(f".{name}.new").mkdir()
    seen: list[int] = []
    train(data, MODEL, OFTEN, pieces, lambda at: seen.append(at.step))
    assert saved == steps - 3
    assert seen[0] == saved + 1
    assert log_of(tmp_path / "whole") == log_of(pieces)
    assert sorted(path.name for path in (pieces / "checkpoints").iterdir()) == ["best", "last"]
    for name in ("best", "last"):
        whole, resumed = weights_of(tmp_path / "whole", name), weights_of(pieces, name)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_the_best_network_survives_a_kill_in_its_swap_when_the_run_was_finished(
    data: TrainData, tmp_path: Path
) -> None:
    first = train(data, MODEL, RECIPE, tmp_path)
    best = tmp_path / "checkpoints" / "best"
    best.rename(best.with_name(".best.old"))
    lines = log_of(tmp_path)
    assert train(data, MODEL, RECIPE, tmp_path).step == first.step
    assert best.exists()
    assert log_of(tmp_path) == lines


def test_lines_of_a_run_that_died_before_its_first_state_are_not_kept(data: TrainData, tmp_path: Path) -> None:
    seldom = recipe(checkpoint_seconds=1e9)
    train(data, MODEL, seldom, tmp_path / "whole")

    def kill(at: Progress) -> None:
        if at.validation_bits is not None:  # evaluated, logged, not yet saved
            raise Enough

    pieces = tmp_path / "pieces"
    with pytest.raises(Enough):
        train(data, MODEL, seldom, pieces, kill)
    assert len(log_of(pieces)) == 1
    assert not (pieces / "checkpoints" / "last").exists()
    train(data, MODEL, seldom, pieces)
    assert log_of(tmp_path / "whole") == log_of(pieces)


def test_a_folder_in_which_another_process_trains_is_refused_and_left_alone(data: TrainData, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RuntimeError, match=r"another process is training in .*: let it finish, then run again\."):
            train(data, MODEL, RECIPE, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert train(data, MODEL, RECIPE, tmp_path).step > 0


def test_a_training_holds_its_folder_from_the_first_step_to_the_last(data: TrainData, tmp_path: Path) -> None:
    def again(_: Progress) -> None:
        train(data, MODEL, RECIPE, tmp_path)

    with pytest.raises(RuntimeError, match="another process is training in"):
        train(data, MODEL, RECIPE, tmp_path, again)
    train(data, MODEL, RECIPE, tmp_path)  # free again, though the first one failed


def test_training_learns_and_keeps_the_best(data: TrainData, tmp_path: Path) -> None:
    info = train(data, MODEL, TrainConfig(epochs=12, batch_tokens=400, learning_rate=1e-2), tmp_path)
    lines = log_of(tmp_path)
    bits = [line["validation_bits"] for line in lines]
    assert bits[-1] < 0.8 * bits[0]
    assert info.validation_bits == min(bits)
    assert info.step == lines[bits.index(min(bits))]["step"]
    network, _ = load_checkpoint(tmp_path / "checkpoints" / "best", VOCABULARY)
    assert validation_bits(network, BatchReader(data.validation, MODEL)) == pytest.approx(min(bits), rel=1e-6)
    described = json.loads((tmp_path / "config.json").read_text())
    assert described["dataset"]["ref"] == "tests/stripes@v1.0.0"
    assert list(lines[0]) == ["step", "epoch", "train_bits", "validation_bits", "tokens"]


def test_validation_bits_are_the_mean_cost_of_a_record(data: TrainData) -> None:
    torch.manual_seed(0)
    network = Network(MODEL, len(VOCABULARY))
    rows = [data.validation.record(i) for i in range(len(data.validation))]
    costs = [
        -p[np.arange(len(r)), r].sum() for r, p in zip(rows, NetworkModel(network).batch_log_probs(rows), strict=True)
    ]
    measured = validation_bits(network, BatchReader(data.validation, MODEL), batch_tokens=90)
    assert measured == pytest.approx(float(np.mean(costs)) * BITS, rel=1e-5)


def test_the_learning_rate_warms_up_then_falls_along_a_cosine() -> None:
    config = TrainConfig(learning_rate=1.0, warm_up=0.1, final_share=0.1)
    rates = [learning_rate(config, step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == max(rates) == 1.0
    assert rates[55] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert np.all(np.diff(rates[10:]) < 0)


def test_a_finished_run_is_not_trained_again(data: TrainData, tmp_path: Path) -> None:
    first = train(data, MODEL, RECIPE, tmp_path)
    calls: list[Progress] = []
    assert train(data, MODEL, RECIPE, tmp_path, calls.append).step == first.step
    assert not calls


def test_a_folder_with_another_run_is_refused(data: TrainData, tmp_path: Path) -> None:
    train(data, MODEL, TrainConfig(epochs=1), tmp_path)
    with pytest.raises(ValueError, match="holds a run with another train"):
        train(data, MODEL, TrainConfig(epochs=2), tmp_path)


def test_patience_ends_a_run_that_no_longer_gets_better(data: TrainData, tmp_path: Path) -> None:
    config = TrainConfig(epochs=40, batch_tokens=400, learning_rate=1e-9, final_share=1.0, patience=2, warm_up=0.0)
    blind = TrainData(train=data.train, validation=stripes(2, 9), vocabulary=VOCABULARY, dataset=DATASET)
    train(blind, ModelConfig(d_model=8, d_state=4, k=1), config, tmp_path)
    bits = [line["validation_bits"] for line in log_of(tmp_path)]
    assert len(bits) - 1 - bits.index(min(bits)) == 2 or len(bits) == 40


def test_a_budget_of_seconds_ends_a_run_with_a_checkpoint(data: TrainData, tmp_path: Path) -> None:
    calls: list[Progress] = []
    info = train(data, MODEL, TrainConfig(epochs=50, batch_tokens=400, seconds=1e-6), tmp_path, calls.append)
    assert info.step == 1
    assert calls[-1].validation_bits == info.validation_bits


def test_the_bar_shows_a_run_without_breaking(data: TrainData, tmp_path: Path) -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    with progress_bar(console) as show:
        train(data, MODEL, TrainConfig(epochs=1), tmp_path / "run", show)
    assert "bits/token" in console.export_text()
