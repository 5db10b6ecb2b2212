"""Several processes train one run from a flow: as by hand, and none of them outlives it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flows import torchrun
from flows.champion.asked import asked
from flows.champion.enthroning import Case
from flows.champion.reigning import Seat
from flows.champion.tasks import train_candidate
from flows.settings import DataRoot
from flows.torchrun import LOG, Together, train_together
from flows.training_options import trained_preset
from model.checkpoint import read_info
from model.runs import run_folder
from model.training_run import describe_run
from pipeline.release import Release
from tests.exported import published_release

NAME = "tests/beasts"
TWO = Together(processes=2)
LONG = {"epochs": 400, "batch_tokens": 2048}
AWAIT = 240  # seconds; a busy machine is slow
#: what a flow does, in a process that can be stopped or killed
FLOW = """
import sys
from pathlib import Path
from flows.torchrun import Together, train_together
from flows.training_options import trained_preset
from model.interrupts import TrainingStopped
from pipeline.release import Release
run, release = map(Path, sys.argv[1:])
try:
    train_together(Release.open(release), run, trained_preset("tiny", None, 0, RECIPE), Together(processes=2))
except TrainingStopped as stopped:
    sys.exit(str(stopped))
""".replace("RECIPE", repr(LONG))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return published_release(tmp_path_factory.mktemp("data"))


def processes_of(run: Path) -> list[int]:
    """Return the processes whose command line names a run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if str(run).encode() in words and str(os.getpid()) != path.parent.name:
            found.append(int(path.parent.name))
    return found


def awaited(what: str, true: Any) -> None:
    until = time.monotonic() + AWAIT
    while not true():
        assert time.monotonic() < until, f"never came: {what}"
        time.sleep(0.05)


def started(run: Path, release: Release) -> "subprocess.Popen[str]":
    """Start a flow's training, and come back once it has read an epoch."""
    command = [sys.executable, "-c", FLOW, str(run), str(release.folder)]
    flow = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    awaited("the first epoch", lambda: (run / "checkpoints" / "last").exists() or flow.poll() is not None)
    assert flow.poll() is None, flow.communicate()[1]
    assert len(processes_of(run)) >= 4  # the flow, torchrun, and two that train
    return flow


