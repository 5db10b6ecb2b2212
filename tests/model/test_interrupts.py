import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from model.interrupts import TrainingStopped, stop_requests
from model.train import Progress, train
from tests.one_training import STOPPED
from tests.stripes import MODEL, log_of, recipe, same_weights, stripes_data


def start(folder: Path, **changes: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.one_training", str(folder), json.dumps(changes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def blow_at(child: subprocess.Popen[str], step: int, number: int) -> tuple[int, str]:
    """Send a signal once a step is told; return the exit status and what was said."""
    assert child.stdout is not None
    for line in child.stdout:
        if int(line.split()[0]) >= step:
            child.send_signal(number)
            break
    _, said = child.communicate(timeout=120)
    return child.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_the_step_being_done_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    config = recipe(checkpoint_seconds=1e9)  # only the signal keeps a state inside an epoch

    def kill(at: Progress) -> None:
        if at.step == 7:
            os.kill(os.getpid(), number)

    train(stripes_data(), MODEL, config, whole)
    with pytest.raises(TrainingStopped, match=rf"was stopped by {number.name} at step 7 of 15; its state is kept in"):
        train(stripes_data(), MODEL, config, pieces, kill)
    seen: list[int] = []
    train(stripes_data(), MODEL, config, pieces, lambda at: seen.append(at.step))
    assert seen[0] == 8
    assert log_of(whole) == log_of(pieces)
    assert same_weights(whole, pieces)


def test_a_second_signal_does_what_it_did_before() -> None:
    with stop_requests() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.name == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_given_back_and_other_threads_change_none() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_requests():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    seen: list[object] = []

    def elsewhere() -> None:
        with stop_requests() as request:
            seen.extend([signal.getsignal(signal.SIGTERM), request.wanted])

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before, False]


@pytest.mark.slow
def test_a_process_that_is_stopped_and_killed_again_and_again_ends_like_an_unbroken_one(tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert blow_at(start(whole, epochs=12), 10**9, signal.SIGTERM)[0] == 0
    often = {"epochs": 12, "checkpoint_seconds": 1e-9}
    for step, number, status in ((9, signal.SIGKILL, -9), (22, signal.SIGTERM, STOPPED), (37, signal.SIGINT, STOPPED)):
        found, said = blow_at(start(pieces, **often), step, number)
        assert found == status, said
        assert (status != STOPPED) or f"was stopped by {number.name}" in said
    assert blow_at(start(pieces, **often), 10**9, signal.SIGTERM)[0] == 0
    assert log_of(whole) == log_of(pieces)
    assert same_weights(whole, pieces)
