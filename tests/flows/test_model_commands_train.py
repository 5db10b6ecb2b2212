"""`pixelbytes train`: what would be trained, what is refused before anything starts, and going on with a run."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from flows import train_verbs
from flows.cli import app, run
from flows.torchrun import Together, train_together
from flows.train_verbs import Training
from flows.training_options import trained_preset
from model.checkpoint import load_checkpoint
from model.config import TrainConfig
from model.presets import preset_of
from model.runs import run_folder, train_run
from model.train import Progress
from model.training_run import describe_run
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from tests.exported import TINY, published_release
from tests.stripes import same_weights

NAME = "tests/beasts"
REF = f"{NAME}@v1.0.0"
CUDA = torch.cuda.is_available()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one published release, and one finished run of it."""
    root = tmp_path_factory.mktemp("data")
    release = published_release(root)
    train_run(release, root / "runs", TINY)
    return root


@pytest.fixture
def release(data: Path) -> Release:
    return FolderStore(data / "releases").open(NAME)


@pytest.fixture
def finished(data: Path) -> Path:
    (folder,) = (data / "runs").iterdir()
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Training]:
    """What would be trained, had the flow been started."""
    found: list[Training] = []

    def note(_root: object, _how: object, training: Training) -> Path:
        found.append(training)
        return training.folder

    monkeypatch.setattr(train_verbs, "_train", note)
    return found


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_a_dry_run_says_what_would_be_trained_and_makes_nothing(
    data: Path, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((data / "runs").rglob("*"))
    changes = ["--epochs", "3", "--seed", "4"]
    assert run(["train", REF, "--preset", "tiny", *changes, "--dry-run", "--json", "--data", str(data)]) == 0
    told = json.loads(capsys.readouterr().out)
    preset = trained_preset("tiny", None, 4, {"epochs": 3})
    assert told["folder"] == str(run_folder(release, data / "runs", preset))
    assert (told["state"], told["step"], told["device"], told["dataset"]) == ("new", 0, "cpu", REF)
    assert told["epochs"] == 3
    assert told["steps"] >= 3 * told["steps_per_epoch"] - 3 > 0
    assert sorted((data / "runs").rglob("*")) == before


def test_a_dry_run_of_a_run_that_is_there_says_how_far_it_came(
    data: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "--resume", str(finished), "--dry-run", "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "exists and is finished" in shown
    assert str(finished) in shown.replace("\n", "")


def test_a_changed_recipe_is_another_run(data: Path, asked: list[Training]) -> None:
    common = ["train", REF, "--preset", "tiny", "--data", str(data)]
    changes: list[list[str]] = [
        [], ["--mirror", "0.5"], ["--epochs", "5"], ["--patience", "2"], ["--device", "auto"], ["--seed", "1"],
    ]  # fmt: skip
    for change in changes:
        assert run([*common, *change]) == 0
    assert len({one.folder for one in asked}) == len(changes)
    plain = preset_of("tiny").train
    assert [one.recipe for one in asked[:2]] == [plain, TrainConfig.from_json(plain.to_json() | {"mirror": 0.5})]
    assert (asked[2].recipe.epochs, asked[3].recipe.patience, asked[4].recipe.device) == (5, 2, "auto")


def test_values_that_the_preset_has_anyway_are_the_same_run(data: Path, asked: list[Training]) -> None:
    own = preset_of("tiny").train
    for change in ([], ["--epochs", str(own.epochs)], ["--device", "cpu", "--no-bf16", "--no-compile"]):
        assert run(["train", REF, "--preset", "tiny", *change, "--data", str(data)]) == 0
    assert len({one.folder for one in asked}) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "name the DATASET to train on"),
        ([REF, "--epochs", "0"], "epochs is 0"),
        ([REF, "--mirror", "1.5"], "mirror is 1.5"),
        ([REF, "--patience", "0"], "patience is 0"),
        ([REF, "--seed", "-1"], "seed -1"),
        ([REF, "--core", "gru"], "core 'gru' is not known"),
        ([REF, "--device", "tpu"], "tpu"),
        (["--resume", "nowhere"], "has no config.json"),
        ([f"{NAME}@v3.0.0"], "has no version 'v3.0.0'"),
    ],
)
def test_what_cannot_be_trained_ends_with_2(
    data: Path, asked: list[Training], given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", *given, "--data", str(data)]) == 2
    assert message in said(capsys)
    assert asked == []


@pytest.mark.skipif(CUDA, reason="there is a GPU, which nothing is refused for want of")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--device", "cuda"], "device is 'cuda', but torch finds no CUDA device here"),
        (["--bf16"], "bf16 is on, but the run would compute on the CPU"),
        (["--compile"], "compiled is on, but the run would compute on the CPU"),
        (["--device", "auto", "--bf16"], "bf16 is on, but the run would compute on the CPU"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_needs_a_gpu_is_refused_without_one(
    *,
    data: Path,
    asked: list[Training],
    given: list[str],
    dry: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["train", REF, "--preset", "tiny", *given, *dry, "--data", str(data)]) == 2
    assert message in said(capsys)
    assert asked == []


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="needs a GPU")
def test_a_gpu_is_taken_with_half_precision_and_compilation(
    data: Path, capsys: pytest.CaptureFixture[str], asked: list[Training]
) -> None:
    on_gpu = ["--device", "cuda", "--bf16", "--compile"]
    assert run(["train", REF, "--preset", "tiny", *on_gpu, "--dry-run", "--json", "--data", str(data)]) == 0
    assert json.loads(capsys.readouterr().out)["device"] == "cuda"
    assert run(["train", REF, "--preset", "tiny", *on_gpu, "--data", str(data)]) == 0
    (training,) = asked
    assert (training.recipe.device, training.recipe.bf16, training.recipe.compiled) == ("cuda", True, True)


@pytest.mark.parametrize("named", [[], [REF]])
@pytest.mark.parametrize("place", [".", "checkpoints/best"])
def test_a_run_is_gone_on_with_by_its_own_recipe_and_release(
    data: Path, finished: Path, asked: list[Training], named: list[str], place: str
) -> None:
    described = describe_run(finished)
    same = ["--core", described.model.core, "--seed", "0", "--epochs", str(described.train.epochs)]
    assert run(["train", *named, "--resume", str(finished / place), *same, "--data", str(data)]) == 0
    (training,) = asked
    assert training.folder == finished
    assert (training.model, training.recipe) == (described.model, described.train)
    assert training.release.version.digest == described.dataset.digest


def test_a_run_finds_its_release_around_it_whatever_the_data_root(
    finished: Path, tmp_path: Path, asked: list[Training]
) -> None:
    assert run(["train", "--resume", str(finished), "--data", str(tmp_path)]) == 0
    assert asked[0].release.version.ref == REF


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--core", "mamba"], "--core is mamba, but"),
        (["--seed", "3"], "--seed is 3, but"),
        (["--preset", "tiny"], "leave --preset out"),
        (["--epochs", "9"], "--epochs is 9, but"),
        (["--bf16"], "--bf16 is True, but"),
        (["--compile"], "--compile is True, but"),
        (["--mirror", "0.5"], "--mirror is 0.5, but"),
    ],
)
def test_an_option_that_contradicts_the_run_is_refused(
    *,
    data: Path,
    finished: Path,
    asked: list[Training],
    given: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["train", "--resume", str(finished), *given, "--data", str(data)]) == 2
    assert message in said(capsys)
    assert asked == []


