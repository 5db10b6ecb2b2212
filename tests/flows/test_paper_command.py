"""`pixelbytes reproduce`: a plan, a run of some variants, a kill and on again, and what it refuses."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flows.cli import app, run
from flows.errors import UsageError
from flows.paper_verbs import ReproduceOptions, reproduce
from flows.settings import data_root
from model.network import Network
from model.presets import PRESETS, paper_presets
from model.published import PARAMETERS
from model.reproduction import REPRODUCTION, read_reproduction
from palettes.vocabulary import Vocabulary
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.folder_store import FolderStore
from tests.raw_stores import creatures, make_store, sample_source

ROOT = Path(__file__).parents[2]
NAME = "pixelbytes/sample"
SMALLEST = ("rnn-n32", "rnn-1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one published release; its card has no plots, which take seconds to draw."""
    root = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {"nothing.png": b"a picture"})
        store = make_store(root / "raw" / "sample", creatures(40))
        built = build(sample_source(), store, root / "builds" / NAME, name=NAME)
        FolderStore(root / "releases").publish(built.with_manifest(gates=check(built)))
    return root


def only_folder(data: Path, epochs: int, seed: int = 0) -> Path:
    (folder,) = (data / "reproductions").glob(f"pixelbytes-sample-v1.0.0-e{epochs}-s{seed}-*")
    return folder


def test_a_dry_run_tells_what_each_variant_takes_and_leaves_nothing(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reproduce", NAME, "--dry-run", "--epochs", "7", "--only", "rnn-n32", "--data", str(data)]) == 0
    told = capsys.readouterr().out
    assert "41,789" in told
    assert "nothing was trained" in told
    assert run(["reproduce", NAME, "--dry-run", "--only", "rnn-1", "--data", str(data), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    (one,) = plan["variants"]
    assert (one["preset"], one["epochs"], one["steps"]) == ("paper/rnn-1", 200, 200 * one["steps_per_epoch"])
    assert one["seconds"] > 0
    assert plan["finished"] == []
    assert not (data / "reproductions").exists()


@pytest.mark.parametrize("variants", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_variants_are_trained_judged_and_shown_and_a_second_call_trains_nothing(
    data: Path, variants: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if variants == 1:  # in seconds: a sequence from every 512th token
        for name, preset in PRESETS.items():
            if preset.is_papers:
                monkeypatch.setitem(PRESETS, name, replace(preset, train=replace(preset.train, stride=512)))
    command = ["reproduce", NAME, "--epochs", str(variants), "--only", *SMALLEST[:variants], "--data", str(data)]
    assert run(command) == 0
    told = capsys.readouterr().out
    folder = only_folder(data, variants)
    assert f"the page: {folder / 'reproduction.html'}" in told
    assert all(name in told for name in ("RNN, state 32", "attention, 2 layers", "Counts2D", "CopyAbove", "not round"))
    assert "…" not in told
    found = read_reproduction(folder / REPRODUCTION)
    assert [one.preset for one in found.variants] == [f"paper/{name}" for name in SMALLEST[:variants]]
    assert found.dataset.split == "test"
    assert "RNN, state 32" in (folder / "reproduction.html").read_text(encoding="utf-8")
    weights = {path: path.read_bytes() for path in (folder / "runs").glob("*/checkpoints/*/model.safetensors")}
    assert len(weights) == 2 * variants
    assert run([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["page"] == str(folder / "reproduction.html")
    assert [one["seconds"] for one in again["variants"]] == [one.seconds for one in found.variants]
    assert weights == {path: path.read_bytes() for path in weights}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "small"], "the paper's table has no row 'small': choose of ssm-1, ssm-2"),
        (["--epochs", "0"], "epochs is 0: it must be 1 or more"),
        (["--seed", "-1"], "seed -1: neither may be negative"),
    ],
)
def test_what_cannot_be_reproduced_ends_with_2_before_a_release_is_opened(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reproduce", NAME, *arguments, "--data", str(tmp_path)]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_release_that_is_not_there_or_was_never_published_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reproduce", f"{NAME}@v9.0.0", "--data", str(data)]) == 2
    assert "has no version 'v9.0.0'" in " ".join(capsys.readouterr().err.split())
    root = data_root(data)
    with pytest.raises(UsageError, match="was never published"):
        reproduce(root, str(root.built(NAME)), ReproduceOptions(epochs=1), as_json=False)


def test_the_command_teaches_by_an_example_and_says_how_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reproduce", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Example: pixelbytes reproduce pixelbytes/sample@v1.0.0 --dry-run" in told
    assert "days on a CPU" in told.replace("│ │", "").replace("  ", " ")


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 1)])
def test_killed_at_any_moment_the_same_command_goes_on(data: Path, sign: signal.Signals, code: int) -> None:
    epochs, seed = 4, int(sign)
    command = [
        "reproduce",
        NAME,
        "--epochs",
        str(epochs),
        "--seed",
        str(seed),
        "--only",
        "rnn-n32",
        "--data",
        str(data),
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-m", "flows.cli", *command], env=env, stderr=subprocess.PIPE) as child:
        deadline = time.monotonic() + 120
        while not list((data / "reproductions").glob(f"*-e4-s{seed}-*/runs/rnn-n32/checkpoints/last/training.json")):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        child.send_signal(sign)
        assert child.wait(60) == code
    run_of = only_folder(data, epochs, seed) / "runs" / "rnn-n32"
    before = json.loads((run_of / "checkpoints" / "last" / "training.json").read_text())["step"]
    assert before > 0
    assert run(command) == 0
    after = json.loads((run_of / "checkpoints" / "last" / "training.json").read_text())
    assert after["epoch"] == epochs
    assert after["step"] > before
    lines = [json.loads(line)["epoch"] for line in (run_of / "log.jsonl").read_text().splitlines()]
    assert lines == sorted(set(lines))


def test_the_guide_names_every_variant_and_its_commands_are_understood() -> None:
    guide = (ROOT / "docs" / "reproducing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:ssm|attention|rnn)[\w-]*)`", guide))
    assert named == {preset.name.removeprefix("paper/") for preset in paper_presets()}
    lines = [line for block in re.findall(r"```sh\n(.*?)```", guide, re.DOTALL) for line in block.splitlines()]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "pixelbytes"
        app.parse_args(words[1:], exit_on_error=False, print_error=False)
    assert all(f"{size:,}" in guide for size in PARAMETERS)
    sizes = [Network(preset.model, len(Vocabulary())).parameters_count for preset in paper_presets()]
    assert f"{min(sizes):,}–{max(sizes):,}" in guide
