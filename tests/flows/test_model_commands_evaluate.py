"""`pixelbytes evaluate`: whatever model, beside others, with what else is asked for; nothing measured twice or lost."""

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from huggingface_hub import HfApi

from flows import known_models
from flows.cli import run
from flows.hub_server.running import running_hub
from model.baseline_files import save_baseline
from model.baselines import fit_baselines
from model.batches import load_tokens
from model.model_card import export_model
from model.paper_protocol import PaperScores
from model.runs import evaluate_run
from pipeline.publishing.client import hub_client
from pipeline.publishing.folder_store import FolderStore
from pipeline.publishing.hub_repo import HubRepo
from pipeline.release import Release
from tests.exported import finished_run, published_release
from tests.on_hub import IGNORE_CLIENT

NAME = "tests/beasts"
FRESH = ["RepeatLast", "CopyAbove", "ModalityMode", "Bigram", "NGram5", "Counts2D"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with one published release, a finished run of it and a saved baseline."""
    root = tmp_path_factory.mktemp("data")
    release = published_release(root)
    finished_run(release, root / "runs")
    counted = fit_baselines(load_tokens(release, "train"), release.vocabulary)[-1]
    save_baseline(root / "counted", counted, release.vocabulary, release.version)
    return root


@pytest.fixture
def quick_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the paper's metrics, which take seconds a model."""
    scores = PaperScores(hamming=0.125, cosine=0.9, bleu=0.75, centre_accuracy=0.25)
    monkeypatch.setattr("model.judging.paper_scores", lambda *_: scores)


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy, times included."""
    return Path(shutil.copytree(made, tmp_path / "data", symlinks=True))


@pytest.fixture
def release(data: Path) -> Release:
    return FolderStore(data / "releases").open(NAME)


def run_of(data: Path) -> Path:
    (folder,) = (data / "runs").iterdir()
    return folder


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return found


def evaluated(data: Path, *arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["evaluate", *arguments, "--json", "--data", str(data)]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def names(evaluation: dict[str, Any]) -> list[str]:
    return [row["name"] for row in evaluation["models"]]


def test_a_run_s_table_tells_differences_with_their_intervals_and_chances(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = told(run_of(data))
    assert run(["evaluate", str(run_of(data)), "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "LSTM − Counts2D" in shown
    (pair,) = [pair for pair in before["paired"] if pair["b"] == "Counts2D"]
    assert f"{pair['difference_bits']:+,.1f}" in shown
    assert f"{pair['ci95'][0]:+,.0f} to {pair['ci95'][1]:+,.0f}" in shown
    assert f"{pair['p_value']:.2g}" in shown
    assert "the paper's metrics" not in shown
    assert told(run_of(data)) == before


@pytest.mark.usefixtures("quick_paper")
def test_what_is_asked_for_is_measured_kept_in_the_run_and_not_measured_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_of(data) / "evaluation.json"
    plain = told(run_of(data))
    found = evaluated(data, str(run_of(data)), "--validity", "3", "--memorisation", "2", capsys=capsys)
    assert found == told(run_of(data))
    (validity,), (memorisation,) = found["validity"], found["memorisation"]
    assert (validity["model"], validity["found"]["drawn"]) == ("LSTM", 3)
    assert (memorisation["model"], memorisation["found"]["sampled"]) == ("LSTM", 2)
    assert 0 <= memorisation["found"]["palette_distance"] <= 1
    assert found["weights"] == plain["weights"]
    for row, old in zip(found["models"], plain["models"], strict=True):
        assert row["bits_per_record"] == old["bits_per_record"]
    with_paper = evaluated(data, str(run_of(data)), "--paper", capsys=capsys)
    assert all(row["paper"] for row in with_paper["models"])
    assert with_paper["validity"] == found["validity"]  # what stood there is not lost
    before = path.stat().st_mtime_ns
    assert evaluated(data, str(run_of(data)), "--validity", "3", capsys=capsys) == with_paper
    assert evaluated(data, str(run_of(data)), capsys=capsys) == with_paper
    assert path.stat().st_mtime_ns == before


def test_other_weights_are_judged_anew_with_no_more_than_was_asked(data: Path, release: Release) -> None:
    folder = run_of(data)
    standing = told(folder)
    (folder / "evaluation.json").write_text(json.dumps(standing | {"weights": "0" * 64}))
    found = evaluate_run(release, folder)
    assert found.weights == standing["weights"]
    assert (found.validity, found.memorisation) == ((), ())


@pytest.mark.usefixtures("quick_paper")
def test_several_models_stand_side_by_side_each_with_a_name_of_its_own(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, before = run_of(data), told(run_of(data))
    beside = ["--beside", str(folder / "checkpoints" / "last"), "--beside", str(data / "counted")]
    found = evaluated(data, str(folder), *beside, "--paper", "--validity", "2", capsys=capsys)
    assert len(set(names(found))) == len(names(found)) == 3 + len(FRESH)
    assert names(found)[3:] == FRESH
    mark = folder.name.rsplit("-", 1)[-1]
    assert names(found)[:3] == [f"LSTM {mark}", f"LSTM {mark}/last", "Counts2D counted"]
    assert len(found["validity"]) == 2  # of networks
    by_name = {row["name"]: row for row in found["models"]}
    saved, fresh = by_name["Counts2D counted"], by_name["Counts2D"]
    assert saved["bits_per_record"] == fresh["bits_per_record"]
    pairs = {frozenset((pair["a"], pair["b"])) for pair in (*found["paired"], *found["other_pairs"])}
    assert len(pairs) == 9 * 8 // 2
    assert told(folder) == before
    (path,) = (data / "evaluations").iterdir()
    assert json.loads(path.read_text()) == found
    evaluated(data, str(folder), "--beside", str(data / "counted"), capsys=capsys)
    assert len(list((data / "evaluations").iterdir())) == 2


def test_a_saved_baseline_is_judged_and_does_not_draw(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = evaluated(data, str(data / "counted"), "--validity", "2", capsys=capsys)
    assert names(found) == ["Counts2D counted", *FRESH]
    assert found["validity"] == []
    assert sorted(path.name for path in (data / "counted").iterdir()) == ["config.json", "model.safetensors"]
    assert run(["generate", str(data / "counted"), "--data", str(data)]) == 2
    assert "which only counts" in " ".join(capsys.readouterr().err.split())


def test_a_checkpoint_keeps_its_evaluation_beside_its_weights(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = run_of(data) / "checkpoints" / "last"
    found = evaluated(data, str(last), capsys=capsys)
    (path,) = last.glob("evaluation-v1.0.0-*.json")
    assert json.loads(path.read_text()) == found


def test_an_exported_model_is_judged_as_its_run_and_its_folder_stays_as_it_is(
    data: Path, release: Release, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = export_model(run_of(data), tmp_path / "export", "org/model", release)
    before = sorted(path.name for path in made.folder.iterdir())
    found = evaluated(data, str(made.folder), capsys=capsys)
    assert found["weights"] == told(run_of(data))["weights"]
    assert found["models"][0]["bits_per_record"] == told(run_of(data))["models"][0]["bits_per_record"]
    assert sorted(path.name for path in made.folder.iterdir()) == before


@pytest.mark.usefixtures("quick_paper")
def test_figures_are_a_page_and_files_of_svg(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures"
    assert run(["evaluate", str(run_of(data)), "--paper", "--plots", str(out), "--data", str(data)]) == 0
    assert {path.name for path in out.iterdir()} == {
        "bits.svg", "hamming.svg", "cosine.svg", "bleu.svg", "evaluation.html",
    }  # fmt: skip
    for path in out.glob("*.svg"):
        root = ET.fromstring(path.read_text())  # noqa: S314 - our own
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "LSTM" in path.read_text()
    page = (out / "evaluation.html").read_text()
    assert '<section id="scores">' in page
    assert '<section id="paper">' in page
    assert "RNN, state 32" in page


def test_what_cannot_be_judged_ends_with_2_and_says_why(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(run_of(data))
    (tmp_path / "file").write_text("")
    cases: list[tuple[list[str], str]] = [
        ([str(tmp_path / "none")], "neither a checkpoint nor a run"),
        ([folder, "--beside", str(tmp_path / "none")], "neither a checkpoint nor a run"),
        ([folder, "--beside", f"{folder}/checkpoints/best"], "is given twice"),
        ([folder, "--validity", "-1"], "-1 records for validity"),
        ([folder, "--plots", str(tmp_path / "file")], "is a file: give a folder"),
        ([folder, f"{NAME}@v7.0.0"], "has no version 'v7.0.0'"),
    ]
    for arguments, message in cases:
        assert run(["evaluate", *arguments, "--data", str(data)]) == 2, arguments
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (data / "evaluations").exists()


@pytest.mark.slow
def test_the_paper_s_metrics_of_a_saved_baseline_are_those_of_a_fresh_one(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluated(data, str(data / "counted"), "--paper", capsys=capsys)
    by_name = {row["name"]: row for row in found["models"]}
    assert by_name["Counts2D counted"]["paper"] == by_name["Counts2D"]["paper"]
    assert 0 < by_name["Counts2D"]["paper"]["hamming"] < by_name["RepeatLast"]["paper"]["hamming"]


@pytest.mark.slow
@pytest.mark.filterwarnings(IGNORE_CLIENT)
def test_a_model_of_the_hub_is_judged(
    data: Path,
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = export_model(run_of(data), tmp_path / "export", "org/model", release)
    with running_hub(tmp_path / "hub") as hub:
        repo = HubRepo("org/model", "model", HfApi(endpoint=hub.endpoint, token=hub.token))
        commit = repo.commit(made.folder, repo.made(private=False).head, made.version)
        repo.tag(made.version, commit)
        monkeypatch.setattr(known_models, "hub_client", lambda: hub_client(hub.endpoint))
        found = evaluated(data, f"hub:org/model@{made.version}", "--beside", str(run_of(data)), capsys=capsys)
    assert names(found)[0] == f"LSTM org-model-{made.version}"
    assert found["models"][0]["bits_per_record"] == found["models"][1]["bits_per_record"]