def test_another_dataset_than_the_run_s_own_is_refused(
    data: Path, finished: Path, tmp_path: Path, asked: list[Training], capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data / "releases" / NAME / "v1.0.0", other)
    Release.open(other).with_manifest(digest="0" * 64)
    assert run(["train", str(other), "--resume", str(finished), "--data", str(data)]) == 2
    assert "name the release that it was begun on" in said(capsys)
    assert asked == []


def test_a_run_of_one_process_is_not_gone_on_with_by_two(
    data: Path,
    finished: Path,
    asked: list[Training],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run(["train", "--resume", str(finished), "--data", str(data)]) == 2
    assert "is trained by 1 processes, not 2" in said(capsys)
    assert asked == []


def test_flow_parameters_make_the_preset_that_the_command_makes() -> None:
    assert trained_preset("tiny", None, 0) == preset_of("tiny")
    assert trained_preset("tiny", "mamba", 3, {"mirror": 0.5}).train.mirror == 0.5
    with pytest.raises(ValueError, match="epochs is '3'"):
        trained_preset("tiny", None, 0, {"epochs": "3"})
    with pytest.raises(ValueError, match="no field 'speed'"):
        trained_preset("tiny", None, 0, {"speed": 3})


@pytest.mark.slow
def test_a_stopped_run_says_how_to_go_on_and_ends_as_an_unbroken_one_with_its_page(data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "train"]
    env = os.environ | {"PIXELBYTES_DATA": str(tmp_path)}
    shutil.copytree(data / "releases", tmp_path / "releases", symlinks=True)
    arguments = [REF, "--preset", "tiny", "--epochs", "40"]
    first = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, env=env)
    until = time.monotonic() + 180
    while not list(tmp_path.glob("runs/*/checkpoints/last")):
        assert time.monotonic() < until, "no epoch was read"
        time.sleep(0.01)
    first.send_signal(signal.SIGTERM)
    _, errors = first.communicate(timeout=60)
    (folder,) = (tmp_path / "runs").iterdir()
    assert first.returncode == 1
    assert "stopped by SIGTERM" in errors
    assert f"pixelbytes train --resume {folder}" in errors
    assert "Traceback" not in errors
    assert not (folder / "report.html").exists()
    told = subprocess.run(
        [*command, "--resume", str(folder), "--json"], check=True, capture_output=True, text=True, env=env
    )
    assert json.loads(told.stdout)["run"] == str(folder)
    whole = train_run(
        FolderStore(data / "releases").open(NAME), tmp_path / "whole", trained_preset("tiny", None, 0, {"epochs": 40})
    )
    one, other = (load_checkpoint(place / "checkpoints" / "last")[0].state_dict() for place in (folder, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)
    evaluation: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    assert [one["found"]["drawn"] for one in evaluation["validity"]] == [64]
    assert [one["found"]["sampled"] for one in evaluation["memorisation"]] == [64]
    papers = {row["name"] for row in evaluation["models"] if row["paper"]}
    assert papers == {"LSTM", "Counts2D"}
    page = (folder / "report.html").read_text()
    for section in ("made", "scores", "paper", "drawn", "training"):
        assert f'<section id="{section}">' in page


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    shutil.copytree(data / "releases", tmp_path / "releases", symlinks=True)
    pid, terminal = pty.fork()
    if not pid:  # pragma: no cover - another process
        arguments = ["train", REF, "--preset", "tiny", "--epochs", "500", "--data", str(tmp_path)]
        os.execv(sys.executable, [sys.executable, "-m", "flows.cli", *arguments])  # noqa: S606 - our own
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if b"tokens/s" in shown and b"left" in shown and b"\x03" not in shown:
            os.write(terminal, b"\x03")
            shown += b"\x03"
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert b"stopped by SIGINT" in shown
    assert b"Traceback" not in shown


@pytest.mark.slow
def test_two_processes_of_torchrun_train_one_run(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "releases", tmp_path / "releases", symlinks=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "flows.cli", "train"]
    env = os.environ | {"PIXELBYTES_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, REF, "--preset", "tiny"], check=False, capture_output=True, text=True, env=env, timeout=400
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert describe_run(folder).processes == 2
    assert done.stdout.count("the page:") == 1
    assert (folder / "report.html").is_file()
    release, preset = FolderStore(data / "releases").open(NAME), preset_of("tiny")
    by_flow = run_folder(release, tmp_path / "flow", preset)  # the same, started by a flow
    train_together(release, by_flow, preset, Together(processes=2))
    assert by_flow.name == folder.name
    assert (by_flow / "config.json").read_bytes() == (folder / "config.json").read_bytes()
    assert same_weights(by_flow, folder)


def test_every_command_of_the_guide_is_one_that_the_command_line_understands() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 9
    for line in lines:
        words = shlex.split(line)
        start = words.index("pixelbytes") if "pixelbytes" in words else words.index("flows.cli")
        app.parse_args(words[start + 1 :], exit_on_error=False, print_error=False)


def test_progress_tells_loss_pace_and_the_time_left() -> None:
    from model.progress import describe

    at = Progress(
        step=100, steps=2_320, epoch=11, epochs=12, seconds=30.0, train_bits=5.0125, tokens_per_second=125_000.0,
        validation_bits=14_391.0, best_bits=14_391.0,
    )  # fmt: skip
    assert describe(at) == "epoch 12/12 · 5.013 bits/token · 125k tokens/s · 11 min left · best 14,391"
    assert len("━" * 7 + " " + describe(at)) <= 80 + 3