@pytest.mark.slow
def test_a_flow_that_is_stopped_keeps_the_state_and_stops_all(release: Release, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flow = started(run, release)
    flow.send_signal(signal.SIGTERM)
    _, said = flow.communicate(timeout=AWAIT)
    assert flow.returncode == 1
    assert "training was stopped by SIGTERM; its state is kept" in said
    assert "Traceback" not in said
    awaited("the end of all", lambda: not processes_of(run))
    kept = read_info(run / "checkpoints" / "last").step
    assert f"at step {kept} of" in (run / LOG).read_text()
    assert describe_run(run).processes == 2


@pytest.mark.slow
def test_nothing_is_left_running_after_a_kill_of_the_flow(release: Release, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flow = started(run, release)
    flow.kill()
    flow.communicate(timeout=AWAIT)
    awaited("the end of all", lambda: not processes_of(run))


@pytest.mark.slow
def test_nobody_goes_on_when_torchrun_itself_is_killed(release: Release, tmp_path: Path) -> None:
    run = tmp_path / "run"
    flow = started(run, release)
    own = [pid for pid in processes_of(run) if b"torch.distributed.run" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(own[0], signal.SIGKILL)
    _, said = flow.communicate(timeout=AWAIT)
    assert flow.returncode == 1
    assert "2 processes failed to train" in said
    awaited("the end of all", lambda: not processes_of(run))


@pytest.mark.slow
def test_a_failure_says_the_words_of_the_process_that_failed(release: Release, tmp_path: Path) -> None:
    preset = trained_preset("tiny", None, 0)
    run = run_folder(release, tmp_path, preset)
    (run / "checkpoints" / "last").mkdir(parents=True)  # of no training
    with pytest.raises(RuntimeError, match=r"2 processes failed to train .*: process \d failed: ") as caught:
        train_together(release, run, preset, TWO)
    assert str(run / LOG) in str(caught.value)


@pytest.mark.slow
def test_a_candidate_that_two_processes_began_is_gone_on_with_by_two(
    release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seat = Seat(root=DataRoot(tmp_path), repo_id=NAME)

    def trained(processes: int) -> Path:
        how = asked(("tiny",), 0, {"epochs": 1}, None, 0.0, processes)
        found: Path = train_candidate.fn(Case(seat=seat, release=release, store="", asked=how), how.presets[0])
        return found

    run = trained(2)
    assert describe_run(run).processes == 2
    best = (run / "checkpoints" / "best" / "model.safetensors").read_bytes()
    capsys.readouterr()
    assert trained(1) == run
    assert "was begun by 2 processes" in " ".join(capsys.readouterr().err.split())
    assert (run / "checkpoints" / "best" / "model.safetensors").read_bytes() == best


def test_hosts_and_where_they_meet_come_from_the_machine_s_environment(release: Release, tmp_path: Path) -> None:
    alone = Together.here(3, {})
    assert (alone, alone.all) == (Together(processes=3), 3)
    assert "--standalone" in alone.command(tmp_path, release)
    several = Together.here(4, {"PIXELBYTES_HOSTS": "2", "PIXELBYTES_RENDEZVOUS": "trainer-0.local:29400"})
    command = several.command(tmp_path / "run", release)
    assert several.all == 8
    assert command[command.index("--nnodes") + 1] == "2"
    assert command[command.index("--rdzv-endpoint") + 1] == "trainer-0.local:29400"
    assert command[-3:] == [str(tmp_path / "run"), str(release.folder), release.version.revision]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"PIXELBYTES_HOSTS": "two"}, "PIXELBYTES_HOSTS is 'two'"),
        ({"PIXELBYTES_HOSTS": "0"}, "give at least 1"),
        ({"PIXELBYTES_HOSTS": "2"}, "as host:port"),
        ({"PIXELBYTES_HOSTS": "2", "PIXELBYTES_RENDEZVOUS": "a;rm -r /:80"}, "as host:port"),
        ({"PIXELBYTES_HOSTS": "2", "PIXELBYTES_RENDEZVOUS": "--log-dir"}, "as host:port"),
    ],
)
def test_what_cannot_be_a_host_is_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Together.here(1, environment)


def test_a_run_of_one_process_is_not_gone_on_with_by_two(release: Release, tmp_path: Path) -> None:
    preset = trained_preset("tiny", None, 0)
    alone = run_folder(release, tmp_path, preset)
    torchrun.claim(
        alone, torchrun.RunDescription(model=preset.model, train=preset.train, dataset=release.version, processes=1)
    )
    with pytest.raises(ValueError, match="another processes"):
        train_together(release, alone, preset, TWO)


def test_secrets_do_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("HF_TOKEN", "PREFECT_API_KEY", "PIXELBYTES_NOTICE_URL", "SOME_PASSWORD", "PREFECT_API_AUTH_STRING")
    for name in (*secrets, "PREFECT_SERVER_DATABASE_CONNECTION_URL"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    passed = torchrun._environment()
    assert "hidden" not in passed.values()
    assert passed["CUDA_VISIBLE_DEVICES"] == "1"
    assert passed["OMP_NUM_THREADS"] == "1"


def test_of_a_log_without_last_words_the_end_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    old = "process 0 failed: of another day\n"
    log.write_text(old)
    assert torchrun._why(log, len(old)) == "it said nothing"
    log.write_text(old + "".join(f"line {number}\n" for number in range(5_000)))
    told = torchrun._why(log, len(old))
    assert told.endswith("line 4998 | line 4999")
    assert told.count("|") == 11
