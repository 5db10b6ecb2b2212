import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.checkpoint import read_info
from model.history import read_history
from model.parallel import Processes, local_rank
from tests.one_training import STOPPED
from tests.stripes import log_of, same_weights

CPU = torch.device("cpu")
ALONE = [sys.executable, "-m"]
TOGETHER = [*ALONE, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]  # the port is a free one


def run(command: list[str], folder: Path, **changes: object) -> subprocess.CompletedProcess[str]:
    said = json.dumps(changes)
    command = [*command, "tests.one_training", str(folder), said]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def losses(done: subprocess.CompletedProcess[str]) -> list[float]:
    """Return what was told after each step: by the first process alone."""
    assert done.returncode == 0, done.stderr
    return [float(line.split()[1]) for line in done.stdout.splitlines()]


def test_shares_are_all_of_a_batch_and_nobodys_twice() -> None:
    shares = [Processes(rank=rank, size=3, device=CPU).share(range(8)) for rank in range(3)]
    assert sorted(one for share in shares for one in share) == list(range(8))
    assert [len(share) for share in shares] == [3, 3, 2]


def test_one_process_alone_needs_nobody() -> None:
    alone = Processes(device=CPU)
    assert alone.leads
    assert alone.sums([1.5, 2.0]) == [1.5, 2.0]
    assert alone.anyone(*(one > 1 for one in (1, 2))) == [False, True]
    assert local_rank() == 0
    with pytest.raises(KeyError):
        alone.first_does(lambda: {}["nothing"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ways", "batch"),
    [
        ({}, "batch_tokens"),
        ({"targets": "last", "text_first": 0.0, "sequence": 24, "stride": 9}, "batch_sequences"),
    ],
)
def test_two_processes_have_the_losses_of_one_with_the_doubled_batch(
    tmp_path: Path, ways: dict[str, object], batch: str
) -> None:
    size = {"batch_tokens": 150, "batch_sequences": 5}[batch]  # some batches hold fewer records than processes
    two = run(TOGETHER, tmp_path / "two", **ways, **{batch: size})
    one = run(ALONE, tmp_path / "one", **ways, **{batch: 2 * size})
    assert losses(two) == pytest.approx(losses(one), rel=2e-5)
    bits = [[line["validation_bits"] for line in log_of(tmp_path / name)] for name in ("two", "one")]
    assert bits[0] == pytest.approx(bits[1], rel=2e-5)
    tokens = [[line["tokens"] for line in log_of(tmp_path / name)] for name in ("two", "one")]
    assert tokens[0] == tokens[1]


@pytest.mark.slow
def test_two_processes_that_are_stopped_go_on_to_the_same_losses_and_one_alone_is_refused(tmp_path: Path) -> None:
    assert run(TOGETHER, tmp_path / "whole").returncode == 0
    stopped = run(TOGETHER, tmp_path / "pieces", stop_at=7)
    assert stopped.returncode != 0
    assert "training was stopped by SIGTERM at step 7" in stopped.stderr
    assert f"exitcode  : {STOPPED}" in stopped.stderr
    assert read_info(tmp_path / "pieces" / "checkpoints" / "last").step == 7
    refused = run(ALONE, tmp_path / "pieces")
    assert "holds a run with another processes" in refused.stderr
    assert run(TOGETHER, tmp_path / "pieces").returncode == 0
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "pieces")
    assert same_weights(tmp_path / "whole", tmp_path / "pieces")
    steps = [(one.step, one.evaluations) for one in read_history(tmp_path / "pieces")]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_what_stops_the_first_process_stops_all(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    done = run(TOGETHER, tmp_path)
    assert done.returncode != 0
    assert "the first process gave up: ValueError" in done.stderr
